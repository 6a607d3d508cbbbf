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
    Error, LoginLink, NewSession, NewToken, TokenId, TokenInfo, Who, error::from_store, secret,
};

/// How long a session lasts.
const SESSION_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// The bounds of a bearer token's life.
const TOKEN_LIFE: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(366 * 24 * 60 * 60);

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
}

impl AuthOwner {
    pub(crate) fn new(file: AuthFile, mut book: AuthBook) -> (Self, Auth) {
        book.sweep(Timestamp::now());
        let (asks_in, asks) = mpsc::channel(CHANGES_WAITING);
        let (book, book_out) = watch::channel(Arc::new(book));
        (Self { file, asks, book }, Auth { asks: asks_in, book: book_out })
    }

    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            let ask = tokio::select! {
                ask = self.asks.recv() => ask,
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
        self.file.keep(book.clone()).await.map_err(from_store)?;
        self.book.send_replace(Arc::new(book));
        Ok(())
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
        subject: &str,
        tier: Tier,
        ttl: Duration,
    ) -> Result<LoginLink, Error> {
        let secret = secret::mint("")?;
        let (hash, expires_at) = (secret::hash(&secret), later(ttl)?);
        let row = LoginRow { subject: subject.to_owned(), tier, expires_at };
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
        let (hash, expires_at) = (secret::hash(&secret), later(SESSION_LIFE)?);
        let (told, who) = oneshot::channel();
        self.change(move |book| {
            // The sweep before this change removed what has expired.
            let row = book.logins.remove(&used.0);
            let row = row.ok_or_else(|| Error::from(Problem::LOGIN_TOKEN_REFUSED.plain()))?;
            let LoginRow { subject, tier, .. } = row;
            let session = SessionRow { subject: subject.clone(), tier, expires_at };
            book.sessions.insert(hash.0, session);
            told.send(Who { subject, tier, expires_at }).ok();
            Ok(())
        })
        .await?;
        Ok(NewSession { secret, who: who.await.map_err(Error::internal)? })
    }

    pub(crate) fn session(&self, secret: &SecretString) -> Result<Who, Error> {
        let hash = secret::hash(secret);
        let book = self.book.borrow();
        let row = book.session(&hash).filter(|r| r.expires_at > Timestamp::now());
        row.map(|r| Who { subject: r.subject.clone(), tier: r.tier, expires_at: r.expires_at })
            .ok_or_else(|| Problem::UNAUTHENTICATED.plain().into())
    }

    pub(crate) async fn logout(&self, secret: &SecretString) -> Result<(), Error> {
        let hash = secret::hash(secret);
        if self.book.borrow().session(&hash).is_none() {
            return Ok(());
        }
        self.change(move |book| {
            book.sessions.remove(&hash.0);
            Ok(())
        })
        .await
    }

    pub(crate) fn bearer(&self, secret: &SecretString) -> Result<Who, Error> {
        let hash = secret::hash(secret);
        let book = self.book.borrow();
        let row = book.token(&hash).filter(|r| r.expires_at > Timestamp::now());
        row.map(|r| Who { subject: r.subject.clone(), tier: r.tier, expires_at: r.expires_at })
            .ok_or_else(|| Problem::UNAUTHENTICATED.plain().into())
    }

    pub(crate) async fn create_token(
        &self,
        by: &Who,
        name: &str,
        tier: Tier,
        ttl: Duration,
    ) -> Result<NewToken, Error> {
        if tier > by.tier {
            let detail = format!("your tier is `{}`, asked for was `{tier}`", by.tier);
            return Err(Problem::TIER_ABOVE_OWN.with(detail).into());
        }
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
        let secret = secret::mint("cat_")?;
        let SecretHash(hash) = secret::hash(&secret);
        let id: TokenId = hex::encode(secret::random::<8>()?).parse().map_err(Error::internal)?;
        let row = TokenRow {
            id: id.to_string(),
            name: name.to_owned(),
            subject: by.subject.clone(),
            tier,
            created_at: Timestamp::now(),
            expires_at: later(ttl)?,
        };
        let info = info_of(&row, id);
        self.change(move |book| {
            book.tokens.insert(hash, row);
            Ok(())
        })
        .await?;
        Ok(NewToken { secret, info })
    }

    pub(crate) fn tokens(&self) -> Vec<TokenInfo> {
        let (book, now) = (self.book.borrow(), Timestamp::now());
        let mut all: Vec<TokenInfo> = book
            .tokens
            .values()
            .filter(|r| r.expires_at > now)
            .filter_map(|r| Some(info_of(r, r.id.parse().ok()?)))
            .collect();
        all.sort_by_key(|t| t.created_at);
        all
    }

    pub(crate) async fn revoke_token(&self, id: &TokenId) -> Result<(), Error> {
        let id = id.to_string();
        self.change(move |book| {
            let before = book.tokens.len();
            book.tokens.retain(|_, r| r.id != id);
            if book.tokens.len() < before {
                Ok(())
            } else {
                Err(Problem::TOKEN_UNKNOWN.plain().into())
            }
        })
        .await
    }
}

fn info_of(row: &TokenRow, id: TokenId) -> TokenInfo {
    TokenInfo {
        id,
        name: row.name.clone(),
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
