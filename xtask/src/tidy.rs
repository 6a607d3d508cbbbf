//! House rules that a compiler does not know. One file per rule under `tidy/`; each returns its
//! findings as values, and [`run`] prints them all before it fails.

mod arrows;
mod budgets;
mod forgotten;
mod headers;
mod routes;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use walkdir::WalkDir;

/// One broken rule: where and what, ready to print.
pub(crate) struct Finding {
    pub(crate) place: String,
    pub(crate) message: String,
}

/// A Rust file of the workspace, read once and shown to every rule.
pub(crate) struct SourceFile {
    /// Path relative to the workspace root.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    pub(crate) syntax: syn::File,
}

impl SourceFile {
    /// Whether the file holds only tests: budgets and headers speak of production code.
    pub(crate) fn is_test(&self) -> bool {
        self.path.components().any(|part| part.as_os_str() == "tests")
            || self.path.file_stem().is_some_and(|stem| stem == "tests")
    }
}

/// Runs every rule over the workspace and fails if any found something.
pub(crate) fn run() -> anyhow::Result<()> {
    let root = workspace_root()?;
    let files = read_sources(&root)?;
    let mut findings = arrows::check(&root)?;
    findings.extend(forgotten::check(&root, &files));
    findings.extend(budgets::check(&files));
    findings.extend(headers::check(&files));
    findings.extend(routes::check(&files));
    if findings.is_empty() {
        say(&format!("tidy: {} files, no findings", files.len()));
        return Ok(());
    }
    for finding in &findings {
        say(&format!("{}: {}", finding.place, finding.message));
    }
    bail!("tidy: {} findings", findings.len())
}

#[expect(clippy::print_stdout, reason = "the report of a developer's tool is its output")]
fn say(line: &str) {
    println!("{line}");
}

fn workspace_root() -> anyhow::Result<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(manifest.parent().context("xtask lies in the workspace")?.to_owned())
}

fn read_sources(root: &Path) -> anyhow::Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    for top in ["crates", "e2e", "xtask"] {
        let wanted = |entry: &walkdir::DirEntry| entry.file_name() != "target";
        for entry in
            WalkDir::new(root.join(top)).sort_by_file_name().into_iter().filter_entry(wanted)
        {
            let entry = entry?;
            if entry.path().extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let text = std::fs::read_to_string(entry.path())?;
            let path = entry.path().strip_prefix(root)?.to_owned();
            let syntax =
                syn::parse_file(&text).with_context(|| format!("parse {}", path.display()))?;
            files.push(SourceFile { path, text, syntax });
        }
    }
    Ok(files)
}
