//! Sovereigns made by hand, from nothing to Ready and back, with things killed on the way: the node
//! init, its daemons, half-made links, and two Sovereigns side by side.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::ensure;
use catalyst_e2e::{
    Catalyst, Process, enabled, kill, listeners, network_of, processes_in, setting, snapshot, until,
};
use serde_json::Value;

/// The last links, which `e2e/place` leaves to Sovereigns made by hand.
const INDEX: &str = "15";
const OTHER_INDEX: &str = "14";

/// One Sovereign made by hand; taken down with its data when dropped.
struct Node {
    catalyst: Catalyst,
    name: &'static str,
    index: &'static str,
}

impl Node {
    fn new(name: &'static str, index: &'static str) -> Self {
        Self { catalyst: Catalyst::from_environment().unwrap(), name, index }
    }

    fn up(&self) {
        self.catalyst.run(&self.up_args()).unwrap();
    }

    fn up_args(&self) -> [&'static str; 5] {
        ["sandbox", "up", self.name, "--index", self.index]
    }

    fn down(&self, more: &[&str]) {
        self.catalyst.run(&[&["sandbox", "down", self.name], more].concat()).unwrap();
    }

    fn status(&self) -> Value {
        self.catalyst.node(self.name).unwrap()
    }

    fn daemon(&self, name: &str) -> Value {
        let status = self.status();
        let all = status["node"]["daemons"].as_array().cloned().unwrap_or_default();
        all.into_iter().find(|one| one["name"] == name).unwrap_or_default()
    }

    fn init(&self) -> Process {
        let pid = self.status()["init_pid"].as_u64().expect("the node runs");
        Process::of(u32::try_from(pid).unwrap()).expect("it is in a group of ours")
    }

    fn folder(&self) -> PathBuf {
        setting("CATALYST_HOME").unwrap().join("sovereigns").join(self.name)
    }

    fn kubectl(&self, args: &[&str]) -> String {
        let output = Command::new(setting("CATALYST_KUBECTL").unwrap())
            .arg(format!("--kubeconfig={}", self.folder().join("kubeconfig").display()))
            .arg(format!("--cache-dir={}", self.folder().join("kube-cache").display()))
            .args(args)
            .output()
            .unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn is_ready(&self) -> bool {
        self.kubectl(&["get", "nodes", "--no-headers"]).contains(" Ready ")
    }

    /// The id of namespace kube-system: the cluster's own identity.
    fn id(&self) -> String {
        let path = "--output=jsonpath={.metadata.uid}";
        self.kubectl(&["get", "namespace", "kube-system", path])
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.catalyst.run(&["sandbox", "down", self.name, "--purge"]);
    }
}

/// Sockets of the node's own network namespace that are bound to every address.
fn bound_to_everything(init: &Process) -> Vec<String> {
    let network = network_of(init.pid);
    let daemons = processes_in(|one| one.owner() == init.owner() && network_of(one.pid) == network);
    assert!(daemons.len() > 5, "{daemons:?}");
    let sockets = daemons.iter().flat_map(|one| listeners(one.pid));
    let open = sockets.filter(|socket| socket.address.is_unspecified());
    open.map(|socket| format!("{socket:?}")).collect()
}

#[test]
fn a_bare_sovereign_survives_kills_and_leaves_nothing() {
    if !enabled("bare node") {
        return;
    }
    let before = snapshot();
    let node = Node::new("bare", INDEX);
    node.up();
    assert!(node.is_ready());
    let first = node.init();
    assert_eq!(bound_to_everything(&first), Vec::<String>::new());

    // `up` on a running Sovereign changes nothing.
    node.up();
    assert_eq!(node.init(), first);

    // A dead daemon is started again.
    let scheduler = node.daemon("kube-scheduler");
    let restarts = scheduler["restarts"].as_u64().unwrap();
    let inner = scheduler["pid"].as_u64().unwrap();
    kill(&Process::inside(first.pid, inner).expect("it runs")).unwrap();
    until(Duration::from_secs(60), || {
        let one = node.daemon("kube-scheduler");
        ensure!(one["restarts"].as_u64() > Some(restarts) && one["state"] == "ready", "{one}");
        Ok(())
    })
    .unwrap();

    // The death of PID 1 is the death of all, and the next `up` goes on with the same data.
    let id = node.id();
    kill(&first).unwrap();
    until(Duration::from_secs(10), || {
        ensure!(node.status()["processes"] == 0, "some live on");
        Ok(())
    })
    .unwrap();
    node.up();
    assert_eq!(node.id(), id);
    assert!(node.is_ready());

    // `down` leaves nothing but the data, also when everything that could help it was killed before,
    // and can be repeated.
    let fronts = processes_in(|one| one.owner().starts_with("/catalyst/front-bare-"));
    assert!(fronts.len() >= 3, "supervisor, TLS and DNS: {fronts:?}");
    kill(&node.init()).unwrap();
    kill(&fronts[0]).unwrap();
    node.down(&[]);
    node.down(&[]);
    assert_eq!(snapshot().since(&before), Vec::<String>::new());
    assert!(node.folder().join("data").is_dir());
    node.down(&["--purge"]);
    assert!(!node.folder().exists());
}

#[test]
fn a_half_made_sovereign_goes_without_a_trace() {
    if !enabled("half-made node") {
        return;
    }
    let before = snapshot();
    let node = Node::new("half", INDEX);
    for step in ["host", "link"] {
        let args = ["sandbox", "step", step, "--name", "half", "--index", INDEX];
        node.catalyst.run(&args).unwrap();
    }
    assert_ne!(snapshot().since(&before), Vec::<String>::new());
    node.down(&[]);
    assert_eq!(snapshot().since(&before), Vec::<String>::new());
    node.catalyst.run(&["sandbox", "down", "neverwas"]).unwrap();
}

#[test]
fn two_sovereigns_stand_side_by_side_and_a_taken_number_is_refused() {
    if !enabled("two nodes") {
        return;
    }
    let (one, other) = (Node::new("one", INDEX), Node::new("other", OTHER_INDEX));
    one.up();
    let third = Node::new("third", INDEX);
    let taken = third.catalyst.refused(&third.up_args()).unwrap();
    assert_ne!(taken.0, 0);
    assert!(taken.1.contains("CAT-3231") && taken.1.contains("one"), "{}", taken.1);
    other.up();
    assert!(one.is_ready() && other.is_ready());
    assert_ne!(one.id(), other.id());
    one.down(&[]);
    assert!(other.is_ready(), "the other's end is not this one's");
    assert!(!third.folder().exists(), "a refused Sovereign leaves no folder");
}
