//! Who claims which host and path: two routes for one, and a wildcard over the hosts of others.

use std::collections::BTreeMap;

use super::{RULE, parent};
use crate::facts::Facts;
use crate::finding::Finding;
use crate::object::Object;
use crate::yaml::Node;

/// One host and what is taken of it.
pub(super) struct Claim<'a> {
    object: &'a Object,
    /// Where the host stands.
    node: &'a Node,
    /// `*` for every host.
    host: String,
    /// What is taken of the host, as the route says it.
    what: String,
    /// Gateways and listeners, or the class of Ingresses.
    doors: Vec<String>,
}

impl<'a> Claim<'a> {
    pub(super) fn of_ingress(
        object: &'a Object,
        class: Option<&str>,
        rule: &'a Node,
        path: &Node,
    ) -> Self {
        let host = rule.get("host");
        let text = |key: &str| path.get(key).and_then(Node::text).unwrap_or_default();
        Self {
            object,
            node: host.unwrap_or(rule),
            host: host
                .and_then(Node::text)
                .filter(|host| !host.is_empty())
                .unwrap_or("*")
                .to_owned(),
            what: format!("{} {}", text("pathType"), text("path")),
            doors: vec![format!("class {}", class.unwrap_or_default())],
        }
    }

    pub(super) fn of_route(facts: &Facts, object: &'a Object, rule: &'a Node) -> Vec<Self> {
        let doors: Vec<String> = object
            .node
            .items_at("spec/parentRefs")
            .iter()
            .map(|reference| {
                let text = |key: &str| reference.get(key).and_then(Node::text).unwrap_or_default();
                let own = facts.home(object).unwrap_or_default();
                let space = Some(text("namespace")).filter(|s| !s.is_empty()).unwrap_or(own);
                format!("{space}/{}/{}{}", text("name"), text("sectionName"), text("port"))
            })
            .collect();
        let mut what: Vec<String> =
            rule.items_at("matches").iter().map(|one| one.to_json().to_string()).collect();
        if what.is_empty() {
            what.push("{}".to_owned());
        }
        let named = object.node.items_at("spec/hostnames").iter();
        let mut hosts: Vec<(&Node, String)> =
            named.filter_map(|node| Some((node, node.text()?.to_owned()))).collect();
        if hosts.is_empty() {
            let served = parent::served(facts, object);
            let node = object.node.get("spec").unwrap_or(&object.node);
            hosts.extend(served.into_iter().map(|host| (node, host.to_owned())));
        }
        let mut all = Vec::new();
        for (node, host) in hosts {
            for what in &what {
                let (host, what, doors) = (host.clone(), what.clone(), doors.clone());
                all.push(Self { object, node, host, what, doors });
            }
        }
        all
    }

    fn shares_a_door(&self, other: &Self) -> bool {
        // A door without a listener's name is every listener of the Gateway.
        let meets = |one: &str, other: &str| {
            one == other
                || one.ends_with('/') && other.starts_with(one)
                || other.ends_with('/') && one.starts_with(other)
        };
        self.doors.iter().any(|one| other.doors.iter().any(|door| meets(one, door)))
    }
}

pub(super) fn judge(facts: &Facts, claims: &[Claim<'_>], findings: &mut Vec<Finding>) {
    let mut first: BTreeMap<(&str, &str), Vec<&Claim<'_>>> = BTreeMap::new();
    for claim in claims.iter().filter(|claim| !is_canary(claim.object)) {
        let known = first.entry((&claim.host, &claim.what)).or_default();
        let taken = known
            .iter()
            .find(|known| !std::ptr::eq(known.object, claim.object) && known.shares_a_door(claim));
        if let Some(taken) = taken {
            let message = format!(
                "{} and {} both claim `{}`",
                taken.object.title(),
                claim.object.title(),
                claim.host
            );
            let finding = RULE.at(claim.object.spot(claim.node), message);
            let cause =
                "the older of the two gets the requests, and which one that is differs by cluster";
            let finding = finding.cause(cause).fix("give one of them another host or path");
            findings.push(finding.related(taken.object.spot(taken.node), "claimed here too"));
        }
        known.push(claim);
    }
    wildcards(facts, claims, findings);
}

/// Wildcards that cover hosts which another release serves.
fn wildcards(facts: &Facts, claims: &[Claim<'_>], findings: &mut Vec<Finding>) {
    for claim in claims.iter().filter(|claim| claim.host.starts_with('*')) {
        let covered = claims.iter().find(|other| {
            other.object.owner != claim.object.owner
                && !other.host.starts_with('*')
                && parent::meet(&claim.host, &other.host)
                && other.shares_a_door(claim)
        });
        let Some(other) = covered else { continue };
        let message = format!(
            "{} takes every host of `{}`, among them those of {}",
            claim.object.title(),
            claim.host,
            facts.owner_title(other.object.owner)
        );
        let finding = RULE.at(claim.object.spot(claim.node), message).warning();
        let cause =
            "while that release's own route is not there, its visitors and their cookies come here";
        let finding = finding.cause(cause).fix("give the wildcard a domain of its own");
        findings.push(finding.related(other.object.spot(other.node), "one of these hosts"));
    }
}

/// A second Ingress for a share of the requests is meant.
fn is_canary(object: &Object) -> bool {
    object.annotation("nginx.ingress.kubernetes.io/canary") == Some("true")
}
