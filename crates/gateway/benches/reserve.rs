//! How many requests a second the ledger makes durable, and how long one waits for it, beside what
//! the disk itself does in the same run: a bare loop of `pwrite` and `fdatasync`.
//!
//! `cargo bench -p catalyst-gateway`. `CATALYST_BENCH_DIR` names a folder on the disk to measure,
//! `CATALYST_BENCH_SECONDS` how long each row takes (3). All of it runs with the book on SQLite and
//! its shipping on.
#![expect(clippy::print_stdout, reason = "what a benchmark says is its output")]

use std::{
    fs::OpenOptions,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use catalyst_gateway::{
    AccountKind, Book, ChannelId, Currency, Estimate, KeyId, Ledger, LedgerConfig, Nano, PriceRef,
    RealDisk, RequestId, Reserve, Settlement, Sqlite, SystemClock, Usage, UsageSource, WallMillis,
};
use rustix::fs::{FallocateFlags, fallocate};

/// Clients that wait at the same time.
const CLIENTS: [usize; 5] = [1, 8, 64, 256, 1_024];

/// Bytes of a reserve's record in the log.
const RECORD_BYTES: usize = 124;

struct Row {
    count: u64,
    seconds: f64,
    cpu_us: f64,
    times: Vec<Duration>,
}

impl Row {
    fn print(mut self, name: &str) {
        self.times.sort_unstable();
        let at = |share: f64| {
            let place = (self.times.len() as f64 * share) as usize;
            let time = self.times.get(place.min(self.times.len().saturating_sub(1)));
            time.map_or(0.0, Duration::as_secs_f64) * 1e3
        };
        println!(
            "{name:<34} {:>10.0}/s   p50 {:>8.3} ms   p99 {:>8.3} ms   cpu {:>6.1} us",
            self.count as f64 / self.seconds,
            at(0.50),
            at(0.99),
            self.cpu_us / self.count.max(1) as f64,
        );
    }
}

/// The process's own CPU time in microseconds, from `/proc` (ticks of 10 ms).
fn cpu_us() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|t| t.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) * 10_000.0
}

fn bare(dir: &Path, records: usize, time: Duration) -> std::io::Result<Row> {
    let path = dir.join("bare");
    let file = OpenOptions::new().create(true).truncate(true).write(true).open(&path)?;
    let size = 64 << 20;
    fallocate(&file, FallocateFlags::empty(), 0, size)?;
    let bytes = vec![7; RECORD_BYTES * records];
    let (mut times, mut at, began, cpu) = (Vec::new(), 0, Instant::now(), cpu_us());
    while began.elapsed() < time {
        let start = Instant::now();
        file.write_all_at(&bytes, at)?;
        file.sync_data()?;
        times.push(start.elapsed());
        at = (at + bytes.len() as u64) % (size - bytes.len() as u64);
    }
    let (seconds, cpu_us) = (began.elapsed().as_secs_f64(), cpu_us() - cpu);
    std::fs::remove_file(&path)?;
    Ok(Row { count: (times.len() * records) as u64, seconds, cpu_us, times })
}

async fn clients(ledger: &Ledger, count: usize, time: Duration) -> Row {
    let account = ledger
        .with_book(|book| book.open_account("bench", AccountKind::Organization, Currency::USD))
        .await
        .expect("the account was opened before");
    let payer = ledger.payer(&[account]).expect("one account is a payer");
    let (began, cpu) = (Instant::now(), cpu_us());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..count {
        let (ledger, payer) = (ledger.clone(), payer.clone());
        tasks.spawn(async move {
            let mut times = Vec::new();
            while began.elapsed() < time {
                let request = RequestId::make(WallMillis(1));
                let estimate = Estimate {
                    amount: Nano::new(1_000_000),
                    input: Nano::new(100_000),
                    input_tokens: 500,
                };
                let price = PriceRef::default();
                let ask = Reserve { request, key: KeyId(1), estimate, price };
                let start = Instant::now();
                let mut hold = ledger.reserve(&payer, ask).await.expect("there is credit");
                times.push(start.elapsed());
                hold.attempt(ChannelId(1)).expect("the ledger runs");
                let usage = Usage { input: 400, output: 100, ..Usage::default() };
                let source = UsageSource::Reported;
                let settlement = Settlement { cost: Nano::new(400_000), usage, source };
                hold.settle(settlement).expect("the ledger runs").await.expect("it is durable");
            }
            times
        });
    }
    let times: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    let seconds = began.elapsed().as_secs_f64();
    Row { count: times.len() as u64, seconds, cpu_us: cpu_us() - cpu, times }
}

fn folder() -> std::io::Result<(PathBuf, Option<tempfile::TempDir>)> {
    match std::env::var_os("CATALYST_BENCH_DIR") {
        Some(dir) => Ok((PathBuf::from(dir), None)),
        None => {
            let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
            Ok((dir.path().to_owned(), Some(dir)))
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (dir, _cleared) = folder()?;
    let given = std::env::var_os("CATALYST_BENCH_SECONDS");
    let seconds = given.and_then(|s| s.to_str()?.parse().ok()).unwrap_or(3.0);
    let time = Duration::from_secs_f64(seconds);
    for records in [1, 64] {
        let name = format!("bare pwrite+fdatasync, {records} a sync");
        bare(&dir, records, time)?.print(&name);
    }
    let mut book = Sqlite::open(&dir.join("book.sqlite"))?;
    let account = book.open_account("bench", AccountKind::Organization, Currency::USD)?;
    book.credit(account, Nano::new(i64::MAX / 4), "bench", WallMillis(1))?;
    let disk = RealDisk::lock(&dir.join("log"))?;
    let config = LedgerConfig::new("bench-0".parse()?);
    let running = Ledger::start(config, disk, Box::new(book), Arc::new(SystemClock))?;
    let ledger = running.ledger().clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for count in CLIENTS {
        let row = runtime.block_on(clients(&ledger, count, time));
        row.print(&format!("ledger, {count} clients"));
    }
    let closing = Instant::now();
    let state = running.close(Duration::from_secs(600));
    println!("closed ({state:?}) after {:.2} s of shipping", closing.elapsed().as_secs_f64());
    let audit = Sqlite::open(&dir.join("book.sqlite"))?.audit()?;
    println!("the book has {} entries and {} findings", audit.entries, audit.findings.len());
    Ok(())
}
