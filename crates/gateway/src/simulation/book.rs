//! A book that is sometimes away, and sometimes hangs up between its commit and its answer.

use std::sync::{Arc, Mutex};

use super::dice::Dice;
use crate::{
    book::{
        AccountKind, Audit, Book, BookError, Claim, Credited, Entry, Fence, Granted, KeyRow,
        LogEnd, NewKey, Shipment, Sqlite, Statement, Wish, WriteOff,
    },
    clock::WallMillis,
    id::{AccountId, KeyId, ReplicaId, Seq},
    money::{Currency, Nano},
    price::{PriceVersion, SignedPriceBook},
};

/// The same book for every life of a replica.
#[derive(Debug, Clone)]
pub(crate) struct SimBook {
    book: Arc<Mutex<Sqlite>>,
    faults: Arc<Mutex<Faults>>,
    fuse: Fuse,
}

/// Told of a place in the code by name; may never come back.
pub(crate) type Fuse = fn(&str);

#[derive(Debug)]
struct Faults {
    dice: Dice,
    percent: u64,
}

impl SimBook {
    pub(crate) fn new(seed: u64) -> Self {
        Self::over(Sqlite::in_memory().unwrap(), seed, |_| {})
    }

    /// A book over `book` that names each call to `fuse` before and after it.
    pub(crate) fn over(book: Sqlite, seed: u64, fuse: Fuse) -> Self {
        Self {
            book: Arc::new(Mutex::new(book)),
            fuse,
            faults: Arc::new(Mutex::new(Faults { dice: Dice::new(seed), percent: 0 })),
        }
    }

    /// From here on so many calls of a hundred find it away, and so many lose its answer.
    pub(crate) fn set_faults(&self, percent: u64) {
        self.faults.lock().unwrap().percent = percent;
    }

    /// The same book as another replica sees it: its faults are its own.
    pub(crate) fn seen_by_another(&self) -> Self {
        let faults = Faults { dice: Dice::new(2), percent: 0 };
        Self { faults: Arc::new(Mutex::new(faults)), ..self.clone() }
    }

    /// Asks it as an operator would: it answers.
    pub(crate) fn ask<T>(&self, work: impl FnOnce(&mut Sqlite) -> Result<T, BookError>) -> T {
        work(&mut self.book.lock().unwrap()).unwrap()
    }

    fn call<T>(
        &self,
        name: &str,
        work: impl FnOnce(&mut Sqlite) -> Result<T, BookError>,
    ) -> Result<T, BookError> {
        let (away, cut) = {
            let mut faults = self.faults.lock().unwrap();
            let percent = faults.percent;
            (faults.dice.chance(percent), faults.dice.chance(percent))
        };
        let unavailable = |why: &str| BookError::Unavailable(why.into());
        if away {
            return Err(unavailable("away"));
        }
        (self.fuse)(&format!("before {name}"));
        let done = work(&mut self.book.lock().unwrap())?;
        (self.fuse)(&format!("after {name}"));
        if cut { Err(unavailable("cut between commit and answer")) } else { Ok(done) }
    }
}

macro_rules! delegate {
    ($(fn $name:ident(&mut self $(, $argument:ident: $type:ty)*) -> $done:ty;)*) => {
        impl Book for SimBook {
            $(fn $name(&mut self $(, $argument: $type)*) -> Result<$done, BookError> {
                self.call(stringify!($name), |book| book.$name($($argument),*))
            })*
        }
    };
}

delegate! {
    fn claim(&mut self, replica: &ReplicaId, log: LogEnd, now: WallMillis) -> Claim;
    fn begin(&mut self, fence: &Fence) -> ();
    fn contact(&mut self, fence: &Fence, now: WallMillis) -> ();
    fn grant(&mut self, fence: &Fence, wish: &Wish) -> Option<Granted>;
    fn applied(&mut self, fence: &Fence) -> Seq;
    fn ship(&mut self, fence: &Fence, shipment: &Shipment) -> ();
    fn close_older(&mut self, fence: &Fence) -> Nano;
    fn write_off(&mut self, replica: &ReplicaId, now: WallMillis) -> WriteOff;
    fn open_account(&mut self, name: &str, kind: AccountKind, currency: Currency) -> AccountId;
    fn credit(&mut self, account: AccountId, amount: Nano, reference: &str, now: WallMillis)
        -> Credited;
    fn statement(&mut self, account: AccountId) -> Statement;
    fn entries(&mut self, account: AccountId, after: u64, most: u32) -> Vec<Entry>;
    fn add_key(&mut self, key: &NewKey) -> KeyRow;
    fn find_key(&mut self, digest: &[u8; 32]) -> Option<KeyRow>;
    fn revoke_key(&mut self, key: KeyId) -> ();
    fn keys_after(&mut self, version: u64, most: u32) -> Vec<KeyRow>;
    fn add_prices(&mut self, version: PriceVersion, prices: &SignedPriceBook) -> ();
    fn prices(&mut self) -> Vec<SignedPriceBook>;
    fn audit(&mut self) -> Audit;
}
