//! What is kept of Flux's objects, claims, nodes, Jobs and Events.

use catalyst_model::{ConditionFact, ConditionStatus};
use jiff::Timestamp;
use serde_json::Value;

use crate::Key;
use crate::member::{condition, condition_value, list, number, text, time};
use crate::quantity::Amount;
use crate::words::{clipped, without_credentials};

/// A condition that speaks of the current generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What it says.
    pub fact: ConditionFact,
    /// When it changed last.
    pub since: Option<Timestamp>,
}

impl Condition {
    /// The condition of that type, unless it speaks of an older generation.
    fn current(object: &Value, kind: &str) -> Option<Self> {
        let fact = condition(object, kind)?;
        let generation = number(object, "/metadata/generation");
        if fact.observed_generation.is_some() && fact.observed_generation != generation {
            return None;
        }
        let since = condition_value(object, kind).and_then(|c| time(c, "/lastTransitionTime"));
        Some(Self {
            fact: ConditionFact { message: without_credentials(&fact.message), ..fact },
            since,
        })
    }

    /// Whether it says No.
    pub(crate) fn is_false(&self) -> bool {
        self.fact.status == ConditionStatus::False
    }
}

/// A HelmChart, a source or a Kustomization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toolkit {
    /// What it is for: a chart and its version, an address, a path.
    pub what: String,
    /// Where that comes from: a branch, a source.
    pub from: String,
    /// The condition `Ready`.
    pub ready: Option<Condition>,
}

impl Toolkit {
    /// Reads an object of `kind`.
    pub fn read(kind: &str, object: &Value) -> Self {
        let spec = |member: &str| text(object, &format!("/spec/{member}")).unwrap_or_default();
        let source = || format!("{}/{}", spec("sourceRef/kind"), spec("sourceRef/name"));
        let (what, from) = match kind {
            "HelmChart" => (format!("{}:{}", spec("chart"), spec("version")), source()),
            "Kustomization" => (spec("path"), source()),
            _ => (without_credentials(&spec("url")), reference(object)),
        };
        Self { what, from, ready: Condition::current(object, "Ready") }
    }
}

/// Which revision a source asks for.
fn reference(object: &Value) -> String {
    let of = |member: &str| {
        text(object, &format!("/spec/ref/{member}")).map(|name| format!("{member} {name}"))
    };
    ["commit", "name", "digest", "semver", "tag", "branch"]
        .into_iter()
        .find_map(of)
        .unwrap_or_default()
}

/// A HelmRelease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The releases it waits for.
    pub depends_on: Vec<Key>,
    /// Its HelmChart.
    pub chart: Option<Key>,
    /// Name of the chart.
    pub chart_name: String,
    /// Namespace it installs into.
    pub target_namespace: String,
    /// The time an install may take, as written, such as `15m`.
    pub timeout: String,
    /// The condition `Ready`.
    pub ready: Option<Condition>,
    /// The condition `Released`, which keeps the outcome of the last try.
    pub released: Option<Condition>,
    /// When it was made.
    pub created: Option<Timestamp>,
}

impl Release {
    /// Reads a HelmRelease of version v2.
    pub fn read(object: &Value) -> Option<Self> {
        let namespace = text(object, "/metadata/namespace")?;
        let depends_on = list(object, "/spec/dependsOn").filter_map(|edge| {
            let name = text(edge, "/name")?;
            Some(Key::new(text(edge, "/namespace").unwrap_or_else(|| namespace.clone()), name))
        });
        let chart = text(object, "/status/helmChart");
        Some(Self {
            depends_on: depends_on.collect(),
            chart: chart.and_then(|c| c.split_once('/').map(|(space, name)| Key::new(space, name))),
            chart_name: text(object, "/spec/chart/spec/chart").unwrap_or_default(),
            target_namespace: text(object, "/spec/targetNamespace")
                .unwrap_or_else(|| namespace.clone()),
            timeout: text(object, "/spec/timeout").unwrap_or_else(|| "5m".to_owned()),
            ready: Condition::current(object, "Ready"),
            released: Condition::current(object, "Released"),
            created: time(object, "/metadata/creationTimestamp"),
        })
    }
}

/// A claim for storage that is not bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The class it asks for, if it names one.
    pub class: Option<String>,
    /// When it was made.
    pub since: Option<Timestamp>,
}

impl Claim {
    /// Reads a PersistentVolumeClaim; one that is bound is of no interest.
    pub fn read(object: &Value) -> Option<Self> {
        if text(object, "/status/phase").as_deref() == Some("Bound") {
            return None;
        }
        Some(Self {
            class: text(object, "/spec/storageClassName"),
            since: time(object, "/metadata/creationTimestamp"),
        })
    }
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Whether it is Ready.
    pub ready: bool,
    /// When its readiness changed last.
    pub since: Option<Timestamp>,
    /// What it says of its readiness.
    pub message: String,
    /// What Pods may ask of it in all.
    pub allocatable: Amount,
}

impl Node {
    /// Reads a Node.
    pub fn read(object: &Value) -> Self {
        let ready = Condition::current(object, "Ready");
        let message = ready.as_ref().map(|ready| ready.fact.message.clone());
        Self {
            ready: ready.as_ref().is_some_and(|c| c.fact.status == ConditionStatus::True),
            since: ready.and_then(|ready| ready.since),
            message: message.unwrap_or_else(|| "it has never reported".to_owned()),
            allocatable: Amount::read(object.pointer("/status/allocatable")),
        }
    }
}

/// A Job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// When it began.
    pub started: Option<Timestamp>,
    /// Whether it completed.
    pub complete: bool,
    /// When and why it failed for good.
    pub failed: Option<(Option<Timestamp>, String)>,
}

impl Job {
    /// Reads a Job.
    pub fn read(object: &Value) -> Self {
        let holds = |kind| {
            Condition::current(object, kind).filter(|c| c.fact.status == ConditionStatus::True)
        };
        let failed = holds("Failed").or_else(|| holds("FailureTarget"));
        Self {
            started: time(object, "/status/startTime"),
            complete: holds("Complete").is_some(),
            failed: failed.map(|c| (c.since, format!("{}: {}", c.fact.reason, c.fact.message))),
        }
    }
}

/// A warning that some part of the cluster gave about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Kind of the object.
    pub kind: String,
    /// The object.
    pub object: Key,
    /// The machine's word, such as `FailedMount`.
    pub reason: String,
    /// The sentence.
    pub message: String,
    /// How often.
    pub count: i64,
    /// The first time.
    pub first: Option<Timestamp>,
    /// The last time.
    pub last: Option<Timestamp>,
}

impl Event {
    /// Reads an Event.
    pub fn read(object: &Value) -> Option<Self> {
        const LIMIT: usize = 700;
        let made = time(object, "/metadata/creationTimestamp");
        let first = time(object, "/firstTimestamp").or_else(|| time(object, "/eventTime")).or(made);
        let last =
            time(object, "/series/lastObservedTime").or_else(|| time(object, "/lastTimestamp"));
        let message = text(object, "/message").unwrap_or_default();
        Some(Self {
            kind: text(object, "/involvedObject/kind")?,
            object: Key::new(
                text(object, "/involvedObject/namespace").unwrap_or_default(),
                text(object, "/involvedObject/name")?,
            ),
            reason: text(object, "/reason").unwrap_or_default(),
            message: clipped(&without_credentials(&message), LIMIT),
            count: number(object, "/series/count")
                .or_else(|| number(object, "/count"))
                .unwrap_or(1),
            first,
            last: last.or(first),
        })
    }
}
