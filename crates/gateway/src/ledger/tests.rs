//! What the ledger promises, with its threads on a real disk; and what kills it.

mod endings;
mod kill;
mod limits;

use std::{path::Path, sync::Arc, time::Duration};

use super::*;
use crate::{
    AccountKind, ChannelId, Currency, Durably, Paid, RealDisk, ReplicaId, Settlement, Sqlite,
    SystemClock, Usage, UsageSource, WallMillis,
};

const SECONDS: Duration = Duration::from_secs(20);

fn nano(n: i64) -> Nano {
    Nano::new(n)
}

fn replica() -> ReplicaId {
    "gateway-0".parse().unwrap()
}

fn config() -> LedgerConfig {
    let mut config = LedgerConfig::new(replica());
    config.segment_bytes = 64 << 10;
    config
}

/// Makes the book in `dir` with an account of `credit`.
fn account(dir: &Path, name: &str, credit: i64) -> AccountId {
    let mut book = book(dir);
    let account = book.open_account(name, AccountKind::Organization, Currency::USD).unwrap();
    book.credit(account, nano(credit), name, WallMillis(0)).unwrap();
    account
}

fn book(dir: &Path) -> Sqlite {
    Sqlite::open(&dir.join("book.sqlite")).unwrap()
}

fn try_start(dir: &Path) -> Result<RunningLedger, StartError> {
    let disk = RealDisk::lock(&dir.join("log")).unwrap();
    Ledger::start(config(), disk, Box::new(book(dir)), Arc::new(SystemClock))
}

fn start(dir: &Path) -> RunningLedger {
    try_start(dir).unwrap()
}

fn ask(request: u128, amount: i64) -> Reserve {
    let estimate = Estimate { amount: nano(amount), input: nano(amount / 10), input_tokens: 10 };
    Reserve { request: RequestId(request), key: KeyId(1), estimate, price: PriceRef::default() }
}

fn cost(cost: i64) -> Settlement {
    let usage = Usage { input: 10, output: 4, ..Usage::default() };
    Settlement { cost: nano(cost), usage, source: UsageSource::Reported }
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

async fn settle(hold: Hold, nanos: i64) -> Paid {
    let durably: Durably<Paid> = hold.settle(cost(nanos)).unwrap();
    durably.await.unwrap()
}

fn sound(dir: &Path) {
    assert_eq!(book(dir).audit().unwrap().findings, Vec::<String>::new());
}
