//! Deployments: create, list, get. Their events are in `stream.rs`, the kubeconfig in
//! `kubeconfig.rs`, beginning again in `retry.rs`.

mod kubeconfig;
mod retry;
mod stream;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use catalyst_model::CreateRequest;
use http::StatusCode;
use http::header::LOCATION;

pub(super) use self::kubeconfig::{get_kubeconfig, put_kubeconfig};
pub(super) use self::retry::retry;
pub(super) use self::stream::{events, logs};
use crate::app::App;
use crate::audit::Made;
use crate::auth::Caller;
use crate::error::Refusal;
use crate::extract::{Id, Json, Key};
use crate::wire;

/// POST `/api/v1/deployments`. The answer is the same, to the letter, however often the request is
/// sent with its key.
pub(super) async fn create(
    State(app): State<App>,
    Caller(who): Caller,
    Key(key): Key,
    Json(body): Json<wire::CreateDeployment>,
) -> Result<Response, Refusal> {
    let request = CreateRequest::from(body);
    let deployment = app.control().create(&request, key.as_ref(), &who).await?.deployment;
    let path = format!("/api/v1/deployments/{}", deployment.id);
    let created = wire::Created {
        id: deployment.id.to_string(),
        name: deployment.spec.name.to_string(),
        status: wire::Status::Provisioning,
        stream_url: format!("{path}/logs"),
    };
    let made = Extension(Made(created.id.clone()));
    Ok((StatusCode::CREATED, [(LOCATION, path)], made, axum::Json(created)).into_response())
}

/// GET `/api/v1/deployments`.
pub(super) async fn list(State(app): State<App>) -> axum::Json<wire::Deployments> {
    let mut deployments = app.control().list();
    deployments.sort_by_key(|deployment| std::cmp::Reverse(deployment.created_at));
    let deployments = deployments.iter().map(|deployment| wire::State::of(deployment)).collect();
    axum::Json(wire::Deployments { deployments })
}

/// GET `/api/v1/deployments/{id}`.
pub(super) async fn get(
    State(app): State<App>,
    Id(id): Id,
) -> Result<axum::Json<wire::State>, Refusal> {
    let deployment = app.control().get(&id)?;
    Ok(axum::Json(wire::State::of(&deployment)))
}
