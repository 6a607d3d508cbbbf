//! The workspace's own checks and what is made from the sources. Entry points: `cargo xtask tidy`
//! and `cargo xtask errors`.

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
    /// Write the pages of `docs/errors/` anew from the catalogues of problems.
    Errors,
}

fn main() -> anyhow::Result<()> {
    match Args::parse().command {
        Command::Tidy => tidy::run(),
        Command::Errors => errors(),
    }
}

/// Lets the test that holds the pages in step write them first: only there both catalogues are seen.
fn errors() -> anyhow::Result<()> {
    let arguments = ["test", "--quiet", "--package", "catalyst-cli", "--test", "errors"];
    let status = std::process::Command::new("cargo")
        .args(arguments)
        .args(["--", "every_code_has_its_page"])
        .env("UPDATE_GOLDENS", "1")
        .status()?;
    anyhow::ensure!(status.success(), "the pages were not written");
    Ok(())
}
