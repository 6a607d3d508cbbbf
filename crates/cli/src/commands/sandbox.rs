//! `catalyst sandbox …`: real Sovereigns on this machine, and the world they see.

pub(crate) mod daemon;
pub(crate) mod inner;
pub(crate) mod outside;
mod parts;
mod show;
mod step;
mod up;

use catalyst_sandbox::lifecycle::Data;
use catalyst_sandbox::paths::NodeName;
use clap::Subcommand;
use serde_json::json;

use super::Context;
use super::up::installation_to_end;

/// Real Sovereigns on this machine, and the world they see.
///
/// `catalyst up` uses these; by hand they serve to look into one, and to make one without a
/// mothership.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Up(up::Up),
    /// Stop a Sovereign and remove everything of it but its data.
    #[command(after_help = "Example:\n  catalyst sandbox down sov2 --purge")]
    Down {
        /// Its name.
        #[arg(value_parser = name)]
        name: NodeName,
        /// Remove its data too: images, volumes, etcd.
        #[arg(long)]
        purge: bool,
    },
    /// Say what there is of one Sovereign, or of all.
    #[command(after_help = "Example:\n  catalyst sandbox status sov1")]
    Status {
        /// Its name; all when left out.
        #[arg(value_parser = name)]
        name: Option<NodeName>,
    },
    /// Print the administrator's kubeconfig: a secret that opens the whole cluster.
    #[command(after_help = "Example:\n  catalyst sandbox kubeconfig sov1 > sov1.yaml")]
    Kubeconfig {
        /// The Sovereign's name.
        #[arg(value_parser = name)]
        name: NodeName,
    },
    /// Print a daemon's log, or list the logs.
    #[command(after_help = "Example:\n  catalyst sandbox logs sov1 kube-apiserver --tail 20")]
    Logs {
        /// The Sovereign's name.
        #[arg(value_parser = name)]
        name: NodeName,
        /// The daemon, as `status` calls it, or `init`; the list when left out.
        daemon: Option<String>,
        /// How many lines from the end.
        #[arg(long, default_value_t = 100)]
        tail: usize,
    },
    Step(step::Step),
    #[command(subcommand)]
    Tools(parts::Command),
    #[command(subcommand)]
    Outside(outside::Command),
    /// What this program runs as in the background.
    #[command(subcommand, hide = true)]
    Daemon(daemon::Command),
    #[command(flatten)]
    Inner(inner::Inner),
}

/// Runs the command.
pub(crate) async fn run(command: Command, context: &Context<'_>) -> anyhow::Result<()> {
    match command {
        Command::Up(up) => up.run(context).await,
        Command::Down { name, purge } => {
            let data = if purge { Data::Purge } else { Data::Keep };
            let installation = installation_to_end(context)?;
            let known = installation.machine_to_end().is_there(&name)?;
            // Also when nothing seems to be there: `tofu destroy` asks whatever was made.
            installation.end(&name, data).await?;
            let text = if known { format!("ended {name}") } else { absent(&name) };
            context.output.say(&text);
            context.output.data(&json!({ "name": name.as_str(), "found": known, "purged": purge }))
        }
        Command::Status { name } => {
            let machine = installation_to_end(context)?.machine_to_end();
            show::status(&machine, name.as_ref(), context.output).await
        }
        Command::Kubeconfig { name } => {
            let kubeconfig = installation_to_end(context)?.machine_to_end().kubeconfig(&name)?;
            context.output.yaml(&String::from_utf8_lossy(&kubeconfig))
        }
        Command::Logs { name, daemon, tail } => {
            let machine = installation_to_end(context)?.machine_to_end();
            show::logs(&machine, &name, daemon.as_deref(), tail, context.output).await
        }
        Command::Step(step) => step.run(context).await,
        Command::Tools(command) => parts::run(command, context).await,
        Command::Outside(command) => outside::run(command, context).await,
        Command::Daemon(command) => daemon::run(command),
        Command::Inner(inner) => inner.run().await,
    }
}

fn absent(name: &NodeName) -> String {
    format!("there is nothing of a Sovereign called {name} on this machine: nothing was ended")
}

fn name(text: &str) -> Result<NodeName, String> {
    NodeName::new(text).map_err(|problem| problem.to_string())
}
