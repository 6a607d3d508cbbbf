//! Sovereigns made by hand, from nothing to Ready and back, with things killed on the way: the node
//! init, its daemons, half-made links, and two Sovereigns side by side.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use catalyst_e2e::{Catalyst, enabled, snapshot};
use serde_json::Value;

/// The last links: the least likely to be in use by the person who runs the tests.
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
        self.catalyst.run(&["sandbox", "up", self.name, "--index", self.index]).unwrap();
    }

    fn down(&self, more: &[&str]) {
        self.catalyst.run(&[&["sandbox", "down", self.name], more].concat()).unwrap();
    }

    fn status(&self) -> Value {
        let text = self.catalyst.run(&["sandbox", "status", self.name, "-o", "json"]).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()[0].clone()
    }

    fn daemon(&self, name: &str) -> Value {
        let status = self.status();
        let all = status["node"]["daemons"].as_array().cloned().unwrap_or_default();
        all.into_iter().find(|one| one["name"] == name).unwrap_or_default()
    }

    fn init(&self) -> u64 {
        self.status()["init_pid"].as_u64().expect("the node runs")
    }

    fn folder(&self) -> PathBuf {
        let home = std::env::var_os("CATALYST_HOME").expect("the suite has a home of its own");
        Path::new(&home).join("sovereigns").join(self.name)
    }

    fn kubectl(&self, args: &[&str]) -> String {
        let program = std::env::var_os("CATALYST_KUBECTL").expect("set by e2e/run");
        let output = Command::new(program)
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

fn until(what: &str, limit: Duration, mut look: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !look() {
        assert!(Instant::now() < deadline, "{what} did not come true in {limit:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Listening sockets of the node's network namespace that are bound to every address.
fn bound_to_everything(init: u64) -> Vec<String> {
    let mut found = Vec::new();
    for (table, listening) in [("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")] {
        let text = fs::read_to_string(format!("/proc/{init}/net/{table}")).unwrap();
        for line in text.lines().skip(1) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (address, _) = words[1].split_once(':').unwrap();
            if words[3] == listening && address.bytes().all(|digit| digit == b'0') {
                found.push(format!("{table} {}", words[1]));
            }
        }
    }
    found
}

fn kill(pid: u64) {
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
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
    assert_eq!(bound_to_everything(first), Vec::<String>::new());

    // `up` on a running Sovereign changes nothing.
    node.up();
    assert_eq!(node.init(), first);

    // A dead daemon is started again.
    let scheduler = node.daemon("kube-scheduler");
    let restarts = scheduler["restarts"].as_u64().unwrap();
    kill(host_pid(first, scheduler["pid"].as_u64().unwrap()));
    until("the scheduler's restart", Duration::from_secs(60), || {
        let one = node.daemon("kube-scheduler");
        one["restarts"].as_u64() > Some(restarts) && one["state"] == "ready"
    });

    // The death of PID 1 is the death of all, and the next `up` goes on with the same data.
    let id = node.id();
    kill(first);
    until("the end of all processes", Duration::from_secs(10), || node.status()["processes"] == 0);
    node.up();
    assert_eq!(node.id(), id);
    assert!(node.is_ready());

    // `down` leaves nothing but the data, and can be repeated.
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
    let taken = one.catalyst.refused(&["sandbox", "up", "third", "--index", INDEX]).unwrap();
    assert!(taken.1.contains("CAT-3231") && taken.1.contains("one"), "{}", taken.1);
    other.up();
    assert!(one.is_ready() && other.is_ready());
    assert_ne!(one.id(), other.id());
    one.down(&[]);
    assert!(other.is_ready(), "the other's end is not this one's");
}

/// The host's pid of process `inner` of the namespace whose PID 1 is `init`.
fn host_pid(init: u64, inner: u64) -> u64 {
    let namespace = fs::read_link(format!("/proc/{init}/ns/pid")).unwrap();
    let pids = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u64>().ok())
        .find(|pid| {
            let same = fs::read_link(format!("/proc/{pid}/ns/pid")).ok() == Some(namespace.clone());
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let line = status.lines().find(|line| line.starts_with("NSpid:")).unwrap_or_default();
            same && line.split_whitespace().last() == Some(inner.to_string().as_str())
        })
        .expect("the daemon runs")
}
