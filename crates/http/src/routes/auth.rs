//! Signing in and out, and tokens for programs.

use std::time::Duration;

use axum::Extension;
use axum::extract::{RawQuery, Request, State};
use axum::response::{IntoResponse as _, Response};
use catalyst_control::Who;
use catalyst_model::Problem;
use http::header::{CONTENT_TYPE, LOCATION, ORIGIN, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};

use crate::app::App;
use crate::audit::Made;
use crate::auth::{Caller, check_origin, no_cookie, session_cookie};
use crate::error::Refusal;
use crate::extract::{Json, TokenName, query_value, read_raw};
use crate::{sign_in, wire};

/// A link is made to be opened at once, or after a break.
const LINK_TTL: Duration = Duration::from_secs(60 * 60);

/// Someone at a command line signs in once a month.
const BEARER_TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// GET `/auth/login?token=`: what a person opens from a terminal. It uses nothing up and gives the
/// page that does.
pub(super) async fn link(RawQuery(query): RawQuery) -> Response {
    let token = query_value(query.as_deref().unwrap_or_default(), "token").ok().flatten();
    match token.filter(|token| sign_in::is_token(token)) {
        Some(token) => sign_in::page(token),
        None => refused(),
    }
}

/// POST `/auth/login`: the form of that page. A link that does not work leads to the console's
/// sign-in page, which says so.
pub(super) async fn follow(State(app): State<App>, request: Request) -> Result<Response, Refusal> {
    let headers = request.headers();
    // Another site must not sign a person in as somebody else. A browser says whose form it is.
    if headers.contains_key(ORIGIN) {
        check_origin(headers, app.console_origin())?;
    }
    if !sign_in::is_form(headers.get(CONTENT_TYPE)) {
        return Err(Refusal::from(&Problem::MEDIA_UNSUPPORTED));
    }
    let body = read_raw(request).await.and_then(|bytes| String::from_utf8(bytes).ok());
    let body = SecretString::from(body.unwrap_or_default());
    let token = query_value(body.expose_secret(), "token").ok().flatten().unwrap_or_default();
    match enter(&app, SecretString::from(token)).await {
        Ok((_, cookie)) => Ok(to("/", Some(cookie))),
        Err(_) => Ok(refused()),
    }
}

fn refused() -> Response {
    to("/?login=refused", None)
}

fn to(place: &'static str, cookie: Option<HeaderValue>) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    response.headers_mut().insert(LOCATION, HeaderValue::from_static(place));
    if let Some(cookie) = cookie {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

/// POST `/api/v1/auth/login`.
pub(super) async fn login(
    State(app): State<App>,
    headers: HeaderMap,
    Json(login): Json<wire::Login>,
) -> Result<Response, Refusal> {
    // Another site must not sign a person in as somebody else.
    if headers.contains_key(ORIGIN) {
        check_origin(&headers, app.console_origin())?;
    }
    match login.kind {
        wire::LoginKind::Cookie => {
            let (who, cookie) = enter(&app, login.token).await?;
            let mut response = axum::Json(wire::Session::from(who)).into_response();
            response.headers_mut().insert(SET_COOKIE, cookie);
            Ok(response)
        }
        wire::LoginKind::Bearer => {
            let who = app.control().login(login.token).await?.who;
            app.control().logout(&who).await?;
            let made = app.control().create_token(&who, &who.subject, who.tier, BEARER_TTL).await?;
            let answer = wire::Session {
                subject: who.subject,
                tier: who.tier.into(),
                expires_at: made.info.expires_at,
                token: Some(made.secret.expose_secret().to_owned()),
            };
            Ok(axum::Json(answer).into_response())
        }
    }
}

async fn enter(app: &App, token: SecretString) -> Result<(Who, HeaderValue), Refusal> {
    let session = app.control().login(token).await?;
    let left = session.who.expires_at.duration_since(jiff::Timestamp::now()).as_secs();
    let cookie = session_cookie(app.cookie(), &session.secret, left, app.secure_cookies());
    Ok((session.who, cookie.ok_or(&Problem::INTERNAL)?))
}

/// GET `/api/v1/auth/session`.
pub(super) async fn session(Caller(who): Caller) -> axum::Json<wire::Session> {
    axum::Json(who.into())
}

/// POST `/api/v1/auth/logout`: whatever the caller came with, session or bearer, is good no more.
pub(super) async fn logout(
    State(app): State<App>,
    Caller(who): Caller,
) -> Result<Response, Refusal> {
    app.control().logout(&who).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Some(cookie) = no_cookie(app.cookie()) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// POST `/api/v1/auth/links`: how a tool on the mothership's machine lets a person in.
pub(super) async fn create_link(
    State(app): State<App>,
    Caller(who): Caller,
    Json(request): Json<wire::LinkRequest>,
) -> Result<Response, Refusal> {
    let tier = request.tier.map_or(who.tier, catalyst_model::Tier::from);
    let made = app.control().mint_login(&who, tier, LINK_TTL).await?;
    let path = format!("/auth/login?token={}", made.secret.expose_secret());
    let link = wire::Link { path, expires_at: made.expires_at };
    Ok((StatusCode::CREATED, axum::Json(link)).into_response())
}

/// POST `/api/v1/auth/tokens`.
pub(super) async fn create_token(
    State(app): State<App>,
    Caller(who): Caller,
    Json(request): Json<wire::TokenRequest>,
) -> Result<Response, Refusal> {
    let tier = request.tier.into();
    let name = request.note.unwrap_or_else(|| "token".to_owned());
    let ttl = Duration::from_secs(request.ttl_seconds);
    let made = app.control().create_token(&who, &name, tier, ttl).await?;
    let token = wire::Token {
        token: made.secret.expose_secret().to_owned(),
        id: made.info.id.to_string(),
        note: made.info.name,
        tier: made.info.tier.into(),
        expires_at: made.info.expires_at,
    };
    let made = Made(token.id.clone());
    Ok((StatusCode::CREATED, Extension(made), axum::Json(token)).into_response())
}

/// GET `/api/v1/auth/tokens`.
pub(super) async fn list_tokens(
    State(app): State<App>,
    Caller(who): Caller,
) -> axum::Json<wire::Tokens> {
    let tokens = app.control().tokens(&who).await;
    let tokens = tokens.into_iter().map(|token| wire::TokenRow {
        current: who.token() == Some(&token.id),
        id: token.id.to_string(),
        note: token.name,
        subject: token.subject,
        tier: token.tier.into(),
        created_at: token.created_at,
        expires_at: token.expires_at,
    });
    axum::Json(wire::Tokens { tokens: tokens.collect() })
}

/// DELETE `/api/v1/auth/tokens/{id}`.
pub(super) async fn revoke_token(
    State(app): State<App>,
    Caller(who): Caller,
    TokenName(id): TokenName,
) -> Result<StatusCode, Refusal> {
    app.control().revoke_token(&who, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<Who> for wire::Session {
    fn from(who: Who) -> Self {
        let Who { subject, tier, expires_at, .. } = who;
        Self { subject, tier: tier.into(), expires_at, token: None }
    }
}
