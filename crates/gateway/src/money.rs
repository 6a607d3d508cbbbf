//! Money as whole nano-units: sums are exact, and whatever would overflow is refused.
//!
//! 10 embedding tokens at 0.02 a million are 200 nano-units; micro-units would round them to
//! nothing. No floating point number comes near an amount.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Nano-units in one unit of a currency.
pub const NANO_PER_UNIT: i64 = 1_000_000_000;

/// Nano-USD in one quota unit of new-api (500,000 of them are one dollar).
pub const NANO_PER_QUOTA_UNIT: i64 = 2_000;

/// An amount of money in nano-units (10⁻⁹) of its account's currency.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Nano(i64);

/// A sum, difference or product that does not fit an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the amount is out of range")]
pub struct OutOfRange;

impl Nano {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest amount.
    pub const MAX: Self = Self(i64::MAX);

    /// An amount of `nanos` nano-units.
    pub const fn new(nanos: i64) -> Self {
        Self(nanos)
    }

    /// The amount in nano-units.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Whether the amount is below zero.
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// The sum.
    ///
    /// # Errors
    /// The sum does not fit.
    pub fn plus(self, other: Self) -> Result<Self, OutOfRange> {
        self.0.checked_add(other.0).map(Self).ok_or(OutOfRange)
    }

    /// The difference; it may be below zero.
    ///
    /// # Errors
    /// The difference does not fit.
    pub fn minus(self, other: Self) -> Result<Self, OutOfRange> {
        self.0.checked_sub(other.0).map(Self).ok_or(OutOfRange)
    }

    /// The difference, or `None` when it would be below zero or does not fit.
    pub fn less(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).filter(|left| *left >= 0).map(Self)
    }

    /// The amount `count` times.
    ///
    /// # Errors
    /// The product does not fit.
    pub fn times(self, count: u64) -> Result<Self, OutOfRange> {
        let count = i64::try_from(count).map_err(|_| OutOfRange)?;
        self.0.checked_mul(count).map(Self).ok_or(OutOfRange)
    }

    /// Adds all of `amounts`.
    ///
    /// # Errors
    /// The sum does not fit.
    pub fn sum(amounts: impl IntoIterator<Item = Self>) -> Result<Self, OutOfRange> {
        amounts.into_iter().try_fold(Self::ZERO, Self::plus)
    }
}

impl fmt::Display for Nano {
    /// Units with nine decimals: `-0.000002000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per_unit = NANO_PER_UNIT.unsigned_abs();
        let (whole, rest) = (self.0.unsigned_abs() / per_unit, self.0.unsigned_abs() % per_unit);
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{whole}.{rest:09}")
    }
}

impl FromStr for Nano {
    type Err = OutOfRange;

    /// Reads units with at most nine decimals: `12`, `12.5`, `-0.000000001`.
    fn from_str(text: &str) -> Result<Self, OutOfRange> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, decimals) = digits.split_once('.').unwrap_or((digits, "0"));
        let plain = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        if !plain(whole) || !plain(decimals) || decimals.len() > 9 {
            return Err(OutOfRange);
        }
        let nanos = format!("{whole}{decimals:0<9}").parse::<i128>().map_err(|_| OutOfRange)?;
        let signed = if negative { -nanos } else { nanos };
        i64::try_from(signed).map(Self).map_err(|_| OutOfRange)
    }
}

/// A currency's three capital letters (ISO 4217).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

/// A text that is no currency's three capital letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a currency is three capital letters")]
pub struct NotACurrency;

impl Currency {
    /// The dollar of the United States.
    pub const USD: Self = Self(*b"USD");

    /// The three letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }
}

impl FromStr for Currency {
    type Err = NotACurrency;

    fn from_str(text: &str) -> Result<Self, NotACurrency> {
        let letters: [u8; 3] = text.as_bytes().try_into().map_err(|_| NotACurrency)?;
        letters.iter().all(u8::is_ascii_uppercase).then_some(Self(letters)).ok_or(NotACurrency)
    }
}

impl TryFrom<String> for Currency {
    type Error = NotACurrency;

    fn try_from(text: String) -> Result<Self, NotACurrency> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(Nano::MAX.plus(Nano::new(1)), Err(OutOfRange));
        assert_eq!(Nano::new(i64::MIN).minus(Nano::new(1)), Err(OutOfRange));
        assert_eq!(Nano::new(2).times(u64::MAX), Err(OutOfRange));
        assert_eq!(Nano::new(1).less(Nano::new(2)), None);
    }

    #[test]
    fn a_text_that_is_no_amount_is_refused() {
        for text in ["", "-", ".", "1.", ".5", "1.0000000001", "1e3", "+1", " 1", "99999999999"] {
            assert!(text.parse::<Nano>().is_err(), "{text:?}");
        }
        assert_eq!("12.5".parse(), Ok(Nano::new(12_500_000_000)));
        assert!("usd".parse::<Currency>().is_err());
    }

    proptest! {
        #[test]
        fn an_amount_reads_back_as_it_was_written(nanos: i64) {
            let amount = Nano::new(nanos);
            prop_assert_eq!(amount.to_string().parse::<Nano>(), Ok(amount));
        }
    }
}
