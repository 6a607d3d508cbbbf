//! Watches one cluster for ever.
//!
//! Entry point: [`Cluster::watch`]. An owner task holds the [`Index`]; feeder tasks list and watch
//! one kind each and send what they see. A heartbeat asks the API server for its version: when it
//! stops answering, all feeders are dropped, and when it answers again everything is listed anew,
//! so no half-dead connection can pass old facts for new ones. Nothing ends a watch but dropping it.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use catalyst_diagnosis::Tail;
use catalyst_model::{Cause, CauseKind, ClusterFact, ComponentFact, FrozenKit, ReleaseName};
use futures::{Stream, StreamExt, stream};
use jiff::Timestamp;
use kube::Api;
use kube::api::DynamicObject;
use kube::runtime::watcher;
use serde_json::Value;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::cluster::{Cluster, RequestError};
use crate::index::{Index, Kubelet};
use crate::kubelet;
use crate::log::{self, Wanted};
use crate::observe::{Key, Kind, Observed};
use crate::view::{ClusterView, Connection};

/// One relist of a thousand objects may wait in the queue; feeders pause beyond that.
const QUEUE: usize = 1024;
/// Changes within this time are published together.
const PUBLISH_EVERY: Duration = Duration::from_millis(50);
/// While something is not ready, what only time shows is looked for this often.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Logs that are read at the same time, one cluster.
const LOGS: usize = 16;

/// How a watch behaves; all times have sensible defaults.
#[derive(Debug, Clone, Copy)]
pub struct WatchConfig {
    /// Time between two heartbeats. The loss of a cluster is noticed after two that failed.
    pub heartbeat: Duration,
    /// Longest pause after a fault, of a feeder as of a new connection.
    pub max_pause: Duration,
    /// Time between two questions to a kubelet that has not settled.
    pub ask_again: Duration,
    /// A kubelet that may not be asked (no permission) is believed after this time.
    pub believe_after: Duration,
}

impl Default for WatchConfig {
    /// 5 s, 2 s, 3 s, 60 s.
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(5),
            max_pause: Duration::from_secs(2),
            ask_again: Duration::from_secs(3),
            believe_after: Duration::from_secs(60),
        }
    }
}

/// A running watch; dropping it ends all its tasks.
#[derive(Debug)]
pub struct Watch {
    views: watch::Receiver<Arc<ClusterView>>,
    kit: watch::Sender<Option<Arc<FrozenKit>>>,
    _owner: JoinSet<()>,
}

impl Cluster {
    /// Starts to watch. Without a kit only the platform is told; [`Watch::expect`] adds one.
    ///
    /// Must be called inside a Tokio runtime.
    pub fn watch(&self, kit: Option<FrozenKit>, config: WatchConfig) -> Watch {
        let (kit, expected) = watch::channel(kit.map(Arc::new));
        let (publish, views) = watch::channel(Arc::new(ClusterView::default()));
        let mut owner = JoinSet::new();
        let cluster = self.clone();
        let (index, settling) = (Index::default(), Settling::default());
        owner.spawn(Owner { cluster, config, expected, publish, index, settling }.run());
        Watch { views, kit, _owner: owner }
    }
}

impl Watch {
    /// Sets the kit whose releases are looked for.
    pub fn expect(&self, kit: FrozenKit) {
        self.kit.send_replace(Some(Arc::new(kit)));
    }

    /// The latest state, and a signal at each change. Readers that are slow miss steps, never ends.
    pub fn views(&self) -> watch::Receiver<Arc<ClusterView>> {
        self.views.clone()
    }

    /// The same as facts: at each attachment every component, then each one that changed.
    ///
    /// The stream never ends by itself; dropping it ends the watch.
    pub fn into_facts(self) -> impl Stream<Item = ClusterFact> + Send + 'static {
        Arc::new(self).facts()
    }

    /// The same for a watch that others hold as well, such as to say later what is expected.
    pub fn facts(self: Arc<Self>) -> impl Stream<Item = ClusterFact> + Send + 'static {
        let mut views = self.views.clone();
        views.mark_changed();
        let state = (self, views, Cursor::default());
        let steps = stream::unfold(state, |(watch, mut views, mut cursor)| async move {
            views.changed().await.ok()?;
            let view = views.borrow_and_update().clone();
            let facts = cursor.step(&view);
            Some((stream::iter(facts), (watch, views, cursor)))
        });
        steps.flatten()
    }
}

/// Turns states into facts: what the last reader has been told.
#[derive(Debug, Default)]
struct Cursor {
    attached: bool,
    lost: bool,
    told: BTreeMap<ReleaseName, ComponentFact>,
    causes: Vec<Cause>,
}

impl Cursor {
    fn step(&mut self, view: &ClusterView) -> Vec<ClusterFact> {
        let mut facts = Vec::new();
        if let Connection::Stale { message, .. } = &view.connection {
            if !self.lost {
                facts.push(ClusterFact::Lost { message: message.clone() });
            }
            (self.lost, self.attached) = (true, false);
            return facts;
        }
        if view.connection == Connection::Live && self.causes != view.causes {
            // Told before there is a kit as well: what Flux waits for then has its causes too.
            self.causes.clone_from(&view.causes);
            facts.push(ClusterFact::Causes(view.causes.clone()));
        }
        if !view.is_current() {
            return facts;
        }
        if !self.attached {
            facts.push(ClusterFact::Attached);
            self.told.clear();
            (self.lost, self.attached) = (false, true);
        }
        for component in &view.components {
            if self.told.get(&component.name) != Some(component) {
                self.told.insert(component.name.clone(), component.clone());
                facts.push(ClusterFact::Component(component.clone()));
            }
        }
        facts
    }
}

/// What feeders tell the owner.
enum Message {
    Reset(Kind, Vec<(Key, Result<Observed, String>)>),
    Apply(Kind, Key, Result<Observed, String>),
    Delete(Kind, Key),
    /// A feeder's connection broke; the node may have started anew.
    Trouble(Kind, String),
    Kubelet(String, Result<Kubelet, RequestError>),
    /// The last lines of a container.
    Log(Key, String, Tail),
    Lost(String),
}

struct Owner {
    cluster: Cluster,
    config: WatchConfig,
    expected: watch::Receiver<Option<Arc<FrozenKit>>>,
    publish: watch::Sender<Arc<ClusterView>>,
    index: Index,
    settling: Settling,
}

impl Owner {
    async fn run(mut self) {
        let mut pause = Pause::new(self.config.max_pause);
        loop {
            match self.cluster.probe().await {
                Ok(version) => {
                    tracing::info!(cluster = %self.cluster.address(), version, "cluster attached");
                    self.index.connected();
                    pause = Pause::new(self.config.max_pause);
                    let reason = self.attached().await;
                    tracing::warn!(cluster = %self.cluster.address(), reason, "cluster lost");
                    self.index.lost(Timestamp::now(), reason);
                }
                Err(error) => self.index.lost(Timestamp::now(), error.to_string()),
            }
            self.publish();
            tokio::time::sleep(pause.next()).await;
        }
    }

    /// Feeds the index until the API server stops answering, and tells why.
    async fn attached(&mut self) -> String {
        let (tell, mut told) = mpsc::channel(QUEUE);
        let mut tasks = JoinSet::new();
        let doubt = Arc::new(Notify::new());
        for kind in Kind::ALL {
            tasks.spawn(feed(self.cluster.clone(), kind, self.config.max_pause, tell.clone()));
        }
        let heartbeat = self.config.heartbeat;
        tasks.spawn(beat(self.cluster.clone(), heartbeat, doubt.clone(), tell.clone()));
        let mut witnesses = Witnesses::new(self.config);
        let mut logs = BTreeSet::new();
        let mut restless_at = Instant::now();
        let mut ask = tokio::time::interval(Duration::from_millis(200));
        let mut publish_at: Option<Instant> = None;
        loop {
            let publish = async {
                match publish_at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(message) = told.recv() => match message {
                    Message::Lost(reason) => return reason,
                    Message::Trouble(kind, reason) => {
                        tracing::debug!(kind = kind.as_str(), reason, "watch broke off");
                        self.index.trouble(kind, reason);
                        // A kind that only explains may be unknown to a cluster for ever.
                        if Kind::FOR_COMPONENTS.contains(&kind) {
                            witnesses.doubt();
                            doubt.notify_one();
                        }
                    }
                    Message::Kubelet(node, said) => witnesses.hear(&mut self.index, node, said),
                    message => take(&mut self.index, message),
                },
                changed = self.expected.changed() => {
                    if changed.is_err() {
                        return "the watch is being dropped".to_owned();
                    }
                }
                () = publish => {
                    self.publish();
                    publish_at = None;
                    continue;
                }
                _ = ask.tick() => {
                    for node in witnesses.due(&self.index) {
                        tasks.spawn(question(self.cluster.clone(), node, tell.clone()));
                    }
                    for wanted in news(&mut logs, self.index.wanted_logs()) {
                        tasks.spawn(read_log(self.cluster.clone(), wanted, tell.clone()));
                    }
                    while tasks.try_join_next().is_some() {}
                    let is_restless = self.settling.is_pending() || self.index.is_restless();
                    if !is_restless || restless_at.elapsed() < LOOK_AGAIN {
                        continue;
                    }
                    restless_at = Instant::now();
                }
            }
            publish_at.get_or_insert_with(|| Instant::now() + PUBLISH_EVERY);
        }
    }

    fn publish(&mut self) {
        self.index.expect(self.expected.borrow_and_update().clone());
        let mut view = self.index.view();
        let causes = self.index.causes(&view, Timestamp::now());
        view.causes = self.settling.settled(causes, Instant::now());
        self.publish.send_if_modified(|known| {
            let is_new = **known != view;
            if is_new {
                *known = Arc::new(view);
            }
            is_new
        });
    }
}

/// Puts what a feeder saw into the index; an object that cannot be read is noted and left out.
fn take(index: &mut Index, message: Message) {
    let skip = |index: &mut Index, kind: Kind, key: &Key, what: &str| {
        let (namespace, name) = (&key.namespace, &key.name);
        tracing::warn!(kind = kind.as_str(), namespace, name, what, "object left out");
        index.skip(kind, key);
    };
    match message {
        Message::Reset(kind, listed) => {
            let mut good = Vec::with_capacity(listed.len());
            for (key, observed) in listed {
                match observed {
                    Ok(observed) => good.push((key, observed)),
                    Err(what) => skip(index, kind, &key, &what),
                }
            }
            index.reset(kind, good);
        }
        Message::Apply(kind, key, Ok(observed)) => {
            index.apply(kind, key, observed);
        }
        Message::Apply(kind, key, Err(what)) => skip(index, kind, &key, &what),
        Message::Delete(kind, key) => {
            index.delete(kind, &key);
        }
        Message::Log(pod, container, tail) => index.log(pod, container, tail),
        Message::Trouble(..) | Message::Kubelet(..) | Message::Lost(_) => {}
    }
}

/// Lists and watches one kind for ever.
async fn feed(cluster: Cluster, kind: Kind, max_pause: Duration, tell: mpsc::Sender<Message>) {
    let resource = kind.resource();
    let api: Api<DynamicObject> = match kind.namespace() {
        Some(namespace) => Api::namespaced_with(cluster.client(), namespace, &resource),
        None => Api::all_with(cluster.client(), &resource),
    };
    let mut config = watcher::Config::default();
    if let Some(fields) = kind.fields() {
        config = config.fields(fields);
    }
    let mut events = pin!(watcher(api, config));
    let mut pause = Pause::new(max_pause);
    let mut listed = Vec::new();
    while let Some(event) = events.next().await {
        let message = match event {
            Ok(watcher::Event::Init) => {
                listed.clear();
                continue;
            }
            Ok(watcher::Event::InitApply(object)) => {
                listed.push(reduced(kind, object));
                continue;
            }
            Ok(watcher::Event::InitDone) => {
                pause = Pause::new(max_pause);
                Message::Reset(kind, std::mem::take(&mut listed))
            }
            Ok(watcher::Event::Apply(object)) => {
                let (key, observed) = reduced(kind, object);
                Message::Apply(kind, key, observed)
            }
            Ok(watcher::Event::Delete(object)) => Message::Delete(kind, key_of(&object)),
            Err(error) => Message::Trouble(kind, error.to_string()),
        };
        let is_trouble = matches!(message, Message::Trouble(..));
        if tell.send(message).await.is_err() {
            return;
        }
        if is_trouble {
            tokio::time::sleep(pause.next()).await;
        }
    }
}

fn key_of(object: &DynamicObject) -> Key {
    let metadata = &object.metadata;
    Key {
        namespace: metadata.namespace.clone().unwrap_or_default(),
        name: metadata.name.clone().unwrap_or_default(),
    }
}

fn reduced(kind: Kind, object: DynamicObject) -> (Key, Result<Observed, String>) {
    let key = key_of(&object);
    let mut value = object.data;
    let observed = match serde_json::to_value(&object.metadata) {
        Ok(metadata) => {
            if let Value::Object(members) = &mut value {
                members.insert("metadata".to_owned(), metadata);
            }
            Observed::read(kind, &value)
        }
        Err(error) => Err(error.to_string()),
    };
    (key, observed)
}

/// Asks for the server's version at each beat and whenever there is doubt; two refusals are a loss.
async fn beat(cluster: Cluster, every: Duration, doubt: Arc<Notify>, tell: mpsc::Sender<Message>) {
    let mut failed = 0;
    loop {
        let wait = if failed == 0 { every } else { every.min(Duration::from_millis(500)) };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = doubt.notified(), if failed == 0 => {}
        }
        match cluster.probe().await {
            Ok(_) => failed = 0,
            Err(error) => {
                failed += 1;
                if failed == 2 {
                    tell.send(Message::Lost(error.to_string())).await.ok();
                    return;
                }
            }
        }
    }
}

/// Which of the logs that are wanted nobody reads or has read; those no longer wanted are forgotten.
fn news(known: &mut BTreeSet<Wanted>, wanted: BTreeSet<Wanted>) -> Vec<Wanted> {
    known.retain(|one| wanted.contains(one));
    let room = LOGS.saturating_sub(known.len());
    let new: Vec<Wanted> =
        wanted.into_iter().filter(|one| !known.contains(one)).take(room).collect();
    known.extend(new.iter().cloned());
    new
}

async fn read_log(cluster: Cluster, wanted: Wanted, tell: mpsc::Sender<Message>) {
    let said = |tail| async {
        let message = Message::Log(wanted.pod.clone(), wanted.container.clone(), tail);
        tell.send(message).await.ok();
    };
    log::read(&cluster, &wanted, said).await;
}

async fn question(cluster: Cluster, node: String, tell: mpsc::Sender<Message>) {
    let said = kubelet::ask(&cluster, &node, Timestamp::now()).await;
    tell.send(Message::Kubelet(node, said)).await.ok();
}

/// Which kubelets are to be asked, and when.
struct Witnesses {
    config: WatchConfig,
    since: Instant,
    in_flight: BTreeSet<String>,
    asked_at: BTreeMap<String, Instant>,
    doubted: BTreeSet<String>,
}

impl Witnesses {
    fn new(config: WatchConfig) -> Self {
        Self {
            config,
            since: Instant::now(),
            in_flight: BTreeSet::new(),
            asked_at: BTreeMap::new(),
            doubted: BTreeSet::new(),
        }
    }

    /// A connection broke: every kubelet is asked once more.
    fn doubt(&mut self) {
        self.doubted.extend(self.asked_at.keys().cloned());
    }

    fn due(&mut self, index: &Index) -> Vec<String> {
        let mut nodes: BTreeSet<String> = index.unsettled_nodes().into_iter().collect();
        nodes.extend(std::mem::take(&mut self.doubted));
        let now = Instant::now();
        let is_due = |node: &String| {
            let asked = self.asked_at.get(node);
            !self.in_flight.contains(node)
                && asked.is_none_or(|at| now.duration_since(*at) >= self.config.ask_again)
        };
        let due: Vec<String> = nodes.into_iter().filter(is_due).collect();
        for node in &due {
            self.in_flight.insert(node.clone());
            self.asked_at.insert(node.clone(), now);
        }
        due
    }

    fn hear(&mut self, index: &mut Index, node: String, said: Result<Kubelet, RequestError>) {
        self.in_flight.remove(&node);
        let kubelet = match said {
            Ok(kubelet) => Some(kubelet),
            Err(error) => {
                tracing::debug!(node, %error, "kubelet did not answer");
                let may_not = matches!(error, RequestError::Status { status: 401 | 403 | 405, .. });
                let is_old = self.since.elapsed() >= self.config.believe_after;
                let believed = Kubelet { started_at: Timestamp::UNIX_EPOCH, settled: true };
                (may_not && is_old).then_some(believed)
            }
        };
        index.witness(node, kubelet);
    }
}

/// Pauses that double up to a bound.
struct Pause {
    next: Duration,
    max: Duration,
}

impl Pause {
    fn new(max: Duration) -> Self {
        Self { next: Duration::from_millis(100).min(max), max }
    }

    fn next(&mut self) -> Duration {
        let now = self.next;
        self.next = (now * 2).min(self.max);
        now
    }
}

/// Holds a cause back until it has lasted: a Pod that starts misses this and that for a moment.
#[derive(Debug, Default)]
struct Settling {
    since: BTreeMap<(CauseKind, String), Instant>,
    pending: bool,
}

impl Settling {
    /// How long a cause must last before it is told.
    const GRACE: Duration = Duration::from_millis(1500);

    fn settled(&mut self, causes: Vec<Cause>, now: Instant) -> Vec<Cause> {
        let identity = |cause: &Cause| (cause.kind, cause.subject.clone());
        let shown: BTreeSet<_> = causes.iter().map(identity).collect();
        self.since.retain(|known, _| shown.contains(known));
        for one in shown {
            self.since.entry(one).or_insert(now);
        }
        let has_lasted = |cause: &Cause| {
            let since = self.since.get(&identity(cause));
            since.is_some_and(|since| now.duration_since(*since) >= Self::GRACE)
        };
        let (told, held): (Vec<_>, Vec<_>) = causes.into_iter().partition(has_lasted);
        self.pending = !held.is_empty();
        told
    }

    /// Whether a cause is held back.
    fn is_pending(&self) -> bool {
        self.pending
    }
}

#[cfg(test)]
mod tests;
