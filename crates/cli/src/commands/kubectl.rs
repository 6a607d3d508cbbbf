//! `catalyst kubectl`: the pinned kubectl with a Sovereign's kubeconfig.

use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;

use anyhow::Context as _;
use catalyst_sandbox::tools::{Pins, Tools};
use tokio::signal::unix::{SignalKind, signal};

use super::Context;
use super::sovereign::find;
use crate::problem::Ended;

/// Run kubectl on a Sovereign: the one its cluster was built with.
///
/// The kubeconfig is fetched for this one run and removed with its end; it is never on a command
/// line. The exit code is kubectl's own.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  catalyst kubectl sov1 get pods -A
  catalyst kubectl sov1 -- -n flux-system logs deployment/helm-controller")]
pub(crate) struct Args {
    /// Name, domain or id of the Sovereign.
    sovereign: String,
    /// What kubectl is to do.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "KUBECTL ARGUMENTS")]
    args: Vec<OsString>,
}

pub(crate) async fn run(args: Args, context: &Context<'_>) -> anyhow::Result<()> {
    let kubectl = Tools::locate(&context.roots.cache, Pins::embedded()?).await?.bin("kubectl")?;
    let client = context.client()?;
    let found = find(&client, &args.sovereign).await?;
    let kubeconfig = client.kubeconfig(&found.id).await?;
    // Made with mode 0600; removed when it is dropped.
    let mut file = tempfile::Builder::new()
        .prefix("catalyst-kubeconfig-")
        .tempfile()
        .context("make a file for the kubeconfig")?;
    file.write_all(kubeconfig.as_bytes()).context("write the kubeconfig")?;
    // kubectl hears the terminal's interrupt itself; we stay to clear up after it.
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for an interrupt")?;
    let mut terminate = signal(SignalKind::terminate()).context("listen for an end")?;
    let mut child = tokio::process::Command::new(&kubectl)
        .args(&args.args)
        .env("KUBECONFIG", file.path())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("run `{}`", kubectl.display()))?;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status.context("wait for kubectl")?,
            _ = interrupt.recv() => {}
            _ = terminate.recv() => child.start_kill().context("end kubectl")?,
        }
    };
    file.close().context("remove the kubeconfig")?;
    let code = status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    match u8::try_from(code).unwrap_or(1) {
        0 => Ok(()),
        code => Err(Ended(code).into()),
    }
}
