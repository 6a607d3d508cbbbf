//! Since when a node's kubelet runs: the witness against Pods that only look ready.
//!
//! After a cluster starts again, its API shows the Pods as they were before: Running and Ready,
//! for many seconds, until the kubelet has looked at them. So a Pod counts only when its
//! containers started after the kubelet did, or when the kubelet has run long enough to have
//! looked at every Pod. Entry point: [`ask`].

use jiff::{SignedDuration, Timestamp};

use crate::cluster::{Cluster, RequestError};

/// A kubelet that has run this long has looked at every Pod of its node.
const SETTLED_AFTER: SignedDuration = SignedDuration::from_secs(60);
/// The metrics of a busy kubelet are below 2 MiB.
const METRICS_LIMIT: usize = 16 << 20;
const START: &str = "process_start_time_seconds ";

/// What a node's kubelet says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kubelet {
    /// When its process started, by the node's clock, whole seconds.
    pub started_at: Timestamp,
    /// Whether it had run long enough, when it was asked, to have looked at every Pod.
    pub settled: bool,
}

impl Kubelet {
    /// Whether a Pod whose containers started at `containers` is as the API shows it.
    pub fn vouches_for(&self, containers: Option<Timestamp>) -> bool {
        self.settled || containers.is_some_and(|at| at >= self.started_at)
    }
}

/// Asks the kubelet of `node` through the API server.
///
/// # Errors
/// See [`RequestError`]; an answer without the start time is [`RequestError::Garbled`].
pub(crate) async fn ask(
    cluster: &Cluster,
    node: &str,
    now: Timestamp,
) -> Result<Kubelet, RequestError> {
    let path = format!("/api/v1/nodes/{node}/proxy/metrics");
    let metrics = cluster.bytes(&path, METRICS_LIMIT).await?;
    started_at(&metrics)
        .map(|started_at| Kubelet { started_at, settled: is_settled(started_at, now) })
        .ok_or(RequestError::Garbled { path })
}

fn started_at(metrics: &[u8]) -> Option<Timestamp> {
    let text = String::from_utf8_lossy(metrics);
    let seconds: f64 =
        text.lines().find_map(|line| line.strip_prefix(START))?.trim().parse().ok()?;
    // Container start times are whole seconds, so the comparison must be made in whole seconds.
    #[expect(clippy::cast_possible_truncation, reason = "seconds since 1970 fit")]
    Timestamp::from_second(seconds.floor() as i64).ok()
}

/// Clocks of node and control plane may differ; a start in the future is never settled.
fn is_settled(started_at: Timestamp, now: Timestamp) -> bool {
    now.duration_since(started_at) >= SETTLED_AFTER
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_start_is_read_from_the_metrics() {
        let metrics = b"# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds 1.76373234572e+09\nx 1\n";
        assert_eq!(started_at(metrics), Some(at(1_763_732_345)));
        assert_eq!(started_at(b"nothing"), None);
    }

    #[test]
    fn a_pod_from_before_the_restart_is_not_vouched_for() {
        let fresh = Kubelet { started_at: at(100), settled: false };
        assert!(!fresh.vouches_for(Some(at(40))));
        assert!(!fresh.vouches_for(None));
        assert!(fresh.vouches_for(Some(at(100))));
    }

    #[test]
    fn a_kubelet_that_only_restarted_itself_vouches_once_it_has_settled() {
        assert!(!is_settled(at(100), at(159)));
        assert!(is_settled(at(100), at(160)));
        let settled = Kubelet { started_at: at(100), settled: true };
        assert!(settled.vouches_for(Some(at(40))));
    }
}
