//! Which files changed since a revision, as git tells it.

use std::collections::BTreeSet;
use std::path::Path;

use catalyst_sandbox::problem::Problem;
use catalyst_sandbox::process::{Failure, Invocation};

use crate::problem::Explained;

/// Files that differ between `revision` and the files on the disk, relative to `root`: committed
/// since, only edited, new and not ignored, or gone.
pub(super) async fn files(root: &Path, revision: &str) -> anyhow::Result<BTreeSet<String>> {
    known(root, revision).await?;
    let range = ["diff", "--name-only", "--no-renames", "-z", "--end-of-options", revision, "--"];
    let new = ["ls-files", "--others", "--exclude-standard", "-z"];
    let mut found = BTreeSet::new();
    for args in [&range[..], &new[..]] {
        let said = git(root, args).run().await.map_err(Problem::from)?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        found.extend(said.split('\0').filter(|path| !path.is_empty()).map(str::to_owned));
    }
    Ok(found)
}

/// git in the repository at `root`, with what a person's own git is told by the environment.
pub(super) fn git(root: &Path, args: &[&str]) -> Invocation {
    let git = Invocation::new("git").arg("-C").arg(root).args(args);
    ["PATH", "HOME", "XDG_CONFIG_HOME"].iter().fold(git, Invocation::inherit)
}

/// The commit that a revision names.
pub(super) async fn known(root: &Path, revision: &str) -> anyhow::Result<String> {
    let commit = format!("{revision}^{{commit}}");
    let asked = git(root, &["rev-parse", "--quiet", "--verify", "--end-of-options", &commit]);
    let said = asked.run().await.map_err(|failure| unknown(root, revision, failure))?;
    Ok(said.text().trim().to_owned())
}

fn unknown(root: &Path, revision: &str, failure: Failure) -> anyhow::Error {
    if !matches!(failure, Failure::Exit { .. }) {
        return Problem::from(failure).into();
    }
    let mut explained = Explained::new(
        format!("git knows no revision `{revision}` here"),
        "Name a commit, branch or tag; a shallow clone may lack it: `git fetch --unshallow`.",
    );
    let words = failure.tail().join(" ");
    let where_ = format!("the repository is `{}`", root.display());
    explained.cause = Some(if words.is_empty() { where_ } else { words });
    explained.into()
}
