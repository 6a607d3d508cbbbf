//! A process that is killed, with no chance to tidy up, at every place that matters.
//!
//! The test's own binary is started again as a child that works on a real folder and a real book,
//! writes down what its clients were told, and kills itself at the chosen place.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::process::ExitStatusExt as _,
    process::{Command, Output},
    sync::atomic::{AtomicI64, Ordering},
};

use super::*;
use crate::{
    disk::{Disk, DiskFile},
    simulation::book::SimBook,
};

const CHILD: &str = "ledger::tests::kill::child";
const WHERE: &str = "CATALYST_LEDGER_CHILD_DIR";
const WHAT: &str = "CATALYST_LEDGER_CHILD_DOES";
const PLACE: &str = "CATALYST_LEDGER_CHILD_DIES";
const CLIENTS: u128 = 4;
const CREDIT: i64 = 100_000_000;

/// How often the place of death is still passed.
static LEFT: AtomicI64 = AtomicI64::new(0);

fn given(name: &str) -> Option<String> {
    std::env::var_os(name)?.into_string().ok()
}

/// Ends the process here if this is the place.
fn fuse(here: &str) {
    let Some((place, _)) =
        given(PLACE).and_then(|p| p.split_once('@').map(|(a, b)| (a.to_owned(), b.to_owned())))
    else {
        return;
    };
    if place == here && LEFT.fetch_sub(1, Ordering::SeqCst) == 1 {
        let _ =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        loop {
            std::thread::park();
        }
    }
}

struct KillDisk(RealDisk);
struct KillFile(File);

fn around<T>(name: &str, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    fuse(&format!("before {name}"));
    let done = work();
    fuse(&format!("after {name}"));
    done
}

impl Disk for KillDisk {
    type File = KillFile;

    fn list(&self) -> io::Result<Vec<String>> {
        self.0.list()
    }

    fn create(&self, name: &str) -> io::Result<KillFile> {
        around("create", || self.0.create(name)).map(KillFile)
    }

    fn open(&self, name: &str) -> io::Result<KillFile> {
        self.0.open(name).map(KillFile)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        around("rename", || self.0.rename(from, to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        around("remove", || self.0.remove(name))
    }

    fn sync_folder(&self) -> io::Result<()> {
        around("sync_folder", || self.0.sync_folder())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.0.free_bytes()
    }
}

impl DiskFile for KillFile {
    fn len(&self) -> io::Result<u64> {
        DiskFile::len(&self.0)
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        DiskFile::read_at(&self.0, into, at)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        around("write", || self.0.write_at(bytes, at))
    }

    fn sync_data(&self) -> io::Result<()> {
        // After the sync is before the acknowledgement.
        around("sync", || DiskFile::sync_data(&self.0))
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.0.allocate(len)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.truncate(len)
    }
}

/// What the child does when it is one; nothing in an ordinary run.
#[test]
fn child() {
    let (Some(dir), Some(what)) = (given(WHERE), given(WHAT)) else { return };
    let dir = Path::new(&dir);
    match what.as_str() {
        "work" => work(dir),
        "lock" => {
            if let Err(refused) = RealDisk::lock(&dir.join("log")) {
                eprintln!("{refused}");
                std::process::exit(1);
            }
        }
        "fill" => fill(dir),
        other => panic!("{other}"),
    }
}

fn work(dir: &Path) {
    let times = given(PLACE).and_then(|place| place.split_once('@')?.1.parse().ok());
    let disk = KillDisk(RealDisk::lock(&dir.join("log")).unwrap());
    let alice = AccountId(given("CATALYST_LEDGER_CHILD_ACCOUNT").unwrap().parse().unwrap());
    let mut config = config();
    config.segment_bytes = 16 << 10;
    let book = SimBook::over(book(dir), 0, fuse);
    let running = Ledger::start(config, disk, Box::new(book), Arc::new(SystemClock)).unwrap();
    // Only now: a death in the start itself is what the simulation is for.
    LEFT.store(times.unwrap_or(0), Ordering::SeqCst);
    let told = OpenOptions::new().create(true).append(true).open(dir.join("told")).unwrap();
    let told = Arc::new(told);
    let ledger = running.ledger().clone();
    run(async {
        let payer = ledger.payer(&[alice]).unwrap();
        let mut clients = tokio::task::JoinSet::new();
        for client in 0..CLIENTS {
            let (ledger, payer, told) = (ledger.clone(), payer.clone(), told.clone());
            clients.spawn(async move {
                for round in 0..150_u128 {
                    one_request(&ledger, &payer, &told, client * 1_000 + round).await;
                }
            });
        }
        clients.join_all().await;
    });
    assert_eq!(running.close(SECONDS), LedgerState::Closed);
}

fn price_of(request: u128) -> i64 {
    11 + (request % 80) as i64
}

/// Writes a line at once, so that neither another client nor the kill comes in between its words.
fn tell(mut told: &File, what: &str, request: u128) {
    told.write_all(format!("{what} {request}\n").as_bytes()).unwrap();
}

async fn one_request(ledger: &Ledger, payer: &Payer, told: &File, request: u128) {
    let mut hold = ledger.reserve(payer, ask(request, 100)).await.unwrap();
    if request % 10 == 9 {
        hold.void().unwrap().await.unwrap();
        tell(told, "void", request);
        return;
    }
    hold.attempt(ChannelId(3)).unwrap();
    tell(told, "sent", request);
    tokio::task::yield_now().await;
    settle(hold, price_of(request)).await;
    tell(told, "paid", request);
}

/// Works with little space, then with none: what began must end.
fn fill(dir: &Path) {
    let log = dir.join("log");
    let alice = AccountId(given("CATALYST_LEDGER_CHILD_ACCOUNT").unwrap().parse().unwrap());
    let running = start(dir);
    let ledger = running.ledger().clone();
    run(async {
        let payer = ledger.payer(&[alice]).unwrap();
        let mut held = Vec::new();
        for request in 0..20 {
            held.push(ledger.reserve(&payer, ask(request, 100)).await.unwrap());
        }
        let mut ballast = File::create(log.join("ballast")).unwrap();
        while ballast.write_all(&[1; 4_096]).is_ok() {}
        let refused = loop {
            match ledger.reserve(&payer, ask(99, 0)).await {
                Ok(hold) => drop(hold),
                Err(refused) => break refused,
            }
        };
        assert_eq!(refused, Refused::NoSpace);
        for hold in held {
            settle(hold, 50).await;
        }
        drop(ballast);
        std::fs::remove_file(log.join("ballast")).unwrap();
        while ledger.reserve(&payer, ask(98, 0)).await.map(drop) == Err(Refused::NoSpace) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert_eq!(running.close(SECONDS), LedgerState::Closed);
}

fn run_child(dir: &Path, does: &str, dies: Option<&str>, alice: AccountId) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", CHILD, "--nocapture", "--test-threads=1"]);
    command.env(WHERE, dir).env(WHAT, does).env("CATALYST_LEDGER_CHILD_ACCOUNT", alice.to_string());
    command.env_remove(PLACE);
    if let Some(place) = dies {
        command.env(PLACE, place);
    }
    command.output().unwrap()
}

/// Holds what the book has, after a new start, against what the clients were told.
fn compare(dir: &Path, alice: AccountId, place: &str) {
    let running = start(dir);
    let unresolved = running.recovery().unresolved.len();
    assert!(unresolved <= CLIENTS as usize, "{place}: {unresolved} unresolved");
    assert_eq!(running.close(SECONDS), LedgerState::Closed);
    let mut book = book(dir);
    let entries: BTreeMap<_, _> =
        book.entries(alice, 0, u32::MAX).unwrap().into_iter().map(|e| (e.request.0, e)).collect();
    let told = std::fs::read_to_string(dir.join("told")).unwrap_or_default();
    // The kill may have torn the last line: nobody was told that.
    for line in told.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
        let (what, request) = line.split_once(' ').unwrap();
        let request: u128 = request.parse().unwrap();
        let entry = entries.get(&request);
        let charged = entry.map(|e| (e.amount.get(), e.source));
        let full = Some((price_of(request), UsageSource::Reported));
        match what {
            "paid" => assert_eq!(charged, full, "{place}: {line}"),
            "void" => assert_eq!(charged, None, "{place}: {line}"),
            _ => {
                let input = Some((10, UsageSource::Unresolved));
                assert!(charged == full || charged == input, "{place}: {line}, {charged:?}");
            }
        }
    }
    let statement = book.statement(alice).unwrap();
    let paid = Nano::sum(entries.values().map(|e| e.amount)).unwrap();
    assert_eq!((statement.settled, statement.leased), (paid, Nano::ZERO), "{place}");
    assert_eq!(statement.available.plus(paid), Ok(nano(CREDIT)), "{place}");
    sound(dir);
}

#[test]
fn a_kill_at_any_place_loses_and_doubles_nothing() {
    let places = [
        "before write",
        "after write",
        "after sync",
        "before ship",
        "after ship",
        "before remove",
        "after remove",
        "after sync_folder",
        "after create",
        "before rename",
        "after rename",
        "before grant",
        "after grant",
    ];
    let mut kills = 0;
    for place in places {
        for times in [1, 3, 40] {
            let dir = tempfile::tempdir().unwrap();
            let alice = account(dir.path(), "alice", CREDIT);
            let place = format!("{place}@{times}");
            let output = run_child(dir.path(), "work", Some(&place), alice);
            let killed = output.status.signal() == Some(9);
            assert!(killed || output.status.success(), "{place}: {output:?}");
            kills += usize::from(killed);
            compare(dir.path(), alice, &place);
        }
    }
    println!("{kills} kills at {} places", places.len());
    assert!(kills >= 2 * places.len(), "only {kills} kills");
}

#[test]
fn a_second_process_on_one_folder_ends_with_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let _mine = RealDisk::lock(&dir.path().join("log")).unwrap();
    let output = run_child(dir.path(), "lock", None, AccountId(0));
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<_> = said.lines().filter(|line| line.contains("another process")).collect();
    assert_eq!((lines.len(), said.lines().count()), (1, 1), "{said}");
}

#[test]
fn a_full_file_system_ends_what_began() {
    let dir = tempfile::tempdir().unwrap();
    let alice = account(dir.path(), "alice", CREDIT);
    let log = dir.path().join("log");
    std::fs::create_dir(&log).unwrap();
    let mounted = Command::new("unshare").args(["-m", "true"]).status();
    if !mounted.is_ok_and(|status| status.success()) {
        println!("not shown: this user may not mount a small file system (needs root)");
        return;
    }
    let mut command = Command::new("unshare");
    let script = "mount -t tmpfs -o size=400k tmpfs \"$0\" && exec \"$@\"";
    command.args(["-m", "sh", "-c", script]).arg(&log).arg(std::env::current_exe().unwrap());
    command.args(["--exact", CHILD, "--nocapture", "--test-threads=1"]);
    command.env(WHERE, dir.path()).env(WHAT, "fill");
    command.env("CATALYST_LEDGER_CHILD_ACCOUNT", alice.to_string());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let statement = book(dir.path()).statement(alice).unwrap();
    assert_eq!((statement.settled, statement.leased), (nano(20 * 50), Nano::ZERO));
    sound(dir.path());
}
