//! L37: every YAML file can be read and holds something, and a folder has one kind of consumer.

use super::{Decidability, Rule};
use crate::facts::{Facts, is_yaml};
use crate::finding::{Finding, Severity, Spot};
use crate::render::FILE_NAMES;
use crate::yaml::{Loaded, Node, ScalarKind};

pub(super) const RULE: Rule = Rule {
    id: "L37",
    title: "every YAML file can be read, holds something, and has one kind of consumer",
    severity: Severity::Error,
    decidability: Decidability::Files,
    cause: "a file that cannot be read vanishes from lists and audits, or stops the whole build",
    fix: "mend the file, or take it away",
    page: include_str!("../../../../docs/rules/L37.md"),
    check,
};

fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut files: Vec<&String> = facts.listing.files.iter().collect();
    files.extend(facts.releases.iter().flat_map(|r| r.chart.iter().flat_map(|chart| &chart.files)));
    files.sort();
    files.dedup();
    for path in files {
        let in_templates = path.contains("/templates/") || path.starts_with("templates/");
        if in_templates && FILE_NAMES.contains(&path.rsplit('/').next().unwrap_or(path)) {
            let message = "Helm renders this file of kustomize's as an object of the release";
            let finding = RULE.at(Spot::line(path.as_str(), 1), message);
            findings.push(finding.fix("keep kustomize's files out of `templates`"));
        }
        let is_template = in_templates && !facts.manifests().any(|file| file == path);
        if is_yaml(path) && !is_template && !is_fixture(path) {
            judge(facts, path, &mut findings);
        }
    }
    findings
}

/// A word of YAML that Helm takes for something else than its author.
fn trap(spot: Spot, what: String) -> Finding {
    let cause = "Helm reads YAML 1.1, and every number as one of floating point";
    RULE.at(spot, what).warning().cause(cause).fix("put it in quotes")
}

fn traps(values: &Node, tell: &mut dyn FnMut(&Node, String)) {
    const EXACT: i64 = 1 << 53;
    values.walk_entries(&mut |entry| {
        let (key, value) = (entry.key.scalar(), entry.value.scalar());
        if let Some(ScalarKind::Bool(means)) = key.map(|key| key.kind) {
            tell(&entry.key, format!("the key `{}` becomes `{means}`", entry.name()));
        }
        let Some((value, ScalarKind::Int(number))) = value.map(|value| (value, value.kind)) else {
            return;
        };
        let name = entry.name().to_ascii_lowercase();
        let octal = value.text.len() > 1 && value.text.starts_with('0');
        let is_digits = value.text.bytes().all(|byte| byte.is_ascii_digit());
        if octal && is_digits && !name.ends_with("mode") && !name.ends_with("umask") {
            tell(&entry.value, format!("`{}` becomes {number}", value.text));
        } else if number.checked_abs().is_none_or(|number| number > EXACT) {
            tell(&entry.value, format!("{number} has more digits than Helm keeps"));
        }
    });
}

/// A template stands for itself only after rendering.
fn is_fixture(path: &str) -> bool {
    path.ends_with(".tpl.yaml")
}

fn judge(facts: &Facts, path: &str, findings: &mut Vec<Finding>) {
    let Ok(file) = facts.tree.file(path) else { return };
    let Loaded { documents, faults, .. } = file.yaml();
    for fault in faults {
        let mut spot = Spot::line(path, fault.line);
        spot.column = fault.column;
        findings.push(RULE.at(spot, fault.reason.clone()));
    }
    let name = path.rsplit('/').next().unwrap_or(path);
    let is_values = name.starts_with("values") && facts.in_chart(path);
    for doc in documents {
        let of_release = doc.root.at("spec/values");
        let of_release = of_release.filter(|_| doc.root.str_at("kind") == Some("HelmRelease"));
        if let Some(values) = of_release.or(Some(&doc.root).filter(|_| is_values)) {
            traps(values, &mut |node, what| {
                findings.push(trap(Spot::span(path, node.span), what));
            });
        }
    }
    if documents.is_empty() && faults.is_empty() && !is_note(&file.text()) {
        let finding = RULE.at(Spot::line(path, 1), "the file holds nothing");
        findings.push(finding.cause("something was lost here, and no build says so"));
    }
}

/// A file that holds words for people and nothing else is meant.
fn is_note(text: &str) -> bool {
    text.lines().any(|line| line.trim_start().strip_prefix('#').is_some_and(|rest| rest.len() > 3))
}
