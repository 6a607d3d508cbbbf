//! The workspace's own checks. One entry point: `cargo xtask tidy`.

mod tidy;

use clap::{Parser, Subcommand};

/// Checks that keep the tree honest.
#[derive(Parser)]
#[command(name = "xtask")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Fail on a forbidden crate edge, a forgotten file, a file or function over its budget, or a
    /// route outside the route table.
    Tidy,
}

fn main() -> anyhow::Result<()> {
    match Args::parse().command {
        Command::Tidy => tidy::run(),
    }
}
