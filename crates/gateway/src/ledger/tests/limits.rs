//! What is refused: no credit, no book, no space, no right to go on.

use std::{io, sync::atomic::Ordering};

use super::*;
use crate::{
    book::Book,
    simulation::{book::SimBook, disk::SimDisk, world::SimClock},
};

/// A ledger whose threads run, on a disk, a book and clocks that a test commands.
struct Stage {
    running: RunningLedger,
    disk: SimDisk,
    book: SimBook,
    clock: Arc<SimClock>,
    alice: AccountId,
}

fn stage(credit: i64) -> Stage {
    let (disk, book, clock) = (SimDisk::new(1), SimBook::new(1), Arc::new(SimClock::default()));
    let alice = book.ask(|book| {
        let alice = book.open_account("alice", AccountKind::Organization, Currency::USD)?;
        book.credit(alice, nano(credit), "alice", WallMillis(0))?;
        Ok(alice)
    });
    let running = Ledger::start(config(), disk.clone(), Box::new(book.clone()), clock.clone());
    Stage { running: running.unwrap(), disk, book, clock, alice }
}

#[test]
fn a_thousand_at_once_against_credit_for_ten_are_exactly_ten() {
    let dir = tempfile::tempdir().unwrap();
    let alice = account(dir.path(), "alice", 10 * 100 + 99);
    let running = start(dir.path());
    let ledger = running.ledger().clone();
    let served = run(async {
        let payer = ledger.payer(&[alice]).unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for request in 0..1_000 {
            let (ledger, payer) = (ledger.clone(), payer.clone());
            tasks.spawn(async move {
                match ledger.reserve(&payer, ask(request, 100)).await {
                    Ok(hold) => Some(settle(hold, 100).await),
                    Err(Refused::NoCredit { .. }) => None,
                    Err(other) => panic!("{other}"),
                }
            });
        }
        tasks.join_all().await.into_iter().flatten().count()
    });
    assert_eq!(served, 10);
    assert_eq!(running.close(SECONDS), LedgerState::Closed);
    let statement = book(dir.path()).statement(alice).unwrap();
    assert_eq!((statement.settled, statement.available), (nano(1_000), nano(99)));
    sound(dir.path());
}

/// Three replicas on one book with an account of `credit`.
fn three(credit: i64) -> (Vec<(SimBook, RunningLedger)>, AccountId) {
    let book = SimBook::new(1);
    let alice = book.ask(|book| {
        let alice = book.open_account("alice", AccountKind::Organization, Currency::USD)?;
        book.credit(alice, nano(credit), "alice", WallMillis(0))?;
        Ok(alice)
    });
    let replica = |place: u64| {
        let mut config = config();
        config.replica = format!("gateway-{place}").parse().unwrap();
        let (disk, book) = (SimDisk::new(place), book.seen_by_another());
        let clock = Arc::new(SystemClock);
        let running = Ledger::start(config, disk, Box::new(book.clone()), clock).unwrap();
        (book, running)
    };
    ((0..3).map(replica).collect(), alice)
}

#[test]
fn a_thousand_at_three_replicas_against_credit_for_ten_are_exactly_ten() {
    let (replicas, alice) = three(10 * 100 + 99);
    let served = run(async {
        let mut tasks = tokio::task::JoinSet::new();
        for request in 0..1_000 {
            let ledger = replicas[(request % 3) as usize].1.ledger().clone();
            tasks.spawn(async move {
                let payer = ledger.payer(&[alice]).unwrap();
                match ledger.reserve(&payer, ask(request, 100)).await {
                    Ok(hold) => Some(settle(hold, 100).await),
                    Err(Refused::NoCredit { .. }) => None,
                    Err(other) => panic!("{other}"),
                }
            });
        }
        tasks.join_all().await.into_iter().flatten().count()
    });
    assert_eq!(served, 10);
    let book = replicas[0].0.clone();
    for (_, running) in replicas {
        assert_eq!(running.close(SECONDS), LedgerState::Closed);
    }
    let statement = book.ask(|book| book.statement(alice));
    assert_eq!((statement.settled, statement.available), (nano(1_000), nano(99)));
    assert_eq!(book.ask(Book::audit).findings, Vec::<String>::new());
}

#[test]
fn a_replica_cut_off_from_the_book_spends_its_lease_and_no_more() {
    let (replicas, alice) = three(1_000_000);
    run(async {
        let reserve = async |place: usize, request, amount| {
            let ledger = replicas[place].1.ledger();
            let payer = ledger.payer(&[alice]).unwrap();
            ledger.reserve(&payer, ask(request, amount)).await
        };
        settle(reserve(0, 1, 100).await.unwrap(), 100).await;
        replicas[0].0.set_faults(100);
        let mut spent = 100;
        let mut request = 10;
        while let Ok(hold) = reserve(0, request, 100).await {
            settle(hold, 100).await;
            (spent, request) = (spent + 100, request + 1);
        }
        assert!((1_000..=250_000).contains(&spent), "{spent} is not a quarter at most");
        for place in [1, 2] {
            settle(reserve(place, 1_000_000 + place as u128, 100).await.unwrap(), 100).await;
        }
        replicas[0].0.set_faults(0);
        settle(reserve(0, 2_000_000, 100).await.unwrap(), 100).await;
    });
    let book = replicas[0].0.clone();
    for (_, running) in replicas {
        assert_eq!(running.close(SECONDS), LedgerState::Closed);
    }
    let statement = book.ask(|book| book.statement(alice));
    assert_eq!(statement.available.plus(statement.settled), Ok(nano(1_000_000)));
    assert_eq!(book.ask(Book::audit).findings, Vec::<String>::new());
}

#[test]
fn a_limit_within_an_organization_holds_too() {
    let dir = tempfile::tempdir().unwrap();
    let alice = account(dir.path(), "alice", 1_000_000);
    let limit = {
        let mut book = book(dir.path());
        let limit = book.open_account("alice/key", AccountKind::Limit, Currency::USD).unwrap();
        book.credit(limit, nano(250), "alice/key", WallMillis(0)).unwrap();
        limit
    };
    let running = start(dir.path());
    let ledger = running.ledger().clone();
    run(async {
        let payer = ledger.payer(&[alice, limit]).unwrap();
        for request in 1..=2 {
            settle(ledger.reserve(&payer, ask(request, 100)).await.unwrap(), 100).await;
        }
        let refused = ledger.reserve(&payer, ask(3, 100)).await.map(drop);
        assert_eq!(refused, Err(Refused::NoCredit { account: limit }));
        settle(ledger.reserve(&payer, ask(4, 50)).await.unwrap(), 50).await;
    });
    assert_eq!(running.close(SECONDS), LedgerState::Closed);
    let mut book = book(dir.path());
    assert_eq!(book.statement(alice).unwrap().settled, nano(250));
    assert_eq!(book.statement(limit).unwrap().available, Nano::ZERO);
    sound(dir.path());
}

#[test]
fn a_cost_beyond_reserve_and_balance_is_nobodys() {
    let dir = tempfile::tempdir().unwrap();
    let alice = account(dir.path(), "alice", 130);
    let running = start(dir.path());
    let ledger = running.ledger().clone();
    run(async {
        let payer = ledger.payer(&[alice]).unwrap();
        let first = ledger.reserve(&payer, ask(1, 100)).await.unwrap();
        let second = ledger.reserve(&payer, ask(2, 30)).await.unwrap();
        second.void().unwrap().await.unwrap();
        let paid = settle(first, 170).await;
        // What was void may have gone back to the book before; then it is not there to take.
        assert_eq!(paid.amount.plus(paid.loss), Ok(nano(170)));
        assert!(paid.amount >= nano(100) && paid.amount <= nano(130), "{paid:?}");
    });
    assert_eq!(running.close(SECONDS), LedgerState::Closed);
    let mut book = book(dir.path());
    let entry = book.entries(alice, 0, 1).unwrap()[0];
    assert_eq!(entry.amount.plus(entry.loss), Ok(nano(170)));
    assert!(!book.statement(alice).unwrap().available.is_negative());
    sound(dir.path());
}

#[test]
fn without_the_book_a_lease_lasts_and_then_the_answer_is_unavailable() {
    let stage = stage(100_000_000);
    let ledger = stage.running.ledger().clone();
    run(async {
        let payer = ledger.payer(&[stage.alice]).unwrap();
        settle(ledger.reserve(&payer, ask(1, 100)).await.unwrap(), 100).await;
        stage.book.set_faults(100);
        stage.clock.monotonic_ms.fetch_add(5_000, Ordering::Relaxed);
        settle(ledger.reserve(&payer, ask(3, 200)).await.unwrap(), 200).await;
        let refused = ledger.reserve(&payer, ask(4, 10_000)).await.map(drop);
        assert!(matches!(refused, Err(Refused::Unavailable { .. })), "{refused:?}");
        stage.clock.monotonic_ms.fetch_add(601_000, Ordering::Relaxed);
        let refused = ledger.reserve(&payer, ask(5, 0)).await.map(drop);
        assert!(matches!(refused, Err(Refused::Unavailable { .. })), "{refused:?}");
        stage.book.set_faults(0);
        settle(ledger.reserve(&payer, ask(6, 100)).await.unwrap(), 100).await;
    });
    assert_eq!(stage.running.close(SECONDS), LedgerState::Closed);
    assert_eq!(stage.book.ask(|book| book.statement(stage.alice)).settled, nano(400));
    assert_eq!(stage.book.ask(Book::audit).findings, Vec::<String>::new());
}

#[test]
fn a_replica_that_slept_through_its_write_off_neither_serves_nor_ships() {
    let stage = stage(100_000_000);
    let ledger = stage.running.ledger().clone();
    run(async {
        let payer = ledger.payer(&[stage.alice]).unwrap();
        settle(ledger.reserve(&payer, ask(1, 100)).await.unwrap(), 100).await;
        let held = ledger.reserve(&payer, ask(2, 100)).await.unwrap();
        // In the book before the night: the rest of this test is about what comes after.
        while stage.book.ask(|book| book.statement(stage.alice)).settled == Nano::ZERO {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let done = stage.book.ask(|book| book.write_off(&replica(), WallMillis(1)));
        assert!(done.leases == 1 && done.returned > Nano::ZERO);
        stage.clock.monotonic_ms.fetch_add(3_600_000, Ordering::Relaxed);
        let refused = ledger.reserve(&payer, ask(3, 0)).await.map(drop);
        assert_eq!(refused, Err(Refused::Fenced));
        std::mem::forget(held);
    });
    assert_eq!(stage.running.close(SECONDS), LedgerState::Fenced);
    let statement = stage.book.ask(|book| book.statement(stage.alice));
    assert_eq!((statement.settled, statement.leased), (nano(100), Nano::ZERO));
    assert_eq!(stage.book.ask(Book::audit).findings, Vec::<String>::new());
}

#[test]
fn no_lease_expires_with_the_time_of_day() {
    let stage = stage(100_000_000);
    let ledger = stage.running.ledger().clone();
    run(async {
        let payer = ledger.payer(&[stage.alice]).unwrap();
        let held = ledger.reserve(&payer, ask(1, 100)).await.unwrap();
        for (request, jump) in [(2, -3_600_000), (3, 31_536_000_000), (4, -31_536_000_000)] {
            stage.clock.wall.fetch_add(jump, Ordering::Relaxed);
            let hold = ledger.reserve(&payer, ask(request, 100)).await.unwrap();
            stage.clock.wall.fetch_add(jump, Ordering::Relaxed);
            settle(hold, 7).await;
        }
        settle(held, 9).await;
    });
    assert_eq!(stage.running.close(SECONDS), LedgerState::Closed);
    assert_eq!(stage.book.ask(|book| book.statement(stage.alice)).settled, nano(30));
}

#[test]
fn a_disk_that_fails_once_stops_the_ledger_for_ever() {
    for operation in 1..=2 {
        let stage = stage(100_000_000);
        let ledger = stage.running.ledger().clone();
        run(async {
            let payer = ledger.payer(&[stage.alice]).unwrap();
            let held = ledger.reserve(&payer, ask(1, 100)).await.unwrap();
            stage.disk.fail_after(operation, io::ErrorKind::Other);
            let refused = loop {
                match ledger.reserve(&payer, ask(2, 0)).await {
                    Ok(hold) => drop(hold),
                    Err(refused) => break refused,
                }
            };
            assert_eq!(refused, Refused::Stopped);
            let refused = ledger.reserve(&payer, ask(3, 0)).await.map(drop);
            assert_eq!(refused, Err(Refused::Stopped));
            assert!(held.settle(cost(1)).is_err());
        });
        assert_eq!(stage.running.close(SECONDS), LedgerState::Stopped);
    }
}

#[test]
fn with_little_space_left_nothing_begins_and_everything_ends() {
    let stage = stage(100_000_000);
    let ledger = stage.running.ledger().clone();
    run(async {
        let payer = ledger.payer(&[stage.alice]).unwrap();
        let held = ledger.reserve(&payer, ask(1, 100)).await.unwrap();
        stage.disk.set_free(config().segment_bytes * 2 - 1);
        let refused = loop {
            match ledger.reserve(&payer, ask(3, 0)).await {
                Ok(hold) => drop(hold),
                Err(refused) => break refused,
            }
        };
        assert_eq!(refused, Refused::NoSpace);
        settle(held, 60).await;
        stage.disk.set_free(u64::MAX);
        while ledger.reserve(&payer, ask(4, 0)).await.map(drop) == Err(Refused::NoSpace) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert_eq!(stage.running.close(SECONDS), LedgerState::Closed);
    assert_eq!(stage.book.ask(|book| book.statement(stage.alice)).settled, nano(60));
}
