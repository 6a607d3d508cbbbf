//! The control plane's way to clusters: `catalyst-fleet`, told in the model's words.
//!
//! Neither side knows the other; they meet here, where the process is put together.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use catalyst_control::{ClusterPort, ClusterSession, PortError};
use catalyst_fleet::{
    Cluster, Expected, ExpectedError, Fault, KitSource, NotYet, RequestError, Timeouts, Watch,
    WatchConfig,
};
use catalyst_model::{ClusterFact, DeploymentId, FrozenKit};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream;
use futures::stream::BoxStream;
use secrecy::SecretString;

use crate::milestones::Milestones;

/// The Kustomization that first boot creates and whose releases are waited for.
const KUSTOMIZATION: &str = "bootstrap-kit";
/// A kit builds in a second or two; a slow disk gets a minute.
const BUILD_TIMEOUT: Duration = Duration::from_secs(60);

/// Clusters over the network.
#[derive(Debug)]
pub(crate) struct Clusters {
    kit: Arc<KitSource>,
}

impl Clusters {
    /// Builds kits with the program `kustomize` in the folder `work`.
    pub(crate) fn new(kustomize: PathBuf, work: PathBuf) -> Self {
        let kustomization = KUSTOMIZATION.to_owned();
        let kit = KitSource { kustomization, kustomize, work, build_timeout: BUILD_TIMEOUT };
        Self { kit: Arc::new(kit) }
    }
}

impl ClusterPort for Clusters {
    fn connect(
        &self,
        id: DeploymentId,
        kubeconfig: SecretString,
    ) -> BoxFuture<'static, Result<Box<dyn ClusterSession>, PortError>> {
        let kit = Arc::clone(&self.kit);
        Box::pin(async move {
            let connected = Cluster::connect(&kubeconfig, Timeouts::default()).await;
            let cluster = connected.map_err(|error| PortError::Refused(chain(&error)))?;
            let version = cluster.probe().await.map_err(|error| unanswered(&error))?;
            tracing::info!(%id, version, "the cluster answers");
            let watch = Arc::new(cluster.watch(None, WatchConfig::default()));
            Ok(Box::new(Session { cluster, kit, watch }) as Box<dyn ClusterSession>)
        })
    }
}

struct Session {
    cluster: Cluster,
    kit: Arc<KitSource>,
    /// Begun with the connection, so that what the kit waits for is seen while it is waited for.
    watch: Arc<Watch>,
}

impl ClusterSession for Session {
    fn expected_kit(&self) -> BoxFuture<'_, Result<FrozenKit, PortError>> {
        Box::pin(async move {
            match self.cluster.expected_kit(&self.kit).await {
                Ok(Expected::Frozen(kit, faults)) => {
                    for fault in faults {
                        tracing::warn!(?fault, "an edge of the kit leads nowhere");
                    }
                    Ok(kit)
                }
                Ok(Expected::NotYet(not_yet)) => Err(PortError::KitNotYet(reason(&not_yet))),
                Err(error) => Err(unread(&error)),
            }
        })
    }

    fn watch(&self) -> BoxStream<'static, ClusterFact> {
        let components = Arc::clone(&self.watch).facts();
        let mut views = self.watch.views();
        views.mark_changed();
        let platform =
            stream::unfold((views, Milestones::default()), |(mut views, mut told)| async move {
                views.changed().await.ok()?;
                let facts = told.step(&views.borrow_and_update());
                Some((stream::iter(facts.into_iter().map(ClusterFact::Platform)), (views, told)))
            });
        // The platform's stream ends with its watch, which the components' stream keeps.
        stream::select(components, platform.flatten()).boxed()
    }

    fn expect(&self, kit: FrozenKit) {
        self.watch.expect(kit);
    }
}

fn reason(not_yet: &NotYet) -> String {
    not_yet.to_string()
}

fn unanswered(error: &RequestError) -> PortError {
    match error.is_refusal() {
        true => PortError::Refused(chain(error)),
        false => PortError::Unreachable(chain(error)),
    }
}

fn unread(error: &ExpectedError) -> PortError {
    let text = chain(error);
    match error.fault() {
        Fault::Refused => PortError::Refused(text),
        Fault::Unreachable => PortError::Unreachable(text),
        Fault::NotFetched => PortError::KitNotFetched(text),
        Fault::NotBuilt => PortError::KitNotBuilt(text),
        Fault::Kit => PortError::KitUnreadable(text),
    }
}

/// An error with all that it came from, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
