//! L31: a program says itself whether it can work. What is in its image no manifest shows; whether its
//! probes are told apart is looked at here.

use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity};
use crate::object::Object;
use crate::script;
use crate::yaml::Node;

pub(super) const RULE: Rule = Rule {
    id: "L31",
    title: "a program says itself whether it can work, and lives while it cannot",
    severity: Severity::Error,
    decidability: Decidability::Undecidable,
    cause: "when that other system is away, the kubelet kills the Pod again and again, and with it what \
            would still have worked",
    fix: "let liveness ask for the process alone, and readiness for what it depends on",
    page: include_str!("../../../../docs/rules/L31.md"),
    check,
};

fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for object in facts.applied() {
        for container in object.containers() {
            findings.extend(judge(object, container));
        }
    }
    findings
}

fn judge(object: &Object, container: &Node) -> Option<Finding> {
    let liveness = container.get("livenessProbe")?;
    let name = container.str_at("name").unwrap_or_default();
    let path = |probe: &Node| {
        let get = probe.get("httpGet")?;
        Some((
            get.get("path")?.text()?.to_owned(),
            get.get("port").and_then(Node::text)?.to_owned(),
        ))
    };
    if let Some(node) = liveness.at("httpGet/path")
        && node.text().is_some_and(|path| path.to_ascii_lowercase().contains("ready"))
    {
        let message =
            format!("{}: the liveness of `{name}` asks whether it is ready", object.title());
        return Some(RULE.at(object.spot(node), message));
    }
    let mut command = liveness.items_at("exec/command").iter();
    let elsewhere = command.find(|word| word.text().is_some_and(asks_another));
    if let Some(node) = elsewhere {
        let message = format!("{}: the liveness of `{name}` asks another system", object.title());
        return Some(RULE.at(object.spot(node), message));
    }
    // One answer for both can only be right for one of them, where the program depends on others.
    let readiness = container.get("readinessProbe").and_then(path)?;
    let depends = script::of_container(container).any(|node| node.text().is_some_and(asks_another));
    let node = liveness.at("httpGet/path").filter(|_| depends)?;
    if path(liveness)? != readiness {
        return None;
    }
    let message = format!("{}: `{name}` has one answer for liveness and readiness", object.title());
    Some(RULE.at(object.spot(node), message).warning())
}

/// Whether a text names another host.
fn asks_another(text: &str) -> bool {
    let local = ["localhost", "127.0.0.1", "0.0.0.0", "[::1]", "$", ":"];
    let hosts = text.match_indices("://").map(|(at, _)| &text[at + 3..]);
    let mut hosts = hosts.filter(|host| !host.is_empty());
    hosts.any(|host| !local.iter().any(|own| host.starts_with(own)))
}
