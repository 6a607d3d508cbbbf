//! `catalyst kit diff`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use catalyst_kit::Facts;
use catalyst_kit::diff::TreeDiff;
use catalyst_sandbox::problem::Problem;

use super::super::Context;
use super::changed::{git, known};
use super::judged::{Judged, repository, whole};

/// Show what a change makes of what would be applied: releases, versions, objects, members.
///
/// Both trees are built and rendered as they are; nothing is checked out over your files. Values of
/// Secrets, and of members that are called like a password, are compared and never shown.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  catalyst kit diff origin/main clusters/_template            what a branch changes
  catalyst kit diff v0.1.0 clusters/_template --to v0.2.0     between two revisions
  catalyst kit diff ../other/clusters/_template clusters/_template

Exit codes:
  0  whether or not something differs
  2  something could not be read or rendered, so that this is not all;
     or the command line cannot be understood
  5  this machine lacks something: the renderer, git")]
pub(crate) struct Args {
    /// What it was: a git revision, or a folder.
    #[arg(value_name = "OLD")]
    old: String,
    #[command(flatten)]
    judged: Judged,
    /// The new state: a git revision, in place of the files on the disk.
    #[arg(long, value_name = "REVISION")]
    to: Option<String>,
}

pub(super) async fn run(args: Args, context: &Context<'_>) -> anyhow::Result<()> {
    let scratch = tempfile::tempdir().context("make a folder for the revision's files")?;
    let folder = Path::new(&args.old);
    let old = if folder.is_dir() {
        args.judged.facts_of(folder, None, context).await?
    } else {
        at(&args.old, &scratch.path().join("old"), &args.judged, context).await?
    };
    let new = match &args.to {
        Some(revision) => at(revision, &scratch.path().join("new"), &args.judged, context).await?,
        None => args.judged.facts(context).await?,
    };
    let diff = TreeDiff::of(&old, &new);
    context.output.value(&diff.json(), || diff.text())?;
    whole(&old, context)?;
    whole(&new, context)
}

/// The facts of the judged folder as a revision has it. Its files are written below `scratch`, under
/// an index of their own: neither the checkout nor its index is touched.
async fn at(
    revision: &str,
    scratch: &Path,
    judged: &Judged,
    context: &Context<'_>,
) -> anyhow::Result<Facts> {
    let path = judged.path()?;
    let root = repository(&path);
    let commit = known(root, revision).await?;
    let tree = scratch.join("tree");
    std::fs::create_dir_all(&tree).context("make a folder for the revision's files")?;
    let index = scratch.join("index");
    let prefix = format!("--prefix={}/", tree.display());
    for args in
        [&["read-tree", commit.as_str()][..], &["checkout-index", "--all", prefix.as_str()][..]]
    {
        git(root, args).env("GIT_INDEX_FILE", &index).run().await.map_err(Problem::from)?;
    }
    let inside: PathBuf = path.strip_prefix(root).unwrap_or(Path::new("")).to_owned();
    judged.facts_of(&tree.join(inside), Some(&tree), context).await
}
