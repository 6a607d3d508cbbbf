//! Whoever watches releases from outside waits at least as long as they may take.

use std::collections::BTreeMap;

use super::RULE;
use crate::facts::Facts;
use crate::finding::Finding;
use crate::flux::{Action, KUSTOMIZE, duration};
use crate::object::Owner;
use crate::yaml::Node;

/// Kustomizations that wait for releases and give up before these are through.
pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    (0..facts.builds.len()).filter_map(|build| watch(facts, build)).collect()
}

fn watch(facts: &Facts, build: usize) -> Option<Finding> {
    let object = &facts.objects[facts.builds[build].object?];
    let waits = object.is(KUSTOMIZE, "Kustomization")
        && object.node.at("spec/wait").and_then(Node::bool) == Some(true);
    let stated = object.node.at("spec/timeout").filter(|_| waits)?;
    let limit = duration(stated.text()?)?.as_secs();
    let mut known = BTreeMap::new();
    let releases = (0..facts.releases.len())
        .filter(|at| facts.declaration(&facts.releases[*at]).owner == Owner::Build(build));
    let (needed, last) = releases.map(|at| (path(facts, at, &mut known, 0), at)).max()?;
    if needed <= limit {
        return None;
    }
    let name = &facts.releases[last].declared.name;
    let message = format!(
        "{} waits {limit} s, but the releases up to `{name}` may take {needed} s (time-outs × tries along \
         the longest way)",
        object.title()
    );
    let cause = "the one that watches says failed while the ones it watches are still at work";
    let finding = RULE.at(object.spot(stated), message).cause(cause);
    let fix = "wait longer here, or allow the releases less time or fewer tries";
    Some(
        finding.fix(fix).related(
            facts.release_spot(&facts.releases[last], "metadata/name"),
            "the last release",
        ),
    )
}

/// Seconds until a release is through at the latest, everything before it included.
fn path(facts: &Facts, at: usize, known: &mut BTreeMap<usize, u64>, depth: usize) -> u64 {
    if let Some(seconds) = known.get(&at) {
        return *seconds;
    }
    // A circle; L04 tells of it.
    if depth > facts.releases.len() {
        return 0;
    }
    let release = &facts.releases[at].declared;
    let before = release
        .depends_on
        .iter()
        .filter_map(|edge| facts.release_named(&edge.namespace, &edge.name));
    let before = before.map(|next| path(facts, next, known, depth + 1)).max().unwrap_or(0);
    let total = before.saturating_add(own(release.install));
    known.insert(at, total);
    total
}

/// One release: its time-out for each try; without end it is counted once.
fn own(action: Action) -> u64 {
    let tries = u64::try_from(action.retries.saturating_add(1)).unwrap_or(1).max(1);
    action.timeout.as_secs().saturating_mul(tries)
}
