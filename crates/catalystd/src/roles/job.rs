//! `catalystd job <name>`: the work of the charts' hooks and sidecars, typed and tested.

mod channel_seed;
mod ensure_secret;
mod gitea_admin;

use anyhow::Result;
use clap::Subcommand;

/// Which job to do.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    job: Job,
}

#[derive(Debug, Subcommand)]
enum Job {
    /// Keeps a release's default channels in the LLM gateway.
    ChannelSeed(channel_seed::Args),
    /// Makes a Secret if it is absent and adds keys that it lacks; changes no key that it has.
    EnsureSecret(ensure_secret::Args),
    /// Keeps the password of Gitea's administrator equal to a Secret.
    GiteaAdmin(gitea_admin::Args),
}

/// Does one job.
///
/// # Errors
/// What the job could not do, with its causes.
pub(crate) async fn run(args: Args) -> Result<()> {
    match args.job {
        Job::ChannelSeed(args) => channel_seed::run(args).await,
        Job::EnsureSecret(args) => ensure_secret::run(args).await,
        Job::GiteaAdmin(args) => gitea_admin::run(args).await,
    }
}
