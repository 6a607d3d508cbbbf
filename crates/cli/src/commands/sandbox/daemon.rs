//! The hidden verbs: what this program runs as in the background. They see no environment and take
//! all they need from the named file.

use std::ffi::OsString;
use std::path::PathBuf;

use catalyst_sandbox::daemon::{self, Verb};
use clap::Subcommand;

/// What to run as.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The supervisor of a folder.
    Supervise {
        /// The folder with `spec.json`.
        dir: PathBuf,
    },
    /// A confined program.
    Enter {
        /// What to become.
        file: PathBuf,
        /// More arguments for it.
        #[arg(last = true)]
        args: Vec<OsString>,
    },
    /// The TLS front of a link.
    Front {
        /// Its settings.
        file: PathBuf,
    },
}

/// Runs until told to end; to be called before a runtime is made.
pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    let verb = match command {
        Command::Supervise { dir } => Verb::Supervise { dir },
        Command::Enter { file, args } => Verb::Enter { file, args },
        Command::Front { file } => Verb::Front { file },
    };
    tracing_subscriber::fmt()
        .json()
        .with_writer(std::io::stderr)
        .with_max_level(tracing::Level::INFO)
        .init();
    Ok(daemon::run(verb)?)
}
