//! The job that watches a Sovereign's cluster: connects, freezes the expected set, and reports
//! every change, for ever. It decides nothing: what the facts mean is the model's fold.

use std::{sync::Arc, time::Duration};

use catalyst_model::{
    ClusterFact, ClusterLink, Deployment, DeploymentEvent, Failure, FrozenKit, KubeconfigState,
    Problem, Recorded, Trouble,
};
use futures::{Stream, StreamExt};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use tokio_util::sync::CancellationToken;

use crate::{
    ClusterSession, Error, PortError,
    owner::{Handle, Surroundings},
};

/// Facts recorded with one write when many come at once, as at a listing.
const FACTS_PER_WRITE: usize = 64;

pub(crate) struct Job {
    pub(crate) handle: Handle,
    pub(crate) around: Arc<Surroundings>,
    pub(crate) stop: CancellationToken,
}

/// Why the job cannot go on with this connection.
enum Setback {
    /// The cluster does not answer.
    Lost(String),
    /// It answers and does not let us in.
    Refused(String),
    /// The records cannot be written.
    Records(Error),
}

impl From<Error> for Setback {
    fn from(e: Error) -> Self {
        Self::Records(e)
    }
}

impl Job {
    pub(crate) async fn run(self) {
        let stop = self.stop.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.watch_for_ever() => {}
        }
    }

    async fn watch_for_ever(&self) {
        loop {
            let setback = tokio::select! {
                setback = self.connect_and_watch() => setback,
                setback = self.deadlines() => setback,
            };
            let noted = match setback {
                Setback::Lost(message) => self.note_lost(message).await,
                Setback::Refused(message) => self.note_refused(message).await,
                Setback::Records(error) => Err(error),
            };
            if let Err(error) = noted {
                let id = &self.handle.deployment().id;
                tracing::error!(%id, %error, "cannot record what the cluster shows");
            }
            tokio::time::sleep(self.around.deadlines.cluster_retry).await;
        }
    }

    async fn connect_and_watch(&self) -> Setback {
        match self.try_connect_and_watch().await {
            Ok(never) => match never {},
            Err(setback) => setback,
        }
    }

    async fn try_connect_and_watch(&self) -> Result<std::convert::Infallible, Setback> {
        let kubeconfig = self.read_kubeconfig().await?;
        let id = self.handle.deployment().id.clone();
        let connecting = self.around.clusters.connect(id, kubeconfig);
        let session = self.within(connecting).await?;
        self.note_attached().await?;
        let mut facts = session.watch().ready_chunks(FACTS_PER_WRITE);
        let kit = self.handle.deployment().kit.as_ref().map(|kit| kit.frozen.clone());
        let kit = match kit {
            Some(kit) => kit,
            None => self.freeze_kit(session.as_ref(), &mut facts).await?,
        };
        session.expect(kit);
        while let Some(facts) = facts.next().await {
            self.take(facts).await?;
        }
        Err(Setback::Lost("the watch ended".to_owned()))
    }

    /// Waits for the kit, and meanwhile records what is seen of the things under it.
    async fn freeze_kit(
        &self,
        session: &dyn ClusterSession,
        facts: &mut (impl Stream<Item = Vec<ClusterFact>> + Unpin),
    ) -> Result<FrozenKit, Setback> {
        let mut asking = std::pin::pin!(self.ask_for_kit(session));
        loop {
            tokio::select! {
                kit = asking.as_mut() => return kit,
                facts = facts.next() => match facts {
                    Some(facts) => self.take(facts).await?,
                    None => return Err(Setback::Lost("the watch ended".to_owned())),
                },
            }
        }
    }

    async fn within<T>(
        &self,
        call: impl Future<Output = Result<T, PortError>>,
    ) -> Result<T, Setback> {
        let limit = self.around.deadlines.cluster_call;
        match tokio::time::timeout(limit, call).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(PortError::Refused(why))) => Err(Setback::Refused(why)),
            Ok(Err(error)) => Err(Setback::Lost(error.to_string())),
            Err(_) => Err(Setback::Lost(format!("no answer within {} s", limit.as_secs()))),
        }
    }

    async fn read_kubeconfig(&self) -> Result<SecretString, Setback> {
        let missing = || Setback::Lost(Problem::KUBECONFIG_FILE_MISSING.title.to_owned());
        let deployment = self.handle.deployment();
        let KubeconfigState::Stored { sha256, .. } = &deployment.kubeconfig else {
            return Err(missing());
        };
        let kubeconfigs = self.around.kubeconfigs.as_ref().ok_or_else(missing)?;
        let bytes = kubeconfigs
            .read(&deployment.id, sha256)
            .await
            .map_err(crate::error::from_store)?
            .ok_or_else(missing)?;
        let text = std::str::from_utf8(bytes.expose_secret()).map_err(|_| missing())?;
        Ok(SecretString::from(text))
    }

    /// Asks until the kit that Flux fetched can be read.
    async fn ask_for_kit(&self, session: &dyn ClusterSession) -> Result<FrozenKit, Setback> {
        let limit = self.around.deadlines.cluster_call;
        loop {
            let asked = tokio::time::timeout(limit, session.expected_kit()).await;
            match asked.unwrap_or_else(|_| Err(PortError::Unreachable("no answer in time".into())))
            {
                Ok(kit) => {
                    self.handle
                        .record(vec![DeploymentEvent::KitFrozen { kit: kit.clone() }])
                        .await?;
                    return Ok(kit);
                }
                Err(PortError::KitNotYet(message)) => {
                    let known = self.handle.deployment();
                    if known.kit_awaited.as_ref().is_none_or(|a| a.message != message) {
                        self.handle.record(vec![DeploymentEvent::KitAwaited { message }]).await?;
                    }
                }
                Err(PortError::KitNotFetched(why)) => {
                    self.note_no_kit(Problem::KIT_NOT_FETCHED.with(why)).await?;
                }
                Err(PortError::KitNotBuilt(why)) => {
                    self.note_no_kit(Problem::KIT_NOT_BUILT.with(why)).await?;
                }
                Err(PortError::KitUnreadable(why)) => {
                    self.note_no_kit(Problem::KIT_UNREADABLE.with(why)).await?;
                }
                Err(PortError::Unreachable(why)) => return Err(Setback::Lost(why)),
                Err(PortError::Refused(why)) => return Err(Setback::Refused(why)),
            }
            tokio::time::sleep(self.around.deadlines.cluster_retry).await;
        }
    }

    async fn note_no_kit(&self, why: Trouble) -> Result<(), Error> {
        let failure: Failure = why.into();
        if self.handle.deployment().kit_failure.as_ref() == Some(&failure) {
            return Ok(());
        }
        self.handle.record(vec![DeploymentEvent::KitRefused { failure }]).await
    }

    /// Records what is news among `facts`.
    async fn take(&self, facts: Vec<ClusterFact>) -> Result<(), Setback> {
        let mut known = (*self.handle.deployment()).clone();
        let mut events = Vec::new();
        for fact in facts {
            let Some(event) = news(&known, fact) else { continue };
            // The facts of one batch follow each other, so each is judged after those before.
            let one = Recorded { seq: known.seq.next(), time: Timestamp::now(), event };
            known.apply(&one).map_err(Error::internal)?;
            events.push(one.event);
        }
        self.handle.record(events).await.map_err(Setback::Records)
    }

    async fn note_attached(&self) -> Result<(), Error> {
        match self.handle.deployment().cluster {
            ClusterLink::Attached { .. } => Ok(()),
            ClusterLink::Unattached | ClusterLink::Lost { .. } => {
                self.handle.record(vec![DeploymentEvent::ClusterAttached]).await
            }
        }
    }

    async fn note_lost(&self, message: String) -> Result<(), Error> {
        let known = match &self.handle.deployment().cluster {
            ClusterLink::Lost { message: before, .. } => *before == message,
            ClusterLink::Unattached | ClusterLink::Attached { .. } => false,
        };
        if known {
            return Ok(());
        }
        self.handle.record(vec![DeploymentEvent::ClusterLost { message }]).await
    }

    async fn note_refused(&self, message: String) -> Result<(), Error> {
        let failure: Failure = Problem::CLUSTER_REFUSES.with(message).into();
        if self.handle.deployment().cluster_refusal.as_ref() == Some(&failure) {
            return Ok(());
        }
        self.handle.record(vec![DeploymentEvent::ClusterRefused { failure }]).await
    }

    /// Waits for the deadlines of the expected set and of the kit and records that they passed.
    /// Comes back only when that cannot be recorded; none of this ends the watching.
    async fn deadlines(&self) -> Setback {
        let mut state = self.handle.state.clone();
        loop {
            let due = self.next_deadline();
            let left = due.as_ref().map(|(at, _)| until(*at));
            tokio::select! {
                changed = state.changed() => if changed.is_err() {
                    return Setback::Lost("the daemon is stopping".to_owned());
                },
                () = tokio::time::sleep(left.unwrap_or(Duration::MAX)), if left.is_some() => {
                    if let Some((_, failure)) = due {
                        let event = DeploymentEvent::KitTimedOut { failure };
                        if let Err(error) = self.handle.record(vec![event]).await {
                            return Setback::Records(error);
                        }
                    }
                }
            }
        }
    }

    fn next_deadline(&self) -> Option<(Timestamp, Failure)> {
        let deployment = self.handle.deployment();
        if deployment.kit_timed_out.is_some() || deployment.first_ready_at.is_some() {
            return None;
        }
        // Whoever asked to wait anew gets the whole time again.
        let since = |at: Timestamp| deployment.waits_since.map_or(at, |again| again.max(at));
        let (from, wait, problem) = match (&deployment.kit, &deployment.kubeconfig) {
            (Some(kit), _) => {
                (since(kit.frozen_at), self.around.deadlines.kit, &Problem::KIT_TIMED_OUT)
            }
            (None, KubeconfigState::Stored { at, .. }) => {
                // Of a cluster that never let us in nobody can say what Flux does there.
                let problem = match deployment.attached_at {
                    Some(_) => &Problem::FLUX_NOT_RECONCILING,
                    None => &Problem::CLUSTER_UNREACHABLE,
                };
                (since(*at), self.around.deadlines.flux, problem)
            }
            (None, KubeconfigState::Awaited | KubeconfigState::TimedOut { .. }) => return None,
        };
        let at = from.checked_add(wait).ok()?;
        let last = match (&deployment.cluster, &deployment.kit_awaited) {
            (ClusterLink::Lost { message, .. }, _) => Some(format!(": {message}")),
            (_, awaited) => awaited.as_ref().map(|a| format!(": {}", a.message)),
        };
        let text = format!("not within {} s{}", wait.as_secs(), last.unwrap_or_default());
        Some((at, problem.with(text).into()))
    }
}

/// What `fact` would record, if it says something that is not `known`.
fn news(known: &Deployment, fact: ClusterFact) -> Option<DeploymentEvent> {
    match fact {
        ClusterFact::Attached => match known.cluster {
            ClusterLink::Attached { .. } => None,
            ClusterLink::Unattached | ClusterLink::Lost { .. } => {
                Some(DeploymentEvent::ClusterAttached)
            }
        },
        ClusterFact::Lost { message } => match known.cluster {
            ClusterLink::Lost { .. } => None,
            ClusterLink::Unattached | ClusterLink::Attached { .. } => {
                Some(DeploymentEvent::ClusterLost { message })
            }
        },
        ClusterFact::Platform(fact) => known.platform_news(fact),
        ClusterFact::Component(fact) => {
            known.is_news(&fact).then_some(DeploymentEvent::ComponentObserved { fact })
        }
        ClusterFact::Causes(causes) => {
            let before = &known.cluster_causes;
            let is_same = before.len() == causes.len()
                && before.iter().zip(&causes).all(|(before, now)| before.says_as(now));
            (!is_same).then_some(DeploymentEvent::CausesObserved { causes })
        }
    }
}

fn until(at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or(Duration::ZERO)
}
