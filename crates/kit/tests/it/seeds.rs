//! What really happened, as trees: before the fix, after the fix that was made, and as it is done
//! here.
//!
//! A folder of `tests/seeds` is one bug. Its file `bug` says where it is told (`seed`), what was told
//! (`told`), which rule finds it (`rule`), and, where the rule says other things too, the words by
//! which the finding is known (`words`). In `before` the rule finds what the file `expect` says, in
//! `seed` it is silent and everything else that is found is pinned in `expect`, and in `ours` nothing
//! is found at all. `UPDATE_GOLDENS=1` writes the pins of `seed` anew.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use catalyst_kit::render::Renderer;
use catalyst_kit::{Finding, Rule, lint};

use crate::renderer::{facts, renderer};
use crate::rules::{expected, folders};

/// One bug as its file `bug` tells it.
struct Bug {
    folder: PathBuf,
    seed: String,
    told: String,
    rule: String,
    words: String,
}

impl Bug {
    fn read(folder: &Path) -> Self {
        let text = std::fs::read_to_string(folder.join("bug")).unwrap();
        let member = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            line.unwrap_or_default().to_owned()
        };
        let bug = Self {
            folder: folder.to_owned(),
            seed: member("seed"),
            told: member("told"),
            rule: member("rule"),
            words: member("words"),
        };
        assert!(!bug.seed.is_empty() && !bug.told.is_empty(), "{}", folder.display());
        bug
    }

    fn is_it(&self, finding: &Finding) -> bool {
        finding.rule == self.rule && finding.message.contains(&self.words)
    }

    fn name(&self) -> String {
        self.folder.file_name().unwrap().to_string_lossy().into_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bug_that_was_told_is_found_and_is_not_in_what_is_done_here() {
    let renderer = renderer().await;
    let all = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/seeds"));
    let mut failures = Vec::new();
    let mut table =
        String::from("\nseed  rule  place before the fix, left after it, and what was told\n");
    for folder in folders(all) {
        let bug = Bug::read(&folder);
        if !is_here(&bug.rule) {
            writeln!(table, "{}   {:<5} is no rule yet: {}", bug.seed, bug.rule, bug.told).unwrap();
            continue;
        }
        let before = before(&bug, &renderer, &mut failures).await;
        let left = seed(&bug, &renderer, &mut failures).await;
        ours(&bug, &renderer, &mut failures).await;
        writeln!(table, "{}   {:<5} {before}; {left} left: {}", bug.seed, bug.rule, bug.told)
            .unwrap();
    }
    // Not through `print!`, so that it is shown of a test that passes as well.
    std::io::stderr().write_all(table.as_bytes()).unwrap();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// The places where the bug's rule finds it.
async fn before(bug: &Bug, renderer: &Renderer, failures: &mut Vec<String>) -> String {
    let tree = bug.folder.join("before");
    let found = judge(&tree, renderer).await;
    let it: Vec<Finding> = found.into_iter().filter(|finding| bug.is_it(finding)).collect();
    let (told, wanted) = (places(&it), expected(&tree));
    if told != wanted || wanted.is_empty() {
        failures.push(differs(bug, "before", &wanted, &told, &it));
    }
    let places: Vec<&str> =
        told.iter().filter_map(|one| one.split_once(' ')).map(|p| p.1).collect();
    places.join(", ")
}

/// How many findings the fix that was made leaves.
async fn seed(bug: &Bug, renderer: &Renderer, failures: &mut Vec<String>) -> usize {
    let tree = bug.folder.join("seed");
    let found = judge(&tree, renderer).await;
    if let Some(again) = found.iter().find(|finding| bug.is_it(finding)) {
        failures.push(format!("{} seed: {} {}", bug.name(), again.spot, again.message));
    }
    let told = places(&found);
    let pins = tree.join("expect");
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        let lines: Vec<String> = told.iter().map(|line| format!("{line}\n")).collect();
        if lines.is_empty() {
            let _ = std::fs::remove_file(&pins);
        } else {
            std::fs::write(&pins, lines.concat()).unwrap();
        }
    }
    // What a rule finds that is not here yet is pinned all the same.
    let is_known = |line: &String| line.split(' ').next().is_some_and(is_here);
    let wanted: BTreeSet<String> = expected(&tree).into_iter().filter(is_known).collect();
    if told != wanted {
        failures.push(differs(bug, "seed", &wanted, &told, &found));
    }
    told.len()
}

fn is_here(rule: &str) -> bool {
    Rule::named(rule).is_some()
}

async fn ours(bug: &Bug, renderer: &Renderer, failures: &mut Vec<String>) {
    let found = judge(&bug.folder.join("ours"), renderer).await;
    if !found.is_empty() {
        failures.push(differs(bug, "ours", &BTreeSet::new(), &places(&found), &found));
    }
}

async fn judge(tree: &Path, renderer: &Renderer) -> Vec<Finding> {
    let facts = facts(tree, renderer).await;
    lint(&facts, &[], jiff::civil::date(2026, 11, 21), None).findings
}

fn places(found: &[Finding]) -> BTreeSet<String> {
    found.iter().map(|f| format!("{} {}:{}", f.rule, f.spot.file, f.spot.line)).collect()
}

fn differs(
    bug: &Bug,
    tree: &str,
    wanted: &BTreeSet<String>,
    told: &BTreeSet<String>,
    found: &[Finding],
) -> String {
    let messages: Vec<String> =
        found.iter().map(|f| format!("    {} {} {}", f.rule, f.spot, f.message)).collect();
    let messages = messages.join("\n");
    format!("{} {tree}:\n  expected {wanted:?}\n  found    {told:?}\n{messages}", bug.name())
}
