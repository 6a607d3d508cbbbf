//! L35: what first boot installs is what the kit takes over.

use serde_json::Value as Json;

use super::{Decidability, Rule};
use crate::facts::{Facts, Rendering};
use crate::finding::{Finding, Severity, Spot};
use crate::settings::Bootstrap;
use crate::yaml::Node;

pub(super) const RULE: Rule = Rule {
    id: "L35",
    title: "a release that takes over from first boot has its version and its values",
    severity: Severity::Error,
    decidability: Decidability::Declared,
    cause: "the first pass of the kit is then an upgrade or a downgrade of what carries it; where that \
            fails, the rollback takes away the running controllers",
    fix: "move both pins together",
    page: include_str!("../../../../docs/rules/L35.md"),
    check,
};

fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    // Of a chart alone nothing is taken over.
    if facts.builds.is_empty() {
        return findings;
    }
    for bootstrap in &facts.settings.bootstrap {
        judge(facts, bootstrap, &mut findings);
    }
    findings
}

fn judge(facts: &Facts, bootstrap: &Bootstrap, findings: &mut Vec<Finding>) {
    let file = facts.settings.file.clone().unwrap_or_default();
    let at = |node: &Node| Spot::span(file.as_str(), node.span);
    let mut all =
        facts.releases.iter().filter(|one| one.declared.name == bootstrap.release).peekable();
    if all.peek().is_none() {
        let message = format!("no release `{}` takes over from first boot", bootstrap.release);
        let finding = RULE.at(at(&bootstrap.node), message);
        findings.push(finding.cause("nobody ever raises what first boot installed"));
        return;
    }
    let Some((stated, spot)) = stated(facts, bootstrap) else {
        let (path, after) = bootstrap.pinned_in.clone().unwrap_or_default();
        let message = format!("`{path}` holds no version after `{after}`");
        let finding = RULE.at(at(&bootstrap.node), message);
        let finding = finding.cause("what first boot installs is not known");
        findings.push(finding.fix("give the words before the version as they stand in the file"));
        return;
    };
    for release in all {
        let Some(rendering) = &release.rendering else { continue };
        let place = facts.release_spot(release, "metadata/name");
        let what = bootstrap.dependency.as_deref().unwrap_or("its application");
        match version(rendering, bootstrap.dependency.as_deref()) {
            None => {
                let message =
                    format!("the chart of `{}` has no dependency `{what}`", bootstrap.release);
                findings.push(RULE.at(at(&bootstrap.node), message).related(place, "the release"));
            }
            Some(version) if bare(version) != bare(&stated) => {
                let message = format!(
                    "first boot installs {stated}, `{}` brings {version} of {what}",
                    bootstrap.release
                );
                findings.push(RULE.at(spot.clone(), message).related(place, "takes it over"));
            }
            Some(_) => {}
        }
        if let Some(values) = &bootstrap.values {
            compare(&rendering.values, values, "", &mut |path, node, other| {
                let message =
                    format!("first boot sets {path}, and `{}` {other}", bootstrap.release);
                let finding = RULE.at(at(node), message).fix("set the same value in both places");
                let finding = finding
                    .cause("the first pass of the kit changes what carries it while it runs");
                findings.push(
                    finding.related(facts.release_spot(release, "spec/values"), "the values"),
                );
            });
        }
    }
}

/// The version first boot installs, and where it says so.
fn stated(facts: &Facts, bootstrap: &Bootstrap) -> Option<(String, Spot)> {
    let Some((path, after)) = &bootstrap.pinned_in else {
        let node = bootstrap.version.as_ref()?;
        let file = facts.settings.file.clone().unwrap_or_default();
        return Some((node.text()?.to_owned(), Spot::span(file.as_str(), node.span)));
    };
    let text = facts.tree.file(path).ok()?.text().into_owned();
    text.lines().enumerate().find_map(|(number, line)| {
        let (before, rest) = line.split_once(after.as_str())?;
        let word = rest.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
        let is_version = |c: char| c.is_ascii_alphanumeric() || "._-+".contains(c);
        let end = word.find(|c| !is_version(c)).unwrap_or(word.len());
        let version =
            Some(&word[..end]).filter(|text| text.contains(|c: char| c.is_ascii_digit()))?;
        let count = |text: &str| u32::try_from(text.chars().count()).unwrap_or(0);
        let column = count(before) + count(after) + count(rest) - count(word) + 1;
        let line = u32::try_from(number + 1).unwrap_or(0);
        let spot = Spot { file: path.as_str().into(), line, column, width: count(version) };
        Some((version.to_owned(), spot))
    })
}

/// The version a chart brings: of a dependency, else of its application.
fn version<'a>(rendering: &'a Rendering, dependency: Option<&str>) -> Option<&'a str> {
    let Some(name) = dependency else { return rendering.metadata["appVersion"].as_str() };
    let all = rendering.metadata["dependencies"].as_array()?;
    all.iter().find(|one| one["name"] == name || one["alias"] == name)?["version"].as_str()
}

/// A version without its `v`, and without what was built into it.
fn bare(version: &str) -> &str {
    let version = version.trim_start_matches('v');
    version.split_once('+').map_or(version, |(version, _)| version)
}

/// Tells every value of first boot that the release has otherwise.
fn compare(have: &Json, wanted: &Node, path: &str, tell: &mut dyn FnMut(String, &Node, String)) {
    for entry in wanted.entries() {
        let path = if path.is_empty() {
            entry.name().to_owned()
        } else {
            format!("{path}.{}", entry.name())
        };
        let have = &have[entry.name()];
        if entry.value.is_map() && have.is_object() {
            compare(have, &entry.value, &path, tell);
            continue;
        }
        let wants = entry.value.to_json();
        if *have != wants {
            let other = if have.is_null() { "does not".to_owned() } else { format!("has {have}") };
            tell(format!("`{path}` to {wants}"), &entry.value, other);
        }
    }
}
