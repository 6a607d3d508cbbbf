//! L04: every `dependsOn` names a release of the kit, once, and no release waits for itself.

use std::collections::BTreeSet;

use super::{Decidability, Rule};
use crate::facts::{Facts, Release};
use crate::finding::{Finding, Severity};
use crate::yaml::Node;

pub(super) const RULE: Rule = Rule {
    id: "L04",
    title: "dependsOn names a release of the kit, and nothing waits in a circle",
    severity: Severity::Error,
    decidability: Decidability::Files,
    cause: "Flux waits for a release that never becomes Ready without an end and without an error",
    fix: "name a release of this kit, or take the entry away",
    page: include_str!("../../../../docs/rules/L04.md"),
    check,
};

fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for release in &facts.releases {
        entries(facts, release, &mut findings);
    }
    let mut told = BTreeSet::new();
    for start in 0..facts.releases.len() {
        if let Some(cycle) = cycle(facts, start)
            && cycle.iter().all(|member| told.insert(*member))
        {
            findings.push(circle(facts, &cycle));
        }
    }
    findings
}

fn entries(facts: &Facts, release: &Release, findings: &mut Vec<Finding>) {
    let object = facts.declaration(release);
    let nodes = object.node.items_at("spec/dependsOn");
    let mut seen = BTreeSet::new();
    for (edge, node) in release.declared.depends_on.iter().zip(nodes) {
        let spot = object.spot(node.get("name").unwrap_or(node));
        if let Some(kind) = node.get("kind").and_then(Node::text).filter(|k| *k != "HelmRelease") {
            let message = format!("a HelmRelease cannot wait for a {kind}");
            let cause = "Flux reads `dependsOn` of a HelmRelease as names of HelmReleases only";
            findings.push(RULE.at(object.spot(node), message).cause(cause));
            continue;
        }
        if !seen.insert((&edge.namespace, &edge.name)) {
            let message = format!("`{}` waits for `{}` twice", release.declared.name, edge.name);
            let cause = "one of the two is a slip of the pen for another release";
            findings.push(RULE.at(spot, message).cause(cause).fix("keep one of them"));
        } else if facts.release_named(&edge.namespace, &edge.name).is_none() {
            let message = format!(
                "`{}` waits for `{}`, which is not in the kit",
                release.declared.name, edge.name
            );
            let mut finding = RULE.at(spot, message);
            let names = facts.releases.iter().map(|release| release.declared.name.as_str());
            if let Some(near) = crate::graph::nearest_name(&edge.name, names) {
                finding = finding.fix(format!("did you mean `{near}`?"));
            }
            findings.push(finding);
        }
    }
}

/// The way from a release back to itself, if there is one; it begins with its smallest member.
fn cycle(facts: &Facts, start: usize) -> Option<Vec<usize>> {
    let mut path = vec![start];
    let mut dead = BTreeSet::new();
    while let Some(at) = path.last().copied() {
        let next = facts.releases[at].declared.depends_on.iter().find_map(|edge| {
            let to = facts.release_named(&edge.namespace, &edge.name)?;
            (to == start || to > start && !dead.contains(&to) && !path.contains(&to)).then_some(to)
        });
        match next {
            Some(to) if to == start => return Some(path),
            Some(to) => path.push(to),
            None => {
                dead.insert(at);
                path.pop();
            }
        }
    }
    None
}

fn circle(facts: &Facts, cycle: &[usize]) -> Finding {
    let name = |at: &usize| facts.releases[*at].declared.name.as_str();
    let mut names: Vec<&str> = cycle.iter().map(name).collect();
    names.push(names[0]);
    let edge = |at: usize| {
        let release = &facts.releases[cycle[at]];
        let to = name(&cycle[(at + 1) % cycle.len()]);
        let position = release.declared.depends_on.iter().position(|edge| edge.name == to);
        facts.release_spot(release, &format!("spec/dependsOn/{}/name", position.unwrap_or(0)))
    };
    let mut finding = RULE
        .at(edge(0), format!("releases wait in a circle: {}", names.join(" → ")))
        .cause("none of them is ever installed")
        .fix("take away the edge that is not needed");
    for (at, member) in cycle.iter().enumerate().skip(1) {
        finding = finding.related(edge(at), format!("`{}` waits here", name(member)));
    }
    finding
}
