//! `catalyst kit bump`.

use catalyst_kit::bump::{self, NewTag, Order, Plan};
use serde::Serialize;

use super::super::Context;
use super::judged::Judged;
use super::wait::shown;
use crate::problem::Explained;

/// Write new tags of images where the kit says them, everywhere or nowhere.
///
/// Which line gives an image its tag is found by rendering: each place with the old tag is tried on a
/// copy of the tree. Files are changed only if every image of the group then carries the new tag and
/// no other image has changed; comments and forms stay as they are. A second run changes nothing.
#[derive(Debug, clap::Args)]
#[command(
    mut_arg("charts", |arg| arg.long("charts-from")),
    after_help = "\
Examples:
  catalyst kit bump --image catalyst-api=0.2.0 --charts --dry-run
  catalyst kit bump --image 'services-*=b5181ec' clusters/_template
  catalyst kit bump --charts                    pins that were left behind

Exit codes:
  0  everything is as ordered, written now or before
  2  refused, and nothing is written: the message names the line;
     or the command line cannot be understood
  5  this machine lacks something: the renderer"
)]
pub(crate) struct Args {
    /// A new tag (or `TAG@sha256:…`) for the images whose repository ends so; `*` stands for anything
    /// but `/`. May be given often.
    #[arg(long = "image", value_name = "NAME=TAG", required_unless_present = "versions")]
    images: Vec<NewTag>,
    /// Give each chart that changes its next version, and let every release name its chart's version.
    #[arg(id = "versions", long = "charts")]
    versions: bool,
    /// Show what would change, and write nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    judged: Judged,
}

/// What was done, for programs.
#[derive(Debug, Serialize)]
struct Done {
    images: usize,
    charts: Vec<Moved>,
    files: Vec<String>,
    diff: String,
    written: bool,
}

/// A chart with a new version.
#[derive(Debug, Serialize)]
struct Moved {
    name: String,
    from: String,
    to: String,
}

pub(super) async fn run(args: Args, context: &Context<'_>) -> anyhow::Result<()> {
    let Args { images, versions, dry_run, judged } = args;
    let ready = judged.ready(context).await?;
    let order = Order { images, charts: versions };
    let work = bump::plan(&ready.tree, &ready.options, &order, &ready.renderer);
    let plan = shown(context.output, "trying the edits on a copy", work).await.map_err(refused)?;
    if !dry_run {
        plan.write(&ready.tree)?;
    }
    let written = !dry_run && !plan.is_empty();
    context.output.value(&done(&plan, written), || plan.diff().trim_end().to_owned())?;
    context.output.say(&summary(&plan, written));
    Ok(())
}

fn refused(reason: bump::Refused) -> anyhow::Error {
    let fix = "Nothing is written. Change that place by hand, or name the group otherwise.";
    let cause = std::error::Error::source(&reason).map(ToString::to_string);
    Explained { cause, ..Explained::new(reason.to_string(), fix) }.into()
}

fn done(plan: &Plan, written: bool) -> Done {
    let moved = |(name, from, to): &(String, String, String)| Moved {
        name: name.clone(),
        from: from.clone(),
        to: to.clone(),
    };
    Done {
        images: plan.images,
        charts: plan.charts.iter().map(moved).collect(),
        files: plan.files.iter().map(|file| file.path.clone()).collect(),
        diff: plan.diff(),
        written,
    }
}

fn summary(plan: &Plan, written: bool) -> String {
    if plan.is_empty() {
        return "✓ everything is as ordered already".to_owned();
    }
    let plural = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    let mut parts = Vec::new();
    if plan.images > 0 {
        parts.push(plural(plan.images, "image"));
    }
    parts.extend(plan.charts.iter().map(|(name, from, to)| format!("{name} {from} → {to}")));
    parts.push(plural(plan.files.len(), "file"));
    let ending = if written { "written" } else { "not written" };
    format!("✓ {}: {ending}", parts.join(", "))
}
