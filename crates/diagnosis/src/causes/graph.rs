//! What the edges of `dependsOn` make impossible: a release that does not exist, and a circle.

use std::collections::{BTreeMap, BTreeSet};

use catalyst_model::{CauseKind, ReleaseName};

use crate::finding::{Finding, named};
use crate::words::distance;
use crate::{Key, Observed};

/// Names with more wrong letters than this are not taken for misspelt.
const MISSPELT: usize = 4;

pub(super) fn missing(observed: &Observed<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (key, release) in &observed.releases {
        for wanted in &release.depends_on {
            let declared = observed
                .kit
                .iter()
                .any(|r| r.namespace == wanted.namespace && r.name.as_str() == wanted.name);
            if declared || observed.releases.contains_key(wanted) {
                continue;
            }
            let (who, what) = (&key.name, &wanted.name);
            let headline = format!("{who} waits for {what}, which does not exist");
            let fix = match nearest(observed, wanted) {
                Some(near) => format!("Write `{near}` in `dependsOn` of {who}, or add {what}."),
                None => format!("Take {what} out of `dependsOn` of {who}, or add it."),
            };
            let text = format!(
                "dependsOn names {wanted}; there is no HelmRelease of that name, in the cluster or in the kit"
            );
            found.push(
                Finding::new(CauseKind::DependencyMissing, named("HelmRelease", wanted), &headline)
                    .fix(fix)
                    .evidence(named("HelmRelease", key), release.created, &text)
                    .since(release.ready.as_ref().and_then(|ready| ready.since).or(release.created))
                    .of(release_named(observed, key)),
            );
        }
    }
    found
}

fn nearest<'a>(observed: &Observed<'a>, wanted: &Key) -> Option<&'a str> {
    let near = |key: &'a Key| (distance(&key.name, &wanted.name), key.name.as_str());
    let best = observed.releases.keys().map(|key| near(key)).min()?;
    (best.0 <= MISSPELT).then_some(best.1)
}

/// The kit's release of that name.
pub(super) fn release_named<'a>(observed: &Observed<'a>, key: &Key) -> Option<&'a ReleaseName> {
    let is_it = |name: &&'a ReleaseName| name.as_str() == key.name;
    observed.kit.iter().map(|release| &release.name).find(is_it)
}

pub(super) fn cycles(observed: &Observed<'_>) -> Vec<Finding> {
    let edges: BTreeMap<&Key, &[Key]> = observed
        .releases
        .iter()
        .map(|(key, release)| (*key, release.depends_on.as_slice()))
        .collect();
    let mut done = BTreeSet::new();
    let mut found = Vec::new();
    for start in edges.keys() {
        let mut path = Vec::new();
        if let Some(circle) = circle(&edges, start, &mut path, &mut done) {
            found.push(told(observed, &circle));
        }
    }
    found
}

/// The first circle that can be reached from `at`, beginning with its first name.
fn circle<'a>(
    edges: &BTreeMap<&'a Key, &'a [Key]>,
    at: &'a Key,
    path: &mut Vec<&'a Key>,
    done: &mut BTreeSet<&'a Key>,
) -> Option<Vec<&'a Key>> {
    if let Some(begin) = path.iter().position(|key| *key == at) {
        let mut circle = path[begin..].to_vec();
        let first = circle.iter().enumerate().min_by_key(|(_, key)| **key).map_or(0, |(i, _)| i);
        circle.rotate_left(first);
        return Some(circle);
    }
    if done.contains(at) {
        return None;
    }
    path.push(at);
    let next = edges.get(at).copied().unwrap_or_default();
    let found = next.iter().find_map(|key| circle(edges, key, path, done));
    path.pop();
    done.insert(at);
    found
}

fn told(observed: &Observed<'_>, circle: &[&Key]) -> Finding {
    let names: Vec<&str> = circle.iter().map(|key| key.name.as_str()).collect();
    let (first, last) =
        (names.first().copied().unwrap_or_default(), names.last().copied().unwrap_or_default());
    let way = format!("{} → {first}", names.join(" → "));
    let since = circle.iter().filter_map(|key| observed.releases.get(*key)?.created).max();
    let releases: Vec<&ReleaseName> =
        circle.iter().filter_map(|key| release_named(observed, key)).collect();
    Finding::new(
        CauseKind::DependencyCycle,
        way.clone(),
        &format!("releases wait for each other: {way}"),
    )
    .fix(format!("Cut one edge, such as `{first}` in `dependsOn` of {last}."))
    .evidence(format!("dependsOn of {}", names.join(", ")), since, &way)
    .since(since)
    .of(releases)
}
