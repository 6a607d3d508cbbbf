//! What every handler has at hand, and the assembly of the routers.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::middleware::from_fn;
use axum::response::{IntoResponse as _, Response};
use catalyst_control::Control;
use catalyst_model::{Problem, Trouble};
use http::Method;
use tokio_util::sync::CancellationToken;

use crate::auth::{Caller, Credential, cookie_name};
use crate::error::Refusal;
use crate::openapi::document;
use crate::streams::Streams;
use crate::{console, guard, headers, routes};

/// Says what the process lacks for its work, asked anew each time.
pub type SelfCheck = Arc<dyn Fn() -> Vec<Trouble> + Send + Sync>;

/// How the API presents itself.
#[derive(Clone, Default)]
pub struct Config {
    /// What `/readyz` asks beside the control plane; it must not block for long.
    pub self_check: Option<SelfCheck>,
    /// The origin people open the console at, such as `https://console.example.org`, when a proxy
    /// stands between; it counts as our own.
    pub console_origin: Option<String>,
    /// People reach the console over TLS, so its cookie must never travel without.
    pub secure_cookies: bool,
    /// The port people reach the console at; part of its cookie's name.
    pub cookie_port: Option<u16>,
}

/// What every handler has at hand; cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

struct Parts {
    control: Control,
    config: Config,
    stop: CancellationToken,
    openapi: OnceLock<Bytes>,
    cookie: String,
    streams: Streams,
}

impl App {
    fn new(control: Control, config: Config, stop: CancellationToken) -> Self {
        let cookie = cookie_name(config.cookie_port);
        let (openapi, streams) = (OnceLock::new(), Streams::default());
        Self(Arc::new(Parts { control, config, stop, openapi, cookie, streams }))
    }

    /// The only door to an effect.
    pub(crate) fn control(&self) -> &Control {
        &self.0.control
    }

    /// The name of the cookie that holds a session.
    pub(crate) fn cookie(&self) -> &str {
        &self.0.cookie
    }

    /// The streams that are open now.
    pub(crate) fn streams(&self) -> &Streams {
        &self.0.streams
    }

    /// Whether cookies are marked for TLS only.
    pub(crate) fn secure_cookies(&self) -> bool {
        self.0.config.secure_cookies
    }

    /// The origin that counts as our own beside the host's.
    pub(crate) fn console_origin(&self) -> Option<&str> {
        self.0.config.console_origin.as_deref()
    }

    /// What the process lacks for its work.
    pub(crate) fn missing(&self) -> Vec<Trouble> {
        self.0.config.self_check.as_ref().map_or_else(Vec::new, |check| check())
    }

    /// Cancelled when the process is to end: streams then come to theirs.
    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.0.stop
    }

    /// The OpenAPI document as sent, made on first use.
    pub(crate) fn openapi(&self) -> Bytes {
        let make = || document(self.cookie()).to_json().map(Bytes::from).unwrap_or_default();
        self.0.openapi.get_or_init(make).clone()
    }

    /// Establishes who holds the credential.
    pub(crate) async fn caller(&self, credential: &Credential) -> Result<Caller, Refusal> {
        let who = match credential {
            Credential::Cookie(secret) => self.control().session(secret).await?,
            Credential::Bearer(secret) => self.control().bearer(secret).await?,
        };
        Ok(Caller(who))
    }
}

/// Returns the whole of the API and the console. Streams end once `stop` is cancelled.
pub fn router(control: Control, config: Config, stop: CancellationToken) -> Router {
    let app = App::new(control, config, stop);
    finish(routes::router(&app).fallback(outside_the_table), app)
}

/// Returns the router of the link's listener: the kubeconfig PUT and nothing else, at its own path
/// and below `/sovereign`.
pub fn postback_router(control: Control, stop: CancellationToken) -> Router {
    let app = App::new(control, Config::default(), stop);
    finish(routes::postback_router(&app).fallback(nothing_here), app)
}

fn finish(router: Router<App>, app: App) -> Router {
    router
        .method_not_allowed_fallback(method_unknown)
        .layer(from_fn(guard::watch))
        .layer(from_fn(headers::secure))
        .with_state(app)
}

/// A page of the console, or, where programs knock, a problem.
async fn outside_the_table(request: Request) -> Response {
    let path = request.uri().path();
    let for_programs = ["/api", "/auth"].iter().any(|root| {
        path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if for_programs || !reads {
        return Refusal::from(&Problem::ROUTE_UNKNOWN).into_response();
    }
    console::answer(path, request.headers())
}

async fn nothing_here() -> Refusal {
    Refusal::from(&Problem::ROUTE_UNKNOWN)
}

async fn method_unknown() -> Refusal {
    Refusal::from(&Problem::METHOD_UNKNOWN)
}
