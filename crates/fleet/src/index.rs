//! What is known of one cluster: a synchronous index, fed by watches, read as one view.
//!
//! Entry points: [`Index::apply`], [`Index::delete`] and [`Index::reset`] take what watches say and
//! tell whether anything changed; [`Index::view`] is a pure function of the latest facts, so the
//! order in which they came does not matter. Nothing here awaits and nothing here asks for the time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use catalyst_diagnosis::Tail;
use catalyst_model::{
    ComponentFact, ConditionFact, FrozenKit, Inventory, KitRelease, WorkloadFact,
};
use jiff::Timestamp;

pub use crate::flux::HelmRelease;
use crate::flux::{CONTROLLERS, NAMESPACE};
pub use crate::kubelet::Kubelet;
use crate::log::Logs;
pub use crate::observe::{FluxObject, Node, StorageClass};
use crate::observe::{Key, Kind, Observed};
pub use crate::pod::Pod;
use crate::record::{Item, ItemKind, Record};
use crate::view::{ClusterView, Connection, KustomizationView, NodeView, Platform, SourceView};
pub use crate::workload::Live;

/// The latest facts of one cluster.
#[derive(Debug, Default)]
pub struct Index {
    kit: Option<Arc<FrozenKit>>,
    connection: Connection,
    objects: BTreeMap<Kind, BTreeMap<Key, Observed>>,
    synced: BTreeSet<Kind>,
    /// By node; nothing for one that was asked and did not answer.
    kubelets: BTreeMap<String, Option<Kubelet>>,
    unreadable: u64,
    /// Kinds whose listing or watch failed last, with the API server's words.
    troubles: BTreeMap<Kind, String>,
    logs: Logs,
}

impl Index {
    /// Sets the kit whose releases are looked for.
    pub fn expect(&mut self, kit: Option<Arc<FrozenKit>>) {
        self.kit = kit;
    }

    /// Notes that the API server answers; every listing and every witness is awaited anew.
    pub fn connected(&mut self) {
        self.connection = Connection::Live;
        self.synced.clear();
        self.kubelets.clear();
        self.troubles.clear();
    }

    /// Notes that the API server stopped answering; what was known stays, and grows old.
    pub fn lost(&mut self, since: Timestamp, message: String) {
        self.connection = match &self.connection {
            Connection::Stale { since, .. } => Connection::Stale { since: *since, message },
            Connection::Live | Connection::Connecting => Connection::Stale { since, message },
        };
    }

    /// Takes an object that was added or changed.
    pub fn apply(&mut self, kind: Kind, key: Key, observed: Observed) -> bool {
        let objects = self.objects.entry(kind).or_default();
        match objects.get(&key) {
            Some(known) if *known == observed => false,
            _ => {
                objects.insert(key, observed);
                bound(kind, objects);
                true
            }
        }
    }

    /// Notes that a kind cannot be listed or watched; the next listing takes it back.
    pub fn trouble(&mut self, kind: Kind, reason: String) {
        self.troubles.insert(kind, reason);
    }

    /// Takes the last lines of a container.
    pub fn log(&mut self, pod: Key, container: String, tail: Tail) {
        self.logs.put(pod, container, tail);
    }

    /// Takes the absence of an object.
    pub fn delete(&mut self, kind: Kind, key: &Key) -> bool {
        self.objects.get_mut(&kind).is_some_and(|objects| objects.remove(key).is_some())
    }

    /// Takes a complete listing: what it does not hold is gone.
    pub fn reset(&mut self, kind: Kind, listed: Vec<(Key, Observed)>) -> bool {
        let mut listed: BTreeMap<Key, Observed> = listed.into_iter().collect();
        bound(kind, &mut listed);
        self.troubles.remove(&kind);
        let is_news = self.synced.insert(kind);
        let before = self.objects.insert(kind, listed);
        is_news || before.as_ref() != self.objects.get(&kind)
    }

    /// Counts an object that could not be read, and forgets what was known of it.
    pub fn skip(&mut self, kind: Kind, key: &Key) {
        self.unreadable += 1;
        self.delete(kind, key);
    }

    /// Takes what a node's kubelet said of itself, or that it did not answer.
    pub fn witness(&mut self, node: String, kubelet: Option<Kubelet>) -> bool {
        self.kubelets.insert(node, kubelet) != Some(kubelet)
    }

    /// Nodes whose kubelet has not been asked, has not answered, or has not run long enough.
    pub fn unsettled_nodes(&self) -> Vec<String> {
        let is_settled = |name: &str| {
            self.kubelets.get(name).is_some_and(|known| known.is_some_and(|k| k.settled))
        };
        self.of(Kind::Node).map(|(key, _)| key.name.clone()).filter(|n| !is_settled(n)).collect()
    }

    /// Whether every node's kubelet has been asked at least once, so that a Pod that does not count
    /// is told for a reason and not for want of asking.
    pub fn has_asked_every_node(&self) -> bool {
        self.of(Kind::Node).all(|(key, _)| self.kubelets.contains_key(&key.name))
    }

    /// The whole state.
    pub fn view(&self) -> ClusterView {
        let mut synced = self.synced.clone();
        if !self.has_asked_every_node() {
            // Without the witness nothing can be said of Pods.
            synced.remove(&Kind::Node);
        }
        let pods = self.pods_by_owner();
        let has_all = Kind::FOR_COMPONENTS.iter().all(|kind| self.objects.contains_key(kind));
        let kit = self.kit.as_deref().filter(|_| has_all);
        let releases = kit.map(FrozenKit::releases).unwrap_or_default();
        ClusterView {
            connection: self.connection.clone(),
            synced,
            components: releases.iter().map(|release| self.component(release, &pods)).collect(),
            platform: self.platform(&pods),
            unreadable: self.unreadable,
            causes: Vec::new(),
        }
    }

    fn of(&self, kind: Kind) -> impl Iterator<Item = (&Key, &Observed)> {
        self.objects.get(&kind).into_iter().flatten()
    }

    fn get(&self, kind: Kind, key: &Key) -> Option<&Observed> {
        self.objects.get(&kind)?.get(key)
    }
}

/// Drops the oldest Events beyond a bound: in a storm they would be all that is kept.
fn bound(kind: Kind, objects: &mut BTreeMap<Key, Observed>) {
    const EVENTS: usize = 1000;
    while kind == Kind::Event && objects.len() > EVENTS {
        let age = |observed: &Observed| match observed {
            Observed::Event(event) => event.last,
            _ => None,
        };
        let oldest = objects.iter().min_by_key(|(_, observed)| age(observed));
        let Some(oldest) = oldest.map(|(key, _)| key.clone()) else { return };
        objects.remove(&oldest);
    }
}

/// Pods by namespace, kind and name of the workload they belong to.
type PodsByOwner<'a> = BTreeMap<(&'a str, &'a str, &'a str), Vec<&'a Pod>>;

impl Index {
    fn pods_by_owner(&self) -> PodsByOwner<'_> {
        let mut pods = PodsByOwner::new();
        for (key, observed) in self.of(Kind::Pod) {
            if let Observed::Pod(pod) = observed {
                let owner = (key.namespace.as_str(), pod.owner.0.as_str(), pod.owner.1.as_str());
                pods.entry(owner).or_default().push(pod);
            }
        }
        pods
    }

    fn component(&self, release: &KitRelease, pods: &PodsByOwner<'_>) -> ComponentFact {
        let key = Key::new(&release.namespace, release.name.as_str());
        let helm = match self.get(Kind::HelmRelease, &key) {
            Some(Observed::HelmRelease(helm)) => Some(helm),
            _ => None,
        };
        let record = helm.and_then(|helm| self.record(helm));
        ComponentFact {
            name: release.name.clone(),
            helm: helm.map(|helm| helm.fact.clone()),
            inventory: record.map(|(namespace, record)| self.inventory(namespace, record, pods)),
        }
    }

    /// The record of the version that the status calls current, else the newest one.
    fn record<'a>(&'a self, helm: &'a HelmRelease) -> Option<(&'a str, &'a Record)> {
        let mut of_release = self.records(helm);
        match helm.release_version {
            Some(version) => of_release.find(|(_, record)| record.version == version),
            None => of_release.max_by_key(|(_, record)| record.version),
        }
    }

    /// The records of every version of a release.
    fn records<'a>(&'a self, helm: &'a HelmRelease) -> impl Iterator<Item = (&'a str, &'a Record)> {
        self.of(Kind::HelmRecord).filter_map(|(key, observed)| match observed {
            Observed::HelmRecord(record)
                if key.namespace == helm.storage_namespace
                    && record.release == helm.release_name =>
            {
                Some((key.namespace.as_str(), &**record))
            }
            _ => None,
        })
    }

    fn inventory(&self, namespace: &str, record: &Record, pods: &PodsByOwner<'_>) -> Inventory {
        let mut workloads: Vec<WorkloadFact> =
            record.items.iter().map(|item| self.item(item, pods)).collect();
        workloads.extend(record.unreadable.iter().map(|place| WorkloadFact {
            kind: "Manifest".to_owned(),
            namespace: namespace.to_owned(),
            name: record.release.clone(),
            available: false,
            ready: 0,
            desired: 1,
            message: Some(format!("a document cannot be read: {place}")),
        }));
        let unreadable = u32::try_from(record.unreadable.len()).unwrap_or(u32::MAX);
        Inventory { objects: record.objects.saturating_add(unreadable), workloads }
    }

    fn item(&self, item: &Item, pods: &PodsByOwner<'_>) -> WorkloadFact {
        let Item { kind, namespace, name, part } = item;
        match part {
            ItemKind::Manifest { replicas } => {
                self.workload(kind, namespace, name, *replicas, pods)
            }
            ItemKind::Hook { event, phase } => {
                let succeeded = phase == "Succeeded";
                let pods = pods.get(&(namespace.as_str(), kind.as_str(), name.as_str()));
                let problem = pods.into_iter().flatten().find_map(|pod| pod.problem.as_deref());
                let mut message = format!("{event} hook: {}", phase.to_lowercase());
                if let Some(problem) = problem {
                    message = format!("{message}; {problem}");
                }
                WorkloadFact {
                    kind: kind.clone(),
                    namespace: namespace.clone(),
                    name: name.clone(),
                    available: succeeded,
                    ready: u32::from(succeeded),
                    desired: 1,
                    message: (!succeeded).then_some(message),
                }
            }
        }
    }

    fn workload(
        &self,
        kind: &str,
        namespace: &str,
        name: &str,
        asked: Option<i64>,
        pods: &PodsByOwner<'_>,
    ) -> WorkloadFact {
        let own = pods.get(&(namespace, kind, name)).map(Vec::as_slice).unwrap_or_default();
        let health = if kind == "Pod" {
            self.bare_pod(own)
        } else {
            match self.live(kind, &Key::new(namespace, name)) {
                Some(live) => self.controlled(live, asked, own),
                None => Health::absent(asked),
            }
        };
        WorkloadFact {
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            available: health.available,
            ready: u32::try_from(health.ready).unwrap_or(0),
            desired: u32::try_from(health.desired).unwrap_or(0),
            message: health.message.filter(|_| !health.available),
        }
    }

    fn live(&self, kind: &str, key: &Key) -> Option<&Live> {
        let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind)?;
        match self.get(kind, key)? {
            Observed::Workload(live) => Some(live),
            _ => None,
        }
    }

    /// Whether the Pod is as the API shows it; see [`crate::kubelet`].
    fn is_confirmed(&self, pod: &Pod) -> bool {
        let kubelet = pod.node.as_ref().and_then(|node| self.kubelets.get(node)).copied().flatten();
        kubelet.is_some_and(|kubelet| kubelet.vouches_for(pod.containers_started_at))
    }

    fn controlled(&self, live: &Live, asked: Option<i64>, pods: &[&Pod]) -> Health {
        let Live { desired, ready, rolled_out, keeps_running, .. } = *live;
        let problem = || pods.iter().find_map(|pod| pod.problem.clone());
        if !keeps_running {
            let message = live.message.clone().or_else(problem);
            let message = message.or(Some("it has not completed yet".to_owned()));
            return Health { available: rolled_out, ready, desired, message };
        }
        let shown = pods.iter().filter(|pod| pod.ready).count();
        let confirmed = pods.iter().filter(|pod| pod.ready && self.is_confirmed(pod)).count();
        let confirmed_count = i64::try_from(confirmed).unwrap_or(i64::MAX);
        let is_off = desired == 0 && asked.is_some_and(|asked| asked > 0);
        let message = if is_off {
            Some(format!("scaled to zero; the release asks for {}", asked.unwrap_or(1)))
        } else if shown > confirmed {
            let doubtful = shown - confirmed;
            Some(format!("{doubtful} of {shown} Pods not confirmed by their node since it started"))
        } else {
            live.message.clone().or_else(problem).or(Some("its Pods are starting".to_owned()))
        };
        Health {
            available: rolled_out && confirmed_count >= desired && !is_off,
            ready: ready.min(confirmed_count),
            desired,
            message,
        }
    }

    fn bare_pod(&self, pods: &[&Pod]) -> Health {
        let Some(pod) = pods.first() else { return Health::absent(None) };
        let available = pod.succeeded || pod.ready && self.is_confirmed(pod);
        let message = pod.problem.clone().or(Some("it is starting".to_owned()));
        Health { available, ready: i64::from(available), desired: 1, message }
    }
}

struct Health {
    available: bool,
    ready: i64,
    desired: i64,
    message: Option<String>,
}

impl Health {
    fn absent(asked: Option<i64>) -> Self {
        let message = Some("it does not exist in the cluster".to_owned());
        Self { available: false, ready: 0, desired: asked.unwrap_or(1), message }
    }
}

impl Index {
    fn platform(&self, pods: &PodsByOwner<'_>) -> Platform {
        let controllers = if self.objects.contains_key(&Kind::Deployment) {
            let controller = |name| self.workload("Deployment", NAMESPACE, name, Some(1), pods);
            CONTROLLERS.map(controller).to_vec()
        } else {
            Vec::new()
        };
        Platform {
            nodes: self.nodes(),
            default_storage_classes: self.default_storage_classes(),
            controllers,
            sources: self.flux_objects(Kind::GitRepository, |name, object| SourceView {
                name,
                ready: current(object),
                since: object.since,
                revision: object.revision.clone(),
            }),
            kustomizations: self.flux_objects(Kind::Kustomization, |name, object| {
                KustomizationView {
                    name,
                    ready: current(object),
                    since: object.since,
                    revision: object.revision.clone(),
                }
            }),
        }
    }

    fn nodes(&self) -> Vec<NodeView> {
        let view = |(key, observed): (&Key, &Observed)| {
            let Observed::Node(node) = observed else { return None };
            Some(NodeView {
                name: key.name.clone(),
                ready: node.ready,
                version: node.version.clone(),
                since: node.since,
                message: node.message.clone(),
                confirmed: self.kubelets.get(&key.name).is_some_and(Option::is_some),
            })
        };
        self.of(Kind::Node).filter_map(view).collect()
    }

    fn default_storage_classes(&self) -> Vec<String> {
        let is_default = |observed: &Observed| {
            matches!(observed, Observed::StorageClass(StorageClass { is_default: true }))
        };
        self.of(Kind::StorageClass)
            .filter(|(_, observed)| is_default(observed))
            .map(|(key, _)| key.name.clone())
            .collect()
    }

    fn flux_objects<V>(&self, kind: Kind, view: impl Fn(String, &FluxObject) -> V) -> Vec<V> {
        self.of(kind)
            .filter_map(|(key, observed)| match observed {
                Observed::FluxObject(object) => Some(view(key.name.clone(), object)),
                _ => None,
            })
            .collect()
    }
}

/// The condition, unless it speaks of an older generation (A14).
fn current(object: &FluxObject) -> Option<ConditionFact> {
    let speaks_of = |ready: &&ConditionFact| {
        ready.observed_generation.is_none_or(|generation| generation == object.generation)
    };
    object.ready.as_ref().filter(speaks_of).cloned()
}

mod diagnosis;

#[cfg(test)]
mod tests;
