//! A cluster of the tests: objects as the API server gives them, reduced and lent to the diagnosis.

use std::collections::{BTreeMap, BTreeSet};

use catalyst_model::{Cause, KitRelease, ReleaseName};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::member::text;
use crate::{
    Claim, Controller, Event, Job, Key, Made, Node, Observed, Pending, Pod, Release, Tail, Toolkit,
    diagnose,
};

/// Owns what [`Observed`] lends.
#[derive(Debug, Clone)]
pub(super) struct World {
    kit: Vec<KitRelease>,
    objects: Vec<(&'static str, Key, Value)>,
    made: Vec<(ReleaseName, String, String, String, Option<String>)>,
    pending: Vec<(ReleaseName, Timestamp)>,
    controllers: Vec<Controller>,
    logs: Vec<(Key, String, Tail)>,
    unreadable: Vec<(&'static str, String)>,
    now: Timestamp,
}

impl World {
    /// The kit `bp-reflector` ← `bp-gitea` ← `bp-catalyst-platform`; a StatefulSet and a Deployment
    /// `gitea` belong to the second.
    pub(super) fn kit() -> Self {
        let release = |name: &str, on: &[&str]| KitRelease {
            name: name.parse().unwrap(),
            namespace: "flux-system".to_owned(),
            slot: String::new(),
            version: "0.1.0".to_owned(),
            depends_on: on.iter().map(|name| name.parse().unwrap()).collect(),
        };
        let kit = vec![
            release("bp-reflector", &[]),
            release("bp-gitea", &["bp-reflector"]),
            release("bp-catalyst-platform", &["bp-gitea"]),
        ];
        let world = Self {
            kit,
            objects: Vec::new(),
            made: Vec::new(),
            pending: Vec::new(),
            controllers: Vec::new(),
            logs: Vec::new(),
            unreadable: Vec::new(),
            now: "2026-01-01T00:01:00Z".parse().unwrap(),
        };
        let world = world.made("bp-gitea", "StatefulSet", "gitea", "gitea", None);
        world.made("bp-gitea", "Deployment", "gitea", "gitea", None)
    }

    pub(super) fn has(mut self, kind: &'static str, object: Value) -> Self {
        let member = |name: &str| text(&object, &format!("/metadata/{name}")).unwrap_or_default();
        let key = Key::new(member("namespace"), member("name"));
        self.objects.push((kind, key, object));
        self
    }

    pub(super) fn made(
        mut self,
        release: &str,
        kind: &str,
        namespace: &str,
        name: &str,
        hook: Option<&str>,
    ) -> Self {
        let hook = hook.map(str::to_owned);
        self.made.push((
            release.parse().unwrap(),
            kind.into(),
            namespace.into(),
            name.into(),
            hook,
        ));
        self
    }

    pub(super) fn pending(mut self, release: &str, since: &str) -> Self {
        self.pending.push((release.parse().unwrap(), since.parse().unwrap()));
        self
    }

    pub(super) fn controller(
        mut self,
        name: &str,
        running: Option<&str>,
        exists: bool,
        desired: i64,
    ) -> Self {
        let running_since = running.map(|at| at.parse().unwrap());
        self.controllers.push(Controller { name: name.to_owned(), running_since, exists, desired });
        self
    }

    pub(super) fn log(
        mut self,
        namespace: &str,
        pod: &str,
        container: &str,
        owner: (&str, &str),
        lines: &str,
    ) -> Self {
        let owner = (owner.0.to_owned(), owner.1.to_owned());
        let lines = lines.lines().map(str::to_owned).collect();
        let tail = Tail { owner, lines, unreadable: None };
        self.logs.push((Key::new(namespace, pod), container.to_owned(), tail));
        self
    }

    pub(super) fn unreadable(mut self, kind: &'static str, why: &str) -> Self {
        self.unreadable.push((kind, why.to_owned()));
        self
    }

    pub(super) fn at(mut self, now: &str) -> Self {
        self.now = now.parse().unwrap();
        self
    }

    fn all<T>(&self, kind: &str, read: impl Fn(&Value) -> Option<T>) -> Vec<(Key, T)> {
        let of_kind = self.objects.iter().filter(|(known, ..)| *known == kind);
        of_kind.filter_map(|(_, key, object)| Some((key.clone(), read(object)?))).collect()
    }

    pub(super) fn causes(&self) -> Vec<Cause> {
        let toolkit = |kind: &'static str| self.all(kind, |o| Some(Toolkit::read(kind, o)));
        let releases = self.all("HelmRelease", Release::read);
        let charts = toolkit("HelmChart");
        let kustomizations = toolkit("Kustomization");
        let sources =
            ["GitRepository", "HelmRepository", "OCIRepository"].map(|kind| (kind, toolkit(kind)));
        let pods = self.all("Pod", |pod| Some(Pod::read(pod, &owner(pod), false)));
        let jobs = self.all("Job", |job| Some(Job::read(job)));
        let claims = self.all("PersistentVolumeClaim", Claim::read);
        let nodes = self.all("Node", |node| Some(Node::read(node)));
        let events = self.all("Event", Event::read);
        let classes = self.all("StorageClass", |class| {
            let is_default = "/metadata/annotations/storageclass.kubernetes.io~1is-default-class";
            Some(text(class, is_default).as_deref() == Some("true"))
        });
        let made = self.made.iter().map(|(release, kind, namespace, name, hook)| {
            let made = Made { release, hook: hook.as_deref() };
            ((namespace.as_str(), kind.as_str(), name.as_str()), made)
        });
        let pending = self.pending.iter().map(|(release, since)| Pending {
            release,
            status: "pending-install",
            since: Some(*since),
        });
        diagnose(&Observed {
            kit: &self.kit,
            well: BTreeSet::new(),
            releases: lent(&releases),
            owners: made.collect(),
            pending: pending.collect(),
            charts: lent(&charts),
            sources: sources
                .iter()
                .flat_map(|(kind, all)| all.iter().map(|(key, object)| (*kind, key, object)))
                .collect(),
            kustomizations: lent(&kustomizations),
            pods: lent(&pods),
            jobs: lent(&jobs),
            claims: lent(&claims),
            classes: Some(
                classes.iter().map(|(key, default)| (key.name.as_str(), *default)).collect(),
            ),
            nodes: lent(&nodes),
            events: events.iter().map(|(_, event)| event).collect(),
            controllers: self.controllers.clone(),
            logs: self.logs.iter().map(|(key, name, tail)| ((key, name.as_str()), tail)).collect(),
            unreadable: self.unreadable.iter().map(|(kind, why)| (*kind, why.as_str())).collect(),
            now: self.now,
        })
    }
}

fn lent<T>(all: &[(Key, T)]) -> BTreeMap<&Key, &T> {
    all.iter().map(|(key, object)| (key, object)).collect()
}

fn owner(pod: &Value) -> (String, String) {
    let member = |name| text(pod, &format!("/metadata/ownerReferences/0/{name}")).unwrap();
    (member("kind"), member("name"))
}

/// A Pod on node `sov1` that is not ready, with the statuses of its containers.
pub(super) fn pod(namespace: &str, name: &str, owner: (&str, &str), states: Value) -> Value {
    json!({
        "metadata": {"name": name, "namespace": namespace, "creationTimestamp": "2026-01-01T00:00:00Z",
            "ownerReferences": [{"kind": owner.0, "name": owner.1, "controller": true}]},
        "spec": {"nodeName": "sov1"},
        "status": {"phase": "Pending", "containerStatuses": states,
            "conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:01Z"}]},
    })
}

/// A warning about an object, by kind, namespace and name.
pub(super) fn warning(
    object: (&str, &str, &str),
    reason: &str,
    message: &str,
    count: i64,
) -> Value {
    json!({
        "metadata": {"name": format!("{}.{reason}", object.2), "namespace": object.1},
        "involvedObject": {"kind": object.0, "namespace": object.1, "name": object.2},
        "type": "Warning", "reason": reason, "message": message, "count": count,
        "firstTimestamp": "2026-01-01T00:00:02Z", "lastTimestamp": "2026-01-01T00:00:30Z",
    })
}

/// A HelmRelease that is not ready for that reason.
pub(super) fn helm_release(name: &str, depends_on: &[&str], reason: &str, message: &str) -> Value {
    let edges: Vec<Value> = depends_on.iter().map(|name| json!({"name": name})).collect();
    let status = if reason == "Progressing" { "Unknown" } else { "False" };
    let target = name.trim_start_matches("bp-");
    let mut object = json!({
        "metadata": {"name": name, "namespace": "flux-system", "generation": 1},
        "spec": {"dependsOn": edges, "timeout": "15m", "targetNamespace": target, "chart": {"spec": {"chart": name}}},
        "status": {"observedGeneration": 1},
    });
    if !reason.is_empty() {
        object["status"]["conditions"] = json!([{"type": "Ready", "status": status, "reason": reason,
            "message": message, "observedGeneration": 1, "lastTransitionTime": "2026-01-01T00:00:03Z"}]);
    }
    object
}
