//! Every rule kills its mutants at the stated file and line, and is quiet about their twins.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use catalyst_kit::render::Renderer;
use catalyst_kit::{Decidability, Finding, LOAD, RULES, Rule, lint};

use crate::renderer::{facts, renderer};

/// How many mutants and twins a rule has at least.
const ENOUGH: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn every_rule_kills_its_mutants_and_is_quiet_about_their_twins() {
    let renderer = renderer().await;
    let fixtures = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rules"));
    let only = std::env::var_os("RULE").map(|rule| rule.to_string_lossy().into_owned());
    let mut failures = Vec::new();
    let mut table = String::from("\nrule  mutants killed  twins quiet  about\n");
    for rule in RULES.iter().filter(|rule| only.as_ref().is_none_or(|one| one == rule.id)) {
        let folder = fixtures.join(rule.id);
        let (killed, mutants) =
            count(rule, &folder.join("mutants"), &renderer, &mut failures).await;
        let (quiet, twins) = count(rule, &folder.join("twins"), &renderer, &mut failures).await;
        if rule.decidability == Decidability::Undecidable && !folder.exists() {
            table.push_str(&format!(
                "{:<5} {:<29} {}\n",
                rule.id, "files cannot decide it", rule.title
            ));
            continue;
        }
        table.push_str(&format!(
            "{:<5} {killed:>7} of {mutants:<4} {quiet:>8} of {twins:<4} {}\n",
            rule.id, rule.title
        ));
        if mutants < ENOUGH || twins < ENOUGH {
            failures
                .push(format!("{}: {ENOUGH} mutants and {ENOUGH} twins are the least", rule.id));
        }
    }
    // Not through `print!`, so that it is shown of a test that passes as well.
    std::io::stderr().write_all(table.as_bytes()).unwrap();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn every_folder_of_fixtures_is_of_a_rule() {
    let fixtures = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rules"));
    for folder in folders(fixtures) {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        assert!(Rule::named(&name).is_some(), "{name}");
    }
}

/// Runs every case of a folder; how many went as they should, and how many there are.
async fn count(
    rule: &Rule,
    folder: &Path,
    renderer: &Renderer,
    failures: &mut Vec<String>,
) -> (usize, usize) {
    let cases = folders(folder);
    let mut right = 0;
    for case in &cases {
        let facts = facts(case, renderer).await;
        let today = jiff::civil::date(2026, 11, 21);
        let found = lint(&facts, &[rule.id.to_owned()], today, None).findings;
        let found: Vec<Finding> =
            found.into_iter().filter(|f| f.rule == rule.id || f.rule == LOAD).collect();
        let told: BTreeSet<String> =
            found.iter().map(|f| format!("{} {}:{}", f.rule, f.spot.file, f.spot.line)).collect();
        let expected = expected(case);
        let is_mutant = folder.ends_with("mutants");
        if told == expected && is_mutant != expected.is_empty() {
            right += 1;
        } else {
            let name = case.strip_prefix(folder.parent().unwrap().parent().unwrap()).unwrap();
            let messages: Vec<_> =
                found.iter().map(|f| format!("    {} {} {}", f.rule, f.spot, f.message)).collect();
            failures.push(format!(
                "{}:\n  expected {expected:?}\n  found    {told:?}\n{}",
                name.display(),
                messages.join("\n")
            ));
        }
    }
    (right, cases.len())
}

/// The lines of the file `expect`: `L18 templates/role.yaml:12`.
pub(crate) fn expected(case: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(case.join("expect")).unwrap_or_default();
    let lines =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(str::to_owned).collect()
}

pub(crate) fn folders(at: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(at).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    found.sort();
    found
}
