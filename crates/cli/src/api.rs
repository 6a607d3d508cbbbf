//! A client of catalyst-api: requests with time-outs, problems as values, the event stream.

mod stream;
pub(crate) mod wire;

use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use reqwest::{Method, RequestBuilder, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;

pub(crate) use stream::{EventStream, Frame};
use wire::{Created, PathOfLink, ProblemBody, Sovereign, SovereignList};

/// A plain request answers in milliseconds; this is the limit for a server that hangs.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The server pings every 15 s: a stream that is silent for three pings is dead.
const STREAM_SILENCE: Duration = Duration::from_secs(45);

/// What the server said was wrong, or that it could not be reached (`status` 0).
#[derive(Debug)]
pub(crate) struct ApiProblem {
    pub(crate) status: u16,
    pub(crate) code: Option<String>,
    pub(crate) title: String,
    pub(crate) cause: Option<String>,
    pub(crate) fix: Option<String>,
}

impl std::fmt::Display for ApiProblem {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.title)
    }
}

impl std::error::Error for ApiProblem {}

impl ApiProblem {
    fn away(base: &str, error: &reqwest::Error) -> Self {
        let why = if error.is_timeout() { "it did not answer in time" } else { "nothing answers" };
        Self {
            status: 0,
            code: None,
            title: format!("catalyst-api at {base} cannot be reached"),
            cause: Some(why.to_owned()),
            fix: Some("Start it with `catalyst up`, or name another with --api.".to_owned()),
        }
    }
}

/// A one-time login link.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) link: SecretString,
    pub(crate) expires_at: Timestamp,
}

/// A connection to one catalyst-api, signed in or not.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<SecretString>,
}

impl Client {
    pub(crate) fn new(base: &str, token: Option<SecretString>) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(STREAM_SILENCE)
            .user_agent(concat!("catalyst/", env!("CARGO_PKG_VERSION")))
            .build()
            .context("build the HTTP client")?;
        Ok(Self { http, base: base.trim_end_matches('/').to_owned(), token })
    }

    pub(crate) async fn sovereigns(&self) -> anyhow::Result<SovereignList> {
        self.json(self.request(Method::GET, "/api/v1/deployments")).await
    }

    pub(crate) async fn sovereign(&self, id: &str) -> anyhow::Result<Sovereign> {
        self.json(self.request(Method::GET, &format!("/api/v1/deployments/{id}"))).await
    }

    pub(crate) async fn create(&self, body: &serde_json::Value) -> anyhow::Result<Created> {
        self.json(self.request(Method::POST, "/api/v1/deployments").json(body)).await
    }

    pub(crate) async fn kubeconfig(&self, id: &str) -> anyhow::Result<String> {
        let path = format!("/api/v1/deployments/{id}/kubeconfig");
        let response = self.send(self.request(Method::GET, &path)).await?;
        response.text().await.context("read the kubeconfig")
    }

    /// The live events of a Sovereign after a sequence number.
    pub(crate) async fn events(&self, id: &str, after: u64) -> anyhow::Result<EventStream> {
        let path = format!("/api/v1/deployments/{id}/logs?after={after}");
        let request =
            self.http.get(format!("{}{path}", self.base)).header("accept", "text/event-stream");
        Ok(EventStream::new(self.send(self.signed(request)).await?))
    }

    /// Begins a failed phase again.
    pub(crate) async fn retry(&self, id: &str, phase: &str) -> anyhow::Result<()> {
        let path = format!("/api/v1/deployments/{id}/phases/{phase}/retry");
        self.tell(Method::POST, &path).await
    }

    /// A fresh one-time link, whole, to be opened in a browser.
    pub(crate) async fn login_link(&self) -> anyhow::Result<Link> {
        let body = serde_json::json!({});
        let made: PathOfLink = self.call(Method::POST, "/api/v1/auth/links", &body).await?;
        let link = SecretString::from(format!("{}{}", self.base, made.path.expose_secret()));
        Ok(Link { link, expires_at: made.expires_at })
    }

    /// A JSON answer.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.json(self.request(Method::GET, path)).await
    }

    /// A request with a JSON body and a JSON answer.
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &serde_json::Value,
    ) -> anyhow::Result<T> {
        self.json(self.request(method, path).json(body)).await
    }

    /// A request whose answer has no body.
    pub(crate) async fn tell(&self, method: Method, path: &str) -> anyhow::Result<()> {
        self.send(self.request(method, path)).await.map(drop)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        self.signed(request.timeout(REQUEST_TIMEOUT))
    }

    fn signed(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.token {
            Some(token) => request.bearer_auth(token.expose_secret()),
            None => request,
        }
    }

    async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> anyhow::Result<T> {
        let response = self.send(request).await?;
        response.json().await.context("the answer of catalyst-api is not what this version knows")
    }

    async fn send(&self, request: RequestBuilder) -> anyhow::Result<reqwest::Response> {
        let response = request
            .send()
            .await
            .map_err(|error| ApiProblem::away(&self.base, &error.without_url()))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(refusal(response.status(), response.bytes().await.unwrap_or_default().as_ref()).into())
    }
}

fn refusal(status: StatusCode, body: &[u8]) -> ApiProblem {
    let body: ProblemBody = serde_json::from_slice(body).unwrap_or_default();
    let mut fix = body.fix;
    if status == StatusCode::UNAUTHORIZED && fix.is_none() {
        fix = Some("Sign in with `catalyst login`.".to_owned());
    }
    ApiProblem {
        status: status.as_u16(),
        code: body.code,
        title: body.title.unwrap_or_else(|| format!("catalyst-api answered {status}")),
        cause: body.cause.or(body.detail),
        fix,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_without_a_problem_body_still_names_the_status() {
        let problem = refusal(StatusCode::BAD_GATEWAY, b"<html>");
        assert_eq!(problem.title, "catalyst-api answered 502 Bad Gateway");
    }

    #[test]
    fn a_missing_session_says_how_to_sign_in() {
        let problem = refusal(StatusCode::UNAUTHORIZED, b"{}");
        assert!(problem.fix.is_some_and(|fix| fix.contains("catalyst login")));
    }
}
