//! The registry of deployments and the operations on them.

use std::{sync::Arc, time::Duration};

use catalyst_model::{CreateRequest, Deployment, DeploymentId, Problem, Seq, Tier};
use secrecy::SecretString;

use crate::{
    ClusterPort, ControlConfig, Error, EventPage, LoginLink, NewSession, NewToken, TokenId,
    TokenInfo, Who,
};

/// The control plane. Clones are handles to the same one.
#[derive(Clone)]
pub struct Control {
    inner: Arc<Inner>,
}

struct Inner {
    _config: ControlConfig,
}

/// A deployment just created, durable before this value exists.
#[derive(Debug)]
pub struct Created {
    /// Its state.
    pub deployment: Arc<Deployment>,
}

/// A Sovereign's kubeconfig.
#[derive(Debug)]
pub struct Kubeconfig {
    /// The name to offer for the file.
    pub file_name: String,
    /// The file itself.
    pub text: SecretString,
}

/// Whether this process can do its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It can.
    Ready,
    /// It cannot, and this is why.
    NotReady(String),
}

fn not_built<T>() -> Result<T, Error> {
    Err(Problem::INTERNAL.with("not built yet").into())
}

impl Control {
    /// Opens every record, resumes what was under way and returns the handle.
    ///
    /// # Errors
    /// The records are locked by another process, cannot be read or cannot be written.
    pub async fn open(
        config: ControlConfig,
        clusters: Arc<dyn ClusterPort>,
    ) -> Result<Self, Error> {
        drop(clusters);
        Ok(Self { inner: Arc::new(Inner { _config: config }) })
    }

    /// Stops every task, in order, and gives the records' lock back. Work under way is resumed at
    /// the next start.
    pub async fn shutdown(&self) {
        let _ = &self.inner;
    }

    /// Whether this process can do its work; reads no Sovereign's state.
    pub fn readiness(&self) -> Readiness {
        Readiness::Ready
    }

    /// Validates a request, makes it durable and begins the work.
    ///
    /// # Errors
    /// The rule that is not met; a domain or name in use; provisioning disabled; records that
    /// cannot be written (then nothing was created).
    pub async fn create(&self, request: &CreateRequest) -> Result<Created, Error> {
        request.validate()?;
        not_built()
    }

    /// Tries a failed infrastructure again.
    ///
    /// # Errors
    /// Unknown id, or nothing to try again.
    pub async fn retry(&self, id: &DeploymentId) -> Result<Arc<Deployment>, Error> {
        self.get(id)
    }

    /// Every deployment's present state, oldest first.
    pub fn list(&self) -> Vec<Arc<Deployment>> {
        Vec::new()
    }

    /// One deployment's present state.
    ///
    /// # Errors
    /// Unknown id.
    pub fn get(&self, id: &DeploymentId) -> Result<Arc<Deployment>, Error> {
        let _ = id;
        Err(Problem::DEPLOYMENT_UNKNOWN.plain().into())
    }

    /// The events after `after`, and the way to those that follow.
    ///
    /// # Errors
    /// Unknown id, or a record that cannot be read.
    pub async fn events(&self, id: &DeploymentId, after: Seq) -> Result<EventPage, Error> {
        let _ = (id, after);
        Err(Problem::DEPLOYMENT_UNKNOWN.plain().into())
    }

    /// Takes the kubeconfig a node posts. `body` is what arrived, at most one byte more than the
    /// limit; `bearer` is the header's text without its scheme.
    ///
    /// # Errors
    /// In this order: unknown id, no bearer, none minted, wrong, already set, expired, too large,
    /// empty, no folder, not readable as the one safe kubeconfig of this deployment, not writable.
    pub async fn put_kubeconfig(
        &self,
        id: &DeploymentId,
        bearer: Option<SecretString>,
        body: Vec<u8>,
    ) -> Result<(), Error> {
        let _ = (bearer, body);
        self.get(id).map(drop)
    }

    /// The kubeconfig of a Sovereign.
    ///
    /// # Errors
    /// Unknown id, not posted yet, or the file is gone or not as it was posted.
    pub async fn kubeconfig(&self, id: &DeploymentId) -> Result<Kubeconfig, Error> {
        self.get(id)?;
        not_built()
    }

    /// Makes a one-time login token.
    ///
    /// # Errors
    /// The records cannot be written.
    pub async fn mint_login(
        &self,
        subject: &str,
        tier: Tier,
        ttl: Duration,
    ) -> Result<LoginLink, Error> {
        let _ = (subject, tier, ttl);
        not_built()
    }

    /// Uses a one-time login token up and opens a session.
    ///
    /// # Errors
    /// The token is unknown, expired or used up.
    pub async fn login(&self, token: SecretString) -> Result<NewSession, Error> {
        let _ = token;
        not_built()
    }

    /// Whose session a cookie is.
    ///
    /// # Errors
    /// It is nobody's, or expired.
    pub async fn session(&self, secret: &SecretString) -> Result<Who, Error> {
        let _ = secret;
        Err(Problem::UNAUTHENTICATED.plain().into())
    }

    /// Ends a session; an unknown one is as good as ended.
    ///
    /// # Errors
    /// The records cannot be written.
    pub async fn logout(&self, secret: &SecretString) -> Result<(), Error> {
        let _ = secret;
        Ok(())
    }

    /// Whose bearer token it is.
    ///
    /// # Errors
    /// It is nobody's, expired or revoked.
    pub async fn bearer(&self, secret: &SecretString) -> Result<Who, Error> {
        let _ = secret;
        Err(Problem::UNAUTHENTICATED.plain().into())
    }

    /// Makes a bearer token on behalf of `by`.
    ///
    /// # Errors
    /// A tier above the maker's own, a time to live out of bounds, unwritable records.
    pub async fn create_token(
        &self,
        by: &Who,
        name: &str,
        tier: Tier,
        ttl: Duration,
    ) -> Result<NewToken, Error> {
        let _ = (by, name, tier, ttl);
        not_built()
    }

    /// Every bearer token that is good now.
    pub async fn tokens(&self) -> Vec<TokenInfo> {
        Vec::new()
    }

    /// Revokes a bearer token.
    ///
    /// # Errors
    /// There is none of that id, or the records cannot be written.
    pub async fn revoke_token(&self, id: &TokenId) -> Result<(), Error> {
        let _ = id;
        Err(Problem::TOKEN_UNKNOWN.plain().into())
    }
}
