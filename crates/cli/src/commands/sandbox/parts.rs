//! `catalyst sandbox tools`: build or show what a Sovereign is made of.

use catalyst_sandbox::debian;
use catalyst_sandbox::tools::Entry;
use clap::Subcommand;
use serde_json::json;

use super::super::Context;
use super::super::up::{installation, progress::Progress};
use crate::output::table;

/// The pinned tools and Debian parts a Sovereign is made of.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build what is missing; a second run builds nothing.
    #[command(after_help = "Example:\n  catalyst sandbox tools build")]
    Build,
    /// Show each tool, its version and whether it is built.
    #[command(after_help = "Example:\n  catalyst sandbox tools status -o json")]
    Status,
    /// Print where a program lies that was built or unpacked, such as kubectl, kustomize or nft.
    #[command(after_help = "Example:\n  $(catalyst sandbox tools path kubectl) version --client")]
    Path {
        /// Its own name.
        program: String,
    },
    /// Lock the newest versions of the Debian parts in this checkout.
    #[command(after_help = "Example:\n  catalyst sandbox tools lock-debian")]
    LockDebian,
}

pub(super) async fn run(command: Command, context: &Context<'_>) -> anyhow::Result<()> {
    match command {
        Command::Build => {
            let installation = installation(context).await?;
            let progress = Progress::new(context.output);
            progress.stage("tools");
            installation.tools.ensure(&|event| progress.tools(event)).await?;
            progress.stage("Debian parts");
            installation.debian.ensure(&|event| progress.debian(event)).await?;
            progress.done();
            let data: Vec<_> = installation.tools.entries().iter().map(value).collect();
            context.output.data(&data)
        }
        Command::Status => status(context).await,
        Command::Path { program } => {
            let installation = installation(context).await?;
            let path = installation.tools.bin(&program).or_else(|unknown| {
                let debian = installation.debian.tree().and_then(|tree| tree.bin(&program));
                debian.map_err(|_| unknown)
            })?;
            let shown = path.display().to_string();
            context.output.value(&json!({ "program": program, "path": shown }), || shown.clone())
        }
        Command::LockDebian => {
            debian::relock(&context.checkout()?).await?;
            context.output.say("locked; read the difference before you commit it");
            context.output.data(&json!({ "locked": true }))
        }
    }
}

fn value(entry: &Entry) -> serde_json::Value {
    let (name, version) = (&entry.pin.name, &entry.pin.version);
    json!({ "name": name, "version": version, "key": entry.key, "built": entry.is_complete() })
}

async fn status(context: &Context<'_>) -> anyhow::Result<()> {
    let installation = installation(context).await?;
    let entries = installation.tools.entries();
    let built = |complete: bool| if complete { "built" } else { "missing" };
    let data: Vec<_> = entries.iter().map(value).collect();
    context.output.value(&data, || {
        let row = |entry: &Entry| {
            let state = built(entry.is_complete()).to_owned();
            vec![entry.pin.name.clone(), entry.pin.version.clone(), entry.key.clone(), state]
        };
        let mut rows: Vec<_> = entries.iter().map(row).collect();
        let debian = &installation.debian;
        let state = built(debian.is_complete()).to_owned();
        rows.push(vec![
            "Debian parts".to_owned(),
            "locked".to_owned(),
            debian.key().to_owned(),
            state,
        ]);
        table(&["TOOL", "VERSION", "KEY", "STATE"], &rows)
    })
}
