//! `catalyst sandbox step …`: what `infra/sandbox` calls, one resource at a time.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use catalyst_sandbox::lifecycle::Wish;
use catalyst_sandbox::link::DEFAULT_PREFIX;
use catalyst_sandbox::node::{Boot, Reach};
use catalyst_sandbox::paths::NodeName;
use clap::ValueEnum as _;
use serde::Deserialize;
use serde_json::json;

use super::super::Context;
use super::super::up::{installation, installation_to_end};

/// One step of `infra/sandbox`; every step can be repeated.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  catalyst sandbox step control-plane --name sov1")]
pub(crate) struct Step {
    /// Which step
    #[arg(value_enum)]
    step: Which,
    /// The Sovereign's name
    #[arg(long, value_parser = super::name)]
    name: NodeName,
    /// Number of its link
    #[arg(long)]
    index: Option<u8>,
    /// File with the Sovereign's values; no secret is in it
    #[arg(long, value_name = "FILE")]
    spec: Option<PathBuf>,
    /// The same, as text
    #[arg(long, env = "CATALYST_SPEC_JSON", hide = true, hide_env_values = true)]
    spec_json: Option<String>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Which {
    /// Record the Sovereign's folder and number
    Host,
    /// Network namespace, link, firewall, front
    Link,
    /// Start PID 1: etcd, containerd, kubelet and so on
    Node,
    /// Wait until the API answers
    ControlPlane,
}

/// The values the module passes; names as in its variables.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Values {
    deployment_id: Option<String>,
    sovereign_name: Option<String>,
    sovereign_fqdn: String,
    org_name: Option<String>,
    org_email: Option<String>,
    sandbox_index: Option<u8>,
    network_prefix: Option<String>,
    gitops_repo_url: String,
    gitops_branch: String,
    catalyst_api_url: Option<String>,
    kubeconfig_bearer_file: Option<PathBuf>,
    ghcr_pull_credentials_file: Option<PathBuf>,
}

impl Step {
    pub(super) async fn run(self, context: &Context<'_>) -> Result<()> {
        let values = self.values()?;
        if values.sovereign_name.as_deref().is_some_and(|name| name != self.name.as_str()) {
            bail!("the spec is another Sovereign's: `--name` and `sovereign_name` differ");
        }
        let index = self.index.or(values.sandbox_index);
        let wish = values.wish(self.name, index)?;
        let to_end = || installation_to_end(context);
        let text = match self.step {
            Which::Host => {
                let record = to_end()?.machine_to_end().host(&wish).await?;
                format!("recorded {} with link {}", record.name, record.index)
            }
            Which::Link => {
                let link = installation(context).await?.link(&wish.name).await?;
                format!("link {} at {}", link.interface(), link.host_ip())
            }
            Which::Node => {
                let machine = installation(context).await?.machine().await?;
                let spec = machine.node(&wish.name, &wish.boot).await?;
                format!("node {} at {}", spec.name, spec.node_ip)
            }
            Which::ControlPlane => {
                to_end()?.machine_to_end().control_plane(&wish.name).await?;
                "the API server is ready".to_owned()
            }
        };
        let data = json!({ "name": wish.name.as_str(), "step": self.step.to_possible_value().map(|it| it.get_name().to_owned()), "says": text });
        context.output.value(&data, || text)
    }

    fn values(&self) -> Result<Values> {
        let text = match (&self.spec, &self.spec_json) {
            (Some(path), _) => std::fs::read_to_string(path)
                .with_context(|| format!("cannot read {}", path.display()))?,
            (None, Some(text)) => text.clone(),
            (None, None) => return Ok(Values::default()),
        };
        serde_json::from_str(&text).context("the spec is not what infra/sandbox passes")
    }
}

impl Values {
    fn wish(self, name: NodeName, index: Option<u8>) -> Result<Wish> {
        let some = |text: Option<String>| text.filter(|text| !text.is_empty());
        let boot = Boot {
            reach: Reach::Kit,
            fqdn: self.sovereign_fqdn,
            deployment_id: some(self.deployment_id),
            catalyst_api_url: some(self.catalyst_api_url),
            bearer_file: self.kubeconfig_bearer_file,
            ghcr_credentials_file: self.ghcr_pull_credentials_file,
            gitops_repo_url: self.gitops_repo_url,
            gitops_branch: self.gitops_branch,
            kit_path: "./clusters/_template/profiles/sandbox".into(),
        };
        let prefix = match some(self.network_prefix) {
            Some(own) => base_of(&own, index.unwrap_or(0))?,
            None => DEFAULT_PREFIX.into(),
        };
        Ok(Wish { name, index, prefix, boot })
    }
}

/// The base of all links' addresses, from the first three numbers of this one's network.
fn base_of(own: &str, index: u8) -> Result<String> {
    let numbers: Vec<u8> = own.split('.').map_while(|part| part.parse().ok()).collect();
    let [first, second, third] = numbers[..] else {
        bail!("`network_prefix` is not the first three numbers of a network");
    };
    let second = second.checked_sub(index).context("`network_prefix` is below its own number")?;
    Ok(format!("{first}.{second}.{third}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_is_the_links_own_network_less_its_number() {
        assert_eq!(base_of("10.212.0", 2).unwrap(), "10.210.0");
        for bad in ["10.212", "10.x.0", "10.1.0.0"] {
            assert!(base_of(bad, 2).is_err(), "{bad}");
        }
    }
}
