//! The money of one request: reserved once, settled once, whatever becomes of the connection.
//!
//! The rule, in the order in which it applies:
//! 1. What the upstream reports of a whole answer is charged.
//! 2. Of an answer nobody reported the use of, input is charged as reported, else as a token for
//!    each four bytes of the request; output as counted while it passed, never more than asked.
//! 3. Where the upstream gave nothing, nothing is charged. A customer who leaves is charged as in 2.

use crate::{
    ask::Ask,
    channel::ChannelRow,
    estimate::{Bounds, Estimate},
    fault::{Fault, Kind},
    hold::{Durably, Hold, Paid, Settlement},
    id::{ChannelId, RequestId},
    money::Nano,
    price::{PriceLine, PriceRef},
    rate::Admitted,
    shared::Refused,
    tally::{Tally, likely_tokens},
    usage::{Usage, UsageSource},
};

/// What a request can cost, before anything is set aside for it.
#[derive(Debug, Clone)]
pub(crate) struct Quote {
    pub(crate) bounds: Bounds,
    pub(crate) price: PriceRef,
    pub(crate) line: PriceLine,
    likely_input: u64,
}

impl Quote {
    /// A quote for `ask`, with so many output tokens at most for a choice, on any of `channels`.
    pub(crate) fn new<'c>(
        ask: &Ask,
        price: (PriceRef, PriceLine),
        max_output: u64,
        channels: impl Iterator<Item = &'c ChannelRow>,
    ) -> Self {
        let dearest = channels.map(|channel| channel.definition.attachment_tokens).max();
        let bounds = Bounds {
            body_bytes: ask.bytes(),
            attachment_tokens: ask.attachments().saturating_mul(dearest.unwrap_or(0)),
            choices: ask.choices,
            max_output: if ask.has_output() { max_output } else { 0 },
        };
        let (price, line) = price;
        Self { bounds, price, line, likely_input: likely_tokens(ask.bytes()) }
    }

    /// What to reserve: the worst case, with the likely input as what is charged when nothing
    /// more is ever known.
    pub(crate) fn estimate(&self) -> Result<Estimate, Fault> {
        let worst = self.bounds.worst_case(&self.line);
        let input = Usage { input: self.likely_input, ..Usage::default() };
        let (worst, input) = worst
            .and_then(|worst| Ok((worst, self.line.cost(&input)?)))
            .map_err(|_| Fault::from(Refused::Unsound))?;
        let input = input.min(worst.amount);
        Ok(Estimate { amount: worst.amount, input, input_tokens: self.likely_input })
    }

    /// Tokens it can use at most.
    pub(crate) fn tokens(&self) -> u64 {
        self.likely_input.saturating_add(self.most_output())
    }

    fn most_output(&self) -> u64 {
        self.bounds.choices.saturating_mul(self.bounds.max_output)
    }
}

/// A request whose worst case is set aside.
#[derive(Debug)]
pub(crate) struct Exchange {
    hold: Hold,
    quote: Quote,
    admitted: Admitted,
}

impl Exchange {
    pub(crate) fn new(hold: Hold, quote: Quote, admitted: Admitted) -> Self {
        Self { hold, quote, admitted }
    }

    pub(crate) fn request(&self) -> RequestId {
        self.hold.request()
    }

    /// Output tokens a choice may have.
    pub(crate) fn max_output(&self) -> u64 {
        self.quote.bounds.max_output
    }

    /// The version of the price book it is charged by.
    pub(crate) fn price_version(&self) -> u32 {
        self.quote.price.version.0
    }

    /// Notes that the request is now sent there.
    pub(crate) fn attempt(&mut self, channel: ChannelId) -> Result<(), Fault> {
        self.hold.attempt(channel).map_err(Fault::from)
    }

    /// Notes how far the answer has come.
    pub(crate) fn progress(&mut self, tally: &Tally) {
        let usage = self.counted(tally);
        if let Ok(cost) = self.quote.line.cost(&usage) {
            self.hold.progress(usage.output, cost);
        }
    }

    /// Charges what was used.
    pub(crate) fn settle(mut self, tally: &Tally) -> Result<Durably<Paid>, Fault> {
        let (usage, source) = match tally.reported() {
            Some(usage) => (usage, UsageSource::Reported),
            None if tally.has_output() => (self.counted(tally), UsageSource::Counted),
            None => (self.counted(tally), UsageSource::Estimated),
        };
        // A cost that cannot be counted is above all that was set aside.
        let cost = self.quote.line.cost(&usage).unwrap_or(Nano::MAX);
        self.admitted.used(usage.input.saturating_add(usage.output));
        self.hold.settle(Settlement { cost, usage, source }).map_err(Fault::from)
    }

    /// Charges nothing.
    pub(crate) fn void(mut self) -> Result<Durably<()>, Fault> {
        self.admitted.used(0);
        self.hold.void().map_err(Fault::from)
    }

    /// Charges what the customer got of an answer that broke off: nothing for nothing.
    pub(crate) fn broke_off(self, tally: &Tally) {
        let ended = if tally.has_output() || tally.reported().is_some() {
            self.settle(tally).map(drop)
        } else {
            self.void().map(drop)
        };
        if let Err(fault) = ended {
            tracing::warn!(code = fault.code(), "left to the next start to settle");
        }
    }

    fn counted(&self, tally: &Tally) -> Usage {
        let input = Usage { input: self.quote.likely_input, ..Usage::default() };
        let input = tally.reported_input().unwrap_or(input);
        Usage { output: tally.counted_output().min(self.quote.most_output()), ..input }
    }
}

/// Why a model cannot be asked for.
pub(crate) fn no_model(model: &str) -> Fault {
    let name: String = model.chars().filter(|c| !c.is_control()).take(128).collect();
    Fault::new(&Kind::NO_MODEL, format!("The model `{name}` does not exist or may not be used."))
        .about("model")
}
