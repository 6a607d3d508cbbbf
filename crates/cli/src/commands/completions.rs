//! `catalyst completions`: a script for the shell.

use clap::CommandFactory as _;

use crate::output::Output;

/// Print a completion script for your shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  source <(catalyst completions bash)")]
pub(crate) struct Args {
    /// The shell to complete in.
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

pub(crate) fn run(args: &Args, output: &Output) -> anyhow::Result<()> {
    let mut script = Vec::new();
    let mut command = crate::args::Args::command();
    clap_complete::generate(args.shell, &mut command, "catalyst", &mut script);
    output.line(String::from_utf8_lossy(&script).trim_end())
}
