//! What a request can cost at most: reserved before it is sent, so that no balance is overdrawn.
//!
//! No tokenizer is asked. A token stands for at least one byte, and the JSON around a message is
//! longer than the tokens a chat template puts around it, so the body's bytes bound its text's
//! tokens. Pictures and sound have no such bound: the caller adds what they can cost.

use crate::{
    money::{Nano, OutOfRange},
    price::{PriceLine, TOKENS_PER_PRICE},
};

/// What bounds a request's use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of the request's body.
    pub body_bytes: u64,
    /// Tokens that pictures, sound and files can be beyond the body's bytes.
    pub attachment_tokens: u64,
    /// Choices asked for (`n`), at least 1.
    pub choices: u64,
    /// Output tokens a choice can have at most, thought ones included.
    pub max_output: u64,
}

/// The worst case of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// What the whole request can cost at most: the amount to reserve.
    pub amount: Nano,
    /// What its input can cost at most; charged alone when the rest is never known.
    pub input: Nano,
    /// The input tokens that this stands for.
    pub input_tokens: u64,
}

impl Bounds {
    /// Input tokens at most.
    ///
    /// # Errors
    /// The number does not fit.
    pub fn input_tokens(&self) -> Result<u64, OutOfRange> {
        self.body_bytes.checked_add(self.attachment_tokens).ok_or(OutOfRange)
    }

    /// The worst case at the prices of `line`.
    ///
    /// # Errors
    /// It does not fit an amount.
    pub fn worst_case(&self, line: &PriceLine) -> Result<Estimate, OutOfRange> {
        let input_tokens = self.input_tokens()?;
        let output = self.choices.max(1).checked_mul(self.max_output).ok_or(OutOfRange)?;
        let input_part = (input_tokens, line.dearest_input());
        let input = line.priced(&[input_part])?;
        let amount = line.priced(&[input_part, (output, line.dearest_output())])?;
        Ok(Estimate { amount, input, input_tokens })
    }

    /// The largest maximum of output tokens a choice whose worst case `available` still pays for;
    /// `None` when not even the input is paid for. `max_output` is not looked at, but bounds the
    /// answer.
    pub fn affordable_output(&self, line: &PriceLine, available: Nano) -> Option<u64> {
        let pays = |max_output: u64| {
            let worst = Self { max_output, ..*self }.worst_case(line);
            worst.is_ok_and(|estimate| estimate.amount <= available)
        };
        if !pays(0) {
            return None;
        }
        if pays(self.max_output) {
            return Some(self.max_output);
        }
        let per_token = i128::from(line.dearest_output().get()) * i128::from(self.choices.max(1));
        let mut paid = 0;
        let mut unpaid = self.max_output;
        // A first bound from the price alone; the rounding is then settled by halving.
        if let Some(most) = (i128::from(available.get()) * TOKENS_PER_PRICE).checked_div(per_token)
        {
            unpaid = unpaid.min(u64::try_from(most + 2).unwrap_or(u64::MAX));
        }
        while unpaid - paid > 1 {
            let middle = paid + (unpaid - paid) / 2;
            if pays(middle) { paid = middle } else { unpaid = middle }
        }
        Some(paid)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{price::tests::line, usage::Usage};

    fn priced() -> impl Strategy<Value = PriceLine> {
        proptest::array::uniform6(0_i64..100_000_000_000).prop_map(|p| PriceLine {
            model: "m".to_owned(),
            input: Nano::new(p[0]),
            cached_input: Nano::new(p[1]),
            cache_write: Nano::new(p[2]),
            output: Nano::new(p[3]),
            reasoning: Nano::new(p[4]),
            request: Nano::new(p[5] % 1_000_000),
        })
    }

    proptest! {
        #[test]
        fn nothing_within_the_bounds_costs_more_than_the_worst_case(
            line in priced(), body_bytes in 0_u64..1 << 24, choices in 1_u64..8,
            max_output in 0_u64..200_000, parts in proptest::array::uniform5(0.0_f64..=1.0),
        ) {
            let bounds = Bounds { body_bytes, attachment_tokens: 7, choices, max_output };
            let part = |of: u64, share: f64| ((of as f64) * share) as u64;
            let input = part(bounds.input_tokens().unwrap(), parts[0]);
            let cached_input = part(input, parts[1]);
            let cache_write = part(input - cached_input, parts[2]);
            let output = part(choices * max_output, parts[3]);
            let usage = Usage {
                input, cached_input, cache_write, output, reasoning: part(output, parts[4]),
            };
            usage.check().unwrap();
            let worst = bounds.worst_case(&line).unwrap();
            prop_assert!(line.cost(&usage).unwrap() <= worst.amount);
            let unanswered = Usage { output: 0, reasoning: 0, ..usage };
            prop_assert!(line.cost(&unanswered).unwrap() <= worst.input);
            prop_assert!(worst.input <= worst.amount);
        }

        #[test]
        fn the_affordable_maximum_is_paid_for_and_one_more_is_not(
            line in priced(), body_bytes in 0_u64..100_000, choices in 1_u64..8,
            cap in 0_u64..1_000_000, available in 0_i64..1_000_000_000_000,
        ) {
            let bounds = Bounds { body_bytes, attachment_tokens: 0, choices, max_output: cap };
            let available = Nano::new(available);
            let worst = |max_output| Bounds { max_output, ..bounds }.worst_case(&line).unwrap().amount;
            match bounds.affordable_output(&line, available) {
                None => prop_assert!(worst(0) > available),
                Some(most) => {
                    prop_assert!(most <= cap && worst(most) <= available);
                    prop_assert!(most == cap || worst(most + 1) > available);
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_not_wrapped() {
        let bounds =
            Bounds { body_bytes: 1, attachment_tokens: 0, choices: u64::MAX, max_output: 2 };
        assert_eq!(bounds.worst_case(&line()), Err(OutOfRange));
        assert_eq!(bounds.affordable_output(&line(), Nano::ZERO), None);
    }
}
