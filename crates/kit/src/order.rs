//! What is there before what: releases by their `dependsOn`, builds by that of their Flux Kustomizations.

use std::collections::BTreeSet;

use crate::facts::Facts;
use crate::object::Owner;
use crate::yaml::Node;

/// Whether what `provider` applies is there when `user` begins. What one owner applies counts as there
/// for itself.
pub(crate) fn comes_before(facts: &Facts, provider: Owner, user: Owner) -> bool {
    match (provider, user) {
        (Owner::Given, _) => true,
        (provider, user) if provider == user => true,
        (Owner::Build(_), Owner::Release(_)) => true,
        (Owner::Release(before), Owner::Release(after)) => facts.upstream(after).contains(&before),
        (Owner::Build(before), Owner::Build(after)) => waits(facts, after, before),
        (Owner::Release(_), Owner::Build(after)) => waits_for_release(facts, after, provider),
        (_, Owner::Given) => true,
    }
}

/// Whether a Flux Kustomization depends on another one, directly or through others.
fn waits(facts: &Facts, after: usize, before: usize) -> bool {
    let name = |build: usize| facts.builds[build].object.map(|at| facts.objects[at].name.as_str());
    let mut seen = BTreeSet::from([after]);
    let mut open = vec![after];
    while let Some(at) = open.pop() {
        let Some(object) = facts.builds[at].object.map(|at| &facts.objects[at]) else { continue };
        for edge in object.node.items_at("spec/dependsOn") {
            let next = (0..facts.builds.len()).find(|build| name(*build) == edge.str_at("name"));
            match next {
                Some(next) if next == before => return true,
                Some(next) if seen.insert(next) => open.push(next),
                _ => {}
            }
        }
    }
    false
}

/// Whether a Kustomization waits for one that holds the release and waits until it is Ready.
fn waits_for_release(facts: &Facts, after: usize, release: Owner) -> bool {
    let Owner::Release(at) = release else { return false };
    let Owner::Build(home) = facts.declaration(&facts.releases[at]).owner else { return false };
    let ready = facts.builds[home].object.is_some_and(|at| {
        facts.objects[at].node.at("spec/wait").and_then(Node::bool) == Some(true)
    });
    ready && waits(facts, after, home)
}
