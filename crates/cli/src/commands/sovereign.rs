//! `catalyst sovereign`: create, list, get, watch, why, retry, kubeconfig.

pub(crate) mod create;
mod get;
mod kubeconfig;
mod list;
pub(crate) mod retry;
pub(crate) mod watch;
pub(crate) mod why;

use clap::Subcommand;

use self::watch::Hope;
use super::Context;
use crate::api::Client;
use crate::api::wire::Sovereign;
use crate::problem::Explained;

/// Create, list, show and follow Sovereigns.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Create(create::Args),
    /// List the Sovereigns with their state.
    #[command(visible_alias = "ls", after_help = "Example:\n  catalyst sovereign list -o json")]
    List,
    /// Show one: the answer first, then phases, resources and components.
    #[command(after_help = "Example:\n  catalyst sovereign get sov1")]
    Get {
        /// Name, domain or id.
        sovereign: String,
    },
    /// Follow one until it is ready or has failed; exit 0 only when it is ready.
    ///
    /// A live tree on a terminal; one line an event in a pipe. With -o json every event is one line
    /// and the last line is the Sovereign's state; with -o yaml each is a document.
    #[command(after_help = "Example:\n  catalyst sovereign watch sov1")]
    Watch {
        /// Name, domain or id.
        sovereign: String,
    },
    #[command(visible_alias = "status")]
    Why(why::Args),
    Retry(retry::Args),
    Kubeconfig(kubeconfig::Args),
}

impl Command {
    /// Whether its exit code tells how a Sovereign's provisioning ended.
    pub(crate) fn follows(&self) -> bool {
        match self {
            Self::Create(args) => !args.detach,
            Self::Retry(args) => !args.detach,
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
            watch::run(&client, &found.id, Hope::None, context.output).await
        }
        Command::Why(args) => why::run(args, context).await,
        Command::Retry(args) => retry::run(args, context).await,
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
        [] => "There is none yet: `catalyst sovereign create sov1` makes one.".to_owned(),
        names => format!("Known are: {}.", names.join(", ")),
    };
    Err(Explained::new(format!("no Sovereign is called `{wanted}`"), fix).into())
}
