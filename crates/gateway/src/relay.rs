//! A request's way: its worst case is reserved, channels are tried one after the other until one
//! answers, and what was used is settled once.
//!
//! It runs in a task of its own, so that it comes to its end also when the connection does not.
//! Another channel is tried only where nothing can have been done for the request before.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{
        ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER,
        USER_AGENT,
    },
};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::oneshot;

use crate::{
    ask::{Ask, Dialect, Edits},
    channel::{Attestation, OnDisconnect},
    directory::{Channel, Key},
    estimate::Bounds,
    exchange::{Exchange, Quote, no_model},
    fault::{Fault, Kind},
    gateway::Gateway,
    id::RequestId,
    json::{Outline, splice},
    ledger::Reserve,
    rate::Admitted,
    reply::Reply,
    shared::Refused,
    stream::{Manner, Relayed, renamed},
    tally::Tally,
    upstream::Unreached,
};

/// Channels that are tried for one request.
const MAX_ATTEMPTS: usize = 3;
/// The largest JSON reply.
const MAX_REPLY: usize = 32 << 20;
/// The most that is read of an upstream's refusal.
const MAX_REFUSAL: usize = 64 << 10;
/// How long a channel is left alone after a failure that says nothing of it.
const REST: Duration = Duration::from_secs(5);
/// How long one is left alone at most, whatever it asks for.
const LONGEST_REST: Duration = Duration::from_mins(5);

/// What comes with a request beside its body.
#[derive(Debug)]
pub(crate) struct Envelope {
    pub(crate) request: RequestId,
    /// The customer's own key for the upstream.
    pub(crate) own_key: Option<SecretString>,
    /// Headers that go up as they came.
    pub(crate) passed: HeaderMap,
}

/// Answers a request.
///
/// # Errors
/// What the customer is told; nothing was charged but what [`crate::exchange`] says.
pub(crate) async fn relay(
    gateway: &Arc<Gateway>,
    key: &Key,
    ask: Ask,
    envelope: Envelope,
) -> Result<Response<Reply>, Fault> {
    let clock = (gateway.clock().wall(), gateway.clock().monotonic());
    let unknown = || no_model(&ask.model);
    if !key.may_use(&ask.model) {
        return Err(unknown());
    }
    let price = gateway.directory().price(&ask.model).ok_or_else(unknown)?;
    let mut channels = gateway.directory().channels_for(key, &ask.model, ask.dialect, clock);
    channels.truncate(MAX_ATTEMPTS);
    if channels.is_empty() {
        return Err(unknown());
    }
    let most = key.rules.max_output.unwrap_or(u64::MAX);
    let wanted = ask.max_output.unwrap_or(gateway.settings().max_output).min(most);
    let rows = channels.iter().map(|channel| &channel.row);
    let quote = Quote::new(&ask, price, wanted, rows);
    let admitted = key.rate.admit(&key.rules, quote.tokens(), clock.1)?;
    let exchange = reserve(gateway, key, &ask, quote, (admitted, envelope.request)).await?;
    let (tell, told) = oneshot::channel();
    let call = Call { gateway: gateway.clone(), ask, envelope, channels, leave: Arc::default() };
    gateway.tasks().spawn(call.run(exchange, tell));
    let broken = |_| Fault::new(&Kind::INTERNAL, "The gateway failed on this request.");
    told.await.map_err(broken)?
}

/// Sets the worst case aside. A request that does not say how much it wants gets what its credit
/// pays for.
async fn reserve(
    gateway: &Arc<Gateway>,
    key: &Key,
    ask: &Ask,
    mut quote: Quote,
    (mut admitted, request): (Admitted, RequestId),
) -> Result<Exchange, Fault> {
    let reserve = |quote: &Quote| -> Result<Reserve, Fault> {
        Ok(Reserve { request, key: key.id, estimate: quote.estimate()?, price: quote.price })
    };
    let mut held = gateway.ledger().reserve(&key.payer, reserve(&quote)?).await;
    if matches!(held, Err(Refused::NoCredit { .. })) && ask.max_output.is_none() {
        let account = key.account;
        let statement = gateway.ledger().with_book(move |book| book.statement(account)).await;
        let affordable = statement
            .ok()
            .and_then(|statement| quote.bounds.affordable_output(&quote.line, statement.available));
        if let Some(max_output) = affordable.filter(|most| *most > 0) {
            quote.bounds = Bounds { max_output, ..quote.bounds };
            held = gateway.ledger().reserve(&key.payer, reserve(&quote)?).await;
        }
    }
    match held {
        Ok(hold) => Ok(Exchange::new(hold, quote, admitted)),
        Err(refused) => {
            admitted.used(0);
            Err(refused.into())
        }
    }
}

/// A request on its way.
struct Call {
    gateway: Arc<Gateway>,
    ask: Ask,
    envelope: Envelope,
    channels: Vec<Arc<Channel>>,
    /// For how many milliseconds it goes on when the customer has left.
    leave: Arc<AtomicU64>,
}

impl Call {
    async fn run(
        self,
        exchange: Exchange,
        mut tell: oneshot::Sender<Result<Response<Reply>, Fault>>,
    ) {
        let leave = self.leave.clone();
        let left = async {
            tell.closed().await;
            tokio::time::sleep(Duration::from_millis(leave.load(Ordering::Relaxed))).await;
        };
        let outcome = tokio::select! {
            outcome = self.answer(exchange) => outcome,
            // What is open is charged by being dropped: nothing before it was sent, its input after.
            () = left => return,
        };
        // A stream that nobody takes ends by its own rule.
        let _ = tell.send(outcome);
    }

    async fn answer(self, mut exchange: Exchange) -> Result<Response<Reply>, Fault> {
        let mut last = Fault::new(&Kind::UPSTREAM_AWAY, "No upstream could be reached.");
        for channel in self.channels.clone() {
            let request = match self.request(&channel, &exchange) {
                Ok(request) => request,
                Err(fault) => {
                    last = fault;
                    continue;
                }
            };
            exchange.attempt(channel.row.id)?;
            let drained = match channel.row.definition.on_disconnect {
                OnDisconnect::Cancel => 0,
                OnDisconnect::Drain { max_ms } => max_ms,
            };
            self.leave.store(drained, Ordering::Relaxed);
            match self.send(&channel, request).await {
                Attempt::Answered(response) => {
                    return self.pass_on(response, &channel, exchange).await;
                }
                Attempt::Next(fault) => last = fault,
                Attempt::Failed(fault) => {
                    last = fault;
                    break;
                }
            }
        }
        exchange.void()?.await?;
        Err(last)
    }

    /// The request as it goes to `channel`; its headers are made, never copied.
    fn request(
        &self,
        channel: &Channel,
        exchange: &Exchange,
    ) -> Result<Request<Full<Bytes>>, Fault> {
        let of = &channel.row.definition;
        let model = channel.row.upstream_model(&self.ask.model);
        let model = model.ok_or_else(|| no_model(&self.ask.model))?;
        let body = self.ask.edited(Edits { model, max_output: exchange.max_output() });
        let broken = || Fault::new(&Kind::INTERNAL, "The channel cannot be used.");
        let address = of.address(self.ask.dialect.path()).ok_or_else(broken)?;
        let mut request = Request::new(Full::new(Bytes::from(body)));
        (*request.method_mut(), *request.uri_mut()) = (Method::POST, address);
        let accept = if self.ask.stream { "text/event-stream" } else { "application/json" };
        let headers = request.headers_mut();
        headers.extend(self.envelope.passed.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        headers.insert(USER_AGENT, HeaderValue::from_static("catalyst-gateway"));
        let byok = channel.row.attestation.as_ref().map(|attested| &attested.by);
        let secret = match byok {
            Some(Attestation::Byok) => Some(self.envelope.own_key.as_ref().ok_or_else(|| {
                let text = "This model needs your own key in `x-catalyst-upstream-key`.";
                Fault::new(&Kind::OWN_KEY_MISSING, text)
            })?),
            _ => channel.secret.as_ref(),
        };
        if let Some(secret) = secret {
            let (name, text) = credential(self.ask.dialect, secret);
            let mut value = HeaderValue::from_str(&text).map_err(|_| broken())?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(request)
    }

    async fn send(&self, channel: &Channel, request: Request<Full<Bytes>>) -> Attempt {
        let (gateway, name) = (&self.gateway, &channel.row.definition.name);
        let rest = |pause: Duration| channel.rest(gateway.clock().monotonic(), pause);
        let sent = gateway.upstreams().send(request, channel.row.is_in_cluster());
        let response = match tokio::time::timeout(gateway.settings().patience.head, sent).await {
            Ok(Ok(response)) => response,
            Ok(Err(error @ Unreached::Connect(_))) => {
                tracing::warn!(channel = name, error = %chain(&error), "not reached");
                rest(REST);
                let text = "The upstream could not be reached.";
                return Attempt::Next(Fault::new(&Kind::UPSTREAM_AWAY, text));
            }
            Ok(Err(error)) => {
                tracing::warn!(channel = name, error = %chain(&error), "hung up");
                let text = "The upstream hung up before it answered.";
                return Attempt::Failed(Fault::new(&Kind::UPSTREAM_CLOSED, text));
            }
            Err(_) => {
                tracing::warn!(channel = name, "did not answer in time");
                rest(REST);
                let text = "The upstream did not answer in time.";
                return Attempt::Failed(Fault::new(&Kind::UPSTREAM_LATE, text));
            }
        };
        let status = response.status();
        if status == StatusCode::OK {
            return Attempt::Answered(response);
        }
        tracing::warn!(channel = name, status = status.as_u16(), "the upstream refused");
        self.refused(response, channel, rest).await
    }

    /// What an upstream's refusal means for the customer. None of its words reach them but those
    /// about their own request.
    async fn refused(
        &self,
        response: Response<Incoming>,
        channel: &Channel,
        rest: impl Fn(Duration),
    ) -> Attempt {
        let status = response.status();
        let asked = response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok());
        let pause = asked.map_or(REST, Duration::from_secs).min(LONGEST_REST);
        match status.as_u16() {
            400 | 413 | 422 => {
                let body = Limited::new(response.into_body(), MAX_REFUSAL).collect();
                let read = tokio::time::timeout(self.gateway.settings().patience.afterwards, body);
                let bytes = read.await.ok().and_then(Result::ok).map(|body| body.to_bytes());
                let text = bytes.and_then(|bytes| words(&bytes, channel.secret.as_ref()));
                let text = text.unwrap_or_else(|| "The upstream rejects this request.".to_owned());
                let kind = if status.as_u16() == 413 { &Kind::TOO_LARGE } else { &Kind::REJECTED };
                Attempt::Failed(Fault::new(kind, text))
            }
            408 | 429 | 503 | 529 => {
                rest(pause);
                let text = "The upstream is busy.";
                Attempt::Next(Fault::new(&Kind::UPSTREAM_BUSY, text).after(pause))
            }
            _ => {
                rest(pause);
                let text = "The upstream failed on this request.";
                Attempt::Next(Fault::new(&Kind::UPSTREAM_FAILED, text))
            }
        }
    }

    async fn pass_on(
        self,
        response: Response<Incoming>,
        channel: &Channel,
        exchange: Exchange,
    ) -> Result<Response<Reply>, Fault> {
        let media = response.headers().get(CONTENT_TYPE).cloned();
        let is_stream =
            media.as_ref().is_some_and(|m| m.as_bytes().starts_with(b"text/event-stream"));
        let named = channel.row.upstream_model(&self.ask.model) == Some(self.ask.model.as_str());
        let model = (!named).then(|| self.ask.model.clone());
        let tally = Tally::new(self.ask.dialect, self.ask.choices);
        let mut answer = if self.ask.stream && is_stream {
            let patience = self.gateway.settings().patience;
            let manner = Manner {
                dialect: self.ask.dialect,
                shows_usage: self.ask.wants_usage,
                model,
                on_disconnect: channel.row.definition.on_disconnect,
                patience: patience.silence,
                afterwards: patience.afterwards,
            };
            let body = response.into_body();
            let body = Relayed::new(self.gateway.clone(), manner, body, exchange, tally);
            let mut answer = Response::new(Reply::Stream(Box::new(body)));
            let headers = answer.headers_mut();
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
            answer
        } else {
            self.whole(response, exchange, tally, model.as_deref()).await?
        };
        let headers = answer.headers_mut();
        let json = HeaderValue::from_static("application/json");
        headers.insert(CONTENT_TYPE, media.unwrap_or(json));
        if let Ok(name) = HeaderValue::from_str(&channel.row.definition.name) {
            headers.insert("x-catalyst-channel", name);
        }
        Ok(answer)
    }

    /// A JSON reply: read whole, settled, and only then passed on.
    async fn whole(
        &self,
        response: Response<Incoming>,
        exchange: Exchange,
        mut tally: Tally,
        model: Option<&str>,
    ) -> Result<Response<Reply>, Fault> {
        let reading = Limited::new(response.into_body(), MAX_REPLY).collect();
        let body =
            match tokio::time::timeout(self.gateway.settings().patience.silence, reading).await {
                Ok(Ok(body)) => Ok(body.to_bytes()),
                Ok(Err(_)) => Err((&Kind::UPSTREAM_CLOSED, "The upstream's answer broke off.")),
                Err(_) => {
                    Err((&Kind::UPSTREAM_STALLED, "The upstream's answer did not come to an end."))
                }
            };
        let garbage = (&Kind::UPSTREAM_GARBAGE, "The upstream's answer is not what it should be.");
        let body = body.and_then(|body| if tally.reply(&body) { Ok(body) } else { Err(garbage) });
        let body = match body {
            Ok(body) => body,
            Err((kind, text)) => {
                exchange.void()?.await?;
                return Err(Fault::new(kind, text));
            }
        };
        let price = exchange.price_version();
        let paid = exchange.settle(&tally)?.await?;
        let edited = Outline::of(&body).ok().and_then(|outline| {
            let edit = renamed(&outline, model)?;
            Some(Bytes::from(splice(&body, &[edit])))
        });
        let mut answer = Response::new(Reply::whole(edited.unwrap_or(body)));
        let source = if tally.reported().is_some() { "reported" } else { "counted" };
        let cost = format!("{} {}", paid.amount, self.gateway.settings().currency.as_str());
        for (name, text) in [
            ("x-catalyst-cost", Cow::Owned(cost)),
            ("x-catalyst-usage-source", Cow::Borrowed(source)),
            ("x-catalyst-price-version", Cow::Owned(price.to_string())),
        ] {
            if let Ok(value) = HeaderValue::from_str(&text) {
                answer.headers_mut().insert(name, value);
            }
        }
        Ok(answer)
    }
}

/// What came of one attempt.
enum Attempt {
    Answered(Response<Incoming>),
    /// Nothing was done for the request: another channel may be tried.
    Next(Fault),
    /// It may have been done, or no channel will do it.
    Failed(Fault),
}

fn credential(dialect: Dialect, secret: &SecretString) -> (HeaderName, String) {
    let secret = secret.expose_secret();
    match dialect {
        Dialect::Messages => (HeaderName::from_static("x-api-key"), secret.to_owned()),
        _ => (AUTHORIZATION, format!("Bearer {secret}")),
    }
}

/// What an upstream says about the customer's request, without anything that is ours.
fn words(body: &[u8], secret: Option<&SecretString>) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    let text = body["error"]["message"].as_str().or_else(|| body["message"].as_str())?;
    let ours = |word: &str| {
        let secret = secret.map(SecretString::expose_secret).filter(|secret| !secret.is_empty());
        secret.is_some_and(|secret| word.contains(secret))
            || ["sk-", "org-", "://", "Bearer"].iter().any(|mark| word.contains(mark))
    };
    let clean = |word| if ours(word) { "[removed]" } else { word };
    let text: Vec<_> = text.split_whitespace().map(clean).collect();
    Some(text.join(" ").chars().filter(|c| !c.is_control()).take(2_000).collect())
}

/// An error with all that it came from.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstreams_words_lose_every_key_and_address() {
        let secret = SecretString::from("topsecret");
        let body = br#"{"error":{"message":"Too long for org-abc at https://x.example with sk-1
            and (topsecret), 9 tokens"}}"#;
        let text = words(&body.map(|b| if b == b'\n' { b' ' } else { b }), Some(&secret)).unwrap();
        assert_eq!(
            text,
            "Too long for [removed] at [removed] with [removed] and [removed] 9 tokens"
        );
        assert_eq!(words(b"<html>", None), None);
    }
}
