//! The kubeconfig goes to the mothership, once, with the one-time bearer.
//!
//! Only what may pass is tried again: no answer, 408, 425, 429 and 5xx. `already-set` after a try
//! whose answer was lost means that this very try arrived.

use std::time::Duration;

use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{FirstBoot, POST_REFUSED, POST_UNREACHABLE, STEP_FAILED};
use crate::node::config;
use crate::paths::write_public;
use crate::problem::{Problem, Result, file};

/// How long one try may take.
const TRY_TIMEOUT: Duration = Duration::from_secs(20);
/// How often it is tried in all; with the pauses about half an hour.
const TRIES: u32 = 200;
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What one try brought.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    /// It is there.
    Accepted,
    /// It was there already.
    AlreadySet,
    /// Worth another try.
    Transient(String),
    /// Not worth another try.
    Refused(String),
}

impl FirstBoot {
    /// Puts the kubeconfig, unless the Sovereign was made by hand or it was put before.
    pub(super) async fn kubeconfig(&self) -> Result<()> {
        let boot = &self.spec.boot;
        let (Some(id), Some(url), Some(bearer)) =
            (&boot.deployment_id, &boot.catalyst_api_url, &boot.bearer_file)
        else {
            return Ok(());
        };
        let done = self.spec.layout().root().join("kubeconfig.posted");
        if std::fs::read_to_string(&done).is_ok_and(|posted| posted == *id) {
            return Ok(());
        }
        let bearer = std::fs::read_to_string(bearer).map_err(|e| file("read", bearer, e))?;
        let bearer = SecretString::from(bearer.trim().to_owned());
        let target = format!("{}/api/v1/deployments/{id}/kubeconfig", url.trim_end_matches('/'));
        let body = config::kubeconfig(&self.spec, "admin")?;
        let client = self.client()?;
        let mut unanswered = false;
        let mut pause = Duration::from_secs(1);
        let mut last = String::new();
        for _ in 0..TRIES {
            match put(&client, &target, &bearer, &body).await {
                Outcome::Accepted => return write_public(&done, id.as_bytes()),
                Outcome::AlreadySet if unanswered => return write_public(&done, id.as_bytes()),
                Outcome::AlreadySet => return Err(POST_REFUSED.because("it has one already")),
                Outcome::Refused(why) => return Err(POST_REFUSED.because(why)),
                Outcome::Transient(why) => {
                    tracing::warn!(why, "kubeconfig not taken yet");
                    (unanswered, last) = (true, why);
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Err(POST_UNREACHABLE.because(last))
    }

    fn client(&self) -> Result<reqwest::Client> {
        let broken = |error: reqwest::Error| -> Problem {
            STEP_FAILED.because(error.to_string()).source(error)
        };
        let mut roots = Vec::new();
        if let Some(path) = &self.spec.outside_ca {
            let pem = std::fs::read(path).map_err(|error| file("read", path, error))?;
            roots = reqwest::Certificate::from_pem_bundle(&pem).map_err(broken)?;
        }
        reqwest::Client::builder()
            .tls_certs_only(roots)
            .timeout(TRY_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(broken)
    }
}

async fn put(
    client: &reqwest::Client,
    target: &str,
    bearer: &SecretString,
    body: &[u8],
) -> Outcome {
    let request = client
        .put(target)
        .bearer_auth(bearer.expose_secret())
        .header(reqwest::header::CONTENT_TYPE, "application/x-yaml")
        .body(body.to_vec());
    match request.send().await {
        Err(error) => Outcome::Transient(chain(&error)),
        Ok(answer) => {
            let status = answer.status();
            judge(status, &answer.text().await.unwrap_or_default())
        }
    }
}

/// The problem's slug and words, as the mothership says them.
#[derive(Debug, Default, Deserialize)]
struct Answer {
    #[serde(default)]
    error: String,
    #[serde(default)]
    detail: String,
}

fn judge(status: StatusCode, body: &str) -> Outcome {
    let answer: Answer = serde_json::from_str(body).unwrap_or_default();
    let said = format!("{status} {} {}", answer.error, answer.detail).trim().to_owned();
    match status.as_u16() {
        200..=299 => Outcome::Accepted,
        403 | 409 if answer.error == "already-set" => Outcome::AlreadySet,
        408 | 425 | 429 | 500..=599 => Outcome::Transient(said),
        _ => Outcome::Refused(said),
    }
}

/// The whole chain on one line: reqwest's own text leaves the reason out.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let of = |code: u16, body: &str| judge(StatusCode::from_u16(code).unwrap(), body);
        assert_eq!(of(204, ""), Outcome::Accepted);
        for code in [408, 425, 429, 500, 502, 503] {
            assert!(matches!(of(code, ""), Outcome::Transient(_)), "{code}");
        }
        for code in [400, 401, 403, 404, 413, 422] {
            assert!(matches!(of(code, "{}"), Outcome::Refused(_)), "{code}");
        }
        assert_eq!(of(403, r#"{"error":"already-set"}"#), Outcome::AlreadySet);
        assert!(matches!(of(403, r#"{"error":"invalid-bearer"}"#), Outcome::Refused(_)));
    }
}
