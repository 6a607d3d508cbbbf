//! `catalyst sandbox up`: a Sovereign made by hand, without a mothership.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use catalyst_sandbox::first_boot::progress::StepReport;
use catalyst_sandbox::lifecycle::Wish;
use catalyst_sandbox::link::DEFAULT_PREFIX;
use catalyst_sandbox::node::{Boot, Reach};
use catalyst_sandbox::paths::NodeName;

use serde_json::json;

use super::super::Context;
use super::super::up::installation;

/// Start a Sovereign by hand, or continue where it was cut off.
///
/// Without a mothership: nothing watches it and no deployment is recorded. `catalyst up` is the way
/// to one that is.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  catalyst sandbox up lab --reach cluster")]
pub(crate) struct Up {
    /// Its name: lowercase letters, digits and hyphens, at most 15
    #[arg(value_parser = super::name)]
    name: NodeName,
    /// Number of its link, 0 to 15; the first free one when left out
    #[arg(long)]
    index: Option<u8>,
    /// First three numbers of link 0's network
    #[arg(long, default_value = DEFAULT_PREFIX)]
    network_prefix: String,
    /// How far the first boot goes
    #[arg(long, value_enum, default_value_t = ReachArg::Node)]
    reach: ReachArg,
    /// Its domain name; `<name>.sandbox.test` when left out
    #[arg(long)]
    fqdn: Option<String>,
    /// Git repository of the kit, as the node sees it
    #[arg(long, default_value = "https://github.com/openova-io/openova")]
    gitops_repo_url: String,
    /// Its branch
    #[arg(long, default_value = "main")]
    gitops_branch: String,
    /// Folder of the kit in it
    #[arg(long, default_value = "./clusters/_template/profiles/sandbox")]
    kit_path: String,
    /// File with the pull credentials, `{registry, username, password}`
    #[arg(long)]
    credentials: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum ReachArg {
    /// A Ready node, nothing pulled
    Node,
    /// DNS and storage too
    Cluster,
    /// Flux too
    Flux,
    /// The kit too
    Kit,
}

impl Up {
    pub(super) async fn run(self, context: &Context<'_>) -> Result<()> {
        let began = Instant::now();
        let fqdn = self.fqdn.unwrap_or_else(|| format!("{}.sandbox.test", self.name));
        let boot = Boot {
            reach: match self.reach {
                ReachArg::Node => Reach::Node,
                ReachArg::Cluster => Reach::Cluster,
                ReachArg::Flux => Reach::Flux,
                ReachArg::Kit => Reach::Kit,
            },
            fqdn,
            deployment_id: None,
            catalyst_api_url: None,
            bearer_file: None,
            ghcr_credentials_file: self.credentials,
            gitops_repo_url: self.gitops_repo_url,
            gitops_branch: self.gitops_branch,
            kit_path: self.kit_path,
        };
        let wish = Wish { name: self.name, index: self.index, prefix: self.network_prefix, boot };
        let tell = |step: &StepReport| {
            let at = began.elapsed().as_secs_f32();
            let message = step.message.as_deref().unwrap_or_default();
            context.output.say(&format!("{at:6.1} s  {:?} {:?} {message}", step.step, step.state));
        };
        let installation = installation(context).await?;
        let spec = installation.up(&wish, tell).await?;
        let server = spec.api_server();
        let data = json!({ "name": spec.name, "index": spec.index, "apiServer": server });
        context.output.value(&data, || format!("{} is up at {server}", spec.name))
    }
}
