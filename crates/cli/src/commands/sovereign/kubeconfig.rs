//! `catalyst sovereign kubeconfig`.

use std::path::PathBuf;

use catalyst_sandbox::paths::write_private;

use super::{Context, find};

/// Print its kubeconfig: a secret that opens the whole cluster.
#[derive(Debug, clap::Args)]
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
        None => context.output.line(kubeconfig.trim_end()),
        Some(file) => {
            write_private(&file, kubeconfig.as_bytes())?;
            context
                .output
                .say(&format!("written; try: kubectl --kubeconfig={} get nodes", file.display()));
            Ok(())
        }
    }
}
