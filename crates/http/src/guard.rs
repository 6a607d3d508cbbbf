//! What stands before every route: who asks, may they, is what they send of the right kind. Behind
//! it a handler can take its row's promises for granted.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::MethodRouter;
use catalyst_model::Problem;
use futures::FutureExt as _;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};

use crate::app::App;
use crate::audit;
use crate::auth::{Caller, Credential, check_origin};
use crate::error::Refusal;
use crate::routes::{Access, Body, Route, Verb};

/// A handler answers within this time; a stream has begun by then.
const HANDLER_DEADLINE: Duration = Duration::from_secs(60);

/// Puts the guard of `route` around its handler.
pub(crate) fn around(
    app: &App,
    route: &'static Route,
    handler: MethodRouter<App>,
) -> MethodRouter<App> {
    handler.route_layer(from_fn_with_state((app.clone(), route), guard))
}

async fn guard(
    State((app, route)): State<(App, &'static Route)>,
    mut request: Request,
    next: Next,
) -> Response {
    let entry = route.is_audited().then(|| audit::Entry::of(route, &request));
    let caller = match route.access {
        Access::Tier(_) => authenticate(&app, route, request.headers()).await.map(Some),
        Access::Public(_) => Ok(None),
    };
    // Who was recognised is known also of a request that is then refused.
    let who = caller.as_ref().ok().and_then(|caller| caller.clone());
    let response = match caller.and_then(|caller| admit(route, caller)) {
        Ok(caller) => {
            if let Some(caller) = caller {
                request.extensions_mut().insert(caller);
            }
            run(route, request, next).await.unwrap_or_else(Refusal::into_response)
        }
        Err(refusal) => refusal.into_response(),
    };
    if let Some(entry) = entry {
        entry.write(who.as_ref().map(|Caller(who)| who), &response);
    }
    response
}

/// Lets in whoever has the tier.
fn admit(route: &Route, caller: Option<Caller>) -> Result<Option<Caller>, Refusal> {
    if let (Access::Tier(needed), Some(Caller(who))) = (route.access, &caller)
        && who.tier < needed
    {
        let detail = format!("`{needed}` or higher is needed, the caller's is `{}`", who.tier);
        return Err(Problem::TIER_TOO_LOW.with(detail).into());
    }
    Ok(caller)
}

async fn run(route: &'static Route, mut request: Request, next: Next) -> Result<Response, Refusal> {
    if let Body::Json { limit_bytes, .. } = route.body {
        check_json(request.headers(), limit_bytes)?;
    }
    request.extensions_mut().insert(route);
    match tokio::time::timeout(HANDLER_DEADLINE, next.run(request)).await {
        Ok(response) => Ok(response),
        Err(_) => {
            tracing::error!(path = route.path, "a handler did not answer in time");
            Err(Refusal::from(&Problem::INTERNAL))
        }
    }
}

async fn authenticate(
    app: &App,
    route: &'static Route,
    headers: &HeaderMap,
) -> Result<Caller, Refusal> {
    let credential = Credential::of(headers, app.cookie()).ok_or(&Problem::UNAUTHENTICATED)?;
    if matches!(credential, Credential::Cookie(_)) && route.method != Verb::Get {
        check_origin(headers, app.console_origin())?;
    }
    app.caller(&credential).await
}

fn check_json(headers: &HeaderMap, limit_bytes: usize) -> Result<(), Refusal> {
    let media = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim();
    if !media.eq_ignore_ascii_case("application/json") {
        return Err(Refusal::from(&Problem::MEDIA_UNSUPPORTED));
    }
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: usize| length > limit_bytes) {
        let detail = format!("at most {limit_bytes} bytes are read here");
        return Err(Problem::BODY_TOO_LARGE.with(detail).into());
    }
    Ok(())
}

/// Notes each request, without its query, and turns a panic into a problem.
pub(crate) async fn watch(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let response = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let path = path.as_deref().unwrap_or("(console)");
    let response = response.unwrap_or_else(|_| {
        tracing::error!(%method, path, "a handler panicked");
        Refusal::from(&Problem::INTERNAL).into_response()
    });
    let (status, took) = (response.status().as_u16(), began.elapsed());
    tracing::debug!(%method, path, status, micros = took.as_micros() as u64, "answered");
    response
}
