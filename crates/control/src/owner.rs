//! The one task that owns a deployment: it alone appends to the log and publishes what follows.
//!
//! The loop waits only in its `select!` and for the disk; everything slow is a job beside it that
//! comes back with events to record. What job there should be is [`next_activity`]'s word.

use std::{sync::Arc, time::Duration};

use catalyst_model::{Deployment, DeploymentEvent, PhaseId, Problem, ProvisionStep, Recorded};
use catalyst_store::{DeploymentLog, Kubeconfigs, LogReader};
use jiff::Timestamp;
use secrecy::SecretString;
use tokio::{
    sync::{broadcast, mpsc, oneshot, watch},
    task::JoinSet,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    ClusterPort, Deadlines, Error, Provisioning, SharedEvent,
    activity::{Activity, next_activity},
    error::from_store,
    health::{Place, StoreHealth},
    provision, watching,
};

mod postback;

/// Requests waiting for the owner; whoever asks waits for the answer, so this is never a backlog.
const ASKS_WAITING: usize = 64;

/// Events a slow reader may fall behind before it reads from the disk instead.
const EVENTS_BEHIND: usize = 1024;

/// Events between two checkpoints when nothing else calls for one.
const EVENTS_PER_CHECKPOINT: u64 = 64;

/// The pause before a job that ended by itself, though it is still wanted, is begun again.
const JOB_PAUSE: Duration = Duration::from_secs(2);

/// What every owner shares.
pub(crate) struct Surroundings {
    pub(crate) provisioning: Provisioning,
    pub(crate) deadlines: Deadlines,
    pub(crate) kubeconfigs: Option<Kubeconfigs>,
    pub(crate) clusters: Arc<dyn ClusterPort>,
    pub(crate) health: StoreHealth,
}

type Answer = oneshot::Sender<Result<(), Error>>;

/// Something the owner is asked to do.
pub(crate) enum Ask {
    /// Record events, all or none.
    Record { events: Vec<DeploymentEvent>, answer: Answer },
    /// Take a posted kubeconfig.
    Post { bearer: Option<SecretString>, body: Vec<u8>, answer: Answer },
    /// Try a part again that failed or ran out of time.
    Retry { phase: PhaseId, answer: Answer },
}

/// A handle to a deployment and its owner.
#[derive(Clone)]
pub(crate) struct Handle {
    asks: mpsc::Sender<Ask>,
    pub(crate) state: watch::Receiver<Arc<Deployment>>,
    pub(crate) events: broadcast::Sender<SharedEvent>,
    pub(crate) reader: LogReader,
}

impl Handle {
    /// Records events, all or none; durable when this is done.
    pub(crate) async fn record(&self, events: Vec<DeploymentEvent>) -> Result<(), Error> {
        if events.is_empty() {
            return Ok(());
        }
        self.ask(|answer| Ask::Record { events, answer }).await
    }

    pub(crate) async fn post(
        &self,
        bearer: Option<SecretString>,
        body: Vec<u8>,
    ) -> Result<(), Error> {
        self.ask(|answer| Ask::Post { bearer, body, answer }).await
    }

    pub(crate) async fn retry(&self, phase: PhaseId) -> Result<(), Error> {
        self.ask(|answer| Ask::Retry { phase, answer }).await
    }

    /// The present state.
    pub(crate) fn deployment(&self) -> Arc<Deployment> {
        self.state.borrow().clone()
    }

    async fn ask(&self, ask: impl FnOnce(Answer) -> Ask) -> Result<(), Error> {
        let stopping = || Error::from(Problem::INTERNAL.with("the daemon is stopping"));
        let (answer, answered) = oneshot::channel();
        self.asks.send(ask(answer)).await.map_err(|_| stopping())?;
        answered.await.map_err(|_| stopping())?
    }
}

/// The owner of one deployment.
pub(crate) struct Owner {
    log: DeploymentLog,
    state: watch::Sender<Arc<Deployment>>,
    asks: mpsc::Receiver<Ask>,
    handle: Handle,
    around: Arc<Surroundings>,
    stop: CancellationToken,
    jobs: JoinSet<()>,
    running: Option<Running>,
    not_before: Instant,
    checkpointed: u64,
}

struct Running {
    activity: Activity,
    stop: CancellationToken,
}

impl Owner {
    pub(crate) fn new(
        deployment: Deployment,
        log: DeploymentLog,
        around: Arc<Surroundings>,
        stop: CancellationToken,
    ) -> (Self, Handle) {
        let (asks_in, asks) = mpsc::channel(ASKS_WAITING);
        let (state, state_out) = watch::channel(Arc::new(deployment));
        let (events, _) = broadcast::channel(EVENTS_BEHIND);
        let handle = Handle { asks: asks_in, state: state_out, events, reader: log.reader() };
        let owner = Self {
            log,
            state,
            asks,
            handle: handle.clone(),
            around,
            stop,
            jobs: JoinSet::new(),
            running: None,
            not_before: Instant::now(),
            checkpointed: 0,
        };
        (owner, handle)
    }

    /// Runs until told to stop.
    pub(crate) async fn run(mut self) {
        // Should the last process have ended between the record and the removal.
        self.forget_bearer().await;
        loop {
            self.align();
            let wake_at = self.wake_at();
            tokio::select! {
                ask = self.asks.recv() => match ask {
                    Some(ask) => self.answer(ask).await,
                    None => break,
                },
                Some(ended) = self.jobs.join_next() => self.job_ended(ended),
                () = tokio::time::sleep_until(wake_at) => self.on_time().await,
                () = self.stop.cancelled() => break,
            }
        }
        if let Some(running) = self.running.take() {
            running.stop.cancel();
        }
        // What a job asks from here on is refused; the programs it began go on by themselves.
        drop(self.asks);
        self.jobs.shutdown().await;
        let deployment = Deployment::clone(&self.state.borrow());
        if let Err(error) = self.log.checkpoint(deployment).await {
            tracing::warn!(%error, "the last checkpoint was not written; the log is whole");
        }
    }

    fn wanted(&self) -> Activity {
        next_activity(&self.state.borrow(), self.around.deadlines.kubeconfig)
    }

    /// Begins the job that is wanted, and ends the one that no longer is.
    fn align(&mut self) {
        let wanted = self.wanted();
        if self.running.as_ref().is_some_and(|r| r.activity == wanted) {
            return;
        }
        if let Some(old) = self.running.take() {
            old.stop.cancel();
        }
        if Instant::now() < self.not_before {
            return;
        }
        let stop = self.stop.child_token();
        match wanted {
            Activity::AwaitKubeconfig { .. } | Activity::Rest => return,
            Activity::Provision => match &self.around.provisioning {
                Provisioning::Disabled => return,
                Provisioning::Enabled(settings) => {
                    let job = provision::Job {
                        handle: self.handle.clone(),
                        settings: settings.clone(),
                        step_deadline: self.around.deadlines.tofu_step,
                        stop: stop.clone(),
                    };
                    self.jobs.spawn(job.run());
                }
            },
            Activity::Watch => {
                let job = watching::Job {
                    handle: self.handle.clone(),
                    around: self.around.clone(),
                    stop: stop.clone(),
                };
                self.jobs.spawn(job.run());
            }
        }
        self.running = Some(Running { activity: wanted, stop });
    }

    fn job_ended(&mut self, ended: Result<(), tokio::task::JoinError>) {
        if let Err(error) = ended
            && error.is_panic()
        {
            let id = &self.state.borrow().id;
            tracing::error!(%id, %error, "a job of the deployment panicked and is begun again");
        }
        if self.jobs.is_empty() {
            self.running = None;
            self.not_before = Instant::now() + JOB_PAUSE;
            if self.wanted() != Activity::Provision && self.wanted() != Activity::Watch {
                self.not_before = Instant::now();
            }
        }
    }

    fn wake_at(&self) -> Instant {
        let far = Instant::now() + Duration::from_secs(3600);
        match self.wanted() {
            Activity::AwaitKubeconfig { until } => {
                let left = until.duration_since(Timestamp::now());
                let left = Duration::try_from(left).unwrap_or(Duration::ZERO);
                (Instant::now() + left).min(far)
            }
            Activity::Provision | Activity::Watch if self.running.is_none() => self.not_before.max(
                // Provisioning that is switched off is not asked about again and again.
                Instant::now() + Duration::from_millis(10),
            ),
            Activity::Provision | Activity::Watch | Activity::Rest => far,
        }
    }

    async fn on_time(&mut self) {
        let Activity::AwaitKubeconfig { until } = self.wanted() else { return };
        if Timestamp::now() < until {
            return;
        }
        let waited = self.around.deadlines.kubeconfig.as_secs();
        let trouble = Problem::KUBECONFIG_NEVER_CAME
            .with(format!("no kubeconfig came within {waited} s of the infrastructure's end"));
        let event = DeploymentEvent::KubeconfigTimedOut { failure: trouble.into() };
        if let Err(error) = self.record(vec![event]).await {
            tracing::error!(%error, "cannot record that the node never reported in");
            tokio::time::sleep(JOB_PAUSE).await;
        }
    }

    async fn answer(&mut self, ask: Ask) {
        // Whoever asked may have gone away; what was recorded stands all the same.
        match ask {
            Ask::Record { events, answer } => {
                let done = self.record(events).await;
                answer.send(done).ok();
            }
            Ask::Post { bearer, body, answer } => {
                let done = self.take_post(bearer, body).await;
                answer.send(done).ok();
            }
            Ask::Retry { phase, answer } => {
                let done = self.retry(phase).await;
                answer.send(done).ok();
            }
        }
    }

    async fn retry(&mut self, phase: PhaseId) -> Result<(), Error> {
        let event = {
            let state = self.state.borrow();
            if !state.can_try_again(phase) {
                let status = state.status().as_str();
                let detail =
                    format!("`{}` has not failed: the state is `{status}`", phase.as_str());
                return Err(Problem::NOT_RETRYABLE.with(detail).into());
            }
            if phase == PhaseId::Kubeconfig && Timestamp::now() >= state.bearer_expires_at {
                return Err(Problem::NOT_RETRYABLE.with("the node's bearer has expired").into());
            }
            match phase {
                PhaseId::Infrastructure => DeploymentEvent::StepStarted {
                    step: ProvisionStep::Prepare,
                    attempt: state.infrastructure.attempt + 1,
                },
                PhaseId::Kubeconfig | PhaseId::Flux | PhaseId::Kit | PhaseId::Ready => {
                    DeploymentEvent::TriedAgain { phase }
                }
            }
        };
        self.record(vec![event]).await
    }

    /// Appends events and then publishes what follows from them: the state before the events, so
    /// that nobody can subscribe between the two and miss one.
    async fn record(&mut self, events: Vec<DeploymentEvent>) -> Result<(), Error> {
        let before = self.state.borrow().clone();
        let mut after = Deployment::clone(&before);
        let mut recorded = Vec::with_capacity(events.len());
        for event in events {
            let one = Recorded { seq: after.seq.next(), time: Timestamp::now(), event };
            after.apply(&one).map_err(Error::internal)?;
            recorded.push(one);
        }
        let kept = self.log.append(recorded.clone()).await;
        self.around.health.note(Place::Records, kept.is_ok());
        kept.map_err(from_store)?;
        let status_changed = after.status() != before.status();
        self.state.send_replace(Arc::new(after));
        for one in recorded {
            // Nobody may be listening.
            self.handle.events.send(Arc::new(one)).ok();
        }
        if status_changed || self.log.last().0 >= self.checkpointed + EVENTS_PER_CHECKPOINT {
            self.checkpoint().await;
        }
        Ok(())
    }

    async fn checkpoint(&mut self) {
        let deployment = Deployment::clone(&self.state.borrow());
        match self.log.checkpoint(deployment).await {
            Ok(()) => self.checkpointed = self.log.last().0,
            Err(error) => {
                tracing::warn!(%error, "a checkpoint was not written; the log is whole");
            }
        }
    }
}
