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
    let (owner, auth) = AuthOwner::new(file, book);
    let (stop, mut task) = (CancellationToken::new(), tokio::task::JoinSet::new());
    task.spawn(owner.run(stop.clone()));
    (auth, stop, task)
}

fn me(tier: Tier) -> Who {
    Who { subject: "me".into(), tier, expires_at: Timestamp::MAX }
}

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_login_link_opens_one_session_also_when_used_twice_at_once() {
    let h = house().await;
    let link = h.auth.mint_login("owner", Tier::Owner, HOUR).await.unwrap();
    let (a, b) = tokio::join!(h.auth.login(&link.secret), h.auth.login(&link.secret));
    assert_eq!(a.is_ok() as u8 + b.is_ok() as u8, 1);
    let session = a.or(b).unwrap();
    assert_eq!(h.auth.session(&session.secret).unwrap().tier, Tier::Owner);
    h.auth.logout(&session.secret).await.unwrap();
    assert!(h.auth.session(&session.secret).is_err());
}

#[tokio::test]
async fn sessions_and_tokens_survive_a_restart_and_no_secret_is_on_disk() {
    let mut h = house().await;
    let link = h.auth.mint_login("owner", Tier::Owner, HOUR).await.unwrap();
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
    let link = h.auth.mint_login("owner", Tier::Owner, Duration::ZERO).await.unwrap();
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
    assert_eq!(h.auth.tokens(), std::slice::from_ref(&token.info));
    h.auth.revoke_token(&token.info.id).await.unwrap();
    assert!(h.auth.bearer(&token.secret).is_err());
    assert!(h.auth.revoke_token(&token.info.id).await.is_err());
}
