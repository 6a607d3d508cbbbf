//! `catalyst down`: everything `up` started, in the order that lets each end in peace.

use catalyst_sandbox::lifecycle::{Data, Record};
use catalyst_sandbox::problem::Problem;
use serde_json::json;

use super::Context;
use super::up::installation_to_end;
use crate::problem::joined;

/// Take down what `up` started; volumes stay unless --purge.
///
/// Ends the mothership, every Sovereign of this machine and the outside world. Records, volumes and
/// images stay, so that `catalyst up` goes on where it was.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  catalyst down --purge")]
pub(crate) struct Args {
    /// Remove records, volumes and credentials too; the cache of tools stays.
    #[arg(long)]
    purge: bool,
}

pub(crate) async fn run(args: Args, context: &Context<'_>) -> anyhow::Result<()> {
    let installation = installation_to_end(context)?;
    let mut ending = Ending { context, ended: Vec::new(), stuck: Vec::new() };
    // First, so that nothing is made again while it is taken away.
    let mothership = async { installation.mothership_to_end()?.down().await };
    ending.note("the mothership", mothership.await);
    let data = if args.purge { Data::Purge } else { Data::Keep };
    for name in Record::names(&installation.roots.home) {
        ending.note(name.as_str(), installation.end(&name, data).await);
    }
    let outside = async { installation.outside_to_end()?.down().await };
    ending.note("the outside world", outside.await);
    let ended = ending.finish()?;
    let mut left = Vec::new();
    if args.purge {
        left = installation.roots.home.purge()?;
        context.output.say("removed records, volumes and credentials");
    }
    if !left.is_empty() {
        let home = installation.roots.home.root().display();
        context.output.say(&format!("left what is not ours in {home}: {}", left.join(", ")));
    }
    context.output.data(&json!({ "ended": ended, "purged": args.purge, "left": left }))
}

/// What was ended and what would not: one that is stuck keeps nothing else up.
struct Ending<'a> {
    context: &'a Context<'a>,
    ended: Vec<String>,
    stuck: Vec<(String, anyhow::Error)>,
}

impl Ending<'_> {
    fn note(&mut self, part: &str, outcome: Result<(), Problem>) {
        match outcome {
            Ok(()) => {
                self.context.output.say(&format!("ended {part}"));
                self.ended.push(part.to_owned());
            }
            Err(problem) => {
                self.context.output.say(&format!("could not end {part}: {problem}"));
                self.stuck.push((part.to_owned(), problem.into()));
            }
        }
    }

    /// What was ended, or one failure that names all that was not.
    fn finish(self) -> anyhow::Result<Vec<String>> {
        if self.stuck.is_empty() {
            return Ok(self.ended);
        }
        let fix = "Run `catalyst down` again; everything else is down, and no record was removed.";
        Err(joined("could not be ended", &self.stuck, fix).into())
    }
}
