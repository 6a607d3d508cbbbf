//! `catalystd`: one static binary whose subcommands are its roles.
//!
//! Everything a role needs is parsed here, once, from arguments and environment; no role reads the
//! environment by itself.

mod clusters;
mod config;
mod milestones;
mod probes;
mod roles;
mod secret_file;
mod self_check;
mod telemetry;

use std::process::ExitCode;

use clap::Parser;

/// The Catalyst daemon.
#[derive(Debug, Parser)]
#[command(name = "catalystd", version)]
struct Cli {
    /// What to log, in the form of RUST_LOG.
    #[arg(long, env = "RUST_LOG", default_value = "info", global = true)]
    log: String,
    #[command(subcommand)]
    role: roles::Role,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    telemetry::init(&cli.log);
    match roles::run(cli.role) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            roles::exit_code(&error)
        }
    }
}
