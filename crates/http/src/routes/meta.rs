//! What runs and what it offers.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::header::CONTENT_TYPE;

use crate::app::App;
use crate::wire;

/// GET `/api/v1/version`.
pub(super) async fn version() -> Json<wire::Version> {
    Json(wire::Version { version: env!("CARGO_PKG_VERSION").to_owned() })
}

/// GET `/api/v1/openapi.json`.
pub(super) async fn openapi(State(app): State<App>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], app.openapi())
}
