//! The seam to a Sovereign's cluster: what control asks of it, in the model's words.
//!
//! Two implementations exist: the real one over `catalyst-fleet`, and a scripted one in the tests.

use catalyst_model::{ClusterFact, DeploymentId, FrozenKit};
use futures::{future::BoxFuture, stream::BoxStream};
use secrecy::SecretString;

/// Why a cluster could not be asked. The text is shown: no addresses with credentials in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// The API server did not answer; trying again later may help.
    #[error("{0}")]
    Unreachable(String),
    /// The API server answers and does not let us in, or is another cluster's.
    #[error("{0}")]
    Refused(String),
    /// The cluster answers and Flux has not fetched the kit yet.
    #[error("{0}")]
    KitNotYet(String),
    /// Flux has the kit, and it could not be fetched from there.
    #[error("{0}")]
    KitNotFetched(String),
    /// This machine could not build the kit, whatever is in it.
    #[error("{0}")]
    KitNotBuilt(String),
    /// The kit that was fetched cannot be read.
    #[error("{0}")]
    KitUnreadable(String),
}

/// A way to reach clusters.
pub trait ClusterPort: Send + Sync + 'static {
    /// Connects with a kubeconfig that has been checked already, and makes sure the API answers.
    ///
    /// # Errors
    /// [`PortError::Unreachable`] when it does not, [`PortError::Refused`] when it does not let us
    /// in.
    fn connect(
        &self,
        id: DeploymentId,
        kubeconfig: SecretString,
    ) -> BoxFuture<'static, Result<Box<dyn ClusterSession>, PortError>>;
}

/// A connection to one cluster.
pub trait ClusterSession: Send + Sync + 'static {
    /// Reads the expected set from the kit that Flux has fetched now. Does not wait for Flux.
    ///
    /// # Errors
    /// [`PortError::KitNotYet`] while there is none, [`PortError::KitUnreadable`] when it does not
    /// build, [`PortError::Unreachable`] when the cluster stopped answering.
    fn expected_kit(&self) -> BoxFuture<'_, Result<FrozenKit, PortError>>;

    /// Watches what stands under the kit and, from [`ClusterSession::expect`] on, its releases: at
    /// each listing the whole present state, then every change. The stream does not end by itself
    /// and reports the loss of the cluster as a fact. Asked for once a session.
    fn watch(&self) -> BoxStream<'static, ClusterFact>;

    /// Names the releases that are watched.
    fn expect(&self, kit: FrozenKit);
}
