//! How requests, leases and processes end.

use super::*;

#[test]
fn what_is_settled_is_in_the_book_and_the_rest_goes_back() {
    let dir = tempfile::tempdir().unwrap();
    let alice = account(dir.path(), "alice", 1_000_000);
    let running = start(dir.path());
    let ledger = running.ledger().clone();
    run(async {
        let payer = ledger.payer(&[alice]).unwrap();
        for request in 1..=50 {
            let mut hold = ledger.reserve(&payer, ask(request, 100)).await.unwrap();
            hold.attempt(ChannelId(3)).unwrap();
            hold.progress(2, nano(20));
            let paid = settle(hold, 40).await;
            assert_eq!(paid, Paid { amount: nano(40), loss: Nano::ZERO });
        }
        ledger.reserve(&payer, ask(51, 100)).await.unwrap().void().unwrap().await.unwrap();
    });
    assert_eq!(running.close(SECONDS), LedgerState::Closed);
    let mut book = book(dir.path());
    let statement = book.statement(alice).unwrap();
    let sums = (statement.available, statement.leased, statement.settled, statement.last_entry);
    assert_eq!(sums, (nano(998_000), Nano::ZERO, nano(2_000), 50));
    assert_eq!(book.entries(alice, 0, 1).unwrap()[0].channel, ChannelId(3));
    sound(dir.path());
    let again = start(dir.path());
    assert_eq!(again.recovery().unresolved, Vec::new());
    assert_eq!(again.recovery().returned, Nano::ZERO);
    assert_eq!(again.close(SECONDS), LedgerState::Closed);
}

#[test]
fn a_dropped_hold_is_void_before_it_is_sent_and_charged_after() {
    let dir = tempfile::tempdir().unwrap();
    let alice = account(dir.path(), "alice", 1_000_000);
    let running = start(dir.path());
    let ledger = running.ledger().clone();
    run(async {
        let payer = ledger.payer(&[alice]).unwrap();
        drop(ledger.reserve(&payer, ask(1, 100)).await.unwrap());
        let mut sent = ledger.reserve(&payer, ask(2, 100)).await.unwrap();
        sent.attempt(ChannelId(3)).unwrap();
        drop(sent);
        let mut streamed = ledger.reserve(&payer, ask(3, 100)).await.unwrap();
        streamed.attempt(ChannelId(3)).unwrap();
        streamed.progress(2, nano(20));
        streamed.progress(4, nano(37));
        drop(streamed);
    });
    assert_eq!(ledger.open_requests(), 0);
    assert_eq!(running.close(SECONDS), LedgerState::Closed);
    let entries = book(dir.path()).entries(alice, 0, 10).unwrap();
    let charged: Vec<_> = entries.iter().map(|e| (e.request.0, e.amount.get(), e.source)).collect();
    let estimated = UsageSource::Estimated;
    assert_eq!(charged, [(2, 10, estimated), (3, 37, estimated)]);
    sound(dir.path());
}

#[test]
fn a_reserve_that_nobody_waits_for_sets_nothing_aside() {
    let dir = tempfile::tempdir().unwrap();
    let alice = account(dir.path(), "alice", 1_000);
    let running = start(dir.path());
    let ledger = running.ledger().clone();
    run(async {
        let payer = ledger.payer(&[alice]).unwrap();
        for request in 0..40 {
            let reserve = ledger.reserve(&payer, ask(request, 1_000));
            let patience = Duration::from_micros(u64::try_from(request).unwrap() * 50);
            drop(tokio::time::timeout(patience, reserve).await);
        }
        // All of the credit is there again, for one who waits.
        let hold = loop {
            match ledger.reserve(&payer, ask(99, 1_000)).await {
                Ok(hold) => break hold,
                Err(Refused::NoCredit { .. }) => tokio::time::sleep(SECONDS / 1_000).await,
                Err(other) => panic!("{other}"),
            }
        };
        settle(hold, 1_000).await;
    });
    assert_eq!(running.close(SECONDS), LedgerState::Closed);
    assert_eq!(book(dir.path()).statement(alice).unwrap().settled, nano(1_000));
    sound(dir.path());
}

#[test]
fn an_open_request_is_charged_input_and_last_progress_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let alice = account(dir.path(), "alice", 1_000_000);
    let running = start(dir.path());
    let ledger = running.ledger().clone();
    run(async {
        let payer = ledger.payer(&[alice]).unwrap();
        let mut silent = ledger.reserve(&payer, ask(1, 100)).await.unwrap();
        silent.attempt(ChannelId(3)).unwrap();
        let mut streamed = ledger.reserve(&payer, ask(2, 100)).await.unwrap();
        streamed.attempt(ChannelId(3)).unwrap();
        streamed.progress(5, nano(44));
        let unsent = ledger.reserve(&payer, ask(3, 100)).await.unwrap();
        settle(ledger.reserve(&payer, ask(4, 100)).await.unwrap(), 1).await;
        for hold in [silent, streamed, unsent] {
            std::mem::forget(hold);
        }
    });
    // Whoever still holds something when the time is over is left to the next start.
    assert_eq!(running.close(Duration::from_millis(50)), LedgerState::Closed);
    let again = start(dir.path());
    let unresolved = &again.recovery().unresolved;
    let charged: Vec<_> = unresolved.iter().map(|s| (s.request.0, s.amount.get())).collect();
    assert_eq!(charged, [(1, 10), (2, 44), (3, 10)], "a reserve without an attempt counts as sent");
    assert!(unresolved.iter().all(|s| s.source == UsageSource::Unresolved));
    assert_eq!(again.close(SECONDS), LedgerState::Closed);
    let statement = book(dir.path()).statement(alice).unwrap();
    assert_eq!((statement.settled, statement.leased), (nano(65), Nano::ZERO));
    sound(dir.path());
}

#[test]
fn an_old_copy_of_the_folder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let alice = account(dir.path(), "alice", 1_000_000);
    let log = dir.path().join("log");
    let spend = |request| {
        let running = start(dir.path());
        let ledger = running.ledger().clone();
        run(async {
            let payer = ledger.payer(&[alice]).unwrap();
            settle(ledger.reserve(&payer, ask(request, 100)).await.unwrap(), 1).await;
        });
        assert_eq!(running.close(SECONDS), LedgerState::Closed);
    };
    spend(1);
    let copy = dir.path().join("copy");
    let copied = std::process::Command::new("cp").arg("-r").arg(&log).arg(&copy).status().unwrap();
    assert!(copied.success());
    spend(2);
    std::fs::remove_dir_all(&log).unwrap();
    std::fs::rename(&copy, &log).unwrap();
    let refused = try_start(dir.path()).map(|_| ()).unwrap_err();
    let expected = matches!(
        &refused,
        StartError::Book(BookError::OldFolder { .. } | BookError::OtherFolder { .. })
    );
    assert!(expected, "{refused}");
    assert_eq!(refused.to_string().lines().count(), 1);
}

#[test]
fn a_second_ledger_on_one_folder_is_refused_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    account(dir.path(), "alice", 1);
    let running = start(dir.path());
    let refused = RealDisk::lock(&dir.path().join("log")).unwrap_err();
    assert!(refused.to_string().starts_with("another process uses the ledger in"), "{refused}");
    assert_eq!(refused.to_string().lines().count(), 1);
    assert_eq!(running.close(SECONDS), LedgerState::Closed);
    assert!(RealDisk::lock(&dir.path().join("log")).is_ok());
}
