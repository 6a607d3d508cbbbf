//! Puts folders of the checkout on `main` of `openova-io/openova`, with real git and no history of
//! its own: the commit is made on top of whatever `main` is, and only when the content differs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::ExposeSecret;

use super::{Config, GIT, ORGANISATION, Ports, REPOSITORY, gitea};
use crate::paths::{private_dir, write_private};
use crate::problem::{Problem, Result};
use crate::process::{Failure, Invocation};

/// One git command; a push runs Gitea's hooks.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The date of every commit: the same content on the same parent is the same commit everywhere.
const DATE: &str = "2026-01-01T00:00:00+00:00";

/// What is on `main` now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The commit, 40 hexadecimal digits.
    pub commit: String,
    /// Whether it was pushed just now.
    pub pushed: bool,
}

/// See [`Outside::publish_tree`](super::Outside::publish_tree).
pub(super) async fn publish(config: &Config, source: &Path, paths: &[&str]) -> Result<Published> {
    if let Some(missing) = paths.iter().find(|path| !source.join(path).exists()) {
        return Err(GIT.because(format!("`{}` has no `{missing}`", source.display())));
    }
    let work = config.dir.join("publish");
    private_dir(&work)?;
    let git = Git::open(config, &work, source).await?;
    let tree = git.tree(paths).await?;
    let url =
        format!("http://{}/{ORGANISATION}/{REPOSITORY}.git", Ports::local(config.ports.gitea));
    let head = git.head(&url).await?;
    if let Some(head) = &head
        && git.run(&["rev-parse", &format!("{head}^{{tree}}")]).await? == tree
    {
        return Ok(Published { commit: head.clone(), pushed: false });
    }
    let mut make = vec!["commit-tree", &tree, "-m", "Publish the kit of this checkout"];
    if let Some(head) = &head {
        make.extend(["-p", head]);
    }
    let commit = git.run(&make).await?;
    git.run(&["push", "--quiet", &url, &format!("{commit}:refs/heads/main")]).await?;
    Ok(Published { commit, pushed: true })
}

/// A bare repository of ours over the checkout's files; the checkout's own is never touched.
struct Git {
    repository: PathBuf,
    source: PathBuf,
    settings: PathBuf,
    home: PathBuf,
}

impl Git {
    async fn open(config: &Config, work: &Path, source: &Path) -> Result<Self> {
        let settings = work.join("gitconfig");
        let token = gitea::token(config)?;
        let text = format!(
            "[http]\n\textraHeader = Authorization: token {}\n\
             [core]\n\tautocrlf = false\n\thooksPath = /dev/null\n\texcludesFile = /dev/null\n\tattributesFile = /dev/null\n\
             [gc]\n\tauto = 0\n",
            token.expose_secret()
        );
        write_private(&settings, text.as_bytes())?;
        let git = Self {
            repository: work.join("openova.git"),
            source: source.to_owned(),
            settings,
            home: work.to_owned(),
        };
        if !git.repository.join("HEAD").exists() {
            git.run(&["init", "--quiet", "--bare", "--initial-branch=main"]).await?;
        }
        Ok(git)
    }

    /// The content of `paths` as a tree object.
    async fn tree(&self, paths: &[&str]) -> Result<String> {
        self.run(&["read-tree", "--empty"]).await?;
        let mut add = vec!["add", "--all", "--"];
        add.extend(paths);
        self.run_in_tree(&add).await?;
        self.run(&["write-tree"]).await
    }

    /// What `main` is at the other end, fetched; `None` when the repository is empty.
    async fn head(&self, url: &str) -> Result<Option<String>> {
        let line = self.run(&["ls-remote", url, "refs/heads/main"]).await?;
        let Some(commit) = line.split_ascii_whitespace().next() else { return Ok(None) };
        self.run(&["fetch", "--quiet", "--no-tags", url, "refs/heads/main"]).await?;
        Ok(Some(commit.to_owned()))
    }

    async fn run(&self, args: &[&str]) -> Result<String> {
        self.invoke(self.invocation(args)).await
    }

    async fn run_in_tree(&self, args: &[&str]) -> Result<String> {
        let invocation = self.invocation(args).cwd(&self.source).env("GIT_WORK_TREE", &self.source);
        self.invoke(invocation).await
    }

    fn invocation(&self, args: &[&str]) -> Invocation {
        let mut invocation = Invocation::new("git")
            .args(args)
            .cwd(&self.home)
            .timeout(TIMEOUT)
            .env("HOME", &self.home)
            .env("GIT_DIR", &self.repository)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", &self.settings)
            .env("GIT_TERMINAL_PROMPT", "0");
        for who in ["AUTHOR", "COMMITTER"] {
            invocation = invocation
                .env(format!("GIT_{who}_NAME"), "Catalyst")
                .env(format!("GIT_{who}_EMAIL"), "catalyst@openova.invalid")
                .env(format!("GIT_{who}_DATE"), DATE);
        }
        invocation
    }

    async fn invoke(&self, invocation: Invocation) -> Result<String> {
        match invocation.run().await {
            Ok(output) => Ok(output.text()),
            Err(failure) => Err(failed(failure)),
        }
    }
}

fn failed(failure: Failure) -> Problem {
    let problem = GIT.because(failure.to_string());
    let missing = failure.is_missing();
    let problem = problem.source(failure);
    if missing { problem.fix("Install `git`.") } else { problem }
}
