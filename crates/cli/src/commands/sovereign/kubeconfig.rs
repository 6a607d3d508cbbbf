//! `catalyst sovereign kubeconfig`.

use std::path::PathBuf;

use catalyst_sandbox::paths::write_private;
use serde_json::json;

use super::{Context, find};

/// Print its kubeconfig: a secret that opens the whole cluster.
///
/// With -o json it is JSON, which kubectl reads as well.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  catalyst sovereign kubeconfig sov1 --to sov1.yaml")]
pub(crate) struct Args {
    /// Name, domain or id.
    sovereign: String,
    /// Write it to a file only you can read, instead of printing it.
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

pub(crate) async fn run(args: Args, context: &Context<'_>) -> anyhow::Result<()> {
    let client = context.client()?;
    let found = find(&client, &args.sovereign).await?;
    let kubeconfig = client.kubeconfig(&found.id).await?;
    match args.to {
        None => context.output.yaml(&kubeconfig),
        Some(file) => {
            write_private(&file, kubeconfig.as_bytes())?;
            let shown = file.display();
            context.output.say(&format!("written: kubectl --kubeconfig={shown} get nodes"));
            context.output.data(&json!({ "name": found.name, "file": file }))
        }
    }
}
