//! `catalyst kit audit`.

use catalyst_kit::audit::{self, Audit, AuditError};
use catalyst_kit::{Facts, output};

use super::super::Context;
use super::judged::Judged;
use super::{FOUND, UNREAD};
use crate::problem::{Ended, Explained};

/// Hold a kit against its lock file, and both against what the objects need.
///
/// The lock, `expected-bootstrap-deps.yaml` beside the kit or in a folder `scripts` above it, says
/// which releases the kit is expected to hold and what they wait for. Slot files are counted, never
/// taken from a number written down: declared releases are those of the lock, present those with a
/// slot file, deferred those that have none and need none yet, drift is where the two differ. An edge
/// that both leave out and objects need is told too. Each finding names the line to write.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  catalyst kit audit clusters/_template
  catalyst kit audit --expected locks/kit.yaml

Exit codes:
  0  lock, slot files and objects agree
  1  they do not
  2  something could not be read or rendered, or there is no lock file;
     or the command line cannot be understood
  5  this machine lacks something: the renderer")]
pub(crate) struct Args {
    #[command(flatten)]
    judged: Judged,
    /// The lock file, from the repository's root.
    #[arg(long, value_name = "FILE")]
    expected: Option<String>,
}

pub(super) async fn run(args: Args, context: &Context<'_>) -> anyhow::Result<()> {
    let facts = args.judged.facts(context).await?;
    let audit = audit::audit(&facts, args.expected.as_deref()).map_err(explained)?;
    context.output.value(&audit.json(), || human(&audit, &facts, context))?;
    if !audit.problems.is_empty() {
        return Err(Ended(UNREAD).into());
    }
    if audit.is_clean() { Ok(()) } else { Err(Ended(FOUND).into()) }
}

fn human(audit: &Audit, facts: &Facts, context: &Context<'_>) -> String {
    let out = context.output;
    let look = output::Look { colour: out.is_coloured(), width: out.columns() };
    output::human(&audit.outcome(), &facts.tree, look) + &audit.legend()
}

fn explained(error: AuditError) -> Explained {
    let fix = "Write the lock: `slots:` with `{slot, name, depends_on, wave}` for each release; or name \
               one with --expected.";
    let mut explained = Explained::new(error.to_string(), fix);
    explained.cause = std::error::Error::source(&error).map(ToString::to_string);
    explained
}
