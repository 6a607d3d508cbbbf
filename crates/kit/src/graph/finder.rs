//! Looks for what releases need of each other: needs on one side, makers on the other.

use std::collections::{BTreeMap, BTreeSet};

use super::edges::{Evidence, EvidenceKind, When};
use super::makers::{Maker, Makers};
use super::needs::{self, Need, Want};
use crate::facts::Facts;
use crate::object::{Object, Owner};

/// Namespaces of every cluster.
const BUILT_IN: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// The evidence for each pair of releases.
pub(super) type Found = BTreeMap<(usize, usize), BTreeSet<Evidence>>;

/// Looks for what releases need of each other.
pub(super) struct Finder<'a> {
    facts: &'a Facts,
    makers: Makers<'a>,
    /// For each release, all that must be Ready before it.
    closure: &'a [BTreeSet<usize>],
}

impl<'a> Finder<'a> {
    pub(super) fn of(facts: &'a Facts, closure: &'a [BTreeSet<usize>]) -> Self {
        Self { facts, makers: Makers::of(facts), closure }
    }

    /// Everything that releases need of each other.
    pub(super) fn edges(&self) -> Found {
        let mut objects: Vec<Vec<&Object>> = vec![Vec::new(); self.facts.releases.len()];
        for object in &self.facts.objects {
            if let Owner::Release(at) = object.owner {
                objects[at].push(object);
            }
        }
        let mut found = Found::new();
        for (from, objects) in objects.iter().enumerate() {
            let mut known: BTreeMap<Want, Option<(usize, Maker)>> = BTreeMap::new();
            for need in needs::of_release(self.facts, from, objects) {
                let choose = || self.choose(from, &need.want);
                let made = known.entry(need.want.clone()).or_insert_with(choose);
                if let Some((to, maker)) = made {
                    let evidence = self.evidence(&need, maker);
                    found.entry((from, *to)).or_default().insert(evidence);
                }
            }
            self.add_webhooks(from, objects, &mut found);
        }
        found
    }

    /// The release of which something is needed; nothing if it is there anyway, or nobody makes it.
    fn choose(&self, from: usize, want: &Want<'a>) -> Option<(usize, Maker<'a>)> {
        if want.kind == "Namespace" && BUILT_IN.contains(&&*want.name) {
            return None;
        }
        let mut makers = self.makers.find(want);
        makers.retain(|maker| is_visible(self.facts, maker.owner, Owner::Release(from)));
        let others: Option<Vec<(usize, Maker)>> = makers
            .into_iter()
            .map(|maker| match maker.owner {
                Owner::Release(to) if to != from => Some((to, maker)),
                _ => None,
            })
            .collect();
        let others = others?;
        let is_declared = |(to, _): &&(usize, Maker)| self.closure[from].contains(to);
        others.iter().find(is_declared).or_else(|| others.first()).copied()
    }

    fn evidence(&self, need: &Need<'a>, maker: &Maker<'a>) -> Evidence {
        Evidence {
            when: need.when,
            kind: need.kind,
            what: need.want.title(),
            by: need.object.title(),
            consumer: need.object.spot(need.node),
            provider: maker.object.spot(maker.node),
        }
    }

    fn add_webhooks(&self, from: usize, objects: &[&'a Object], found: &mut Found) {
        let webhooks = self.makers.webhooks();
        for object in objects.iter().filter(|_| !webhooks.is_empty()) {
            let plural = self.makers.plural(object);
            for webhook in webhooks.iter().filter(|one| one.judges(object, &plural)) {
                let Owner::Release(to) = webhook.object.owner else { continue };
                if to == from || !is_visible(self.facts, webhook.object.owner, object.owner) {
                    continue;
                }
                let node = object.node.get("kind").unwrap_or(&object.node);
                let name = webhook.node.get("name").unwrap_or(webhook.node);
                let evidence = Evidence {
                    when: When::Apply,
                    kind: EvidenceKind::Webhook,
                    what: format!("webhook {}", name.text().unwrap_or(&webhook.object.name)),
                    by: object.title(),
                    consumer: object.spot(node),
                    provider: webhook.object.spot(name),
                };
                found.entry((from, to)).or_default().insert(evidence);
            }
        }
    }
}

/// Which objects see each other: those of one root build. A tree may hold several clusters.
pub(super) fn is_visible(facts: &Facts, maker: Owner, user: Owner) -> bool {
    match (facts.root_of(maker), facts.root_of(user)) {
        (Some(maker), Some(user)) => maker == user,
        _ => true,
    }
}
