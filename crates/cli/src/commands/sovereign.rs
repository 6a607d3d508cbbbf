//! `catalyst sovereign`: create, list, get, watch, kubeconfig.

pub(crate) mod create;
mod get;
mod kubeconfig;
mod list;
pub(crate) mod watch;

use clap::Subcommand;

use super::Context;
use crate::api::Client;
use crate::api::wire::Sovereign;
use crate::problem::Explained;

/// Create, list, show and follow Sovereigns.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create a Sovereign, and follow it unless --detach.
    Create(create::Args),
    /// List the Sovereigns with their state.
    #[command(visible_alias = "ls")]
    List,
    /// Show one: the answer first, then phases, resources and components.
    Get {
        /// Name, domain or id.
        sovereign: String,
    },
    /// Follow one until it is ready or has failed; exit 0 only when it is ready.
    Watch {
        /// Name, domain or id.
        sovereign: String,
    },
    /// Print its kubeconfig.
    Kubeconfig(kubeconfig::Args),
}

impl Command {
    /// Whether its exit code tells how a Sovereign's provisioning ended.
    pub(crate) fn follows(&self) -> bool {
        match self {
            Self::Create(args) => !args.detach,
            Self::Watch { .. } => true,
            _ => false,
        }
    }
}

pub(crate) async fn run(command: Command, context: &Context<'_>) -> anyhow::Result<()> {
    match command {
        Command::Create(args) => create::run(args, context).await,
        Command::List => list::run(context).await,
        Command::Get { sovereign } => get::run(&sovereign, context).await,
        Command::Watch { sovereign } => {
            let client = context.client()?;
            let found = find(&client, &sovereign).await?;
            watch::run(&client, &found.id, context.output).await
        }
        Command::Kubeconfig(args) => kubeconfig::run(args, context).await,
    }
}

/// Finds a Sovereign by name, domain or id.
pub(crate) async fn find(client: &Client, wanted: &str) -> anyhow::Result<Sovereign> {
    let all = client.sovereigns().await?.deployments;
    let matches =
        |item: &&Sovereign| [&item.id, &item.name, &item.fqdn].contains(&&wanted.to_owned());
    if let Some(found) = all.iter().find(matches) {
        return client.sovereign(&found.id).await;
    }
    let names: Vec<_> = all.iter().map(|item| item.name.as_str()).collect();
    let fix = match names.as_slice() {
        [] => "there is none yet: catalyst sovereign create sov1".to_owned(),
        names => format!("known are: {}", names.join(", ")),
    };
    Err(Explained::new(format!("no Sovereign is called `{wanted}`"), fix).into())
}
