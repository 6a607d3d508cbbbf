//! `catalyst kit …`: says before any deploy what would break.
//!
//! One file per verb. What is judged, and with what, is the same for all: [`judged::Judged`].

mod audit;
mod bump;
mod changed;
mod diff;
mod explain;
mod graph;
mod images;
mod judged;
mod lint;
mod render;
mod schema;
mod wait;

use clap::Subcommand;

use super::Context;
use crate::problem::Instead;

/// Exit code when a rule found an error.
const FOUND: u8 = 1;
/// Exit code when something could not be read or rendered, so that silence would mean nothing.
const UNREAD: u8 = 2;

/// Judge a Flux tree before any cluster sees it.
///
/// Builds what Flux would build and renders what Helm would render, offline, with the libraries
/// inside the pinned controllers. No cluster is asked; nothing is written but a cache, and by `bump` alone
/// the tree.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  catalyst kit lint clusters/_template         hold a kit against the rules
  catalyst kit render --release bp-gitea       what one release would apply
  catalyst kit graph clusters/_template        what waits for what, and what should
  catalyst kit audit clusters/_template        the kit, its lock file and its objects
  catalyst kit diff origin/main                what a branch makes of the objects
  catalyst kit explain L18                     what a rule is about
  catalyst kit bump --image api=0.2.0          a new tag, everywhere or nowhere

Exit codes:
  0  nothing of severity error was found
  1  something of severity error was found
  2  something could not be read or rendered, so that nothing is promised;
     or the command line cannot be understood
  5  this machine lacks something: the renderer, git")]
pub(crate) enum Command {
    Lint(lint::Args),
    Render(render::Args),
    Images(images::Args),
    Graph(graph::Args),
    Audit(audit::Args),
    Diff(diff::Args),
    Schema(schema::Args),
    Explain(explain::Args),
    Bump(bump::Args),
}

impl Command {
    /// Whether its answer is findings, which have forms of their own.
    pub(crate) fn writes_findings(&self) -> bool {
        matches!(self, Self::Lint(_))
    }
}

pub(crate) async fn run(command: Command, context: &Context<'_>) -> anyhow::Result<()> {
    let done = match command {
        Command::Lint(args) => lint::run(args, context).await,
        Command::Render(args) => render::run(args, context).await,
        Command::Images(args) => images::run(args, context).await,
        Command::Graph(args) => graph::run(args, context).await,
        Command::Audit(args) => audit::run(args, context).await,
        Command::Diff(args) => diff::run(args, context).await,
        Command::Schema(_) => schema::run(context),
        Command::Explain(args) => explain::run(&args, context),
        Command::Bump(args) => bump::run(args, context).await,
    };
    // 1 says that something was found; whatever else fails leaves the question open.
    done.map_err(|error| Instead(UNREAD, error).into())
}
