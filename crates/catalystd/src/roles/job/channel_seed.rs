//! `catalystd job channel-seed`: keeps a release's default channels in the gateway, after each
//! install and upgrade. What is there already stays as it is; what is not attested and complete is
//! left out, with the reason.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::{Client, StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

/// Time for one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause between two looks at a gateway that does not answer yet.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Where the gateway is and what it is to have.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Base URL of the gateway's admin port.
    #[arg(long, env = "CATALYST_GATEWAY_URL", default_value = "http://newapi.newapi.svc")]
    url: Url,
    /// File with the default channels: a JSON list.
    #[arg(long, env = "CATALYST_GATEWAY_CHANNELS")]
    channels: PathBuf,
    /// How many seconds the gateway may take to answer.
    #[arg(long, env = "CATALYST_GATEWAY_WAIT", default_value_t = 300)]
    wait: u64,
    /// The gateway's master key.
    #[arg(long, env = "MASTER_KEY", hide_env_values = true)]
    master_key: Option<SecretString>,
    /// The token for machines; used where there is no master key.
    #[arg(long, env = "ADMIN_API_TOKEN", hide_env_values = true)]
    admin_api_token: Option<SecretString>,
}

/// A default channel, as a chart writes it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wanted {
    enabled: bool,
    name: String,
    #[serde(rename = "type")]
    kind: String,
    endpoint: String,
    models: Vec<String>,
    #[serde(default)]
    groups: Option<String>,
    attestation: Value,
    /// File of the upstream's key.
    #[serde(default)]
    key_file: Option<PathBuf>,
}

impl Wanted {
    /// Why it is left out; `None` when it is not.
    fn obstacle(&self) -> Option<&'static str> {
        let said =
            |name: &str| self.attestation[name].as_str().is_some_and(|t| !t.trim().is_empty());
        match self.attestation["kind"].as_str() {
            _ if !self.enabled => Some("it is not enabled"),
            _ if self.endpoint.trim().is_empty() => Some("it has no endpoint"),
            _ if self.models.is_empty() => Some("it has no models"),
            Some("in-cluster") if !said("owner") => Some("its attestation has no owner"),
            Some("commercial-contract") if !said("accountId") => {
                Some("its attestation has no accountId")
            }
            Some("commercial-contract") if !said("contractRef") => {
                Some("its attestation has no contractRef")
            }
            Some("in-cluster" | "commercial-contract" | "byok") => None,
            _ => Some("it is not attested"),
        }
    }

    fn body(&self, key: &SecretString) -> Value {
        json!({
            "name": self.name,
            "type": self.kind,
            "base_url": self.endpoint,
            "key": key.expose_secret(),
            "models": self.models.join(","),
            "groups": self.groups.as_deref().unwrap_or("default"),
            "status": 1,
            "attestation": self.attestation,
        })
    }
}

/// Does it.
///
/// # Errors
/// The file cannot be read, or the gateway does not answer in time or refuses a channel.
pub(crate) async fn run(args: Args) -> Result<()> {
    let file = || format!("read {}", args.channels.display());
    let text = std::fs::read_to_string(&args.channels).with_context(file)?;
    let wanted: Vec<Wanted> = serde_json::from_str(&text).with_context(file)?;
    let mut complete = Vec::new();
    for channel in wanted {
        match channel.obstacle() {
            Some(reason) => tracing::info!(channel = channel.name, "left out: {reason}"),
            None => complete.push(channel),
        }
    }
    if complete.is_empty() {
        tracing::info!("no default channel is enabled, attested and complete: nothing to do");
        return Ok(());
    }
    let given =
        |secret: Option<SecretString>| secret.filter(|s| !s.expose_secret().trim().is_empty());
    let bearer = given(args.master_key).or(given(args.admin_api_token));
    let bearer = bearer.context("neither MASTER_KEY nor ADMIN_API_TOKEN is set")?;
    let client = Client::builder().timeout(REQUEST_TIMEOUT).build().context("make a client")?;
    let gateway = Gateway { base: args.url, client, bearer };
    let waited = tokio::time::timeout(Duration::from_secs(args.wait), gateway.wait()).await;
    waited.context("the gateway did not answer in time")?;
    for channel in &complete {
        gateway.keep(channel).await.with_context(|| format!("keep channel `{}`", channel.name))?;
    }
    Ok(())
}

struct Gateway {
    base: Url,
    client: Client,
    bearer: SecretString,
}

impl Gateway {
    fn url(&self, path: &str) -> Result<Url> {
        self.base.join(path).with_context(|| format!("{} is no base for a path", self.base))
    }

    async fn wait(&self) {
        loop {
            if let Ok(url) = self.url("/api/status")
                && let Ok(answer) = self.client.get(url).send().await
                && answer.status() == StatusCode::OK
            {
                return;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    async fn keep(&self, channel: &Wanted) -> Result<()> {
        if self.has(&channel.name).await? {
            tracing::info!(channel = channel.name, "is there already");
            return Ok(());
        }
        let key = channel.key_file.as_deref().map_or(Ok(SecretString::from("")), key_in)?;
        let request = self.client.post(self.url("/api/channel/")?).json(&channel.body(&key));
        let answer = request.bearer_auth(self.bearer.expose_secret()).send().await?;
        let status = answer.status();
        match status {
            StatusCode::OK | StatusCode::CREATED => {
                let said: Value = answer.json().await.context("read the answer")?;
                let reason = said["data"]["reason"].as_str().unwrap_or_default();
                if reason.is_empty() {
                    tracing::info!(channel = channel.name, "kept");
                } else {
                    tracing::warn!(channel = channel.name, "kept, but disabled: {reason}");
                }
                Ok(())
            }
            StatusCode::CONFLICT => {
                tracing::info!(channel = channel.name, "another of that name is kept");
                Ok(())
            }
            status => bail!("the gateway answered {status}"),
        }
    }

    /// Whether a channel of exactly that name is listed.
    async fn has(&self, name: &str) -> Result<bool> {
        let mut url = self.url("/api/channel/")?;
        url.query_pairs_mut().append_pair("keyword", name).append_pair("p", "0");
        let request = self.client.get(url).bearer_auth(self.bearer.expose_secret());
        let answer = request.send().await?.error_for_status()?.text().await?;
        Ok(answer.contains(&format!("\"name\":{}", Value::from(name))))
    }
}

fn key_in(file: &Path) -> Result<SecretString> {
    let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    Ok(SecretString::from(text.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(attestation: Value) -> Wanted {
        Wanted {
            enabled: true,
            name: "qwen".to_owned(),
            kind: "vllm".to_owned(),
            endpoint: "https://llm.example.org".to_owned(),
            models: vec!["a".to_owned(), "b".to_owned()],
            groups: None,
            attestation,
            key_file: None,
        }
    }

    #[test]
    fn a_channel_that_is_not_attested_and_complete_is_left_out() {
        for attestation in [
            json!(null),
            json!({"kind": "subscription-bypass"}),
            json!({"kind": "in-cluster", "owner": ""}),
            json!({"kind": "commercial-contract", "accountId": "a", "contractRef": ""}),
            json!({"kind": "commercial-contract", "contractRef": "r"}),
        ] {
            assert!(wanted(attestation.clone()).obstacle().is_some(), "{attestation}");
        }
        let fine = || wanted(json!({"kind": "in-cluster", "owner": "sov1.example.org"}));
        assert_eq!(fine().obstacle(), None);
        assert!(Wanted { enabled: false, ..fine() }.obstacle().is_some());
        assert!(Wanted { endpoint: String::new(), ..fine() }.obstacle().is_some());
        assert!(Wanted { models: vec![], ..fine() }.obstacle().is_some());
    }

    #[test]
    fn a_channel_is_posted_flat_as_the_gateway_reads_it() {
        let body = wanted(json!({"kind": "byok"})).body(&SecretString::from("k"));
        assert_eq!((&body["models"], &body["groups"]), (&"a,b".into(), &"default".into()));
        assert_eq!((&body["status"], &body["key"]), (&1.into(), &"k".into()));
    }

    #[tokio::test]
    async fn with_nothing_enabled_it_is_done_without_a_gateway_or_a_credential() {
        let dir = tempfile::tempdir().unwrap();
        let channels = dir.path().join("channels.json");
        std::fs::write(&channels, "[]").unwrap();
        let url = "http://127.0.0.1:1".parse().unwrap();
        let args = Args { url, channels, wait: 1, master_key: None, admin_api_token: None };
        run(args).await.unwrap();
    }
}
