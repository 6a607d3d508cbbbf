//! What the book promises, each rule once.

use super::*;
use crate::{
    id::ChannelId,
    price::PriceRef,
    record::{Closed, Leases, Settled},
};

const NOW: WallMillis = WallMillis(1_000);

fn replica() -> ReplicaId {
    "gateway-0".parse().unwrap()
}

fn nano(n: i64) -> Nano {
    Nano::new(n)
}

struct Desk {
    book: Sqlite,
    account: AccountId,
    fence: Fence,
}

/// A book with one account of `credit` and one running replica.
fn desk(credit: i64) -> Desk {
    let mut book = Sqlite::in_memory().unwrap();
    let account = book.open_account("alice", AccountKind::Organization, Currency::USD).unwrap();
    if credit > 0 {
        book.credit(account, nano(credit), "first", NOW).unwrap();
    }
    let empty = LogEnd { epoch: Epoch(0), last: Seq(0) };
    let claim = book.claim(&replica(), empty, NOW).unwrap();
    let fence = Fence { replica: replica(), epoch: claim.epoch };
    book.begin(&fence).unwrap();
    Desk { book, account, fence }
}

impl Desk {
    fn wish(&self, need: i64) -> Wish {
        let (need, zero) = (nano(need), Nano::ZERO);
        Wish { account: self.account, need, want: zero, largest: zero }
    }

    fn granted(&mut self, need: i64) -> Granted {
        let wish = self.wish(need);
        self.book.grant(&self.fence, &wish).unwrap().unwrap()
    }

    fn sound(&mut self) {
        assert_eq!(self.book.audit().unwrap().findings, Vec::<String>::new());
    }
}

fn settled(request: u128, lease: LeaseId, amount: i64) -> Record {
    Record::Settle(Settled {
        request: RequestId(request),
        key: KeyId(4),
        leases: Leases::new(&[lease]).unwrap(),
        amount: nano(amount),
        loss: nano(1),
        usage: Usage { input: 3, cached_input: 1, cache_write: 1, output: 5, reasoning: 2 },
        source: UsageSource::Reported,
        price: PriceRef { version: PriceVersion(1), line: 2 },
        channel: ChannelId(6),
        at: NOW,
    })
}

fn shipment(after: u64, records: &[Record]) -> Shipment {
    let numbered: Vec<_> = records.iter().copied().zip(after + 1..).collect();
    let through = Seq(after + records.len() as u64);
    let records = numbered.into_iter().map(|(record, seq)| (Seq(seq), record)).collect();
    Shipment { after: Seq(after), through, records }
}

#[test]
fn a_credit_is_added_once_by_reference() {
    let mut desk = desk(100);
    let mut credit =
        |amount, reference| desk.book.credit(desk.account, nano(amount), reference, NOW);
    assert_eq!(credit(100, "first").unwrap(), Credited::Before);
    assert!(matches!(credit(101, "first"), Err(BookError::ReferenceUsed)));
    assert_eq!(credit(11, "second").unwrap(), Credited::Added);
    assert!(matches!(credit(0, "third"), Err(BookError::Invalid(_))));
    let nobody = desk.book.credit(AccountId(999), nano(1), "fourth", NOW);
    assert!(matches!(nobody, Err(BookError::NotFound { what: "account" })));
    assert_eq!(desk.book.statement(desk.account).unwrap().credited, nano(111));
    desk.sound();
}

#[test]
fn no_grant_goes_below_zero() {
    let mut desk = desk(100);
    let first = desk.granted(60);
    assert_eq!(first.amount, nano(60), "less than fifty of the largest reserves are left");
    let wish = desk.wish(41);
    assert_eq!(desk.book.grant(&desk.fence, &wish).unwrap(), None);
    assert_eq!(desk.granted(40).lease, first.lease, "one lease an account and epoch");
    let statement = desk.book.statement(desk.account).unwrap();
    assert_eq!((statement.available, statement.leased), (Nano::ZERO, nano(100)));
    desk.sound();
}

#[test]
fn a_shipment_is_taken_once_and_in_order() {
    let mut desk = desk(100);
    let lease = desk.granted(50).lease;
    let first = shipment(0, &[settled(1, lease, 20), settled(2, lease, 5)]);
    desk.book.ship(&desk.fence, &first).unwrap();
    let again = desk.book.ship(&desk.fence, &first);
    assert!(matches!(again, Err(BookError::NotNext { applied: Seq(2), .. })));
    let double = shipment(2, &[settled(1, lease, 20)]);
    assert!(matches!(desk.book.ship(&desk.fence, &double), Err(BookError::Broken(_))));
    let beyond = shipment(2, &[settled(3, lease, 26)]);
    assert!(matches!(desk.book.ship(&desk.fence, &beyond), Err(BookError::Broken(_))));
    assert_eq!(desk.book.applied(&desk.fence).unwrap(), Seq(2));
    let end = Record::Close(Closed { lease, amount: Nano::ZERO, last: true });
    desk.book.ship(&desk.fence, &shipment(2, &[end])).unwrap();
    let statement = desk.book.statement(desk.account).unwrap();
    let sums = (statement.available, statement.leased, statement.settled, statement.last_entry);
    assert_eq!(sums, (nano(75), Nano::ZERO, nano(25), 2));
    let entries = desk.book.entries(desk.account, 1, 10).unwrap();
    let Record::Settle(expected) = settled(2, lease, 5) else { unreachable!() };
    assert_eq!(entries.len(), 1);
    assert_eq!((entries[0].number, entries[0].request), (2, RequestId(2)));
    assert_eq!((entries[0].usage, entries[0].loss), (expected.usage, nano(1)));
    desk.sound();
}

#[test]
fn a_part_of_a_lease_goes_back() {
    let mut desk = desk(100);
    let lease = desk.granted(50).lease;
    let part = Record::Close(Closed { lease, amount: nano(30), last: false });
    desk.book.ship(&desk.fence, &shipment(0, &[part])).unwrap();
    assert_eq!(desk.book.statement(desk.account).unwrap().available, nano(80));
    desk.sound();
}

#[test]
fn a_later_start_fences_off_the_one_before() {
    let mut desk = desk(100);
    let lease = desk.granted(50).lease;
    let end = LogEnd { epoch: desk.fence.epoch, last: Seq(0) };
    let claim = desk.book.claim(&replica(), end, NOW).unwrap();
    let new = Fence { replica: replica(), epoch: claim.epoch };
    let wish = desk.wish(1);
    let late = shipment(0, &[settled(1, lease, 20)]);
    let fenced = |done: Result<(), BookError>| matches!(done, Err(BookError::Fenced { .. }));
    assert!(fenced(desk.book.grant(&desk.fence, &wish).map(drop)));
    assert!(fenced(desk.book.ship(&desk.fence, &late)));
    assert!(fenced(desk.book.contact(&desk.fence, NOW)));
    assert!(fenced(desk.book.begin(&desk.fence)));
    desk.book.ship(&new, &late).unwrap();
    assert_eq!(desk.book.close_older(&new).unwrap(), nano(30));
    assert_eq!(desk.book.statement(desk.account).unwrap().available, nano(80));
    desk.sound();
}

#[test]
fn a_folder_that_is_not_the_last_one_is_refused() {
    let mut desk = desk(100);
    let lease = desk.granted(50).lease;
    desk.book.ship(&desk.fence, &shipment(0, &[settled(1, lease, 20)])).unwrap();
    let mut claim = |epoch, last| {
        desk.book.claim(&replica(), LogEnd { epoch: Epoch(epoch), last: Seq(last) }, NOW)
    };
    assert!(matches!(claim(1, 0), Err(BookError::OldFolder { .. })), "an old copy");
    assert!(matches!(claim(0, 0), Err(BookError::OtherFolder { .. })), "an empty folder");
    assert!(matches!(claim(2, 9), Err(BookError::OtherFolder { .. })), "a folder of the future");
    let again = claim(1, 1).unwrap();
    assert_eq!((again.epoch, again.applied), (Epoch(2), Seq(1)));
}

#[test]
fn a_write_off_returns_the_remainder_and_refuses_the_old_folder() {
    let mut desk = desk(100);
    let lease = desk.granted(50).lease;
    desk.book.ship(&desk.fence, &shipment(0, &[settled(1, lease, 20)])).unwrap();
    let done = desk.book.write_off(&replica(), NOW).unwrap();
    assert_eq!((done.leases, done.returned), (1, nano(30)));
    assert_eq!(desk.book.statement(desk.account).unwrap().available, nano(80));
    let late = desk.book.ship(&desk.fence, &shipment(1, &[settled(2, lease, 5)]));
    assert!(matches!(late, Err(BookError::Fenced { .. })));
    let old = LogEnd { epoch: desk.fence.epoch, last: Seq(7) };
    let refused = desk.book.claim(&replica(), old, NOW);
    assert!(matches!(refused, Err(BookError::OtherFolder { .. })));
    let fresh = LogEnd { epoch: Epoch(0), last: Seq(0) };
    let claim = desk.book.claim(&replica(), fresh, NOW).unwrap();
    assert_eq!((claim.epoch, claim.applied), (Epoch(3), Seq(0)));
    desk.sound();
}

#[test]
fn a_key_is_found_by_its_digest_and_a_revocation_is_a_change() {
    let mut desk = desk(0);
    let limit = desk.book.open_account("alice/key", AccountKind::Limit, Currency::USD).unwrap();
    let key = NewKey {
        digest: [9; 32],
        account: desk.account,
        limits: vec![limit],
        expires_at: Some(WallMillis(77)),
        sealed: Some(vec![1, 2]),
    };
    let row = desk.book.add_key(&key).unwrap();
    assert_eq!(desk.book.find_key(&[9; 32]).unwrap(), Some(row.clone()));
    assert_eq!(desk.book.find_key(&[8; 32]).unwrap(), None);
    assert!(matches!(desk.book.add_key(&key), Err(BookError::Broken(_))));
    desk.book.revoke_key(row.id).unwrap();
    let changed = desk.book.keys_after(row.version, 10).unwrap();
    assert!(changed.len() == 1 && changed[0].revoked && changed[0].version > row.version);
}

#[test]
fn an_account_has_one_kind_and_currency() {
    let mut desk = desk(0);
    let kind = AccountKind::Organization;
    assert_eq!(desk.book.open_account("alice", kind, Currency::USD).unwrap(), desk.account);
    for (name, kind, currency) in [
        ("alice", AccountKind::Limit, Currency::USD),
        ("alice", kind, "OMR".parse().unwrap()),
        (".revenue", kind, Currency::USD),
        ("", kind, Currency::USD),
    ] {
        let done = desk.book.open_account(name, kind, currency);
        assert!(matches!(done, Err(BookError::Invalid(_))), "{name}");
    }
}

#[test]
fn prices_are_kept_for_ever() {
    let mut desk = desk(0);
    let prices = SignedPriceBook { body: "{}".to_owned(), signature: "aa".to_owned() };
    desk.book.add_prices(PriceVersion(1), &prices).unwrap();
    desk.book.add_prices(PriceVersion(1), &prices).unwrap();
    let other = SignedPriceBook { body: "{ }".to_owned(), ..prices.clone() };
    assert!(desk.book.add_prices(PriceVersion(1), &other).is_err());
    assert_eq!(desk.book.prices().unwrap(), vec![prices]);
}

#[test]
fn the_audit_finds_a_row_that_was_taken_out() {
    let mut desk = desk(100);
    let lease = desk.granted(50).lease;
    let both = shipment(0, &[settled(1, lease, 20), settled(2, lease, 5)]);
    desk.book.ship(&desk.fence, &both).unwrap();
    desk.sound();
    desk.book.tamper("DELETE FROM entry WHERE number = 1");
    let findings = desk.book.audit().unwrap().findings;
    assert_eq!(findings.len(), 2, "{findings:?}");
}

#[test]
fn a_book_outlives_its_connection_and_is_ours_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("book.sqlite");
    let account = {
        let mut book = Sqlite::open(&path).unwrap();
        let account = book.open_account("alice", AccountKind::Organization, Currency::USD).unwrap();
        book.credit(account, nano(5), "once", NOW).unwrap();
        account
    };
    let mut book = Sqlite::open(&path).unwrap();
    assert_eq!(book.statement(account).unwrap().available, nano(5));
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

mod registry;

mod sizes {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_grant_has_the_need_and_at_most_a_quarter_beyond_it(
            available in 0_i64..1 << 40, need in 0_i64..1 << 40, want in 0_i64..1 << 40,
            largest in 0_i64..1 << 40,
        ) {
            let wish = Wish {
                account: AccountId(1), need: nano(need), want: nano(want), largest: nano(largest),
            };
            let size = wish.size(nano(available));
            prop_assert_eq!(size.is_none(), available < need);
            if let Some(size) = size {
                prop_assert!(size.get() >= need && size.get() <= available);
                prop_assert!(size.get() == need || size.get() <= available / 4);
                let scarce = available < 50 * largest.max(need);
                prop_assert!(!scarce || size.get() == need);
            }
        }
    }
}
