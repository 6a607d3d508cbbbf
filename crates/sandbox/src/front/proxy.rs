//! Passes one request on to the backend its route names, and the answer back.

use std::error::Error as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;

use super::Backends;
use super::body::{Answer, Passing, text};
use super::counts::Counters;
use super::route::{Target, route};

/// A backend on the same machine accepts at once or is down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Until the first byte of the answer: Gitea packs a repository before it speaks.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
/// Idle connections kept per backend.
const IDLE_CONNECTIONS: usize = 8;

/// Headers that belong to one connection and are not passed on; how a body is framed is also each
/// connection's own affair.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// The backends, and a pool of connections to them.
#[derive(Debug)]
pub(super) struct Proxy {
    client: Client<HttpConnector, Passing>,
    backends: Backends,
    counters: Arc<Counters>,
}

impl Proxy {
    pub(super) fn new(backends: Backends, counters: Arc<Counters>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .build(connector);
        Self { client, backends, counters }
    }

    /// Answers one request from `peer`.
    pub(super) async fn answer(
        &self,
        peer: SocketAddr,
        request: Request<Incoming>,
    ) -> Response<Answer> {
        let host = request
            .headers()
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
            .unwrap_or_default()
            .to_ascii_lowercase();
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let target = match route(&method, &host, &path, request.uri().query()) {
            Ok(target) => target,
            Err(refusal) => {
                self.counters.refused(refusal);
                tracing::info!(%peer, ?refusal, %method, "refused");
                return plain(refusal.status(), "not served here\n");
            }
        };
        let response = self.pass(peer, &host, target, request).await;
        let status = response.status().as_u16();
        self.counters.answered(&host, status);
        // The query is left out: it may carry what is nobody else's business.
        tracing::info!(%peer, host, %method, path, status, "passed");
        response
    }

    async fn pass(
        &self,
        peer: SocketAddr,
        host: &str,
        target: Target,
        request: Request<Incoming>,
    ) -> Response<Answer> {
        let limit_bytes = target.request_limit_bytes();
        if request.body().size_hint().lower() > limit_bytes {
            return plain(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large\n");
        }
        let Some(request) = self.rewritten(peer, target, request, limit_bytes) else {
            return plain(StatusCode::BAD_REQUEST, "the request cannot be passed on\n");
        };
        match tokio::time::timeout(ANSWER_TIMEOUT, self.client.request(request)).await {
            Ok(Ok(response)) => self.passed_back(host, response),
            Ok(Err(error)) => {
                tracing::warn!(?target, %error, source = ?error.source(), "backend failed");
                plain(StatusCode::BAD_GATEWAY, "the service behind this name is down\n")
            }
            Err(_) => {
                plain(StatusCode::GATEWAY_TIMEOUT, "the service behind this name is silent\n")
            }
        }
    }

    fn rewritten(
        &self,
        peer: SocketAddr,
        target: Target,
        request: Request<Incoming>,
        limit_bytes: u64,
    ) -> Option<Request<Passing>> {
        let backend = match target {
            Target::Git => self.backends.git,
            Target::PublicRegistry => self.backends.public_registry,
            Target::PrivateRegistry => self.backends.private_registry,
            Target::Postback => self.backends.postback,
        };
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().cloned()?;
        parts.uri = Uri::builder()
            .scheme("http")
            .authority(backend.to_string())
            .path_and_query(path)
            .build()
            .ok()?;
        parts.version = http::Version::HTTP_11;
        strip(&mut parts.headers);
        // What the client claims about itself is not believed further in.
        for claim in ["forwarded", "x-forwarded-host", "x-real-ip"] {
            parts.headers.remove(claim);
        }
        let peer = HeaderValue::from_str(&peer.ip().to_string()).ok()?;
        parts.headers.insert("x-forwarded-for", peer);
        parts.headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
        Some(Request::from_parts(parts, Passing::new(body, limit_bytes, Box::new(|_| {}))))
    }

    fn passed_back(&self, host: &str, response: Response<Incoming>) -> Response<Answer> {
        let (mut parts, body) = response.into_parts();
        strip(&mut parts.headers);
        let (counters, host) = (Arc::clone(&self.counters), host.to_owned());
        let count = Box::new(move |bytes| counters.sent(&host, bytes));
        Response::from_parts(parts, Passing::new(body, u64::MAX, count).boxed_unsync())
    }
}

/// Removes what belongs to one connection, also what `Connection` names.
fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().filter(|name| **name != header::HOST).chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

fn plain(status: StatusCode, words: &'static str) -> Response<Answer> {
    let mut response = Response::new(text(words));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_the_connection_are_not_passed_on() {
        let mut headers = HeaderMap::new();
        headers.insert("connection", HeaderValue::from_static("close, X-Secret-Hop, Host"));
        headers.insert("x-secret-hop", HeaderValue::from_static("1"));
        headers.insert("transfer-encoding", HeaderValue::from_static("chunked"));
        headers.insert("authorization", HeaderValue::from_static("Basic x"));
        headers.insert("host", HeaderValue::from_static("ghcr.io"));
        strip(&mut headers);
        let left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["authorization", "host"]);
    }
}
