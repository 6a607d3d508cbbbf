//! Alive, and fit for work: two questions that must not be mixed up. A process that waits for
//! something is alive, and whoever restarts it makes it wait longer.

use axum::extract::State;
use catalyst_control::Readiness;
use http::StatusCode;

use crate::app::App;

/// GET `/healthz`.
pub(super) async fn healthz() -> &'static str {
    "ok"
}

/// GET `/readyz`: `ok`, or what is missing.
pub(super) async fn readyz(State(app): State<App>) -> (StatusCode, String) {
    match app.control().readiness() {
        Readiness::Ready => (StatusCode::OK, "ok".to_owned()),
        Readiness::NotReady(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
    }
}
