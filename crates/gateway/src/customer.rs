//! The customer port: what keys can be used for, in OpenAI's dialect and Anthropic's. No route of
//! the admin port is here.

mod account;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue},
};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::{
    ask::{Ask, Dialect},
    customer_key,
    directory::{Key, invalid_key},
    fault::{Fault, Kind},
    gateway::Gateway,
    id::RequestId,
    relay::{Envelope, relay},
    reply::Reply,
    serve::Answer,
};

/// The largest body of a request.
const MAX_BODY: usize = 32 << 20;
/// The request's id, on every answer.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The customer's own key for the upstream.
const OWN_KEY: &str = "x-catalyst-upstream-key";
/// Headers that go up as they came.
const PASSED: &[&str] = &["anthropic-version", "anthropic-beta"];
/// Paths that others serve and this gateway does not, yet.
const NOT_BUILT: &[&str] = &[
    "/v1/files",
    "/v1/fine_tuning",
    "/v1/fine-tunes",
    "/v1/assistants",
    "/v1/threads",
    "/v1/batches",
    "/v1/images",
    "/v1/audio",
    "/v1/realtime",
    "/v1/rerank",
    "/v1/moderations",
    "/v1/edits",
    "/v1/messages/count_tokens",
    "/v1/vector_stores",
];

/// The customer port of a gateway.
#[derive(Debug)]
pub(crate) struct CustomerPort(pub(crate) Arc<Gateway>);

impl Answer for CustomerPort {
    async fn answer(
        self: Arc<Self>,
        peer: SocketAddr,
        request: Request<Incoming>,
    ) -> Response<Reply> {
        let id = RequestId::make(self.0.clock().wall());
        let dialect = dialect(request.uri().path());
        let mut answer = match self.dispatch(peer, request, id).await {
            Ok(answer) => answer,
            Err(fault) => refusal(&fault, dialect.unwrap_or(Dialect::Chat)),
        };
        let headers = answer.headers_mut();
        if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
            headers.insert(REQUEST_ID, id);
        }
        headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
        answer
    }
}

/// The dialect that a path speaks.
fn dialect(path: &str) -> Option<Dialect> {
    let below = path.strip_prefix("/v1")?;
    Dialect::ALL.into_iter().find(|dialect| dialect.path() == below)
}

fn refusal(fault: &Fault, dialect: Dialect) -> Response<Reply> {
    let mut answer = Response::new(Reply::whole(fault.body(dialect)));
    *answer.status_mut() = fault.status();
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    fault.add_headers(headers);
    if fault.status() == StatusCode::UNAUTHORIZED {
        headers.insert("www-authenticate", HeaderValue::from_static("Bearer"));
    }
    answer
}

fn answer(value: &Value) -> Response<Reply> {
    let mut answer = Response::new(Reply::whole(value.to_string()));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

impl CustomerPort {
    async fn dispatch(
        &self,
        peer: SocketAddr,
        request: Request<Incoming>,
        id: RequestId,
    ) -> Result<Response<Reply>, Fault> {
        let path = request.uri().path();
        let path = if path.len() > 1 { path.trim_end_matches('/') } else { path }.to_owned();
        if path == "/healthz" && request.method() == Method::GET {
            return Ok(answer(&json!({"status": "ok"})));
        }
        if let Some(dialect) = dialect(&path) {
            let key = self.authenticate(peer, request.headers())?;
            only(&request, &Method::POST)?;
            return self.relay(&key, dialect, request, id).await;
        }
        let known = path.starts_with("/v1/models")
            || path.starts_with("/v1/usage/")
            || path.starts_with("/v1/dashboard/billing/")
            || path == "/api/usage/token";
        if !known {
            return Err(self.unknown(&path));
        }
        let key = self.authenticate(peer, request.headers())?;
        only(&request, &Method::GET)?;
        match path.as_str() {
            "/v1/models" => Ok(self.models(&key)),
            "/api/usage/token" => account::token(&self.0, &key).await,
            "/v1/dashboard/billing/subscription" => account::subscription(&self.0, &key).await,
            "/v1/dashboard/billing/usage" => account::usage(&self.0, &key).await,
            path => match (path.strip_prefix("/v1/models/"), path.strip_prefix("/v1/usage/")) {
                (Some(model), _) => self.model(&key, model),
                (_, Some(request)) => account::entry(&self.0, &key, request).await,
                _ => Err(self.unknown(path)),
            },
        }
    }

    fn unknown(&self, path: &str) -> Fault {
        let known = |prefix: &&str| {
            path.strip_prefix(*prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if NOT_BUILT.iter().any(known) {
            return Fault::new(&Kind::NOT_BUILT, "This gateway does not serve this path.");
        }
        Fault::new(&Kind::NO_ROUTE, "There is nothing at this path.")
    }

    fn authenticate(&self, peer: SocketAddr, headers: &HeaderMap) -> Result<Arc<Key>, Fault> {
        let text = presented(headers).ok_or_else(invalid_key)?;
        let key = self.0.directory().key(&customer_key::digest(text)).ok_or_else(invalid_key)?;
        key.check(self.client(peer, headers), self.0.clock().wall())?;
        Ok(key)
    }

    /// The client's address: the peer's, or what the nearest proxy that is believed says.
    fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> IpAddr {
        let believed =
            |ip: IpAddr| self.0.settings().trusted_proxies.iter().any(|range| range.has(ip));
        let mut client = peer.ip();
        let said: Vec<_> = headers
            .get_all("x-forwarded-for")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(|part| part.trim().parse())
            .collect();
        for hop in said.into_iter().rev() {
            let (true, Ok(ip)) = (believed(client), hop) else { break };
            client = ip;
        }
        client
    }

    async fn relay(
        &self,
        key: &Key,
        dialect: Dialect,
        request: Request<Incoming>,
        id: RequestId,
    ) -> Result<Response<Reply>, Fault> {
        let own_key = request.headers().get(OWN_KEY).and_then(|value| value.to_str().ok());
        let own_key = own_key.map(|text| SecretString::from(text.to_owned()));
        let mut passed = HeaderMap::new();
        for name in PASSED.iter().filter(|_| dialect == Dialect::Messages) {
            if let Some(value) = request.headers().get(*name) {
                passed.insert(HeaderName::from_static(name), value.clone());
            }
        }
        let body = self.body(request).await?;
        let ask = Ask::read(dialect, body.into())?;
        relay(&self.0, key, ask, Envelope { request: id, own_key, passed }).await
    }

    async fn body(&self, request: Request<Incoming>) -> Result<Bytes, Fault> {
        let length = request.headers().get(CONTENT_LENGTH);
        let length = length.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        let too_large = || Fault::new(&Kind::TOO_LARGE, "The body is larger than 32 MiB.");
        if length.is_some_and(|length| length > MAX_BODY) {
            return Err(too_large());
        }
        let reading = Limited::new(request.into_body(), MAX_BODY).collect();
        match tokio::time::timeout(self.0.settings().patience.body, reading).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
            Ok(Err(_)) => Err(Fault::new(&Kind::INVALID_JSON, "The body did not arrive whole.")),
            Err(_) => Err(Fault::new(&Kind::BODY_LATE, "The body did not arrive in time.")),
        }
    }

    fn models(&self, key: &Key) -> Response<Reply> {
        let models = self.0.directory().models(key, self.0.clock().wall());
        let data: Vec<_> = models.iter().map(|model| entry(model)).collect();
        answer(&json!({"object": "list", "data": data}))
    }

    fn model(&self, key: &Key, model: &str) -> Result<Response<Reply>, Fault> {
        let models = self.0.directory().models(key, self.0.clock().wall());
        let found = models.iter().find(|known| *known == model);
        found.map(|model| answer(&entry(model))).ok_or_else(|| crate::exchange::no_model(model))
    }
}

/// A model as the list shows it.
fn entry(model: &str) -> Value {
    json!({"id": model, "object": "model", "created": 0, "owned_by": "catalyst"})
}

/// The key that came with a request, however the client's library sends it. One that came twice
/// is none.
fn presented(headers: &HeaderMap) -> Option<&str> {
    let one = |name: HeaderName| {
        let mut values = headers.get_all(name).iter();
        let value = values.next()?.to_str().ok()?;
        values.next().is_none().then_some(value.trim())
    };
    if headers.contains_key(AUTHORIZATION) {
        let (scheme, key) = one(AUTHORIZATION)?.split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then_some(key.trim());
    }
    let other = ["x-api-key", "api-key"].into_iter().map(HeaderName::from_static);
    other.into_iter().find(|name| headers.contains_key(name)).and_then(one)
}

fn only(request: &Request<Incoming>, method: &Method) -> Result<(), Fault> {
    if request.method() == method {
        return Ok(());
    }
    Err(Fault::new(&Kind::NO_METHOD, format!("Only {method} is known here.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_key_is_found_wherever_a_client_puts_it_and_nowhere_else() {
        for pairs in [
            [("authorization", "Bearer k")],
            [("authorization", "bearer  k ")],
            [("x-api-key", "k")],
            [("api-key", "k")],
        ] {
            assert_eq!(presented(&headers(&pairs)), Some("k"), "{pairs:?}");
        }
        for pairs in [
            vec![],
            vec![("authorization", "k")],
            vec![("authorization", "Basic k")],
            vec![("authorization", "Bearer a"), ("authorization", "Bearer b")],
            vec![("x-api-key", "a"), ("x-api-key", "b")],
        ] {
            assert_eq!(presented(&headers(&pairs)), None, "{pairs:?}");
        }
    }

    #[test]
    fn each_dialect_has_its_path() {
        assert_eq!(dialect("/v1/chat/completions"), Some(Dialect::Chat));
        assert_eq!(dialect("/v1/messages"), Some(Dialect::Messages));
        assert_eq!(dialect("/v1/chat/completions/x"), None);
        assert_eq!(dialect("/chat/completions"), None);
    }
}
