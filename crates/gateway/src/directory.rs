//! Keys, channels and prices as the gateway uses them: the book's, in memory, read again after
//! every change and once a second.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rand::RngExt as _;
use secrecy::SecretString;

use crate::{
    ask::Dialect,
    book::{Book, BookError, KeyProfile, KeyRules},
    channel::ChannelRow,
    clock::WallMillis,
    customer_key::Vault,
    fault::{Fault, Kind},
    id::{AccountId, KeyId},
    ledger::Ledger,
    net::Range,
    price::{PriceLine, PriceRef, PriceShelf, SignedPriceBook},
    purse::Payer,
    rate::Rate,
};

/// Keys that are read from the book at one time.
const KEYS_AT_ONCE: u32 = 10_000;

/// What channels' keys are sealed as.
pub(crate) const CHANNEL_KEY: &str = "channel key";

/// A customer's key.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) id: KeyId,
    pub(crate) account: AccountId,
    pub(crate) payer: Payer,
    pub(crate) name: String,
    pub(crate) rules: KeyRules,
    pub(crate) rate: Arc<Rate>,
    pub(crate) expires_at: Option<WallMillis>,
    revoked: bool,
    addresses: Vec<Range>,
}

impl Key {
    /// Whether the key may be used now and from there.
    pub(crate) fn check(&self, from: IpAddr, now: WallMillis) -> Result<(), Fault> {
        if self.revoked {
            return Err(invalid_key());
        }
        if self.expires_at.is_some_and(|end| now >= end) {
            return Err(Fault::new(&Kind::KEY_EXPIRED, "This API key has expired."));
        }
        let fits =
            self.rules.addresses.is_empty() || self.addresses.iter().any(|range| range.has(from));
        if !fits {
            let text = "This API key may not be used from this address.";
            return Err(Fault::new(&Kind::ADDRESS_NOT_ALLOWED, text));
        }
        Ok(())
    }

    /// Whether the key may use `model`.
    pub(crate) fn may_use(&self, model: &str) -> bool {
        self.rules.models.is_empty() || self.rules.models.iter().any(|own| own == model)
    }

    fn group(&self) -> &str {
        self.rules.group.as_deref().unwrap_or("default")
    }
}

/// One and the same for a key that is wrong, revoked or not there.
pub(crate) fn invalid_key() -> Fault {
    Fault::new(&Kind::INVALID_KEY, "The API key is missing or not valid.")
}

/// A channel with what is needed to use it.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) row: ChannelRow,
    pub(crate) secret: Option<SecretString>,
    /// Until when (monotonic, milliseconds) it is left alone.
    rests_until: Arc<AtomicU64>,
}

impl Channel {
    /// Leaves the channel alone for a while.
    pub(crate) fn rest(&self, now: Duration, pause: Duration) {
        let until = now.saturating_add(pause).as_millis() as u64;
        self.rests_until.fetch_max(until, Ordering::Relaxed);
    }

    fn rests(&self, now: Duration) -> bool {
        (now.as_millis() as u64) < self.rests_until.load(Ordering::Relaxed)
    }
}

/// What the gateway knows.
#[derive(Debug)]
pub(crate) struct Directory {
    keys: RwLock<Keys>,
    channels: RwLock<Arc<Vec<Arc<Channel>>>>,
    prices: RwLock<Arc<PriceShelf>>,
}

#[derive(Debug, Default)]
struct Keys {
    by_digest: HashMap<[u8; 32], Arc<Key>>,
    version: u64,
}

/// What was read from the book.
struct News {
    profiles: Vec<KeyProfile>,
    channels: Vec<ChannelRow>,
    prices: Vec<SignedPriceBook>,
}

impl Directory {
    /// One that knows nothing and takes price books signed with `public_key`.
    pub(crate) fn new(public_key: Vec<u8>) -> Self {
        Self {
            keys: RwLock::default(),
            channels: RwLock::default(),
            prices: RwLock::new(Arc::new(PriceShelf::new(public_key))),
        }
    }

    /// Reads what changed in the book.
    pub(crate) async fn refresh(&self, ledger: &Ledger, vault: &Vault) -> Result<(), BookError> {
        loop {
            let after = read(&self.keys).version;
            let news = ledger.with_book(move |book| News::since(book, after)).await?;
            let more = news.profiles.len() == KEYS_AT_ONCE as usize;
            self.take_keys(news.profiles, ledger);
            self.take_channels(news.channels, vault);
            self.take_prices(&news.prices);
            if !more {
                return Ok(());
            }
        }
    }

    fn take_keys(&self, profiles: Vec<KeyProfile>, ledger: &Ledger) {
        if profiles.is_empty() {
            return;
        }
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        for KeyProfile { row, name, rules } in profiles {
            keys.version = keys.version.max(row.version);
            let accounts: Vec<_> =
                std::iter::once(row.key.account).chain(row.key.limits.iter().copied()).collect();
            let Some(payer) = ledger.payer(&accounts) else { continue };
            let rate = keys.by_digest.get(&row.key.digest).map(|known| known.rate.clone());
            // A range that cannot be read matches nothing: the key is then shut, not open.
            let addresses = rules.addresses.iter().filter_map(|text| text.parse().ok()).collect();
            let key = Key {
                id: row.id,
                account: row.key.account,
                payer,
                name,
                rules,
                rate: rate.unwrap_or_default(),
                expires_at: row.key.expires_at,
                revoked: row.revoked,
                addresses,
            };
            keys.by_digest.insert(row.key.digest, Arc::new(key));
        }
    }

    fn take_channels(&self, rows: Vec<ChannelRow>, vault: &Vault) {
        let before = self.channels();
        if before.iter().map(|channel| &channel.row).eq(rows.iter()) {
            return;
        }
        let make = |row: ChannelRow| {
            let known = before.iter().find(|channel| channel.row.id == row.id);
            let rests_until = known.map(|channel| channel.rests_until.clone());
            let opened = row.sealed.as_deref().map(|sealed| vault.open(CHANNEL_KEY, sealed));
            let secret = match opened {
                None => None,
                Some(Ok(secret)) => Some(secret),
                Some(Err(error)) => {
                    tracing::error!(channel = row.definition.name, %error, "a channel is left out");
                    return None;
                }
            };
            Some(Arc::new(Channel { row, secret, rests_until: rests_until.unwrap_or_default() }))
        };
        let channels = rows.into_iter().filter_map(make).collect();
        *self.channels.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(channels);
    }

    fn take_prices(&self, books: &[SignedPriceBook]) {
        let mut shelf = (*self.prices()).clone();
        let known = shelf.current().map_or(0, |book| book.version.0) as usize;
        for signed in books.iter().skip(known) {
            if let Err(error) = shelf.take(signed) {
                tracing::error!(%error, "a price book is not taken");
                break;
            }
        }
        if shelf.current().map_or(0, |book| book.version.0) as usize > known {
            *self.prices.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(shelf);
        }
    }

    /// The key of a digest.
    pub(crate) fn key(&self, digest: &[u8; 32]) -> Option<Arc<Key>> {
        read(&self.keys).by_digest.get(digest).cloned()
    }

    /// Keys that are known.
    pub(crate) fn key_count(&self) -> usize {
        read(&self.keys).by_digest.len()
    }

    /// Every channel.
    pub(crate) fn channels(&self) -> Arc<Vec<Arc<Channel>>> {
        read(&self.channels).clone()
    }

    /// Every version of the price book.
    pub(crate) fn prices(&self) -> Arc<PriceShelf> {
        read(&self.prices).clone()
    }

    /// The price of a model now.
    pub(crate) fn price(&self, model: &str) -> Option<(PriceRef, PriceLine)> {
        let shelf = self.prices();
        let (price, line) = shelf.current()?.find(model)?;
        Some((price, line.clone()))
    }

    /// The channels that serve `model` to `key` in `dialect`, in the order in which to try them:
    /// by priority, then by chance and weight; those that rest come last.
    pub(crate) fn channels_for(
        &self,
        key: &Key,
        model: &str,
        dialect: Dialect,
        clock: (WallMillis, Duration),
    ) -> Vec<Arc<Channel>> {
        let (wall, now) = clock;
        let fits = |channel: &&Arc<Channel>| {
            let of = &channel.row.definition;
            channel.row.serves_at(wall)
                && of.dialects.contains(&dialect)
                && of.groups.iter().any(|group| group == key.group())
                && channel.row.upstream_model(model).is_some()
        };
        let mut found: Vec<_> = self.channels().iter().filter(fits).cloned().collect();
        if found.len() > 1 {
            let mut random = rand::rng();
            // The smallest of exponential waits is chosen in proportion to the weights.
            found.sort_by_cached_key(|channel| {
                let of = &channel.row.definition;
                let chance: f64 = random.random_range(f64::MIN_POSITIVE..1.0);
                let wait = -chance.ln() / f64::from(of.weight.max(1));
                (channel.rests(now), std::cmp::Reverse(of.priority), (wait * 1e9) as u64)
            });
        }
        found
    }

    /// The models that `key` may use now, in the order of their names.
    pub(crate) fn models(&self, key: &Key, now: WallMillis) -> Vec<String> {
        let (channels, prices) = (self.channels(), self.prices());
        let serving = channels.iter().filter(|channel| channel.row.serves_at(now));
        let of_group = serving.filter(|channel| {
            channel.row.definition.groups.iter().any(|group| group == key.group())
        });
        let mut models: Vec<_> = of_group
            .flat_map(|channel| channel.row.definition.models.iter())
            .filter(|model| key.may_use(model))
            .filter(|model| prices.current().is_some_and(|book| book.find(model).is_some()))
            .cloned()
            .collect();
        models.sort();
        models.dedup();
        models
    }
}

impl News {
    fn since(book: &mut dyn Book, version: u64) -> Result<Self, BookError> {
        let prices = book.prices()?;
        let registry = book.registry()?;
        let profiles = registry.profiles_after(version, KEYS_AT_ONCE)?;
        Ok(Self { profiles, channels: registry.channels()?, prices })
    }
}

fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}
