//! The way to clusters that the control plane is given.

use catalyst_control::{ClusterPort, ClusterSession, PortError};
use catalyst_model::DeploymentId;
use futures::future::{BoxFuture, ready};
use secrecy::SecretString;

/// No way at all: every cluster is out of reach.
#[derive(Debug)]
pub(crate) struct Unconnected;

impl ClusterPort for Unconnected {
    fn connect(
        &self,
        _: DeploymentId,
        _: SecretString,
    ) -> BoxFuture<'static, Result<Box<dyn ClusterSession>, PortError>> {
        Box::pin(ready(Err(PortError::Unreachable("this build has no way to clusters".to_owned()))))
    }
}
