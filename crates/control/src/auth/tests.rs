//! Facts about who may ask.

use super::*;

struct House {
    _dir: tempfile::TempDir,
    auth: Auth,
    stop: CancellationToken,
    task: tokio::task::JoinSet<()>,
}

async fn house() -> House {
    let dir = tempfile::tempdir().unwrap();
    let (auth, stop, task) = open(dir.path()).await;
    House { _dir: dir, auth, stop, task }
}

async fn open(dir: &std::path::Path) -> (Auth, CancellationToken, tokio::task::JoinSet<()>) {
    let (file, book) = AuthFile::open(dir.to_owned()).await.unwrap();
    let (owner, auth) = AuthOwner::new(file, book, StoreHealth::good());
    let (stop, mut task) = (CancellationToken::new(), tokio::task::JoinSet::new());
    task.spawn(owner.run(stop.clone()));
    (auth, stop, task)
}

fn me(tier: Tier) -> Who {
    Who::of_this_process("me", tier)
}

fn owner() -> Who {
    Who::of_this_process("owner", Tier::Owner)
}

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_login_link_opens_one_session_also_when_used_twice_at_once() {
    let h = house().await;
    let link = h.auth.mint_login(&owner(), Tier::Owner, HOUR).await.unwrap();
    let (a, b) = tokio::join!(h.auth.login(&link.secret), h.auth.login(&link.secret));
    assert_eq!(a.is_ok() as u8 + b.is_ok() as u8, 1);
    let session = a.or(b).unwrap();
    assert_eq!(h.auth.session(&session.secret).unwrap().tier, Tier::Owner);
    h.auth.end(&session.who.proof).await.unwrap();
    assert!(h.auth.session(&session.secret).is_err());
}

#[tokio::test]
async fn sessions_and_tokens_survive_a_restart_and_no_secret_is_on_disk() {
    let mut h = house().await;
    let link = h.auth.mint_login(&owner(), Tier::Owner, HOUR).await.unwrap();
    let session = h.auth.login(&link.secret).await.unwrap();
    let token = h.auth.create_token(&me(Tier::Admin), "ci", Tier::Viewer, HOUR).await.unwrap();
    h.stop.cancel();
    h.task.join_next().await;
    let text = std::fs::read_to_string(h._dir.path().join("auth.json")).unwrap();
    for secret in [&link.secret, &session.secret, &token.secret] {
        assert!(!text.contains(secret.expose_secret()));
    }
    let (auth, _stop, _task) = open(h._dir.path()).await;
    assert_eq!(auth.session(&session.secret).unwrap().subject, "owner");
    assert_eq!(auth.bearer(&token.secret).unwrap().tier, Tier::Viewer);
    assert!(auth.login(&link.secret).await.is_err(), "a used link stays used");
}

#[tokio::test]
async fn expired_is_as_good_as_never_there() {
    let h = house().await;
    let link = h.auth.mint_login(&owner(), Tier::Owner, Duration::ZERO).await.unwrap();
    assert!(h.auth.login(&link.secret).await.is_err());
    let unknown = SecretString::from("cat_00");
    assert_eq!(h.auth.bearer(&unknown).unwrap_err().trouble().problem, &Problem::UNAUTHENTICATED);
}

#[tokio::test]
async fn a_token_is_never_stronger_than_its_maker_and_can_be_revoked() {
    let h = house().await;
    let refused = h.auth.create_token(&me(Tier::Operator), "x", Tier::Admin, HOUR).await;
    assert_eq!(refused.unwrap_err().trouble().problem, &Problem::TIER_ABOVE_OWN);
    let refused = h.auth.create_token(&me(Tier::Owner), "x", Tier::Admin, Duration::ZERO).await;
    assert_eq!(refused.unwrap_err().trouble().problem, &Problem::TTL_INVALID);
    let token = h.auth.create_token(&me(Tier::Owner), "x", Tier::Owner, HOUR).await.unwrap();
    let me = me(Tier::Viewer);
    assert_eq!(h.auth.tokens(&me), std::slice::from_ref(&token.info));
    h.auth.revoke_token(&me, &token.info.id).await.unwrap();
    assert!(h.auth.bearer(&token.secret).is_err());
    assert!(h.auth.revoke_token(&me, &token.info.id).await.is_err());
}

#[tokio::test]
async fn somebody_elses_token_is_seen_and_revoked_by_an_admin_alone() {
    let h = house().await;
    let token = h.auth.create_token(&owner(), "x", Tier::Viewer, HOUR).await.unwrap();
    assert!(h.auth.tokens(&me(Tier::Operator)).is_empty());
    let refused = h.auth.revoke_token(&me(Tier::Operator), &token.info.id).await;
    assert_eq!(refused.unwrap_err().trouble().problem, &Problem::TOKEN_UNKNOWN);
    assert_eq!(h.auth.tokens(&me(Tier::Admin)), std::slice::from_ref(&token.info));
    h.auth.revoke_token(&me(Tier::Admin), &token.info.id).await.unwrap();
    assert!(h.auth.bearer(&token.secret).is_err());
}

#[tokio::test]
async fn a_bearer_signs_out_for_good() {
    let h = house().await;
    let token = h.auth.create_token(&owner(), "x", Tier::Viewer, HOUR).await.unwrap();
    let who = h.auth.bearer(&token.secret).unwrap();
    h.auth.end(&who.proof).await.unwrap();
    assert!(h.auth.bearer(&token.secret).is_err());
    h.auth.end(&who.proof).await.expect("gone is gone");
}

#[tokio::test]
async fn nothing_made_with_a_bearer_outlives_it() {
    let h = house().await;
    let minute = Duration::from_secs(60);
    let short = h.auth.create_token(&owner(), "x", Tier::Admin, minute).await.unwrap();
    let who = h.auth.bearer(&short.secret).unwrap();
    let end = who.expires_at;
    let token = h.auth.create_token(&who, "y", Tier::Admin, 366 * 24 * HOUR).await.unwrap();
    assert_eq!(token.info.expires_at, end);
    // The way round by a link and its session leads no further.
    let link = h.auth.mint_login(&who, Tier::Admin, HOUR).await.unwrap();
    assert_eq!(link.expires_at, end);
    let session = h.auth.login(&link.secret).await.unwrap().who;
    assert_eq!(session.expires_at, end);
    let token = h.auth.create_token(&session, "z", Tier::Admin, 24 * HOUR).await.unwrap();
    assert_eq!(token.info.expires_at, end);
    let refused = h.auth.mint_login(&who, Tier::Owner, HOUR).await;
    assert_eq!(refused.unwrap_err().trouble().problem, &Problem::TIER_ABOVE_OWN);
}

#[tokio::test]
async fn what_a_person_calls_local_is_not_this_machines_token() {
    let h = house().await;
    let theirs = h.auth.create_token(&owner(), LOCAL, Tier::Viewer, HOUR).await.unwrap();
    let first = h.auth.renew_local_token(HOUR).await.unwrap();
    let second = h.auth.renew_local_token(HOUR).await.unwrap();
    assert!(h.auth.bearer(&first.secret).is_err());
    assert!(h.auth.bearer(&second.secret).is_ok());
    assert!(h.auth.bearer(&theirs.secret).is_ok());
}

#[tokio::test]
async fn whoever_waits_for_an_end_is_told_of_it_at_once() {
    let h = house().await;
    let local = h.auth.renew_local_token(HOUR).await.unwrap();
    let who = h.auth.bearer(&local.secret).unwrap();
    let waits = async {
        tokio::join!(h.auth.local_token_gone(), h.auth.proof_gone(who.proof.clone()));
    };
    let ends = async {
        tokio::task::yield_now().await;
        h.auth.end(&who.proof).await.unwrap();
    };
    let both = async { tokio::join!(waits, ends) };
    tokio::time::timeout(Duration::from_secs(5), both).await.unwrap();
}

#[tokio::test]
async fn whoever_waits_for_an_end_is_told_when_time_is_up() {
    let h = house().await;
    let link = h.auth.mint_login(&owner(), Tier::Owner, HOUR).await.unwrap();
    let who = h.auth.login(&link.secret).await.unwrap().who;
    let soon = Timestamp::now() + Duration::from_millis(50);
    let Proof::Session(hash) = who.proof.clone() else { panic!("{:?}", who.proof) };
    let change = h.auth.change(move |book| {
        book.sessions.get_mut(&hash.0).unwrap().expires_at = soon;
        Ok(())
    });
    change.await.unwrap();
    tokio::time::timeout(Duration::from_secs(5), h.auth.proof_gone(who.proof)).await.unwrap();
    assert!(Timestamp::now() >= soon);
}

#[tokio::test]
async fn a_book_that_could_not_be_kept_is_tried_again_until_it_can() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("auth");
    let (file, book) = AuthFile::open(folder.clone()).await.unwrap();
    let health = StoreHealth::good();
    let (owner, auth) = AuthOwner::new(file, book, health.clone());
    let (stop, mut task) = (CancellationToken::new(), tokio::task::JoinSet::new());
    task.spawn(owner.run(stop.clone()));
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(auth.mint_login(&me(Tier::Owner), Tier::Owner, HOUR).await.is_err());
    assert!(!health.is_good());
    std::fs::create_dir(&folder).unwrap();
    let good = async {
        while !health.is_good() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    // Nobody asks for anything meanwhile.
    tokio::time::timeout(Duration::from_secs(10), good).await.unwrap();
}
