//! The body of a streamed answer: polled by the connection, so a slow reader slows the upstream
//! and nothing piles up between them.
//!
//! Everything up to the event that completes the answer passes at once. That event and what
//! follows are held until the settlement is durable: whoever has seen the end has been charged.

use std::{
    borrow::Cow,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use hyper::body::{Body, Bytes, Frame, Incoming};
use tokio::time::{Instant, Sleep, sleep};

use crate::{
    ask::Dialect,
    channel::OnDisconnect,
    exchange::Exchange,
    fault::{Fault, Kind},
    gateway::Gateway,
    hold::{Durably, Paid},
    json::{Outline, splice},
    sse::{Events, Piece, data},
    tally::{Moment, Tally},
};

/// Bytes that may wait behind the event that completes an answer.
const MAX_HELD: usize = 4 << 20;

/// How a stream is passed on.
#[derive(Debug, Clone)]
pub(crate) struct Manner {
    pub(crate) dialect: Dialect,
    /// Whether the customer wants the usage that was asked for in any case.
    pub(crate) shows_usage: bool,
    /// The model as the customer named it, where the upstream calls it otherwise.
    pub(crate) model: Option<String>,
    pub(crate) on_disconnect: OnDisconnect,
    /// How long the upstream may say nothing.
    pub(crate) patience: Duration,
    /// How long the usage may come after the end of the answer.
    pub(crate) afterwards: Duration,
}

/// An answer on its way.
pub(crate) struct Relayed {
    gateway: Arc<Gateway>,
    manner: Manner,
    upstream: Option<Incoming>,
    events: Events,
    tally: Tally,
    exchange: Option<Exchange>,
    settling: Option<Durably<Paid>>,
    /// What may be sent now.
    ready: Vec<u8>,
    /// What waits for the settlement.
    held: Vec<u8>,
    complete: bool,
    ended: bool,
    silence: Pin<Box<Sleep>>,
}

impl Relayed {
    pub(crate) fn new(
        gateway: Arc<Gateway>,
        manner: Manner,
        upstream: Incoming,
        exchange: Exchange,
        tally: Tally,
    ) -> Self {
        let silence = Box::pin(sleep(manner.patience));
        Self {
            gateway,
            manner,
            upstream: Some(upstream),
            events: Events::default(),
            tally,
            exchange: Some(exchange),
            settling: None,
            ready: Vec::new(),
            held: Vec::new(),
            complete: false,
            ended: false,
            silence,
        }
    }

    /// Takes in what arrived from upstream.
    fn take(&mut self, bytes: &[u8]) {
        self.events.push(bytes);
        while let Some(piece) = self.events.next() {
            let (bytes, moment) = match piece {
                Piece::Unread(bytes) => {
                    self.tally.unread(bytes.len() as u64);
                    (bytes, Moment::Under)
                }
                Piece::Event(event) => self.look_into(event),
            };
            if moment == Moment::Failed {
                // Its words are the provider's, to us.
                let text = "The upstream failed while it answered.";
                return self.break_off(&Fault::new(&Kind::UPSTREAM_FAILED, text));
            }
            self.complete |= matches!(moment, Moment::Complete | Moment::Last);
            let out = if self.complete { &mut self.held } else { &mut self.ready };
            out.extend_from_slice(&bytes);
            if moment == Moment::Last || self.held.len() > MAX_HELD {
                self.finish();
                return;
            }
        }
        let left = if self.complete { self.manner.afterwards } else { self.manner.patience };
        self.silence.as_mut().reset(Instant::now() + left);
        if let Some(exchange) = &mut self.exchange {
            exchange.progress(&self.tally);
        }
    }

    /// Counts an event and makes of it what the customer sees.
    fn look_into(&mut self, event: Vec<u8>) -> (Vec<u8>, Moment) {
        let Some(text) = data(&event) else { return (event, Moment::Under) };
        let moment = self.tally.event(&text);
        if moment == Moment::UsageOnly && !self.manner.shows_usage {
            return (Vec::new(), moment);
        }
        let edited = match text {
            // Only what lies in one piece can be edited in place.
            Cow::Borrowed(text) => edit(&self.manner, text).map(|new| {
                let start = text.as_ptr() as usize - event.as_ptr() as usize;
                let range = start..start + text.len();
                splice(&event, &[(range, Cow::Owned(new))])
            }),
            Cow::Owned(_) => None,
        };
        (edited.unwrap_or(event), moment)
    }

    /// Settles: what is held goes out once that is durable.
    fn finish(&mut self) {
        let Some(exchange) = self.exchange.take() else { return };
        match exchange.settle(&self.tally) {
            Ok(durably) => self.settling = Some(durably),
            Err(fault) => self.fail(&fault),
        }
    }

    /// Ends a stream that broke off: what came is charged, and the customer is told.
    fn break_off(&mut self, fault: &Fault) {
        self.upstream = None;
        if self.complete {
            return self.finish();
        }
        if let Some(exchange) = self.exchange.take() {
            tracing::warn!(request = %exchange.request(), code = fault.code(), "a stream broke off");
            exchange.broke_off(&self.tally);
        }
        self.fail(fault);
    }

    fn fail(&mut self, fault: &Fault) {
        self.ready.extend(fault.event(self.manner.dialect));
        self.held.clear();
        self.ended = true;
    }

    fn upstream_ended(&mut self) {
        self.upstream = None;
        if self.complete {
            self.finish();
        } else {
            let text = "The upstream closed the stream before the answer was complete.";
            self.break_off(&Fault::new(&Kind::UPSTREAM_CLOSED, text));
        }
    }

    /// Reads from upstream; `Pending` when there is nothing to do but wait.
    fn poll_upstream(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(upstream) = &mut self.upstream else { return Poll::Ready(()) };
        match Pin::new(upstream).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Ok(bytes) = frame.into_data()
                    && self.exchange.is_some()
                {
                    self.take(&bytes);
                }
                Poll::Ready(())
            }
            Poll::Ready(Some(Err(_)) | None) => {
                self.upstream_ended();
                Poll::Ready(())
            }
            Poll::Pending => {
                std::task::ready!(self.silence.as_mut().poll(context));
                let text = "The upstream said nothing for too long.";
                self.break_off(&Fault::new(&Kind::UPSTREAM_STALLED, text));
                Poll::Ready(())
            }
        }
    }

    /// Waits for the settlement, and reads the upstream to its end meanwhile, so that its
    /// connection can be used again.
    fn poll_settling(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(settling) = &mut self.settling else { return Poll::Ready(()) };
        let settled = std::task::ready!(Pin::new(settling).poll(context));
        self.settling = None;
        match settled {
            Ok(_) => {
                let held = std::mem::take(&mut self.held);
                self.ready.extend_from_slice(&held);
                self.ended = true;
                if let Some(upstream) = &mut self.upstream {
                    let _ = Pin::new(upstream).poll_frame(context);
                }
            }
            Err(refused) => self.fail(&Fault::from(refused)),
        }
        Poll::Ready(())
    }

    /// Reads on when nobody listens any more, and settles.
    pub(crate) async fn drain(mut self, most: Duration) {
        let reading = std::future::poll_fn(|context| {
            while !self.ended {
                self.ready.clear();
                std::task::ready!(match self.settling {
                    Some(_) => self.poll_settling(context),
                    None => self.poll_upstream(context),
                });
            }
            Poll::Ready(())
        });
        // What is open after that is settled when this is dropped.
        let _ = tokio::time::timeout(most, reading).await;
    }
}

impl Body for Relayed {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        loop {
            if !self.ready.is_empty() {
                let bytes = std::mem::take(&mut self.ready);
                return Poll::Ready(Some(Ok(Frame::data(bytes.into()))));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            std::task::ready!(match self.settling {
                Some(_) => self.poll_settling(context),
                None => self.poll_upstream(context),
            });
        }
    }
}

impl Drop for Relayed {
    /// The customer has left, or has everything. What is open is settled, by the channel's rule.
    fn drop(&mut self) {
        let Some(exchange) = self.exchange.take() else { return };
        match (self.manner.on_disconnect, self.upstream.take()) {
            (OnDisconnect::Drain { max_ms }, Some(upstream)) => {
                let manner = Manner {
                    shows_usage: true,
                    model: None,
                    on_disconnect: OnDisconnect::Cancel,
                    ..self.manner.clone()
                };
                let tally = std::mem::replace(&mut self.tally, Tally::new(manner.dialect, 1));
                let gateway = self.gateway.clone();
                let mut rest = Self::new(gateway.clone(), manner, upstream, exchange, tally);
                (rest.complete, rest.events) = (self.complete, std::mem::take(&mut self.events));
                gateway.tasks().spawn(rest.drain(Duration::from_millis(max_ms)));
            }
            _ => {
                if let Err(fault) = exchange.settle(&self.tally) {
                    tracing::warn!(code = fault.code(), "left to the next start to settle");
                }
            }
        }
    }
}

/// An event's data as the customer sees it; `None` when that is as it came.
fn edit(manner: &Manner, text: &[u8]) -> Option<Vec<u8>> {
    let hides = !manner.shows_usage && find(text, b"\"usage\"");
    if manner.model.is_none() && !hides {
        return None;
    }
    let outline = Outline::of(text).ok()?;
    let mut edits = Vec::new();
    if hides && let Some(cut) = outline.without("usage") {
        edits.push((cut, Cow::Borrowed(b"".as_slice())));
    }
    edits.extend(renamed(&outline, manner.model.as_deref()));
    edits.sort_by_key(|(range, _)| range.start);
    (!edits.is_empty()).then(|| splice(text, &edits))
}

/// The edit that gives an answer the model's name as the customer knows it.
pub(crate) fn renamed(
    outline: &Outline,
    model: Option<&str>,
) -> Option<(std::ops::Range<usize>, Cow<'static, [u8]>)> {
    let member = outline.member("model")?;
    let name = serde_json::Value::from(model?).to_string().into_bytes();
    Some((member.value.clone(), Cow::Owned(name)))
}

fn find(text: &[u8], what: &[u8]) -> bool {
    text.windows(what.len()).any(|window| window == what)
}
