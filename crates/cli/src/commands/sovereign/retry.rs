//! `catalyst sovereign retry`.

use serde_json::json;

use super::watch::{self, Hope};
use super::{Context, find};
use crate::api::Client;
use crate::api::wire::{INFRASTRUCTURE, Sovereign};

/// Begin the phase that failed again, and follow it unless --detach.
///
/// What stands is kept: OpenTofu makes only what is missing.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  catalyst sovereign retry sov1")]
pub(crate) struct Args {
    /// Name, domain or id.
    sovereign: String,
    /// Return at once; follow later with `catalyst sovereign watch NAME`.
    #[arg(long)]
    pub(crate) detach: bool,
}

pub(crate) async fn run(args: Args, context: &Context<'_>) -> anyhow::Result<()> {
    let client = context.client()?;
    let found = find(&client, &args.sovereign).await?;
    let phase = post(&client, &found).await?;
    context.output.say(&format!("{}: {phase} begins again", found.name));
    if args.detach {
        return context.output.data(&json!({ "id": found.id, "name": found.name, "phase": phase }));
    }
    watch::run(&client, &found.id, Hope::None, context.output).await
}

/// Asks for the phase that failed; whether there is anything to begin again, the server says.
pub(crate) async fn post(client: &Client, sovereign: &Sovereign) -> anyhow::Result<String> {
    let phase = sovereign.failed_phase().unwrap_or(INFRASTRUCTURE);
    client.retry(&sovereign.id, phase).await?;
    Ok(phase.to_owned())
}
