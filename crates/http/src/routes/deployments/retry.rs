//! Beginning a phase again that failed. Only the infrastructure needs it: the cluster and its kit
//! are watched on, and go on by themselves once their cause is gone.

use axum::extract::{FromRequestParts, RawPathParams, State};
use catalyst_model::Problem;
use http::request::Parts;

use crate::app::App;
use crate::error::Refusal;
use crate::extract::Id;
use crate::wire;

/// The infrastructure, as this API calls it and as older clients call its steps.
const INFRASTRUCTURE: &[&str] =
    &["infrastructure", "tofu-init", "tofu-plan", "tofu-apply", "tofu-output", "flux-bootstrap"];
/// The phases that nobody has to begin again.
const WATCHED: &[&str] = &["kubeconfig", "flux", "kit", "ready"];

/// The `{phase}` of the path.
pub(crate) struct Phase(&'static str);

impl FromRequestParts<App> for Phase {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let unknown = || Refusal::from(Problem::ROUTE_UNKNOWN.with("there is no such phase"));
        let params = RawPathParams::from_request_parts(parts, app).await.map_err(|_| unknown())?;
        let (_, text) = params.iter().find(|(name, _)| *name == "phase").ok_or_else(unknown)?;
        let known = INFRASTRUCTURE.iter().chain(WATCHED).find(|phase| **phase == text);
        known.map(|phase| Self(phase)).ok_or_else(unknown)
    }
}

/// POST `/api/v1/deployments/{id}/phases/{phase}/retry`.
pub(crate) async fn retry(
    State(app): State<App>,
    Id(id): Id,
    Phase(phase): Phase,
) -> Result<axum::Json<wire::Retried>, Refusal> {
    app.control().get(&id)?;
    if WATCHED.contains(&phase) {
        let detail = format!("phase `{phase}` is watched on and goes on by itself");
        return Err(Problem::NOT_RETRYABLE.with(detail).into());
    }
    let deployment = app.control().retry(&id).await?;
    Ok(axum::Json(wire::Retried {
        id: deployment.id.to_string(),
        status: deployment.status().into(),
        phase: phase.to_owned(),
        stream_url: format!("/api/v1/deployments/{id}/logs"),
        message: "the infrastructure is made again; what stands is kept".to_owned(),
    }))
}
