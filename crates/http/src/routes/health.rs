//! Alive, and fit for work: two questions that must not be mixed up. A process that waits for
//! something is alive, and whoever restarts it makes it wait longer.

use axum::extract::State;
use catalyst_control::Readiness;
use catalyst_model::Trouble;
use http::StatusCode;

use crate::app::App;

/// GET `/healthz`.
pub(super) async fn healthz() -> &'static str {
    "ok"
}

/// GET `/readyz`: `ok`, or a line for each thing that is missing.
pub(super) async fn readyz(State(app): State<App>) -> (StatusCode, String) {
    let mut lines: Vec<String> = app.missing().iter().map(line).collect();
    if let Readiness::NotReady(why) = app.control().readiness() {
        lines.push(why);
    }
    if lines.is_empty() {
        return (StatusCode::OK, "ok".to_owned());
    }
    (StatusCode::SERVICE_UNAVAILABLE, lines.join("\n"))
}

/// Anybody may ask, so the particulars are for the log.
fn line(trouble: &Trouble) -> String {
    format!("{} {}", trouble.problem.code, trouble.problem.title)
}
