//! The price book: what a token of a model costs, in versions that are signed and never changed.
//!
//! A row of the ledger names a version and a line, so anyone who has the signed versions can
//! recompute it offline ([`PriceLine::cost`]). Each version names the digest of the one before:
//! a version cannot be swapped afterwards without breaking the chain.

use std::collections::BTreeMap;

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use secrecy::{ExposeSecret, SecretBox};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    clock::WallMillis,
    money::{Currency, Nano, OutOfRange},
    usage::Usage,
};

/// Tokens that a price is for.
pub const TOKENS_PER_PRICE: i128 = 1_000_000;

/// What precedes the signed bytes, so that a signature is good for a price book only.
const SIGNED_AS: &[u8] = b"catalyst price book v1\n";

/// The number of a version of the price book; the first is 1.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct PriceVersion(pub u32);

/// A line of one version: with the version's number it names a model's prices for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PriceRef {
    /// The version.
    pub version: PriceVersion,
    /// The line's place in it, from 0.
    pub line: u32,
}

/// What one model costs. Prices are nano-units for a million tokens and never below zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceLine {
    /// The model as customers name it.
    pub model: String,
    /// Input tokens that were neither read from nor written to a cache.
    pub input: Nano,
    /// Input tokens read from a cache.
    pub cached_input: Nano,
    /// Input tokens written to a cache.
    pub cache_write: Nano,
    /// Output tokens that were said.
    pub output: Nano,
    /// Output tokens that were thought.
    pub reasoning: Nano,
    /// For each request, whatever it used (nano-units).
    pub request: Nano,
}

impl PriceLine {
    /// What `usage` costs: exact, and rounded half up once, at the end.
    ///
    /// # Errors
    /// The cost does not fit an amount.
    pub fn cost(&self, usage: &Usage) -> Result<Nano, OutOfRange> {
        let plain_input =
            usage.input.saturating_sub(usage.cached_input).saturating_sub(usage.cache_write);
        let said = usage.output.saturating_sub(usage.reasoning);
        self.priced(&[
            (plain_input, self.input),
            (usage.cached_input, self.cached_input),
            (usage.cache_write, self.cache_write),
            (said, self.output),
            (usage.reasoning, self.reasoning),
        ])
    }

    /// The price of `parts` (tokens, price for a million) and one request.
    pub(crate) fn priced(&self, parts: &[(u64, Nano)]) -> Result<Nano, OutOfRange> {
        let mut sum: i128 = 0;
        for (tokens, price) in parts {
            let part = i128::from(*tokens).checked_mul(i128::from(price.get()));
            sum = part.and_then(|part| sum.checked_add(part)).ok_or(OutOfRange)?;
        }
        let rounded = sum.checked_add(TOKENS_PER_PRICE / 2).ok_or(OutOfRange)? / TOKENS_PER_PRICE;
        Nano::new(i64::try_from(rounded).map_err(|_| OutOfRange)?).plus(self.request)
    }

    /// The dearest an input token can be.
    pub(crate) fn dearest_input(&self) -> Nano {
        self.input.max(self.cached_input).max(self.cache_write)
    }

    /// The dearest an output token can be.
    pub(crate) fn dearest_output(&self) -> Nano {
        self.output.max(self.reasoning)
    }

    fn is_sound(&self) -> bool {
        let prices = [
            self.input,
            self.cached_input,
            self.cache_write,
            self.output,
            self.reasoning,
            self.request,
        ];
        !self.model.is_empty() && prices.iter().all(|price| !price.is_negative())
    }
}

/// One version of the price book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceBook {
    /// Its number, one more than the version before.
    pub version: PriceVersion,
    /// SHA-256 of the version before, in hexadecimal; empty for the first.
    pub previous: String,
    /// The currency of every price.
    pub currency: Currency,
    /// When it was made.
    pub made_at: WallMillis,
    /// The lines; a model has one.
    pub lines: Vec<PriceLine>,
}

impl PriceBook {
    /// The line of `model` and how to name it.
    pub fn find(&self, model: &str) -> Option<(PriceRef, &PriceLine)> {
        let place = self.lines.iter().position(|line| line.model == model)?;
        let line = u32::try_from(place).ok()?;
        Some((PriceRef { version: self.version, line }, &self.lines[place]))
    }
}

/// A version as it is stored and handed out: the very bytes that were signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedPriceBook {
    /// The version as JSON.
    pub body: String,
    /// The Ed25519 signature in hexadecimal.
    pub signature: String,
}

impl SignedPriceBook {
    /// SHA-256 of the signed bytes, in hexadecimal: what the next version names.
    pub fn digest(&self) -> String {
        hex::encode(Sha256::digest(self.body.as_bytes()))
    }
}

/// Why a version of the price book is not taken.
#[derive(Debug, thiserror::Error)]
pub enum PriceError {
    /// The key that signs could not be read.
    #[error("the key that signs price books is not an Ed25519 seed of 32 bytes")]
    Key,
    /// The version could not be written or read as JSON.
    #[error("the price book is not what it should be")]
    Codec(#[source] serde_json::Error),
    /// The signature is not of these bytes by this key.
    #[error("the signature of the price book does not fit")]
    Signature,
    /// The version does not follow the last one.
    #[error("price book {found} does not follow {last}")]
    OutOfOrder {
        /// The last version taken; 0 when there is none.
        last: u32,
        /// The version that was offered.
        found: u32,
    },
    /// A line has a price below zero or no model, or a model has two lines.
    #[error("line {line} of the price book is not sound")]
    Line {
        /// Its place, from 0.
        line: usize,
    },
    /// The currency is another than before.
    #[error("the price book changes its currency")]
    Currency,
}

/// Signs versions of the price book.
#[derive(Debug)]
pub struct PriceSigner {
    pair: Ed25519KeyPair,
}

impl PriceSigner {
    /// A signer with a seed of 32 bytes.
    ///
    /// # Errors
    /// The seed has another length.
    pub fn new(seed: &SecretBox<[u8; 32]>) -> Result<Self, PriceError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose_secret())
            .map_err(|_| PriceError::Key)?;
        Ok(Self { pair })
    }

    /// The public key that [`PriceShelf`] checks against.
    pub fn public_key(&self) -> Vec<u8> {
        self.pair.public_key().as_ref().to_vec()
    }

    /// Signs a version.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn sign(&self, book: &PriceBook) -> Result<SignedPriceBook, PriceError> {
        let body = serde_json::to_string(book).map_err(PriceError::Codec)?;
        let signature = hex::encode(self.pair.sign(&signed_bytes(&body)));
        Ok(SignedPriceBook { body, signature })
    }
}

/// Every version that was taken, each checked against key and chain.
#[derive(Debug, Clone)]
pub struct PriceShelf {
    public_key: Vec<u8>,
    versions: BTreeMap<PriceVersion, PriceBook>,
    last_digest: String,
}

impl PriceShelf {
    /// An empty shelf that takes what `public_key` signed.
    pub fn new(public_key: Vec<u8>) -> Self {
        Self { public_key, versions: BTreeMap::new(), last_digest: String::new() }
    }

    /// Takes the next version.
    ///
    /// # Errors
    /// Signature, order, chain, currency or a line is not what it must be; nothing was taken.
    pub fn take(&mut self, signed: &SignedPriceBook) -> Result<&PriceBook, PriceError> {
        let signature = hex::decode(&signed.signature).map_err(|_| PriceError::Signature)?;
        UnparsedPublicKey::new(&ED25519, &self.public_key)
            .verify(&signed_bytes(&signed.body), &signature)
            .map_err(|_| PriceError::Signature)?;
        let book: PriceBook = serde_json::from_str(&signed.body).map_err(PriceError::Codec)?;
        let last = self.current();
        let last_version = last.map_or(0, |book| book.version.0);
        if book.version.0 != last_version + 1 || book.previous != self.last_digest {
            let found = book.version.0;
            return Err(PriceError::OutOfOrder { last: last_version, found });
        }
        if last.is_some_and(|last| last.currency != book.currency) {
            return Err(PriceError::Currency);
        }
        for (place, line) in book.lines.iter().enumerate() {
            let twice = book.lines[..place].iter().any(|other| other.model == line.model);
            if twice || !line.is_sound() {
                return Err(PriceError::Line { line: place });
            }
        }
        self.last_digest = signed.digest();
        Ok(self.versions.entry(book.version).or_insert(book))
    }

    /// The newest version.
    pub fn current(&self) -> Option<&PriceBook> {
        self.versions.values().next_back()
    }

    /// The digest that the next version must name; empty before the first.
    pub fn last_digest(&self) -> &str {
        &self.last_digest
    }

    /// The line a row of the ledger names.
    pub fn line(&self, of: PriceRef) -> Option<&PriceLine> {
        self.versions.get(&of.version)?.lines.get(of.line as usize)
    }
}

fn signed_bytes(body: &str) -> Vec<u8> {
    [SIGNED_AS, body.as_bytes()].concat()
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn line() -> PriceLine {
        PriceLine {
            model: "qwen3".to_owned(),
            input: Nano::new(150_000_000),
            cached_input: Nano::new(75_000_000),
            cache_write: Nano::new(187_500_000),
            output: Nano::new(600_000_000),
            reasoning: Nano::new(600_000_000),
            request: Nano::ZERO,
        }
    }

    fn book(version: u32, previous: &str) -> PriceBook {
        PriceBook {
            version: PriceVersion(version),
            previous: previous.to_owned(),
            currency: Currency::USD,
            made_at: WallMillis(1),
            lines: vec![line()],
        }
    }

    fn signer() -> PriceSigner {
        PriceSigner::new(&SecretBox::new(Box::new([7; 32]))).unwrap()
    }

    #[test]
    fn ten_embedding_tokens_cost_something() {
        let cheap = PriceLine { input: Nano::new(20_000_000), ..line() };
        let usage = Usage { input: 10, ..Usage::default() };
        assert_eq!(cheap.cost(&usage), Ok(Nano::new(200)));
    }

    #[test]
    fn cached_and_reasoning_tokens_are_parts_not_additions() {
        let usage =
            Usage { input: 1_000, cached_input: 400, cache_write: 0, output: 100, reasoning: 60 };
        let expected = (600 * 150 + 400 * 75 + 100 * 600) as i64;
        assert_eq!(line().cost(&usage), Ok(Nano::new(expected)));
    }

    #[test]
    fn versions_are_taken_in_order_and_by_signature_only() {
        let signer = signer();
        let mut shelf = PriceShelf::new(signer.public_key());
        let first = signer.sign(&book(1, "")).unwrap();
        shelf.take(&first).unwrap();
        let again = shelf.take(&first);
        assert!(matches!(again, Err(PriceError::OutOfOrder { last: 1, found: 1 })));
        let unchained = signer.sign(&book(2, "")).unwrap();
        assert!(matches!(shelf.take(&unchained), Err(PriceError::OutOfOrder { .. })));
        let second = signer.sign(&book(2, &first.digest())).unwrap();
        let mut forged = second.clone();
        forged.body = forged.body.replace("150000000", "150000001");
        assert!(matches!(shelf.take(&forged), Err(PriceError::Signature)));
        shelf.take(&second).unwrap();
        let (of, _) = shelf.current().unwrap().find("qwen3").unwrap();
        assert_eq!(of, PriceRef { version: PriceVersion(2), line: 0 });
        assert_eq!(shelf.line(of), Some(&line()));
    }

    #[test]
    fn a_version_with_an_unsound_line_is_refused() {
        let signer = signer();
        let mut shelf = PriceShelf::new(signer.public_key());
        let mut negative = book(1, "");
        negative.lines[0].output = Nano::new(-1);
        let mut twice = book(1, "");
        twice.lines.push(line());
        for unsound in [negative, twice] {
            let signed = signer.sign(&unsound).unwrap();
            assert!(matches!(shelf.take(&signed), Err(PriceError::Line { .. })));
        }
        assert!(shelf.current().is_none());
    }

    proptest! {
        #[test]
        fn a_cost_is_never_more_than_half_a_nano_from_the_exact_one(
            input in 0_u64..1 << 32, cached in 0_u64..1 << 31, output in 0_u64..1 << 32,
        ) {
            let usage = Usage { input, cached_input: cached.min(input), output, ..Usage::default() };
            let exact = i128::from(usage.input - usage.cached_input) * 150_000_000
                + i128::from(usage.cached_input) * 75_000_000
                + i128::from(output) * 600_000_000;
            let cost = i128::from(line().cost(&usage).unwrap().get());
            prop_assert!((cost * TOKENS_PER_PRICE - exact).abs() * 2 <= TOKENS_PER_PRICE);
        }
    }
}
