//! The hidden verbs: what a Sovereign's own processes are.

use std::path::PathBuf;

use anyhow::Result;
use catalyst_sandbox::node::NodeSpec;
use catalyst_sandbox::{first_boot, init, lifecycle};

/// Verbs that only this program calls.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Inner {
    /// Enter the control group and become PID 1's parent
    #[command(hide = true)]
    Launch(SpecArg),
    /// PID 1 of a Sovereign
    #[command(hide = true)]
    Init(SpecArg),
    /// What a new node does by itself
    #[command(hide = true)]
    FirstBoot(SpecArg),
}

/// The description of a node.
#[derive(Debug, clap::Args)]
pub(crate) struct SpecArg {
    #[arg(long)]
    spec: PathBuf,
}

impl Inner {
    /// Runs it in a runtime of its own: PID 1 has one thread that waits.
    pub(crate) fn run_alone(self) -> Result<()> {
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(self.run())
    }

    pub(super) async fn run(self) -> Result<()> {
        tracing_subscriber::fmt().json().with_writer(std::io::stderr).init();
        match self {
            Self::Launch(arg) => {
                lifecycle::launch(&arg.spec)?;
            }
            Self::Init(arg) => init::run(NodeSpec::read(&arg.spec)?).await?,
            Self::FirstBoot(arg) => first_boot::run(NodeSpec::read(&arg.spec)?).await?,
        }
        Ok(())
    }
}
