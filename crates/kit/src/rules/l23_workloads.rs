//! L23: a chart that is installed renders what it is installed for.

use super::{Decidability, Rule};
use crate::facts::{Facts, Release};
use crate::finding::{Finding, Severity, Spot};
use crate::object::{Object, Owner};
use crate::settings::Expected;
use crate::yaml::Node;

pub(super) const RULE: Rule = Rule {
    id: "L23",
    title: "a release renders the workloads it is there for",
    severity: Severity::Error,
    decidability: Decidability::Declared,
    cause: "a release of nothing is Ready at once: every list is green, and nothing runs",
    fix: "set the value that the template waits for, or let the chart fail where it is missing",
    page: include_str!("../../../../docs/rules/L23.md"),
    check,
};

/// Kinds that run Pods, as templates name them.
const WORKLOADS: [&str; 5] = ["Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"];

/// The annotation of a chart that renders nothing with its own values, as `default-off`.
const MODE: &str = "catalyst.openova.io/smoke-render-mode";

fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, release) in facts.releases.iter().enumerate() {
        if release.rendering.is_some() {
            hollow(facts, at, release, &mut findings);
        }
    }
    for expected in &facts.settings.workloads {
        declared(facts, expected, &mut findings);
    }
    findings
}

fn hollow(facts: &Facts, at: usize, release: &Release, findings: &mut Vec<Finding>) {
    let name = &release.declared.name;
    let place = facts.release_spot(release, "metadata/name");
    let by_default = facts.declaration(release).owner == Owner::Given;
    let mode =
        release.rendering.as_ref().and_then(|one| one.metadata["annotations"][MODE].as_str());
    if by_default && mode == Some("default-off") {
        if let Some(object) = facts.of_release(at).next() {
            let message =
                format!("the chart says that it is off by default, and renders {}", object.title());
            let finding = RULE.at(object.place(), message);
            let finding = finding.cause("whoever relies on that finds it running, or never tested");
            findings.push(finding.fix("take the annotation away, or switch the default off"));
        }
        return;
    }
    if facts.of_release(at).next().is_none() {
        let finding = RULE.at(place, format!("release `{name}` renders nothing at all"));
        findings
            .push(finding.fix("give the chart what it is to install, or take the release away"));
        return;
    }
    if facts.of_release(at).any(|object| object.pod_spec().is_some() && object.hook.is_none()) {
        return;
    }
    if let Some((spot, kind)) = skipped(facts, release) {
        let message = format!("release `{name}` runs nothing: this {kind} is not rendered");
        findings.push(RULE.at(spot, message).related(place, "the release"));
    }
}

/// The first workload of the chart's own templates; it is there, and the values leave it out.
fn skipped(facts: &Facts, release: &Release) -> Option<(Spot, &'static str)> {
    let chart = release.chart.as_ref()?;
    let folder = chart.folder.as_deref()?;
    let templates = crate::tree::join(if folder == "." { "" } else { folder }, "templates/");
    let own = chart
        .files
        .iter()
        .filter(|file| file.starts_with(&templates) && crate::facts::is_yaml(file));
    own.filter(|file| !file.contains("/tests/")).find_map(|path| {
        let file = facts.tree.file(path).ok()?;
        let text = file.text();
        let is_hook = text.contains("helm.sh/hook");
        let mut lines = text.lines().enumerate();
        lines.find_map(|(number, line)| {
            let kind = line.strip_prefix("kind:")?.trim();
            let kind = WORKLOADS.into_iter().find(|known| *known == kind)?;
            let number = u32::try_from(number + 1).ok()?;
            (!is_hook).then(|| (Spot::line(path.as_str(), number), kind))
        })
    })
}

fn declared(facts: &Facts, expected: &Expected, findings: &mut Vec<Finding>) {
    let is_built = |build: &crate::facts::Build| {
        let rest = expected.profile.as_ref().and_then(|end| build.path.strip_suffix(end.as_str()));
        build.object.is_none() && rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
    };
    if expected.profile.is_some() && !facts.builds.iter().any(is_built) {
        return;
    }
    let file = facts.settings.file.clone().unwrap_or_default();
    let fits = |release: &Release| {
        let chart = release.chart.as_ref().map(|chart| chart.name == expected.chart);
        chart.unwrap_or_else(|| {
            release.declared.chart.as_ref().is_some_and(|pin| pin.name == expected.chart)
        })
    };
    let is_of_profile = |release: &Release| {
        let root = facts.root_of(facts.declaration(release).owner);
        expected.profile.is_none() || root.is_some_and(|root| is_built(&facts.builds[root]))
    };
    let mut releases = facts.releases.iter().enumerate().filter(|(_, one)| fits(one)).peekable();
    // Of a chart alone nothing is known of the others.
    if releases.peek().is_none() && !facts.builds.is_empty() {
        let message = format!("no release of chart `{}` is here", expected.chart);
        let finding = RULE.at(Spot::span(file.as_str(), expected.node.span), message);
        let finding = finding.cause("what is expected of it is expected in vain");
        findings.push(finding.fix("install the chart, or take the entry away"));
        return;
    }
    for (at, release) in releases.filter(|(_, one)| is_of_profile(one) && one.rendering.is_some()) {
        for wanted in &expected.objects {
            if facts.of_release(at).any(|object| is_meant(object, wanted)) {
                continue;
            }
            let text = wanted.text().unwrap_or_default();
            let message = format!("release `{}` renders no {text}", release.declared.name);
            let finding = RULE.at(facts.release_spot(release, "metadata/name"), message);
            findings.push(finding.related(Spot::span(file.as_str(), wanted.span), "expected here"));
        }
    }
}

/// Whether an object is the `Deployment/gitea` that is wanted.
fn is_meant(object: &Object, wanted: &Node) -> bool {
    let text = wanted.text().unwrap_or_default();
    text.split_once('/').is_some_and(|(kind, name)| object.kind == kind && object.name == name)
}
