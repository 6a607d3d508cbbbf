//! A deployment's events: as a list, and as a stream without a gap.
//!
//! Both begin with what the log holds after a given place. The stream then goes on with each event
//! as it is recorded; a reader that falls behind is given the missing ones from the log. Nothing is
//! queued per reader: the next frame is made when the connection can take it. A stream ends with
//! `event: done` only where nothing more can come by itself; being ready is no end, for a Sovereign
//! that is ready may be degraded a minute later.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use catalyst_control::{EventPage, EventStream, SharedEvent};
use catalyst_model::{DeploymentId, Problem, Seq};
use futures::{StreamExt as _, stream};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::auth::Caller;
use crate::error::Refusal;
use crate::extract::{After, Id};
use crate::streams::Place;
use crate::wire;

/// Well below the minute after which proxies call a connection dead.
const PING_EVERY: Duration = Duration::from_secs(15);
const PING: Bytes = Bytes::from_static(b": ping\n\n");
/// Past events are sent in pieces of about this size, each made when the last is on its way.
const CHUNK_BYTES: usize = 64 * 1024;

/// GET `/api/v1/deployments/{id}/events`.
pub(crate) async fn events(
    State(app): State<App>,
    Id(id): Id,
    After(after): After,
) -> Result<axum::Json<wire::History>, Refusal> {
    let EventPage { deployment, mut past, mut live } = page(&app, &id, after).await?;
    // The state may be ahead of the page; a reader goes on from the state, so bring the events up.
    while live.last() < deployment.seq {
        match live.next().await? {
            Some(event) => past.push(event),
            None => break,
        }
    }
    Ok(axum::Json(wire::History {
        state: wire::State::of(&deployment),
        events: past.iter().map(|event| wire::Event::from(event.as_ref())).collect(),
        done: deployment.is_final(),
    }))
}

async fn page(app: &App, id: &DeploymentId, after: Seq) -> Result<EventPage, Refusal> {
    let last = app.control().get(id)?.seq;
    if after > last {
        let detail = format!("the log ends with {last}, and {after} was asked for");
        return Err(Problem::QUERY_INVALID.with(detail).into());
    }
    Ok(app.control().events(id, after).await?)
}

/// GET `/api/v1/deployments/{id}/logs`.
///
/// The stream ends with the session or token it was asked for with, and comes back with another one.
pub(crate) async fn logs(
    State(app): State<App>,
    Caller(who): Caller,
    Id(id): Id,
    After(after): After,
) -> Result<Response, Refusal> {
    let place = app.streams().enter(&who.subject).ok_or(&Problem::TOO_BUSY)?;
    let EventPage { past, live, .. } = page(&app, &id, after).await?;
    let reader = Reader {
        past: past.into_iter(),
        live,
        stop: app.stop().clone(),
        ended: false,
        ping: tokio::time::interval_at(tokio::time::Instant::now() + PING_EVERY, PING_EVERY),
        _place: place,
    };
    let frames = stream::unfold(reader, |mut reader| async move {
        let frame = reader.next().await?;
        Some((Ok::<_, Infallible>(frame), reader))
    });
    let no_longer = app.control().no_longer(&who);
    let frames = frames.take_until(Box::pin(no_longer));
    let mut response = Body::from_stream(frames).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

/// One connection's way through a log.
struct Reader {
    past: std::vec::IntoIter<SharedEvent>,
    live: EventStream,
    stop: CancellationToken,
    ended: bool,
    ping: tokio::time::Interval,
    _place: Place,
}

impl Reader {
    /// Returns the next frames, `None` at the end of the stream.
    async fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        if let Some(chunk) = self.replay() {
            return Some(chunk);
        }
        let state = self.live.deployment();
        if state.is_final() && self.live.last() >= state.seq {
            self.ended = true;
            return Some(done(&wire::State::of(&state)));
        }
        tokio::select! {
            // An event that is there goes out before a ping.
            biased;
            () = self.stop.cancelled() => None,
            event = self.live.next() => match event {
                Ok(Some(event)) => {
                    let mut text = String::new();
                    push_frame(&mut text, &event);
                    Some(text.into())
                }
                Ok(None) => None,
                Err(error) => {
                    // The client comes back with `Last-Event-ID` and is told then.
                    tracing::warn!(%error, "a stream of events broke off");
                    None
                }
            },
            _ = self.ping.tick() => Some(PING),
        }
    }

    /// Returns a piece of what the log held when the stream began.
    fn replay(&mut self) -> Option<Bytes> {
        let mut text = String::new();
        for event in self.past.by_ref() {
            push_frame(&mut text, &event);
            if text.len() >= CHUNK_BYTES {
                break;
            }
        }
        (!text.is_empty()).then(|| text.into())
    }
}

fn push_frame(text: &mut String, event: &SharedEvent) {
    let seq = event.seq;
    // Writing to a string does not fail.
    let _ = write!(text, "id: {seq}\ndata: {}\n\n", json(&wire::Event::from(event.as_ref())));
}

fn done(state: &wire::State) -> Bytes {
    format!("event: done\ndata: {}\n\n", json(state)).into()
}

/// JSON on one line, as a frame needs it: `serde_json` escapes line breaks.
fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| {
        tracing::error!(%error, "an event could not be written");
        "{}".to_owned()
    })
}
