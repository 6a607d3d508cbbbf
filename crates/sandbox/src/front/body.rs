//! A body that passes through: bounded in size, bounded in silence, counted, never collected.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

/// Longest pause between two pieces of a body.
const SILENCE: Duration = Duration::from_secs(60);

/// Called with the length of each piece.
type Count = Box<dyn Fn(u64) + Send + Sync>;

/// What went wrong with a passing body.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    /// The sender went away or spoke no HTTP.
    #[error("the sender's body broke")]
    Broken(#[source] hyper::Error),
    /// Nothing came for too long.
    #[error("no byte came for {} s", SILENCE.as_secs())]
    Silent,
    /// It is larger than its receiver takes.
    #[error("the body is larger than {0} bytes")]
    TooLarge(u64),
}

/// A body on its way through.
pub(super) struct Passing {
    inner: Incoming,
    limit_bytes: u64,
    seen_bytes: u64,
    patience: Pin<Box<Sleep>>,
    count: Count,
}

impl Passing {
    /// Passes `inner` on as long as it stays within `limit_bytes`.
    pub(super) fn new(inner: Incoming, limit_bytes: u64, count: Count) -> Self {
        let patience = Box::pin(tokio::time::sleep(SILENCE));
        Self { inner, limit_bytes, seen_bytes: 0, patience, count }
    }
}

impl Body for Passing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(context) else {
            let silent = self.patience.as_mut().poll(context).is_ready();
            return if silent { Poll::Ready(Some(Err(BodyError::Silent))) } else { Poll::Pending };
        };
        self.patience.as_mut().reset(Instant::now() + SILENCE);
        let Some(frame) = frame.transpose().map_err(BodyError::Broken)? else {
            return Poll::Ready(None);
        };
        if let Some(data) = frame.data_ref() {
            let length = data.len() as u64;
            self.seen_bytes += length;
            (self.count)(length);
        }
        if self.seen_bytes > self.limit_bytes {
            return Poll::Ready(Some(Err(BodyError::TooLarge(self.limit_bytes))));
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// What a front answers with: a passing body or a short text of its own.
pub(super) type Answer = http_body_util::combinators::UnsyncBoxBody<Bytes, BodyError>;

/// A short text.
pub(super) fn text(text: &'static str) -> Answer {
    http_body_util::Full::new(Bytes::from_static(text.as_bytes()))
        .map_err(|never| match never {})
        .boxed_unsync()
}
