//! The admin port: channels, users, credits and prices, for machines and operators. It has a
//! listener of its own; no customer's key opens anything here.

mod channels;
mod money;
mod users;

use std::{net::SocketAddr, sync::Arc};

use http_body_util::{BodyExt as _, Limited};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Incoming,
    header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderValue},
};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

use crate::{
    book::{BookError, KeyRules, Note},
    clock::WallMillis,
    gateway::Gateway,
    rate::Rate,
    reply::Reply,
    serve::Answer,
};

/// The largest body of a request.
const MAX_BODY: usize = 1 << 20;
/// Wrong bearers that are told so, a minute.
const WRONG_A_MINUTE: u32 = 600;
/// Rows of one page at most.
const MAX_PAGE: usize = 100;

/// The admin port of a gateway.
#[derive(Debug)]
pub(crate) struct AdminPort {
    gateway: Arc<Gateway>,
    wrong: Arc<Rate>,
    started: WallMillis,
}

/// With what right somebody asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Right {
    /// `ADMIN_API_TOKEN`: keeps channels and issues keys.
    Machine,
    /// The master key: everything.
    Master,
}

impl Right {
    fn as_str(self) -> &'static str {
        match self {
            Self::Machine => "admin-token",
            Self::Master => "master-key",
        }
    }
}

/// Who asks, for the notes.
#[derive(Debug, Clone, Copy)]
struct Caller {
    right: Right,
    peer: SocketAddr,
}

/// A request below one of the port's parts.
struct Asked<'a> {
    caller: Caller,
    method: Method,
    /// The path's segments below the part.
    rest: &'a [&'a str],
    query: &'a Query,
    request: Request<Incoming>,
}

/// A request that is refused.
#[derive(Debug)]
struct Denied {
    status: StatusCode,
    code: &'static str,
    message: String,
    /// Members that the answer has beside those.
    more: Value,
}

type Done = Result<Response<Reply>, Denied>;

fn denied(status: StatusCode, code: &'static str, message: impl Into<String>) -> Denied {
    Denied { status, code, message: message.into(), more: Value::Null }
}

fn invalid(message: impl Into<String>) -> Denied {
    denied(StatusCode::BAD_REQUEST, "invalid_request", message)
}

impl From<BookError> for Denied {
    fn from(error: BookError) -> Self {
        let (status, code) = match &error {
            BookError::NotFound { .. } => (StatusCode::NOT_FOUND, "not_found"),
            BookError::ReferenceUsed => (StatusCode::CONFLICT, "reference_used"),
            BookError::Invalid(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
            BookError::Broken(_) => (StatusCode::CONFLICT, "rule_broken"),
            _ => (StatusCode::SERVICE_UNAVAILABLE, "ledger_unavailable"),
        };
        if status == StatusCode::SERVICE_UNAVAILABLE {
            tracing::warn!(%error, "the book did not do what it was asked");
        }
        denied(status, code, error.to_string())
    }
}

/// new-api's envelope, as compact JSON.
fn reply(status: StatusCode, body: &Value) -> Response<Reply> {
    let mut answer = Response::new(Reply::whole(body.to_string()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    answer
}

fn done(data: &Value) -> Response<Reply> {
    reply(StatusCode::OK, &json!({"success": true, "message": "", "data": data}))
}

impl Answer for AdminPort {
    async fn answer(
        self: Arc<Self>,
        peer: SocketAddr,
        request: Request<Incoming>,
    ) -> Response<Reply> {
        self.dispatch(peer, request).await.unwrap_or_else(|denied| {
            let Denied { status, code, message, more } = denied;
            let mut body = json!({"success": false, "code": code, "message": message});
            if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
                body.extend(more);
            }
            reply(status, &body)
        })
    }
}

impl AdminPort {
    pub(crate) fn new(gateway: Arc<Gateway>) -> Self {
        let started = gateway.clock().wall();
        Self { gateway, wrong: Arc::default(), started }
    }

    async fn dispatch(&self, peer: SocketAddr, request: Request<Incoming>) -> Done {
        let (path, query) = {
            let uri = request.uri();
            (uri.path().trim_end_matches('/').to_owned(), Query::of(uri.query()))
        };
        let method = request.method().clone();
        if path == "/api/status" && method == Method::GET {
            return Ok(self.status());
        }
        let right = self.authenticate(request.headers())?;
        let caller = Caller { right, peer };
        let parts: Vec<_> = path.split('/').skip(1).collect();
        let asked = |rest| Asked { caller, method: method.clone(), rest, query: &query, request };
        match (&method, parts.as_slice()) {
            (_, ["api", "channel", rest @ ..]) => self.channel(asked(rest)).await,
            (_, ["api", "v1", "admin", "users", rest @ ..]) => self.users(asked(rest)).await,
            (&Method::GET, ["api", "v1", "admin", "ledger"]) => Ok(self.ledger()),
            (&Method::GET, ["api", "v1", "admin", "prices"]) => self.prices().await,
            (_, ["api", "v1", "admin", rest @ ..]) => {
                if right != Right::Master {
                    let text = "Only the master key may do this.";
                    return Err(denied(StatusCode::FORBIDDEN, "right_too_low", text));
                }
                self.money(asked(rest)).await
            }
            _ => Err(unknown()),
        }
    }

    fn status(&self) -> Response<Reply> {
        done(&json!({
            "version": env!("CARGO_PKG_VERSION"),
            "start_time": self.started.0 / 1_000,
            "system_name": "Catalyst",
            "quota_per_unit": 500_000,
            "phase": "ready",
        }))
    }

    fn ledger(&self) -> Response<Reply> {
        let gateway = &self.gateway;
        done(&json!({
            "state": format!("{:?}", gateway.ledger().state()).to_lowercase(),
            "open_requests": gateway.ledger().open_requests(),
            "keys": gateway.directory().key_count(),
            "channels": gateway.directory().channels().len(),
        }))
    }

    fn authenticate(&self, headers: &HeaderMap) -> Result<Right, Denied> {
        let text = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or("");
        let text = text.strip_prefix("Bearer ").unwrap_or(text).trim();
        let digest = |text: &str| -> [u8; 32] { Sha256::digest(text.as_bytes()).into() };
        let given = digest(text);
        let is = |known: &Option<SecretString>| {
            let known = known.as_ref().map(ExposeSecret::expose_secret);
            known.is_some_and(|known| !known.is_empty() && digest(known).ct_eq(&given).into())
        };
        let settings = self.gateway.settings();
        if is(&settings.master_key) {
            return Ok(Right::Master);
        }
        if is(&settings.admin_token) {
            return Ok(Right::Machine);
        }
        let rules = KeyRules { rpm: Some(WRONG_A_MINUTE), ..KeyRules::default() };
        if self.wrong.admit(&rules, 0, self.gateway.clock().monotonic()).is_err() {
            let text = "Too many wrong credentials.";
            return Err(denied(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", text));
        }
        let text = "The credential is missing or not valid.";
        Err(denied(StatusCode::UNAUTHORIZED, "unauthenticated", text))
    }

    /// What is to be noted of a change.
    fn note(&self, caller: Caller, action: &str, target: impl Into<String>) -> Note {
        Note {
            number: 0,
            at: self.gateway.clock().wall(),
            actor: caller.right.as_str().to_owned(),
            from: caller.peer.ip().to_string(),
            action: action.to_owned(),
            target: target.into(),
        }
    }

    /// Does something with the book, notes it, and lets the gateway see it at once.
    async fn change<T: Send + 'static>(
        &self,
        note: Note,
        work: impl FnOnce(&mut dyn crate::book::Book) -> Result<T, BookError> + Send + 'static,
    ) -> Result<T, Denied> {
        let noted = move |book: &mut dyn crate::book::Book| {
            let done = work(book)?;
            book.registry()?.note(&note)?;
            Ok(done)
        };
        let done = self.gateway.ledger().with_book(noted).await?;
        self.gateway.refresh().await?;
        Ok(done)
    }
}

fn unknown() -> Denied {
    denied(StatusCode::NOT_FOUND, "unknown_url", "There is nothing at this path.")
}

/// Reads a JSON body.
async fn read<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T, Denied> {
    let body = Limited::new(request.into_body(), MAX_BODY).collect();
    let body = tokio::time::timeout(std::time::Duration::from_secs(10), body).await;
    let body = body.ok().and_then(Result::ok);
    let body = body.ok_or_else(|| invalid("The body did not arrive whole, in time and small."))?;
    // The reader's own words can contain the value, which may be a secret in the wrong place.
    serde_json::from_slice(&body.to_bytes()).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        invalid(format!("The body is not what is expected, at line {line} column {column}."))
    })
}

/// The parameters of a query.
#[derive(Debug, Default)]
struct Query(Vec<(String, String)>);

impl Query {
    fn of(text: Option<&str>) -> Self {
        Self(form_urlencoded::parse(text.unwrap_or("").as_bytes()).into_owned().collect())
    }

    fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Denied> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| invalid(format!("`{name}` is not a number.")))
    }
}
