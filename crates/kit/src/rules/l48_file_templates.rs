//! L48: a file template of OpenTofu asks only for names that its call gives it.

use std::collections::BTreeSet;

use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity, Spot};
use crate::render::bounds::normal;
use crate::template::{self, Call, Part};

pub(super) const RULE: Rule = Rule {
    id: "L48",
    title: "a file template asks only for names that its call gives it",
    severity: Severity::Error,
    decidability: Decidability::Files,
    cause: "OpenTofu reads every `${` of the file, in scripts and comments too: the plan fails, or a \
            variable of the shell is replaced by something else",
    fix: "give the name in `templatefile`, or write `$${…}` for what the shell shall replace",
    page: include_str!("../../../../docs/rules/L48.md"),
    check,
};

fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let calls = calls(facts);
    for path in facts.listing.files.iter().filter(|path| path.ends_with(".tftpl")) {
        let Ok(file) = facts.tree.file(path) else { continue };
        let text = file.text();
        let (parts, _) = template::parts(&text);
        let of_file: Vec<&(String, Call)> =
            calls.iter().filter(|(folder, call)| leads_to(folder, &call.path, path)).collect();
        let mut own = BTreeSet::new();
        for part in &parts {
            if let Some(finding) = malformed(path, part) {
                findings.push(finding);
                continue;
            }
            for name in template::names(part, &mut own) {
                let lacks = |(_, call): &&&(String, Call)| {
                    call.names.as_ref().is_some_and(|names| !names.contains(&name))
                };
                let Some((folder, call)) = of_file.iter().find(lacks) else { continue };
                let message = format!(
                    "`${{{}}}` asks for `{name}`, which nothing gives it",
                    part.text.trim()
                );
                let finding = RULE.at(Spot::line(path.as_str(), part.line), message);
                findings.push(finding.related(Spot::line(folder.as_str(), call.line), "the call"));
            }
        }
    }
    findings
}

/// Every call of `templatefile`, with the file it stands in.
pub(super) fn calls(facts: &Facts) -> Vec<(String, Call)> {
    let modules = facts.listing.files.iter().filter(|path| path.ends_with(".tf"));
    let mut all = Vec::new();
    for path in modules {
        let Ok(file) = facts.tree.file(path) else { continue };
        all.extend(template::calls(&file.text()).into_iter().map(|call| (path.clone(), call)));
    }
    all
}

/// Whether a path in a module's file means a template.
pub(super) fn leads_to(module: &str, path: &str, template: &str) -> bool {
    let folder = module.rsplit_once('/').map_or("", |(folder, _)| folder);
    match normal(folder, path) {
        Some(exact) if !path.contains("${") => exact == template,
        // Of a path with a variable in it the name is known.
        _ => path.rsplit('/').next() == template.rsplit('/').next(),
    }
}

fn malformed(path: &str, part: &Part<'_>) -> Option<Finding> {
    let spot = Spot::line(path, part.line);
    if part.is_open {
        return Some(RULE.at(spot, "this `{` is never closed"));
    }
    if part.is_directive {
        return None;
    }
    let text = part.text.trim();
    if text.is_empty() {
        return Some(RULE.at(spot, "`${}` holds no expression"));
    }
    let form = template::shell_form(part.text)?;
    Some(RULE.at(spot, format!("`${{{text}}}` is the shell's: OpenTofu knows no `{form}`")))
}
