//! The operations on sessions, bearer tokens and login links.
//!
//! One task owns the book and keeps it on disk before it publishes a change, so a one-time token
//! is used up exactly once even by two requests at the same moment. Readers take a snapshot.

use std::{sync::Arc, time::Duration};

use catalyst_model::{Problem, SecretHash, Tier};
use catalyst_store::{AuthBook, AuthFile, LoginRow, SessionRow, TokenRow};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    Error, LoginLink, NewSession, NewToken, Proof, TokenId, TokenInfo, Who,
    error::from_store,
    health::{Place, StoreHealth},
    secret,
};

/// How long a session lasts.
const SESSION_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// The bounds of a bearer token's life.
const TOKEN_LIFE: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(366 * 24 * 60 * 60);

/// The name of this machine's own token; what makes it that is a mark in its row, not the name.
const LOCAL: &str = "local";

/// Whoever waits for an end looks at the clock at least this often.
const LONGEST_NAP: Duration = Duration::from_secs(60);

/// Changes waiting for the owner: one per request, and requests wait for their answer.
const CHANGES_WAITING: usize = 32;

type Change = Box<dyn FnOnce(&mut AuthBook) -> Result<(), Error> + Send>;

struct Ask {
    change: Change,
    done: oneshot::Sender<Result<(), Error>>,
}

/// The handle to the book.
#[derive(Clone)]
pub(crate) struct Auth {
    asks: mpsc::Sender<Ask>,
    book: watch::Receiver<Arc<AuthBook>>,
}

/// The task that owns the book.
pub(crate) struct AuthOwner {
    file: AuthFile,
    asks: mpsc::Receiver<Ask>,
    book: watch::Sender<Arc<AuthBook>>,
    health: StoreHealth,
}

impl AuthOwner {
    pub(crate) fn new(file: AuthFile, mut book: AuthBook, health: StoreHealth) -> (Self, Auth) {
        book.sweep(Timestamp::now());
        let (asks_in, asks) = mpsc::channel(CHANGES_WAITING);
        let (book, book_out) = watch::channel(Arc::new(book));
        (Self { file, asks, book, health }, Auth { asks: asks_in, book: book_out })
    }

    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            let ask = tokio::select! {
                ask = self.asks.recv() => ask,
                () = self.health.bad(Place::Book) => {
                    let book = AuthBook::clone(&self.book.borrow());
                    if self.keep(book).await.is_ok() {
                        tracing::info!("the book of who may ask can be written again");
                    }
                    continue;
                }
                () = stop.cancelled() => None,
            };
            let Some(ask) = ask else { return };
            let answer = self.change(ask.change).await;
            // Whoever asked may have gone away; the change stands all the same.
            ask.done.send(answer).ok();
        }
    }

    async fn change(&self, change: Change) -> Result<(), Error> {
        let mut book = AuthBook::clone(&self.book.borrow());
        book.sweep(Timestamp::now());
        change(&mut book)?;
        self.keep(book.clone()).await?;
        self.book.send_replace(Arc::new(book));
        Ok(())
    }

    async fn keep(&self, book: AuthBook) -> Result<(), Error> {
        let kept = self.file.keep(book).await;
        self.health.note(Place::Book, kept.is_ok());
        kept.map_err(from_store)
    }
}

impl Auth {
    async fn change(
        &self,
        change: impl FnOnce(&mut AuthBook) -> Result<(), Error> + Send + 'static,
    ) -> Result<(), Error> {
        let (done, answer) = oneshot::channel();
        let gone = || Error::from(Problem::INTERNAL.with("the daemon is stopping"));
        self.asks.send(Ask { change: Box::new(change), done }).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    pub(crate) async fn mint_login(
        &self,
        by: &Who,
        tier: Tier,
        ttl: Duration,
    ) -> Result<LoginLink, Error> {
        refuse_above(by, tier)?;
        let secret = secret::mint("")?;
        let hash = secret::hash(&secret);
        let expires_at = bounded(later(ttl)?, by.not_after);
        let (subject, not_after) = (by.subject.clone(), by.not_after);
        let row = LoginRow { subject, tier, expires_at, not_after };
        self.change(move |book| {
            book.logins.insert(hash.0, row);
            Ok(())
        })
        .await?;
        Ok(LoginLink { secret, expires_at })
    }

    pub(crate) async fn login(&self, token: &SecretString) -> Result<NewSession, Error> {
        let used = secret::hash(token);
        if !self.book.borrow().logins.contains_key(&used.0) {
            return Err(Problem::LOGIN_TOKEN_REFUSED.plain().into());
        }
        let secret = secret::mint("")?;
        let (hash, life) = (secret::hash(&secret), later(SESSION_LIFE)?);
        let (told, who) = oneshot::channel();
        self.change(move |book| {
            // The sweep before this change removed what has expired.
            let row = book.logins.remove(&used.0);
            let row = row.ok_or_else(|| Error::from(Problem::LOGIN_TOKEN_REFUSED.plain()))?;
            let LoginRow { subject, tier, not_after, .. } = row;
            let expires_at = bounded(life, not_after);
            let session = SessionRow { subject, tier, expires_at, not_after };
            told.send(who_of_session(&session, hash.clone())).ok();
            book.sessions.insert(hash.0, session);
            Ok(())
        })
        .await?;
        Ok(NewSession { secret, who: who.await.map_err(Error::internal)? })
    }

    pub(crate) fn session(&self, secret: &SecretString) -> Result<Who, Error> {
        let hash = secret::hash(secret);
        let book = self.book.borrow();
        let row = book.session(&hash).filter(|r| r.expires_at > Timestamp::now());
        row.map(|r| who_of_session(r, hash)).ok_or_else(|| Problem::UNAUTHENTICATED.plain().into())
    }

    pub(crate) fn bearer(&self, secret: &SecretString) -> Result<Who, Error> {
        let hash = secret::hash(secret);
        let book = self.book.borrow();
        let row = book.token(&hash).filter(|r| r.expires_at > Timestamp::now());
        row.and_then(|r| who_of_token(r, hash))
            .ok_or_else(|| Problem::UNAUTHENTICATED.plain().into())
    }

    /// Ends what somebody was recognised by; what is gone already is as good as ended.
    pub(crate) async fn end(&self, proof: &Proof) -> Result<(), Error> {
        if !self.is_good(proof) {
            return Ok(());
        }
        let proof = proof.clone();
        self.change(move |book| {
            match proof {
                Proof::Session(hash) => drop(book.sessions.remove(&hash.0)),
                Proof::Token { hash, .. } => drop(book.tokens.remove(&hash.0)),
                Proof::Process => {}
            }
            Ok(())
        })
        .await
    }

    fn is_good(&self, proof: &Proof) -> bool {
        ends_at(&self.book.borrow(), proof).is_some_and(|end| end > Timestamp::now())
    }

    pub(crate) async fn create_token(
        &self,
        by: &Who,
        name: &str,
        tier: Tier,
        ttl: Duration,
    ) -> Result<NewToken, Error> {
        refuse_above(by, tier)?;
        if !TOKEN_LIFE.contains(&ttl) {
            return Err(Problem::TTL_INVALID.plain().into());
        }
        let name = name.trim();
        if name.is_empty() {
            return Err(Problem::FIELD_REQUIRED.with("`name` is required").into());
        }
        if name.chars().count() > catalyst_model::MAX_TEXT_CHARS {
            return Err(Problem::FIELD_TOO_LONG.with("`name`").into());
        }
        let (made, hash, row) = fresh_token(TokenRow {
            id: String::new(),
            name: name.to_owned(),
            subject: by.subject.clone(),
            tier,
            created_at: Timestamp::now(),
            expires_at: bounded(later(ttl)?, by.not_after),
            local: false,
        })?;
        self.change(move |book| {
            book.tokens.insert(hash, row);
            Ok(())
        })
        .await?;
        Ok(made)
    }

    /// Replaces this machine's own token.
    pub(crate) async fn renew_local_token(&self, ttl: Duration) -> Result<NewToken, Error> {
        let (made, hash, row) = fresh_token(TokenRow {
            id: String::new(),
            name: LOCAL.to_owned(),
            subject: LOCAL.to_owned(),
            tier: Tier::Owner,
            created_at: Timestamp::now(),
            expires_at: later(ttl)?,
            local: true,
        })?;
        self.change(move |book| {
            book.tokens.retain(|_, r| !r.local);
            book.tokens.insert(hash, row);
            Ok(())
        })
        .await?;
        Ok(made)
    }

    /// Ends once this machine has no token of its own that is good.
    pub(crate) async fn local_token_gone(&self) {
        self.gone(|book| book.tokens.values().find(|r| r.local).map(|r| r.expires_at)).await;
    }

    /// Ends once what somebody was recognised by is no longer good: expired, signed out or revoked.
    pub(crate) async fn proof_gone(&self, proof: Proof) {
        self.gone(move |book| ends_at(book, &proof)).await;
    }

    async fn gone(&self, end: impl Fn(&AuthBook) -> Option<Timestamp>) {
        let mut book = self.book.clone();
        loop {
            let left =
                end(&book.borrow_and_update()).map(|end| end.duration_since(Timestamp::now()));
            let left = left.and_then(|left| Duration::try_from(left).ok()).unwrap_or_default();
            if left.is_zero() {
                return;
            }
            // The machine's clock may be set meanwhile.
            let nap = tokio::time::sleep(left.min(LONGEST_NAP));
            tokio::select! {
                changed = book.changed() => if changed.is_err() {
                    return;
                },
                () = nap => {}
            }
        }
    }

    /// What `by` may know of: their own tokens, and from `admin` on everybody's.
    pub(crate) fn tokens(&self, by: &Who) -> Vec<TokenInfo> {
        let (book, now) = (self.book.borrow(), Timestamp::now());
        let mut all: Vec<TokenInfo> = book
            .tokens
            .values()
            .filter(|r| r.expires_at > now && may_see(by, r))
            .filter_map(|r| Some(info_of(r, r.id.parse().ok()?)))
            .collect();
        all.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        all
    }

    pub(crate) async fn revoke_token(&self, by: &Who, id: &TokenId) -> Result<(), Error> {
        let (id, by) = (id.to_string(), by.clone());
        self.change(move |book| {
            let before = book.tokens.len();
            // Somebody else's token is, to whoever may not see it, no token.
            book.tokens.retain(|_, r| r.id != id || !may_see(&by, r));
            if book.tokens.len() < before {
                Ok(())
            } else {
                Err(Problem::TOKEN_UNKNOWN.plain().into())
            }
        })
        .await
    }
}

fn refuse_above(by: &Who, tier: Tier) -> Result<(), Error> {
    if tier > by.tier {
        let detail = format!("your tier is `{}`, asked for was `{tier}`", by.tier);
        return Err(Problem::TIER_ABOVE_OWN.with(detail).into());
    }
    Ok(())
}

fn may_see(by: &Who, row: &TokenRow) -> bool {
    by.tier >= Tier::Admin || row.subject == by.subject
}

/// Gives a row its id and makes the secret it stands for.
fn fresh_token(mut row: TokenRow) -> Result<(NewToken, String, TokenRow), Error> {
    let secret = secret::mint("cat_")?;
    let SecretHash(hash) = secret::hash(&secret);
    let id: TokenId = hex::encode(secret::random::<8>()?).parse().map_err(Error::internal)?;
    row.id = id.to_string();
    let info = info_of(&row, id);
    Ok((NewToken { secret, info }, hash, row))
}

fn who_of_session(row: &SessionRow, hash: SecretHash) -> Who {
    let SessionRow { subject, tier, expires_at, not_after } = row.clone();
    Who { subject, tier, expires_at, not_after, proof: Proof::Session(hash) }
}

fn who_of_token(row: &TokenRow, hash: SecretHash) -> Option<Who> {
    let TokenRow { subject, tier, expires_at, .. } = row.clone();
    let proof = Proof::Token { id: row.id.parse().ok()?, hash };
    Some(Who { subject, tier, expires_at, not_after: Some(expires_at), proof })
}

/// When `proof` stops being good by itself; `None` when it is not good now.
fn ends_at(book: &AuthBook, proof: &Proof) -> Option<Timestamp> {
    match proof {
        Proof::Session(hash) => book.session(hash).map(|r| r.expires_at),
        Proof::Token { hash, .. } => book.token(hash).map(|r| r.expires_at),
        Proof::Process => Some(Timestamp::MAX),
    }
}

fn bounded(end: Timestamp, bound: Option<Timestamp>) -> Timestamp {
    bound.map_or(end, |bound| end.min(bound))
}

fn info_of(row: &TokenRow, id: TokenId) -> TokenInfo {
    TokenInfo {
        id,
        name: row.name.clone(),
        subject: row.subject.clone(),
        tier: row.tier,
        created_at: row.created_at,
        expires_at: row.expires_at,
    }
}

fn later(by: Duration) -> Result<Timestamp, Error> {
    Timestamp::now().checked_add(by).map_err(|_| Problem::TTL_INVALID.plain().into())
}

/// Whether text could be a bearer token of ours; saves a look at the book.
pub(crate) fn looks_like_token(secret: &SecretString) -> bool {
    secret.expose_secret().starts_with("cat_")
}

#[cfg(test)]
mod tests;
