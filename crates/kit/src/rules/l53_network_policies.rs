//! L53: network policies let through what Pods of the kit say to each other.

mod peers;

use std::collections::BTreeSet;

use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity, Spot};
use crate::object::Object;
use crate::script;
use crate::yaml::Node;
use peers::{Direction, Ends};

pub(super) const RULE: Rule = Rule {
    id: "L53",
    title: "network policies let through what Pods of the kit say to each other",
    severity: Severity::Warning,
    decidability: Decidability::Files,
    cause: "what a policy does not name is dropped without an answer: the caller waits until its time is up",
    fix: "add the namespace and the port to the policy",
    page: include_str!("../../../../docs/rules/L53.md"),
    check,
};

fn check(facts: &Facts) -> Vec<Finding> {
    let policies: Vec<&Object> = facts.of_kind("networking.k8s.io", "NetworkPolicy").collect();
    let mut findings = Vec::new();
    if policies.is_empty() {
        return findings;
    }
    let mut told = BTreeSet::new();
    for caller in facts.applied().filter(|object| object.pod_spec().is_some()) {
        let calls = calls(facts, caller);
        names(facts, &policies, caller, calls.first(), &mut findings);
        for call in calls {
            let ends = Ends { facts, caller, service: call.service, port: call.port };
            for direction in [Direction::Out, Direction::In] {
                let Some(policy) = peers::forbids(&ends, &policies, direction) else { continue };
                let key = (policy.title(), caller.title(), call.service.title());
                if !told.insert((key, direction)) {
                    continue;
                }
                let (who, whom) = (caller.title(), call.service.title());
                let message = match direction {
                    Direction::Out => {
                        format!("{} does not let {who} out to {whom}", policy.title())
                    }
                    Direction::In => format!("{} does not let {who} in to {whom}", policy.title()),
                };
                let finding = RULE.at(rules_spot(policy, direction), message);
                findings.push(finding.related(call.spot.clone(), "asked for here"));
            }
        }
    }
    findings
}

/// Where a policy says what it lets through.
fn rules_spot(policy: &Object, direction: Direction) -> Spot {
    let spec = policy.node.get("spec");
    let stated =
        spec.and_then(|spec| spec.entry(direction.rules()).or_else(|| spec.entry("policyTypes")));
    stated.map_or_else(|| policy.place(), |entry| policy.spot(&entry.value))
}

/// Whoever calls by name must reach the cluster's name server.
fn names(
    facts: &Facts,
    policies: &[&Object],
    caller: &Object,
    call: Option<&Call<'_>>,
    findings: &mut Vec<Finding>,
) {
    let Some(call) = call else { return };
    let Some(policy) = peers::forbids_names(facts, caller, policies) else { return };
    let message = format!("{} does not let {} ask for names", policy.title(), caller.title());
    let finding = RULE.at(rules_spot(policy, Direction::Out), message);
    let finding = finding.cause("without the name server no Service is found by its name");
    let finding = finding.fix("let it out to port 53 of UDP and TCP in `kube-system`");
    findings.push(finding.related(call.spot.clone(), "a name it asks for"));
}

/// One Service that a program names.
struct Call<'a> {
    service: &'a Object,
    port: Option<i64>,
    spot: Spot,
}

/// The Services of the kit that a Pod's arguments and variables name, and the ConfigMaps it reads.
fn calls<'a>(facts: &'a Facts, caller: &'a Object) -> Vec<Call<'a>> {
    let mut texts: Vec<(&Object, &Node)> = Vec::new();
    for container in caller.containers() {
        texts.extend(script::of_container(container).map(|node| (caller, node)));
    }
    let references = caller.pod_spec().map(crate::refs::of_pod).unwrap_or_default();
    for reference in references.iter().filter(|reference| reference.kind == "ConfigMap") {
        let name = reference.name.text().unwrap_or_default();
        let Some(map) = facts.find("", "ConfigMap", caller.namespace.as_deref(), name) else {
            continue;
        };
        let data = map.node.get("data").map(Node::entries).unwrap_or_default();
        texts.extend(data.iter().map(|entry| (map, &entry.value)));
    }
    let mut calls = Vec::new();
    for (object, node) in texts {
        for (number, line) in node.text().unwrap_or_default().lines().enumerate() {
            if line.trim_start().starts_with(['#', ';']) {
                continue;
            }
            for (service, namespace, port) in mentions(line) {
                if let Some(service) = facts.find("", "Service", Some(namespace), service) {
                    calls.push(Call { service, port, spot: object.line_spot(node, number) });
                }
            }
        }
    }
    calls
}

/// Names such as `gitea.gitea.svc.cluster.local:3000` in a line: Service, namespace and port.
fn mentions(line: &str) -> Vec<(&str, &str, Option<i64>)> {
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let found = line.match_indices(".svc").filter_map(|(at, mark)| {
        let start = line[..at].rfind(|c| !is_name(c)).map_or(0, |end| end + 1);
        // `-` and letters alone are one byte each, so the start lies between two letters.
        let (head, namespace) = line.get(start..at)?.rsplit_once('.')?;
        let service = head.rsplit('.').next().filter(|service| !service.is_empty())?;
        let rest = &line[at + mark.len()..];
        if rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-') {
            return None;
        }
        let rest = rest.strip_prefix(".cluster.local").unwrap_or(rest);
        let port = rest.strip_prefix(':').and_then(|port| {
            let end = port.find(|c: char| !c.is_ascii_digit()).unwrap_or(port.len());
            port[..end].parse().ok()
        });
        Some((service, namespace, port))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_services_are_found_in_a_line() {
        let line = "a=http://git.code.svc:3000/x b=db-0.db.shop.svc.cluster.local c=x.svcs d=.svc";
        assert_eq!(mentions(line), [("git", "code", Some(3000)), ("db", "shop", None)]);
    }
}
