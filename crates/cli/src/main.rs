//! `catalyst`, the command line. `main` is a table of contents: arguments in `args`, one file per
//! verb in `commands`, every failure through `problem`.

mod api;
mod args;
mod commands;
mod output;
mod problem;
mod session;
mod tree;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args = args::Args::read();
    let output = output::Output::new(&args.global);
    let follows = args.command.follows();
    match commands::run(args, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => problem::report(&error, follows, &output),
    }
}
