//! The gateway is killed while customers ask, again and again: every answer whose end a customer
//! saw is charged exactly once as the vendor reported it, and nothing else is charged twice.
//!
//! The test's own binary is started again as a child that serves a real folder.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use catalyst_gateway::Reach;
use tokio::task::JoinSet;

use crate::{
    vendor::Vendor,
    wire::{Answer, request, try_send},
    world::{Served, Setup, World, chat},
};

const CHILD: &str = "kill::child";
const DIR: &str = "CATALYST_GATEWAY_CHILD_DIR";
const VENDOR: &str = "CATALYST_GATEWAY_CHILD_VENDOR";
const KILLS: u64 = 10;
const CLIENTS: usize = 16;

fn given(name: &str) -> Option<String> {
    std::env::var_os(name)?.into_string().ok()
}

/// What the child does when it is one; nothing in an ordinary run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let (Some(dir), Some(vendor)) = (given(DIR), given(VENDOR)) else { return };
    let dir = PathBuf::from(dir);
    let also = vec![vendor.parse().unwrap()];
    let served = Served::start(&dir, Reach { also, ..Reach::default() }, true).await;
    let ports = format!("{} {}", served.customer, served.admin);
    std::fs::write(dir.join("ports.new"), ports).unwrap();
    std::fs::rename(dir.join("ports.new"), dir.join("ports")).unwrap();
    std::future::pending::<()>().await;
}

/// A gateway in a process of its own; killed when dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

async fn start(dir: &Path, vendor: SocketAddr) -> (Process, (SocketAddr, SocketAddr)) {
    let ports = dir.join("ports");
    let _ = std::fs::remove_file(&ports);
    let child = Command::new(std::env::current_exe().unwrap())
        .args([CHILD, "--exact", "--nocapture"])
        .env(DIR, dir)
        .env(VENDOR, vendor.to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let process = Process(child);
    let began = Instant::now();
    loop {
        if let Ok(text) = std::fs::read_to_string(&ports) {
            let (customer, admin) = text.split_once(' ').unwrap();
            return (process, (customer.parse().unwrap(), admin.parse().unwrap()));
        }
        assert!(began.elapsed() < Duration::from_secs(30), "the child did not start");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Asks until nobody answers any more; gives the answers.
async fn client(customer: SocketAddr, key: String, number: usize) -> Vec<Answer> {
    let mut answers = Vec::new();
    let mut turn = number;
    loop {
        let (model, streams) = [("good", false), ("good", true), ("nousage", true)][turn % 3];
        let body = chat(model, streams);
        let bytes = request("POST", "/v1/chat/completions", &key, "", body.as_bytes());
        let Some(answer) = try_send(customer, &bytes).await else { return answers };
        answers.push(answer);
        turn += 1;
    }
}

/// Whether the customer saw the end of a good answer.
fn is_whole(answer: &Answer) -> bool {
    let length = answer.header("content-length").and_then(|text| text.parse::<usize>().ok());
    let whole = match length {
        Some(length) => answer.body.len() == length,
        None => answer.body.ends_with(b"data: [DONE]\n\n"),
    };
    answer.status == 200 && whole
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_kills_lose_no_charge_and_double_none() {
    let dir = tempfile::tempdir().unwrap();
    let vendor = Vendor::start(dir.path()).await;
    let (path, at) = (dir.path().to_owned(), vendor.at);
    let (mut process, mut ports) = start(&path, at).await;
    let mut world = World::over(dir, vendor, ports, None);
    world.furnish(&Setup::default()).await;
    let mut answers = Vec::new();
    for kill in 0..KILLS {
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            clients.spawn(client(ports.0, world.key.clone(), number));
        }
        tokio::time::sleep(Duration::from_millis(150 + 37 * kill)).await;
        drop(process);
        answers.extend(clients.join_all().await.into_iter().flatten());
        (process, ports) = start(&path, at).await;
    }
    drop(process);
    let reach = Reach { also: vec![at], ..Reach::default() };
    world.take(Served::start(&path, reach, true).await);
    let entries = world.all_entries().await;
    let mut charged = BTreeMap::new();
    for entry in &entries {
        let id = entry["request_id"].as_str().unwrap().to_owned();
        assert!(charged.insert(id, entry).is_none(), "charged twice: {entry}");
    }
    let whole: Vec<_> = answers.iter().filter(|answer| is_whole(answer)).collect();
    assert!(whole.len() > CLIENTS * KILLS as usize / 2, "the clients got answers: {}", whole.len());
    for answer in &whole {
        let id = answer.header("x-request-id").unwrap();
        let entry = charged.get(id).unwrap_or_else(|| panic!("{id} was seen and not charged"));
        let source = entry["usage_source"].as_str().unwrap();
        assert!(matches!(source, "reported" | "counted"), "{entry}");
        if source == "reported" {
            assert_eq!(entry["amount_nano"], 22_000, "as the vendor reported");
        }
    }
    // What nobody saw the end of was open at a kill: at most one for each client.
    let open = entries.len() - whole.len();
    assert!(open <= CLIENTS * KILLS as usize, "{open} of {}", entries.len());
    let unresolved = entries.iter().filter(|entry| entry["usage_source"] == "unresolved").count();
    assert!(unresolved <= open, "{unresolved} of {open}");
    let vendors = world.vendor.billed() as usize;
    assert!(vendors <= entries.len(), "whatever the vendor bills was charged: {vendors}");
    world.end().await;
}
