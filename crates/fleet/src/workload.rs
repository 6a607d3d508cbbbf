//! How far a workload's controller says it is, read from its live object.
//!
//! The rules are those of `kubectl rollout status`, with two additions: a status of an older
//! generation says nothing, and zero replicas count as wanted only if the release asked for zero.
//! Whether its Pods can be believed is a question for [`crate::pod`].

use catalyst_diagnosis::Job;
use serde_json::Value;

use crate::flux::{condition_value, is_going, number, text};

/// A workload as its live object shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// Replicas (or completions) that are asked for.
    pub desired: i64,
    /// Replicas that are available (or completions that succeeded).
    pub ready: i64,
    /// Whether everything asked for is there, at the current generation.
    pub rolled_out: bool,
    /// Whether its Pods are expected to run on; not so for what runs to completion.
    pub keeps_running: bool,
    /// What keeps it.
    pub message: Option<String>,
    /// What may name a cause, of a Job.
    pub told: Option<Job>,
}

/// The kinds that run something.
pub(crate) const KINDS: [&str; 6] =
    ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "Pod"];

impl Live {
    /// Reads a live object of one of the kinds that have a controller.
    pub(crate) fn read(kind: &str, object: &Value) -> Option<Self> {
        let mut live = match kind {
            "Deployment" => deployment(object),
            "StatefulSet" => stateful_set(object),
            "DaemonSet" => daemon_set(object),
            "ReplicaSet" => replica_set(object),
            "Job" => return Some(job(object)),
            _ => return None,
        };
        let generation = number(object, "/metadata/generation")?;
        if number(object, "/status/observedGeneration").unwrap_or(0) < generation {
            live.rolled_out = false;
            live.message = Some("its controller has not looked at the newest version yet".into());
        }
        if is_going(object) {
            live.rolled_out = false;
            live.message = Some("it is being deleted".into());
        }
        Some(live)
    }
}

fn status(object: &Value, member: &str) -> i64 {
    number(object, &format!("/status/{member}")).unwrap_or(0)
}

fn replicas(object: &Value) -> i64 {
    number(object, "/spec/replicas").unwrap_or(1)
}

fn deployment(object: &Value) -> Live {
    let desired = replicas(object);
    let (updated, available) =
        (status(object, "updatedReplicas"), status(object, "availableReplicas"));
    let rolled_out =
        updated >= desired && status(object, "replicas") <= updated && available >= desired;
    let stuck = condition_value(object, "Progressing")
        .filter(|c| c.get("reason").and_then(Value::as_str) == Some("ProgressDeadlineExceeded"));
    let failure = condition_value(object, "ReplicaFailure");
    let message = failure.or(stuck).filter(|_| !rolled_out).and_then(|c| text(c, "/message"));
    Live { desired, ready: available, rolled_out, keeps_running: true, message, told: None }
}

fn stateful_set(object: &Value) -> Live {
    let desired = replicas(object);
    let ready = status(object, "availableReplicas").min(status(object, "readyReplicas"));
    let is_on_delete = text(object, "/spec/updateStrategy/type").as_deref() == Some("OnDelete");
    let revision = |which| text(object, &format!("/status/{which}Revision"));
    let is_updated = is_on_delete
        || number(object, "/spec/updateStrategy/rollingUpdate/partition").unwrap_or(0) > 0
        || revision("update") == revision("current")
        || status(object, "updatedReplicas") >= desired;
    let rolled_out = ready >= desired && is_updated;
    Live { desired, ready, rolled_out, keeps_running: true, message: None, told: None }
}

fn daemon_set(object: &Value) -> Live {
    let desired = status(object, "desiredNumberScheduled");
    let ready = status(object, "numberAvailable");
    let is_on_delete = text(object, "/spec/updateStrategy/type").as_deref() == Some("OnDelete");
    let is_updated = is_on_delete || status(object, "updatedNumberScheduled") >= desired;
    let rolled_out = ready >= desired && is_updated;
    Live { desired, ready, rolled_out, keeps_running: true, message: None, told: None }
}

fn replica_set(object: &Value) -> Live {
    let desired = replicas(object);
    let ready = status(object, "availableReplicas");
    Live {
        desired,
        ready,
        rolled_out: ready >= desired,
        keeps_running: true,
        message: None,
        told: None,
    }
}

fn job(object: &Value) -> Live {
    let holds = |kind| {
        condition_value(object, kind)
            .filter(|c| c.get("status").and_then(Value::as_str) == Some("True"))
    };
    let desired = number(object, "/spec/completions").unwrap_or(1);
    let rolled_out = holds("Complete").is_some();
    let failed = holds("Failed").map(|condition| {
        let why = text(condition, "/message").unwrap_or_default();
        format!("the Job failed: {why}")
    });
    let ready = status(object, "succeeded");
    let told = Some(Job::read(object));
    Live { desired, ready, rolled_out, keeps_running: false, message: failed, told }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(kind: &str, object: Value, expected: (i64, i64, bool)) {
        let live = Live::read(kind, &object).unwrap();
        assert_eq!((live.ready, live.desired, live.rolled_out), expected, "{object}");
    }

    fn deployed(status: Value) -> Value {
        json!({"metadata": {"generation": 2}, "spec": {"replicas": 2}, "status": status})
    }

    #[test]
    fn a_deployment_counts_when_new_replicas_are_there_and_old_ones_gone() {
        let full = json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2});
        check("Deployment", deployed(full.clone()), (2, 2, true));
        for (member, value) in [("availableReplicas", 1), ("updatedReplicas", 1), ("replicas", 3)] {
            let mut status = full.clone();
            status[member] = json!(value);
            assert!(!Live::read("Deployment", &deployed(status)).unwrap().rolled_out, "{member}");
        }
        check("Deployment", deployed(json!({})), (0, 2, false));
    }

    #[test]
    fn a14_a_status_of_an_older_generation_says_nothing() {
        let old = json!({"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2});
        check("Deployment", deployed(old), (2, 2, false));
        let never = json!({"metadata": {"generation": 1}, "status": {}});
        check("DaemonSet", never, (0, 0, false));
    }

    #[test]
    fn a_job_counts_only_when_complete() {
        let job = |kind: &str| json!({"metadata": {"generation": 1}, "spec": {}, "status": {"succeeded": 0, "conditions": [{"type": kind, "status": "True", "message": "boom"}]}});
        assert!(Live::read("Job", &job("Complete")).unwrap().rolled_out);
        let failed = Live::read("Job", &job("Failed")).unwrap();
        assert_eq!(failed.message.as_deref(), Some("the Job failed: boom"));
        assert!(!failed.rolled_out);
    }
}
