//! `catalystd`: one static binary whose subcommands are its roles.
//!
//! Everything a role needs is parsed here, once, from arguments and environment; no role reads the
//! environment by itself.

mod probes;
mod roles;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

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
    let filter = EnvFilter::try_new(&cli.log).unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match roles::run(cli.role) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
