//! L27: an image follows the value that sets the tag of its group.

use std::collections::BTreeMap;

use super::{Decidability, Rule};
use crate::facts::{Bump, Facts};
use crate::finding::{Finding, Severity};
use crate::image::Reference;
use crate::object::Object;
use crate::yaml::Node;

pub(super) const RULE: Rule = Rule {
    id: "L27",
    title: "every image of a group follows the value that sets its tag",
    severity: Severity::Error,
    decidability: Decidability::Files,
    cause: "whoever raises the tag raises the others and reports success; this one stays what it was",
    fix: "take the tag from the value, as the other images do",
    page: include_str!("../../../../docs/rules/L27.md"),
    check,
};

/// One image of a release, as it is and as it was with other tags in the values.
struct Pair<'a> {
    object: &'a Object,
    node: &'a Node,
    now: Reference<'a>,
    then: Reference<'a>,
}

fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, release) in facts.releases.iter().enumerate() {
        let Some(bump) = release.rendering.as_ref().and_then(|one| one.bump.as_ref()) else {
            continue;
        };
        match &bump.objects {
            Ok(objects) => judge(facts, at, bump, objects, &mut findings),
            Err(reason) => {
                let name = &release.declared.name;
                let message = format!("`{name}` does not render with other tags: {reason}");
                let spot = facts.release_spot(release, "metadata/name");
                let finding = RULE.at(spot, message).cause("the tag cannot be raised by its value");
                findings.push(finding.fix("let the chart take any tag of the same form"));
            }
        }
    }
    findings
}

fn judge(facts: &Facts, at: usize, bump: &Bump, then: &[Object], findings: &mut Vec<Finding>) {
    let now: Vec<&Object> = facts.of_release(at).collect();
    let pairs = pairs(&now, then);
    // For each value: one image that follows it, and how many do.
    let mut followers: BTreeMap<&str, Vec<&Pair<'_>>> = BTreeMap::new();
    for pair in &pairs {
        let value = bump.tags.iter().find(|(_, tag)| pair.then.tag == Some(tag.as_str()));
        if let Some((value, _)) = value {
            followers.entry(value).or_default().push(pair);
        }
    }
    for pair in pairs.iter().filter(|pair| pair.now == pair.then) {
        let group = followers.iter().find(|(_, all)| all.iter().any(|other| is_group(pair, other)));
        let Some((value, all)) = group else { continue };
        let name = pair.node.text().unwrap_or_default();
        let others = if all.len() == 1 {
            "1 other does".to_owned()
        } else {
            format!("{} others do", all.len())
        };
        let message =
            format!("{}: `{name}` does not follow `{value}`; {others}", pair.object.title());
        let finding = RULE.at(pair.object.spot(pair.node), message);
        let first = &all[0];
        findings.push(finding.related(first.object.spot(first.node), format!("follows `{value}`")));
    }
}

/// The images of a release, each with what it was in the other rendering.
fn pairs<'a>(now: &[&'a Object], then: &'a [Object]) -> Vec<Pair<'a>> {
    let mut all = Vec::new();
    let in_order: Vec<&Object> = now.iter().copied().filter(|object| !object.from_crds).collect();
    let crds = now.len() - in_order.len();
    let same_length = in_order.len() + crds == then.len();
    for (at, object) in in_order.into_iter().enumerate() {
        // A name may hold the tag; then the place tells which is which.
        let named = then.iter().find(|other| {
            other.kind == object.kind
                && other.name == object.name
                && other.namespace == object.namespace
        });
        let placed = then.get(at).filter(|other| same_length && other.kind == object.kind);
        let Some(other) = named.or(placed) else { continue };
        for (node, changed) in object.containers().into_iter().zip(other.containers()) {
            let (Some(node), Some(changed)) = (node.get("image"), changed.get("image")) else {
                continue;
            };
            let read = |node: &'a Node| node.text().and_then(Reference::read);
            if let (Some(now), Some(then)) = (read(node), read(changed)) {
                all.push(Pair { object, node, now, then });
            }
        }
    }
    all
}

/// Whether two images are built and raised together: of one place, and with one tag or names that
/// begin alike, as `services-auth` and `services-catalog`.
fn is_group(one: &Pair<'_>, other: &Pair<'_>) -> bool {
    let (here, there) =
        (one.now.repository.rsplit_once('/'), other.now.repository.rsplit_once('/'));
    let (Some((place, name)), Some((other_place, other_name))) = (here, there) else {
        return false;
    };
    let first = |name: &str| name.split_once('-').map(|(first, _)| first.to_owned());
    let begin_alike = first(name).is_some() && first(name) == first(other_name);
    let same_tag = one.now.tag.is_some() && one.now.tag == other.now.tag;
    place == other_place && (name == other_name || begin_alike || same_tag)
}
