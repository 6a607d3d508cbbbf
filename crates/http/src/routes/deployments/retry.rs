//! Trying a part of a deployment again: the infrastructure is made from the state it left, what ran
//! out of time is waited for anew.

use axum::extract::{FromRequestParts, RawPathParams, State};
use axum::response::{IntoResponse as _, Response};
use catalyst_model::{PhaseId, Problem};
use http::StatusCode;
use http::request::Parts;

use crate::app::App;
use crate::error::Refusal;
use crate::extract::Id;
use crate::wire;

/// The `{phase}` of the path, and the word it was asked for with.
pub(crate) struct Phase(PhaseId, String);

impl FromRequestParts<App> for Phase {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let unknown = || Refusal::from(Problem::ROUTE_UNKNOWN.with("there is no such phase"));
        let params = RawPathParams::from_request_parts(parts, app).await.map_err(|_| unknown())?;
        let (_, text) = params.iter().find(|(name, _)| *name == "phase").ok_or_else(unknown)?;
        let phase = PhaseId::from_word(text).ok_or_else(unknown)?;
        Ok(Self(phase, text.to_owned()))
    }
}

/// POST `/api/v1/deployments/{id}/phases/{phase}/retry`.
pub(crate) async fn retry(
    State(app): State<App>,
    Id(id): Id,
    Phase(phase, asked): Phase,
) -> Result<Response, Refusal> {
    let deployment = app.control().retry(&id, phase).await?;
    let message = match phase {
        PhaseId::Infrastructure => "the infrastructure is made again; what stands is kept",
        PhaseId::Kubeconfig | PhaseId::Flux | PhaseId::Kit | PhaseId::Ready => {
            "it is waited for anew"
        }
    };
    let retried = wire::Retried {
        id: deployment.id.to_string(),
        status: deployment.status().into(),
        phase: asked,
        stream_url: format!("/api/v1/deployments/{id}/logs"),
        message: message.to_owned(),
    };
    Ok((StatusCode::ACCEPTED, axum::Json(retried)).into_response())
}
