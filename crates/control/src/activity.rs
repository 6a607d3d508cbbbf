//! What a deployment's owner should be doing: a total function of its state.
//!
//! The same function decides after an event and after a restart, so there is no second way to
//! begin anything and the order in which things happen does not matter.

use std::time::Duration;

use catalyst_model::{Deployment, KubeconfigState, Progress};
use jiff::Timestamp;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activity {
    /// Make the infrastructure, from the first step that did not end.
    Provision,
    /// Wait for the node's post until this moment.
    AwaitKubeconfig {
        /// When the waiting ends.
        until: Timestamp,
    },
    /// Watch the cluster, for ever.
    Watch,
    /// Nothing, until somebody asks for something.
    Rest,
}

/// What `deployment` needs now.
pub(crate) fn next_activity(deployment: &Deployment, kubeconfig_wait: Duration) -> Activity {
    match (&deployment.infrastructure.progress, &deployment.kubeconfig) {
        (Progress::Waiting | Progress::Working { .. }, _) => Activity::Provision,
        (Progress::Failed { .. }, _) => Activity::Rest,
        (Progress::Done, KubeconfigState::Awaited) => {
            let stands_since = deployment.infrastructure.finished_at;
            let since = deployment.waits_since.or(stands_since).unwrap_or(deployment.created_at);
            let until = since.checked_add(kubeconfig_wait).unwrap_or(Timestamp::MAX);
            Activity::AwaitKubeconfig { until }
        }
        // The bearer may still be good: the post wakes the owner.
        (Progress::Done, KubeconfigState::TimedOut { .. }) => Activity::Rest,
        (Progress::Done, KubeconfigState::Stored { .. }) => Activity::Watch,
    }
}
