//! What handlers take: ids, bodies and places in a log, each refused with a problem of its own.

use std::str::FromStr;
use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use catalyst_control::TokenId;
use catalyst_model::{DeploymentId, IdempotencyKey, Malformed, Problem, Seq};
use futures::StreamExt as _;
use http::HeaderMap;
use http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::app::App;
use crate::auth::Caller;
use crate::error::Refusal;
use crate::routes::{Body, Route};

/// A client that has not sent its body by then is not served.
const BODY_DEADLINE: Duration = Duration::from_secs(30);

/// The `{id}` of the path: a deployment's.
pub(crate) struct Id(pub(crate) DeploymentId);

impl FromRequestParts<App> for Id {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        path_id(parts, app, &Problem::DEPLOYMENT_UNKNOWN).await.map(Self)
    }
}

/// The `{id}` of the path: a bearer token's public name.
pub(crate) struct TokenName(pub(crate) TokenId);

impl FromRequestParts<App> for TokenName {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        path_id(parts, app, &Problem::TOKEN_UNKNOWN).await.map(Self)
    }
}

/// What is no id at all is as unknown as one nobody has.
async fn path_id<T: FromStr<Err = Malformed>>(
    parts: &mut Parts,
    app: &App,
    unknown: &'static Problem,
) -> Result<T, Refusal> {
    let none = || Refusal::from(unknown);
    let params = RawPathParams::from_request_parts(parts, app).await.map_err(|_| none())?;
    let (_, text) = params.iter().find(|(name, _)| *name == "id").ok_or_else(none)?;
    text.parse().map_err(|error| unknown.with(format!("{error}")).into())
}

impl FromRequestParts<App> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Refusal> {
        let found = parts.extensions.get::<Self>().cloned();
        found.ok_or_else(|| Refusal::from(&Problem::UNAUTHENTICATED))
    }
}

/// A JSON body, within the limit of its route.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &App) -> Result<Self, Refusal> {
        let limit = limit_bytes(&request);
        let read = read_start(request.into_body(), limit + 1).await;
        let bytes = read.ok_or_else(|| {
            Problem::BODY_MALFORMED.with("the body did not arrive whole or in time")
        })?;
        if bytes.len() > limit {
            let detail = format!("at most {limit} bytes are read here");
            return Err(Problem::BODY_TOO_LARGE.with(detail).into());
        }
        serde_json::from_slice(&bytes).map(Self).map_err(|error| unread_json(&error))
    }
}

/// Reads a body that is not JSON, up to one byte more than its route's limit; `None` when it breaks
/// off or takes too long.
pub(crate) async fn read_raw(request: Request) -> Option<Vec<u8>> {
    let most = limit_bytes(&request) + 1;
    read_start(request.into_body(), most).await
}

/// Returns what the request's row allows to be sent.
fn limit_bytes(request: &Request) -> usize {
    match request.extensions().get::<&'static Route>().map(|route| route.body) {
        Some(Body::Json { limit_bytes, .. } | Body::Raw { limit_bytes, .. }) => limit_bytes,
        Some(Body::None) | None => 0,
    }
}

/// The words of serde for a field nobody knows begin with these.
const UNKNOWN_FIELD: &str = "unknown field";

fn unread_json(error: &serde_json::Error) -> Refusal {
    let text = error.to_string();
    match error.classify() {
        Category::Data if text.starts_with(UNKNOWN_FIELD) => Problem::FIELD_UNKNOWN.with(text),
        // serde's words for a value of the wrong type contain the value, which may be a secret in
        // the wrong place.
        Category::Data => Problem::BODY_MALFORMED.with(format!(
            "a value is not of its field's type, at line {} column {}",
            error.line(),
            error.column()
        )),
        Category::Syntax | Category::Eof | Category::Io => Problem::BODY_MALFORMED.with(text),
    }
    .into()
}

/// Reads the first `most` bytes of a body; `None` when it breaks off or takes too long.
async fn read_start(body: axum::body::Body, most: usize) -> Option<Vec<u8>> {
    let read = async {
        let mut frames = body.into_data_stream();
        let mut bytes = Vec::new();
        while let Some(frame) = frames.next().await {
            bytes.extend_from_slice(&frame.ok()?);
            if bytes.len() >= most {
                bytes.truncate(most);
                break;
            }
        }
        Some(bytes)
    };
    tokio::time::timeout(BODY_DEADLINE, read).await.ok().flatten()
}

/// The `Idempotency-Key`, if there is one.
pub(crate) struct Key(pub(crate) Option<IdempotencyKey>);

impl FromRequestParts<App> for Key {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Refusal> {
        let mut given = parts.headers.get_all("idempotency-key").iter();
        let Some(value) = given.next() else { return Ok(Self(None)) };
        let refused = |why: &str| Refusal::from(Problem::KEY_MALFORMED.with(why));
        if given.next().is_some() {
            return Err(refused("it is given twice"));
        }
        let text = value.to_str().map_err(|_| refused("it is not ASCII"))?;
        let key = text.parse().map_err(|_| refused("it is empty, too long or has a blank"))?;
        Ok(Self(Some(key)))
    }
}

/// Where in a log to begin: `Last-Event-ID`, else `after`, else the beginning.
pub(crate) struct After(pub(crate) Seq);

impl FromRequestParts<App> for After {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Refusal> {
        let header = last_event_id(&parts.headers)?;
        let query = query_value(parts.uri.query().unwrap_or_default(), "after")?;
        let (name, text) = match (header, query) {
            (Some(text), _) => ("Last-Event-ID", text),
            (None, Some(text)) => ("after", text),
            (None, None) => return Ok(Self(Seq::ZERO)),
        };
        // `u64` would take a leading `+`, which is not a place in a log.
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let parsed = digits.then(|| text.parse().ok()).flatten();
        parsed.map(|seq| Self(Seq(seq))).ok_or_else(|| {
            Problem::QUERY_INVALID.with(format!("`{name}` is not a place in a log")).into()
        })
    }
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let text = value.to_str().map_err(|_| {
        Refusal::from(Problem::QUERY_INVALID.with("`Last-Event-ID` is not a place in a log"))
    })?;
    Ok(Some(text.trim()).filter(|text| !text.is_empty()))
}

/// Returns the value of the query's one known parameter; numbers and tokens need no decoding.
///
/// # Errors
/// [`Problem::QUERY_INVALID`] for another parameter, or for the same one twice.
pub(crate) fn query_value<'q>(query: &'q str, known: &str) -> Result<Option<&'q str>, Refusal> {
    let mut found = None;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if name != known {
            return Err(Problem::QUERY_INVALID
                .with(format!("only `{known}` is known here"))
                .into());
        }
        if found.replace(value).is_some() {
            return Err(Problem::QUERY_INVALID.with(format!("`{known}` is given twice")).into());
        }
    }
    Ok(found)
}
