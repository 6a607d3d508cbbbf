//! The kubeconfig: a new node hands it in once, an administrator may take it out.

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use catalyst_model::Problem;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use secrecy::ExposeSecret as _;

use crate::app::App;
use crate::auth::bearer;
use crate::error::Refusal;
use crate::extract::{Id, read_raw};

/// GET `/api/v1/deployments/{id}/kubeconfig`.
pub(crate) async fn get_kubeconfig(
    State(app): State<App>,
    Id(id): Id,
) -> Result<Response, Refusal> {
    let kubeconfig = app.control().kubeconfig(&id).await?;
    let mut response = kubeconfig.text.expose_secret().to_owned().into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/yaml"));
    // A domain name has no character that means anything in a header.
    let name = format!("attachment; filename=\"{}\"", kubeconfig.file_name);
    if let Ok(name) = HeaderValue::from_str(&name) {
        headers.insert(CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

/// PUT `/api/v1/deployments/{id}/kubeconfig`: a stranger without a bearer is turned away before
/// anything of theirs is read; the rest, in its order, is the control plane's to judge.
pub(crate) async fn put_kubeconfig(
    State(app): State<App>,
    Id(id): Id,
    request: Request,
) -> Result<StatusCode, Refusal> {
    app.control().get(&id)?;
    let bearer = bearer(request.headers()).ok_or(&Problem::BEARER_MISSING)?;
    let read = read_raw(request).await;
    let body = read.ok_or_else(|| {
        Problem::KUBECONFIG_TOO_LARGE.with("the body did not arrive whole or in time")
    })?;
    app.control().put_kubeconfig(&id, Some(bearer), body).await?;
    Ok(StatusCode::NO_CONTENT)
}
