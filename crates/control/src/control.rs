//! The registry of deployments and the operations on them.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock, Weak},
    time::Duration,
};

use catalyst_model::{
    CreateRequest, CreateSpec, Deployment, DeploymentEvent, DeploymentId, IdempotencyKey,
    KubeconfigState, PhaseId, Placement, Problem, Recorded, SecretHash, Seq, Tier, Trouble,
};
use catalyst_store::{AuthFile, DeploymentLog, Kubeconfigs, Records};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    ClusterPort, ControlConfig, Error, EventPage, EventStream, LoginLink, NewSession, NewToken,
    Provisioning, ProvisioningConfig, TokenId, TokenInfo, Who,
    auth::{Auth, AuthOwner, looks_like_token},
    claims::{Claim, Claims, Taking},
    error::from_store,
    health::{Place, StoreHealth},
    owner::{Handle, Owner, Surroundings},
    provision::{self, workdir},
    secret,
};

/// How long a shutdown waits for the tasks before it gives them up.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(15);

/// The control plane. Clones are handles to the same one.
#[derive(Clone)]
pub struct Control {
    inner: Arc<Inner>,
}

struct Inner {
    records: Records,
    around: Arc<Surroundings>,
    registry: RwLock<Registry>,
    claims: Claims,
    auth: Auth,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Who there is. The lock guards straight-line code only.
#[derive(Default)]
struct Registry {
    handles: BTreeMap<DeploymentId, Handle>,
    damaged: BTreeMap<DeploymentId, Trouble>,
}

/// A deployment that was asked for, durable before this value exists.
#[derive(Debug)]
pub struct Created {
    /// Its state.
    pub deployment: Arc<Deployment>,
}

/// What was asked for, and by whom.
struct Asked {
    spec: CreateSpec,
    idempotency: Option<SecretHash>,
    by: String,
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

impl Control {
    /// Opens every record, resumes what was under way and returns the handle.
    ///
    /// # Errors
    /// The records are locked by another process, cannot be read or cannot be written.
    pub async fn open(
        config: ControlConfig,
        clusters: Arc<dyn ClusterPort>,
    ) -> Result<Self, Error> {
        let ControlConfig { deployments_dir, kubeconfigs_dir, auth_dir, provisioning, deadlines } =
            config;
        let (records, kept, damaged) = Records::open(deployments_dir).await.map_err(from_store)?;
        let (file, book) = AuthFile::open(auth_dir).await.map_err(from_store)?;
        let health = StoreHealth::good();
        let (auth_owner, auth) = AuthOwner::new(file, book, health.clone());
        let around = Arc::new(Surroundings {
            provisioning,
            deadlines,
            kubeconfigs: kubeconfigs_dir.map(Kubeconfigs::new),
            clusters,
            health: health.clone(),
        });
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(auth_owner.run(stop.clone()));
        let control = Self {
            inner: Arc::new(Inner {
                records,
                around,
                registry: RwLock::default(),
                claims: Claims::default(),
                auth,
                stop,
                tasks,
            }),
        };
        let inner = Arc::downgrade(&control.inner);
        control.inner.tasks.spawn(try_records(inner, health, control.inner.stop.clone()));
        for one in damaged {
            tracing::error!(id = %one.id, error = %one.error, "a record is damaged and left alone");
            if let Some(last_known) = &one.last_known {
                control.inner.claims.note(last_known);
            }
            control.write(|r| r.damaged.insert(one.id, one.error.trouble()));
        }
        for one in kept {
            let id = &one.deployment.id;
            if one.torn_bytes > 0 {
                tracing::warn!(%id, bytes = one.torn_bytes, "an unfinished append was removed");
            }
            tracing::info!(%id, status = one.deployment.status().as_str(), "resumed");
            control.inner.claims.note(&one.deployment);
            control.adopt(one.deployment, one.log);
        }
        Ok(control)
    }

    /// Stops every task, in order, and gives the records' lock back once the last clone is gone.
    /// Work under way is resumed at the next start.
    pub async fn shutdown(&self) {
        self.inner.stop.cancel();
        self.inner.tasks.close();
        if tokio::time::timeout(SHUTDOWN_LIMIT, self.inner.tasks.wait()).await.is_err() {
            tracing::warn!("some tasks did not end in time");
        }
    }

    /// Whether this process can do its work; reads no Sovereign's state.
    pub fn readiness(&self) -> Readiness {
        if self.inner.stop.is_cancelled() {
            return Readiness::NotReady("stopping".to_owned());
        }
        if !self.inner.around.health.is_good() {
            return Readiness::NotReady("the records could not be written".to_owned());
        }
        Readiness::Ready
    }

    /// Validates a request, makes it and `by` durable and begins the work. A request that was sent with
    /// the same `key` before is answered as it was then and does nothing.
    ///
    /// # Errors
    /// The rule that is not met; a key of another request; a domain or name in use; provisioning
    /// disabled; a program or module missing; records that cannot be written. In each case nothing
    /// was created.
    pub async fn create(
        &self,
        request: &CreateRequest,
        key: Option<&IdempotencyKey>,
        by: &Who,
    ) -> Result<Created, Error> {
        let spec = request.validate()?;
        let settings = self.provisioning()?;
        let id = DeploymentId::from_random(secret::random::<8>()?);
        let key = key.map(|key| secret::hash(&SecretString::from(key.as_str())));
        match self.inner.claims.take(&spec, &id, settings.first_link, key.as_ref())? {
            Taking::Taken(claim) => {
                let asked = Asked { spec, idempotency: key, by: by.subject.clone() };
                self.begin(settings, id, asked, claim).await
            }
            Taking::Again(known) => self.again(&known, &spec),
        }
    }

    /// What the request with this key made, if it asked for the same.
    fn again(&self, known: &DeploymentId, spec: &CreateSpec) -> Result<Created, Error> {
        let deployment = self.get(known)?;
        if deployment.spec == *spec {
            Ok(Created { deployment })
        } else {
            Err(Problem::KEY_REUSED.with(format!("it made deployment {known}")).into())
        }
    }

    async fn begin(
        &self,
        settings: &ProvisioningConfig,
        id: DeploymentId,
        asked: Asked,
        claim: Claim,
    ) -> Result<Created, Error> {
        let Asked { spec, idempotency, by } = asked;
        provision::check_program(&settings.tofu_bin)?;
        workdir::check_module(settings.modules.get(&spec.provider))?;
        let bearer = secret::mint("")?;
        let bearer_hash = secret::hash(&bearer);
        let now = Timestamp::now();
        let life = self.inner.around.deadlines.bearer;
        let bearer_expires_at = now.checked_add(life).map_err(Error::internal)?;
        let placement = placement(settings.network_base, claim.index)?;
        let event = DeploymentEvent::Created {
            id: id.clone(),
            spec,
            placement,
            bearer_hash,
            bearer_expires_at,
            idempotency,
            by: Some(by),
        };
        let first = Recorded { seq: Seq(1), time: now, event };
        let deployment = Deployment::open(&first).map_err(Error::internal)?;
        workdir::keep_bearer(&settings.tofu_dir, &id, bearer).await?;
        let begun = self.inner.records.begin(id.clone(), first).await;
        self.inner.around.health.note(Place::Records, begun.is_ok());
        let log = match begun {
            Ok(log) => log,
            Err(error) => {
                workdir::discard(&settings.tofu_dir, &id).await;
                return Err(from_store(error));
            }
        };
        tracing::info!(%id, name = %deployment.spec.name, fqdn = %deployment.spec.fqdn, "created");
        let handle = self.adopt(deployment, log);
        // Whoever repeats the request from here on finds the deployment.
        claim.keep(&id);
        Ok(Created { deployment: handle.deployment() })
    }

    /// Tries a part that failed or ran out of time again: the infrastructure is made from the
    /// state it left, every other part is waited for anew.
    ///
    /// # Errors
    /// Unknown id; nothing to try again in that part; for the infrastructure provisioning
    /// disabled, a program or module missing. In each case nothing has begun.
    pub async fn retry(&self, id: &DeploymentId, phase: PhaseId) -> Result<Arc<Deployment>, Error> {
        let handle = self.handle(id)?;
        if phase == PhaseId::Infrastructure {
            let settings = self.provisioning()?;
            provision::check_program(&settings.tofu_bin)?;
            let provider = handle.deployment().spec.provider;
            workdir::check_module(settings.modules.get(&provider))?;
        }
        handle.retry(phase).await?;
        Ok(handle.deployment())
    }

    /// Every deployment's present state, oldest first.
    pub fn list(&self) -> Vec<Arc<Deployment>> {
        let mut all: Vec<_> =
            self.read(|r| r.handles.values().map(Handle::deployment).collect::<Vec<_>>());
        all.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        all
    }

    /// One deployment's present state.
    ///
    /// # Errors
    /// Unknown id, or a damaged record.
    pub fn get(&self, id: &DeploymentId) -> Result<Arc<Deployment>, Error> {
        Ok(self.handle(id)?.deployment())
    }

    /// The events after `after`, and the way to those that follow.
    ///
    /// # Errors
    /// Unknown id, or a record that cannot be read.
    pub async fn events(&self, id: &DeploymentId, after: Seq) -> Result<EventPage, Error> {
        let handle = self.handle(id)?;
        let events = handle.events.subscribe();
        EventStream::open(events, handle.state, handle.reader, after).await
    }

    /// Takes the kubeconfig a node posts. `body` is what arrived, at most one byte more than the
    /// limit of 1 MiB; `bearer` is the header's text without its scheme.
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
        self.handle(id)?.post(bearer, body).await
    }

    /// The kubeconfig of a Sovereign.
    ///
    /// # Errors
    /// Unknown id, not posted yet, or the file is gone or not as it was posted.
    pub async fn kubeconfig(&self, id: &DeploymentId) -> Result<Kubeconfig, Error> {
        let deployment = self.get(id)?;
        let KubeconfigState::Stored { sha256, .. } = &deployment.kubeconfig else {
            return Err(Problem::KUBECONFIG_NOT_YET.plain().into());
        };
        let missing = || Error::from(Problem::KUBECONFIG_FILE_MISSING.plain());
        let kept = self.inner.around.kubeconfigs.as_ref().ok_or_else(missing)?;
        let bytes = kept.read(id, sha256).await.map_err(from_store)?.ok_or_else(missing)?;
        let text = std::str::from_utf8(bytes.expose_secret()).map_err(|_| missing())?;
        Ok(Kubeconfig {
            file_name: format!("{}-kubeconfig.yaml", deployment.spec.fqdn),
            text: SecretString::from(text),
        })
    }

    /// Makes a one-time login token for `by` themselves. Neither it nor what it opens outlives the
    /// bearer token it was made with.
    ///
    /// # Errors
    /// A tier above the maker's own, unwritable records.
    pub async fn mint_login(
        &self,
        by: &Who,
        tier: Tier,
        ttl: Duration,
    ) -> Result<LoginLink, Error> {
        self.inner.auth.mint_login(by, tier, ttl).await
    }

    /// Uses a one-time login token up and opens a session.
    ///
    /// # Errors
    /// The token is unknown, expired or used up.
    pub async fn login(&self, token: SecretString) -> Result<NewSession, Error> {
        self.inner.auth.login(&token).await
    }

    /// Whose session a cookie is.
    ///
    /// # Errors
    /// It is nobody's, or expired.
    pub async fn session(&self, secret: &SecretString) -> Result<Who, Error> {
        self.inner.auth.session(secret)
    }

    /// Ends the session or the bearer token that `who` was recognised by.
    ///
    /// # Errors
    /// The records cannot be written.
    pub async fn logout(&self, who: &Who) -> Result<(), Error> {
        self.inner.auth.end(&who.proof).await
    }

    /// Ends once what `who` was recognised by is no longer good: expired, signed out or revoked.
    pub fn no_longer(&self, who: &Who) -> impl Future<Output = ()> + Send + use<> {
        let (auth, proof) = (self.inner.auth.clone(), who.proof.clone());
        async move { auth.proof_gone(proof).await }
    }

    /// Whose bearer token it is.
    ///
    /// # Errors
    /// It is nobody's, expired or revoked.
    pub async fn bearer(&self, secret: &SecretString) -> Result<Who, Error> {
        if !looks_like_token(secret) {
            return Err(Problem::UNAUTHENTICATED.plain().into());
        }
        self.inner.auth.bearer(secret)
    }

    /// Makes a bearer token on behalf of `by`; with a bearer token one makes none that lives longer.
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
        self.inner.auth.create_token(by, name, tier, ttl).await
    }

    /// The bearer tokens that are good now and that `by` may know of, oldest first: their own, and
    /// from `admin` on everybody's.
    pub async fn tokens(&self, by: &Who) -> Vec<TokenInfo> {
        self.inner.auth.tokens(by)
    }

    /// Revokes a bearer token that `by` may know of.
    ///
    /// # Errors
    /// There is none of that id, or the records cannot be written.
    pub async fn revoke_token(&self, by: &Who, id: &TokenId) -> Result<(), Error> {
        self.inner.auth.revoke_token(by, id).await
    }

    /// Replaces the token of this machine's own tools; the one before is revoked.
    ///
    /// # Errors
    /// The records cannot be written.
    pub async fn renew_local_token(&self, ttl: Duration) -> Result<NewToken, Error> {
        self.inner.auth.renew_local_token(ttl).await
    }

    /// Ends once the token of this machine's own tools has expired or was revoked.
    pub async fn local_token_gone(&self) {
        self.inner.auth.local_token_gone().await;
    }

    fn provisioning(&self) -> Result<&ProvisioningConfig, Trouble> {
        match &self.inner.around.provisioning {
            Provisioning::Disabled => Err(Problem::PROVISIONING_DISABLED.plain()),
            Provisioning::Enabled(settings) => Ok(settings),
        }
    }

    fn adopt(&self, deployment: Deployment, log: DeploymentLog) -> Handle {
        let id = deployment.id.clone();
        let stop = self.inner.stop.child_token();
        let (owner, handle) = Owner::new(deployment, log, self.inner.around.clone(), stop);
        self.write(|r| r.handles.insert(id, handle.clone()));
        self.inner.tasks.spawn(owner.run());
        handle
    }

    fn handle(&self, id: &DeploymentId) -> Result<Handle, Error> {
        self.read(|r| match (r.handles.get(id), r.damaged.get(id)) {
            (Some(handle), _) => Ok(handle.clone()),
            (None, Some(trouble)) => Err(trouble.clone().into()),
            (None, None) => Err(Problem::DEPLOYMENT_UNKNOWN.plain().into()),
        })
    }

    fn read<T>(&self, look: impl FnOnce(&Registry) -> T) -> T {
        look(&self.inner.registry.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, change: impl FnOnce(&mut Registry) -> T) -> T {
        change(&mut self.inner.registry.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Tries the records' folder as long as it could not be written.
async fn try_records(control: Weak<Inner>, health: StoreHealth, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = health.bad(Place::Records) => {}
            () = stop.cancelled() => return,
        }
        let Some(control) = control.upgrade() else { return };
        let writable = control.records.probe().await.is_ok();
        if writable {
            tracing::info!("the records can be written again");
        }
        health.note(Place::Records, writable);
    }
}

fn placement(network_base: u8, index: u8) -> Result<Placement, Error> {
    let second = network_base
        .checked_add(index)
        .ok_or_else(|| Problem::NO_FREE_INDEX.with("the network base leaves no room"))?;
    let network_prefix = format!("10.{second}.0");
    let expected_api = format!("https://{network_prefix}.2:6443");
    Ok(Placement { sandbox_index: index, network_prefix, expected_api })
}
