//! L46: every test is run by something. Whether a workflow really runs no file shows; whether anything
//! names the test is looked at here.

use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity, Spot};

pub(super) const RULE: Rule = Rule {
    id: "L46",
    title: "every test is run by something",
    severity: Severity::Warning,
    decidability: Decidability::Undecidable,
    cause: "a test that nothing runs keeps an old promise, and everybody believes it is kept",
    fix: "name it in a workflow, or take it away",
    page: include_str!("../../../../docs/rules/L46.md"),
    check,
};

const WORKFLOWS: &str = ".github/workflows";

fn check(facts: &Facts) -> Vec<Finding> {
    let Ok(workflows) = facts.tree.list(WORKFLOWS) else { return Vec::new() };
    // Workflows, and what they may call.
    let is_caller = |file: &&String| {
        let name = file.rsplit('/').next().unwrap_or(file);
        !is_test(file)
            && (name == "Makefile"
                || name == "justfile"
                || name.ends_with(".sh")
                || file.starts_with("scripts/"))
    };
    let callers = workflows.files.iter().chain(facts.listing.files.iter().filter(is_caller));
    let texts: Vec<String> =
        callers.filter_map(|path| Some(facts.tree.file(path).ok()?.text().into_owned())).collect();
    let tests = facts.listing.files.iter().filter(|file| is_test(file));
    let idle = tests.filter(|test| !texts.iter().any(|text| runs(text, test)));
    idle.map(|test| {
        RULE.at(Spot::line(test.as_str(), 1), "no workflow, Makefile or script names this test")
    })
    .collect()
}

/// A program in a folder of tests.
fn is_test(file: &str) -> bool {
    let Some((folder, name)) = file.rsplit_once('/') else { return false };
    let in_tests = folder.split('/').any(|part| part == "tests" || part == "test");
    in_tests && name.ends_with(".sh") && !folder.starts_with(WORKFLOWS)
}

/// Whether a text names a test, or takes everything of its folder.
fn runs(text: &str, test: &str) -> bool {
    let (folder, name) = test.rsplit_once('/').unwrap_or(("", test));
    let inner = folder.rsplit('/').next().unwrap_or(folder);
    text.contains(name)
        || [format!("{inner}/*.sh"), format!("{inner}\"/*.sh")].iter().any(|all| text.contains(all))
        || text.contains("find ") && text.contains("*.sh") && text.contains(inner)
}
