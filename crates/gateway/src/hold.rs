//! A request's reserve from the moment it is durable to its end: settled, void, or dropped.
//!
//! Dropping a [`Hold`] ends it too: never sent, it is void; sent, it is charged its input and last
//! progress. Nothing is awaited there, so a cancelled connection task settles as well.

use std::{
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    time::Duration,
};

use tokio::sync::oneshot;

use crate::{
    id::{ChannelId, RequestId, Seq},
    money::Nano,
    purse::Payer,
    record::{Attempt, Progress, Record, Reserved, Settled},
    shared::{Refused, Shared},
    usage::{Usage, UsageSource},
};

/// How often progress is written at most.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// What a request used in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settlement {
    /// What that costs.
    pub cost: Nano,
    /// The quantities.
    pub usage: Usage,
    /// Where they come from.
    pub source: UsageSource,
}

/// What a settlement came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paid {
    /// What the customer pays.
    pub amount: Nano,
    /// What nobody pays: the cost beyond the reserve and the balance. Above zero it is an alarm.
    pub loss: Nano,
}

/// Counts a request as open as long as it lives.
#[derive(Debug)]
pub(crate) struct OpenCount(Arc<Shared>);

impl OpenCount {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        shared.open.fetch_add(1, Ordering::AcqRel);
        Self(shared.clone())
    }
}

impl Drop for OpenCount {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A durable reserve of one request.
#[derive(Debug)]
#[must_use = "a hold that is dropped ends its request"]
pub struct Hold {
    shared: Arc<Shared>,
    payer: Payer,
    reserved: Reserved,
    channel: Option<ChannelId>,
    progress: Option<Progress>,
    progress_written: Option<Duration>,
    ended: bool,
    _open: OpenCount,
}

/// A record on its way to the disk: ready when it is durable there.
#[derive(Debug)]
#[must_use = "the record is only durable once this is ready"]
pub struct Durably<T> {
    value: Option<T>,
    done: oneshot::Receiver<Seq>,
    shared: Arc<Shared>,
}

impl<T: Unpin> Future for Durably<T> {
    type Output = Result<T, Refused>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match Pin::new(&mut self.done).poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(_)) => {
                let value = self.value.take();
                Poll::Ready(value.ok_or(Refused::Stopped))
            }
            Poll::Ready(Err(_)) => Poll::Ready(Err(self.shared.why_not())),
        }
    }
}

impl Hold {
    /// Takes over a reserve that is in the writer's queue.
    pub(crate) fn new(
        shared: Arc<Shared>,
        payer: Payer,
        reserved: Reserved,
        open: OpenCount,
    ) -> Self {
        Self {
            shared,
            payer,
            reserved,
            channel: None,
            progress: None,
            progress_written: None,
            ended: false,
            _open: open,
        }
    }

    /// The request.
    pub fn request(&self) -> RequestId {
        self.reserved.request
    }

    /// What is set aside.
    pub fn amount(&self) -> Nano {
        self.reserved.amount
    }

    /// Notes that the request is now sent to `channel`: just before it is. From here on dropping
    /// the hold charges it.
    ///
    /// # Errors
    /// The ledger stopped or was fenced off: the request must not be sent.
    pub fn attempt(&mut self, channel: ChannelId) -> Result<(), Refused> {
        let request = self.reserved.request;
        self.shared.write(Record::Attempt(Attempt { request, channel }), None)?;
        self.channel = Some(channel);
        Ok(())
    }

    /// Notes how far the answer has come: what was put out so far, and what input and output so
    /// far cost. Written at most once a second, and never waited for.
    pub fn progress(&mut self, output_tokens: u64, cost: Nano) {
        let progress = Progress { request: self.reserved.request, output_tokens, cost };
        self.progress = Some(progress);
        let now = self.shared.clock.monotonic();
        let due = |then: Duration| now.saturating_sub(then) >= PROGRESS_EVERY;
        // A ledger that stopped says so at the settlement.
        if self.progress_written.is_none_or(due)
            && self.shared.write(Record::Progress(progress), None).is_ok()
        {
            self.progress_written = Some(now);
        }
    }

    /// Ends the request with what it used. The reply's last bytes are to be held back until the
    /// answer is ready.
    ///
    /// # Errors
    /// The ledger stopped: the next start settles the request as unresolved.
    pub fn settle(mut self, settlement: Settlement) -> Result<Durably<Paid>, Refused> {
        self.end_with(settlement)
    }

    /// Ends the request without a charge: it was not sent, or failed in a way that is free.
    ///
    /// # Errors
    /// The ledger stopped: the next start settles the request as unresolved.
    pub fn void(mut self) -> Result<Durably<()>, Refused> {
        self.end_free()
    }

    fn end_free(&mut self) -> Result<Durably<()>, Refused> {
        self.ended = true;
        let (tell, done) = oneshot::channel();
        self.shared.write(Record::Void(self.reserved.request), Some(tell))?;
        // In the queue first: whatever is spent of the amount stands behind it there.
        self.payer.give(self.reserved.amount);
        Ok(Durably { value: Some(()), done, shared: self.shared.clone() })
    }

    fn end_with(&mut self, settlement: Settlement) -> Result<Durably<Paid>, Refused> {
        self.ended = true;
        let cost = settlement.cost.max(Nano::ZERO);
        let beyond = cost.less(self.reserved.amount).unwrap_or(Nano::ZERO);
        let more = if beyond > Nano::ZERO { self.payer.take_up_to(beyond) } else { Nano::ZERO };
        let covered = self.reserved.amount.plus(more).unwrap_or(Nano::MAX);
        let amount = cost.min(covered);
        let loss = cost.less(amount).unwrap_or(Nano::ZERO);
        let settled = Settled {
            request: self.reserved.request,
            key: self.reserved.key,
            leases: self.reserved.leases,
            amount,
            loss,
            usage: settlement.usage,
            source: settlement.source,
            price: self.reserved.price,
            channel: self.channel.unwrap_or(ChannelId(0)),
            at: self.shared.clock.wall(),
        };
        let (tell, done) = oneshot::channel();
        self.shared.write(Record::Settle(settled), Some(tell))?;
        self.payer.give(covered.less(amount).unwrap_or(Nano::ZERO));
        let now = self.shared.clock.monotonic();
        self.payer.purses.iter().for_each(|purse| purse.spend(amount, now));
        if loss > Nano::ZERO {
            tracing::error!(request = %self.reserved.request, %loss, "a cost that nobody pays");
        }
        Ok(Durably { value: Some(Paid { amount, loss }), done, shared: self.shared.clone() })
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let ended = match self.channel {
            None => self.end_free().map(drop),
            Some(_) => {
                let progress = self.progress.map_or(Nano::ZERO, |progress| progress.cost);
                let output = self.progress.map_or(0, |progress| progress.output_tokens);
                let input = self.reserved.input_tokens;
                self.end_with(Settlement {
                    cost: self.reserved.input_cost.max(progress),
                    usage: Usage { input, output, ..Usage::default() },
                    source: UsageSource::Estimated,
                })
                .map(drop)
            }
        };
        if ended.is_err() {
            tracing::warn!(request = %self.reserved.request, "left to the next start to settle");
        }
    }
}
