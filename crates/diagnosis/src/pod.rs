//! What is kept of a Pod: what it takes, and, while it is not ready, everything that may say why.

use jiff::Timestamp;
use serde_json::Value;

use crate::member::{condition_value, is_going, list, number, text, time};
use crate::quantity::Amount;
use crate::words::{clipped, without_credentials};

/// A Pod. Of one that is as it should be only what it takes is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pod {
    /// The node it is on.
    pub node: Option<String>,
    /// What it asks of its node; nothing once it has ended.
    pub asks: Amount,
    /// What it is like, while it is not ready and not about to go.
    pub unready: Option<Box<Unready>>,
}

/// A Pod that is not ready, or one of a Job that has not ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unready {
    /// Kind and name of the workload it belongs to.
    pub owner: (String, String),
    /// The node it is on.
    pub node: Option<String>,
    /// Since when it is not ready.
    pub since: Option<Timestamp>,
    /// Why no node takes it, and since when.
    pub unscheduled: Option<(Option<Timestamp>, String)>,
    /// The pull secrets it names.
    pub pull_secrets: Vec<String>,
    /// The claims it mounts.
    pub claims: Vec<String>,
    /// The keys of Secrets and ConfigMaps that it needs.
    pub references: Vec<Reference>,
    /// Its containers, those that run first to completion before the others.
    pub containers: Vec<Container>,
}

/// A Secret or ConfigMap that a Pod cannot start without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// `Secret` or `ConfigMap`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// The key, if one is named.
    pub key: Option<String>,
}

/// A container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Its image.
    pub image: String,
    /// How it is.
    pub state: State,
    /// How it ended the last time, if it did.
    pub last: Option<Exit>,
    /// How often it was started again.
    pub restarts: i64,
    /// Whether it is ready.
    pub ready: bool,
    /// What its readiness probe asks, such as `GET :8080/healthz`.
    pub probe: Option<String>,
}

/// How a container is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It has not been started.
    Waiting {
        /// The machine's word.
        reason: String,
        /// The sentence.
        message: String,
    },
    /// It runs.
    Running {
        /// Since when.
        since: Option<Timestamp>,
    },
    /// It ended.
    Ended(Exit),
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// Its exit code.
    pub code: i64,
    /// The machine's word, such as `OOMKilled`.
    pub reason: String,
    /// The runtime's sentence, if it has one.
    pub message: String,
    /// When.
    pub at: Option<Timestamp>,
}

impl Pod {
    /// Reads a Pod that belongs to the workload `owner` and is ready or not.
    pub fn read(object: &Value, owner: &(String, String), ready: bool) -> Self {
        let phase = text(object, "/status/phase").unwrap_or_default();
        let has_ended = phase == "Succeeded" || phase == "Failed";
        let asks = if has_ended { Amount::default() } else { Amount::of_pod(object) };
        // What runs to completion is at work as long as it is ready.
        let is_at_work = ready && owner.0 == "Job";
        let is_well = ready && !is_at_work || phase == "Succeeded" || is_going(object);
        let node = text(object, "/spec/nodeName");
        Self { node, asks, unready: (!is_well).then(|| Box::new(Unready::read(object, owner))) }
    }
}

impl Unready {
    fn read(object: &Value, owner: &(String, String)) -> Self {
        let names = |pointer: &str, member: &str| {
            list(object, pointer).filter_map(|item| text(item, member)).collect()
        };
        let since = condition_value(object, "Ready").and_then(|c| time(c, "/lastTransitionTime"));
        let unscheduled = condition_value(object, "PodScheduled")
            .filter(|c| c.get("status").and_then(Value::as_str) == Some("False"))
            .map(|c| (time(c, "/lastTransitionTime"), text(c, "/message").unwrap_or_default()));
        Self {
            owner: owner.clone(),
            node: text(object, "/spec/nodeName"),
            since: since.or_else(|| time(object, "/metadata/creationTimestamp")),
            unscheduled,
            pull_secrets: names("/spec/imagePullSecrets", "/name"),
            claims: names("/spec/volumes", "/persistentVolumeClaim/claimName"),
            references: references(object),
            containers: containers(object),
        }
    }
}

fn containers(object: &Value) -> Vec<Container> {
    let of = |specs: &str, states: &str| {
        list(object, states)
            .filter_map(|state| {
                let name = text(state, "/name")?;
                let spec = list(object, specs).find(|c| text(c, "/name").as_ref() == Some(&name));
                Some(container(name, spec, state))
            })
            .collect::<Vec<_>>()
    };
    let mut all = of("/spec/initContainers", "/status/initContainerStatuses");
    all.extend(of("/spec/containers", "/status/containerStatuses"));
    all
}

fn container(name: String, spec: Option<&Value>, state: &Value) -> Container {
    let image = spec.and_then(|spec| text(spec, "/image")).or_else(|| text(state, "/image"));
    let exit = |at: &str| {
        let code = number(state, &format!("{at}/exitCode"))?;
        let member = |name| text(state, &format!("{at}/{name}")).unwrap_or_default();
        let ended = time(state, &format!("{at}/finishedAt"));
        Some(Exit {
            code,
            reason: member("reason"),
            message: clipped(&member("message"), 500),
            at: ended,
        })
    };
    let now = if let Some(ended) = exit("/state/terminated") {
        State::Ended(ended)
    } else if state.pointer("/state/running").is_some() {
        State::Running { since: time(state, "/state/running/startedAt") }
    } else {
        let message = text(state, "/state/waiting/message").unwrap_or_default();
        State::Waiting {
            reason: text(state, "/state/waiting/reason").unwrap_or_default(),
            message: clipped(&without_credentials(&message), 700),
        }
    };
    Container {
        name,
        image: image.unwrap_or_default(),
        state: now,
        last: exit("/lastState/terminated"),
        restarts: number(state, "/restartCount").unwrap_or(0),
        ready: state.get("ready") == Some(&Value::Bool(true)),
        probe: spec.and_then(|spec| spec.get("readinessProbe")).and_then(probe),
    }
}

/// What a probe asks.
fn probe(probe: &Value) -> Option<String> {
    let port = |of: &Value| match of.get("port")? {
        Value::String(name) => Some(name.clone()),
        port => Some(port.to_string()),
    };
    if let Some(get) = probe.get("httpGet") {
        let path = text(get, "/path").unwrap_or_else(|| "/".to_owned());
        return Some(format!("GET :{}{path}", port(get)?));
    }
    if let Some(socket) = probe.get("tcpSocket") {
        return Some(format!("port {}", port(socket)?));
    }
    if let Some(grpc) = probe.get("grpc") {
        return Some(format!("gRPC port {}", port(grpc)?));
    }
    let command: Vec<&str> = list(probe, "/exec/command").filter_map(Value::as_str).collect();
    (!command.is_empty()).then(|| format!("`{}`", clipped(&command.join(" "), 120)))
}

/// The Secrets and ConfigMaps that must be there before the containers start.
fn references(object: &Value) -> Vec<Reference> {
    let mut found = Vec::new();
    let mut add = |kind, holder: &Value, name: &str, key: Option<String>| {
        let optional = holder.get("optional") == Some(&Value::Bool(true));
        if let (false, Some(name)) = (optional, text(holder, name)) {
            found.push(Reference { kind, name, key });
        }
    };
    let all = list(object, "/spec/initContainers").chain(list(object, "/spec/containers"));
    for container in all {
        for from in list(container, "/env").filter_map(|env| env.get("valueFrom")) {
            for (kind, member) in [("Secret", "secretKeyRef"), ("ConfigMap", "configMapKeyRef")] {
                if let Some(holder) = from.get(member) {
                    add(kind, holder, "/name", text(holder, "/key"));
                }
            }
        }
        for from in list(container, "/envFrom") {
            for (kind, member) in [("Secret", "secretRef"), ("ConfigMap", "configMapRef")] {
                if let Some(holder) = from.get(member) {
                    add(kind, holder, "/name", None);
                }
            }
        }
    }
    for volume in list(object, "/spec/volumes") {
        let sources = [("Secret", "secret", "/secretName"), ("ConfigMap", "configMap", "/name")];
        for (kind, member, name) in sources {
            let Some(holder) = volume.get(member) else { continue };
            let mut keys: Vec<_> = list(holder, "/items").map(|item| text(item, "/key")).collect();
            if keys.is_empty() {
                keys.push(None);
            }
            for key in keys {
                add(kind, holder, name, key);
            }
        }
    }
    found
}
