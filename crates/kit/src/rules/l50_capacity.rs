//! L50: what the kit's Pods ask for fits into the machines it is declared for.

use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity, Spot};
use crate::object::Object;
use crate::quantity::thousandths;
use crate::yaml::Node;

pub(super) const RULE: Rule = Rule {
    id: "L50",
    title: "what Pods ask for fits into the declared machines, with room to spare",
    severity: Severity::Warning,
    decidability: Decidability::Declared,
    cause: "on a full machine the last Pods stay Pending, hooks among them, and a rolling update has no room",
    fix: "ask for less, or declare and order larger machines",
    page: include_str!("../../../../docs/rules/L50.md"),
    check,
};

/// Of the capacity, per hundred.
const SHARE: i64 = 80;

/// One resource: its name, and what people count it in (thousandths of one, and the word).
const RESOURCES: [(&str, i64, &str); 2] = [("cpu", 1000, "CPUs"), ("memory", 1000 << 20, "MiB")];

fn check(facts: &Facts) -> Vec<Finding> {
    let Some(capacity) = &facts.settings.capacity else { return Vec::new() };
    let file = facts.settings.file.clone().unwrap_or_default();
    let nodes = capacity.get("nodes").and_then(Node::int).unwrap_or(1).max(1);
    let mut findings = Vec::new();
    for (resource, unit, word) in RESOURCES {
        let Some(node) = capacity.get(resource) else { continue };
        let Some(there) = node.text().and_then(thousandths) else { continue };
        let mut asked: Vec<(i64, &Object)> = Vec::new();
        for object in facts.applied().filter(|object| object.hook.is_none()) {
            let Some(one) = of_pod(object, resource) else { continue };
            if one > there / nodes {
                let message = format!(
                    "a Pod of {} asks for {} {word}, a machine has {}",
                    object.title(),
                    one / unit,
                    there / nodes / unit
                );
                let mut finding = RULE.at(request_spot(object, resource), message);
                finding.severity = Severity::Error;
                findings.push(finding.cause("no machine can ever take it: the Pod stays Pending"));
            }
            asked.push((one * pods(object, nodes), object));
        }
        let sum: i64 = asked.iter().map(|(amount, _)| amount).sum();
        if sum <= there / 100 * SHARE {
            continue;
        }
        let percent = sum * 100 / there.max(1);
        let (sum, most) = (shown(sum, unit), shown(there, unit));
        let message =
            format!("Pods ask for {sum} of {most} {word}: {percent} % (at most {SHARE} %)");
        let mut finding = RULE.at(Spot::span(file.as_str(), node.span), message);
        asked.sort_by_key(|(amount, _)| -amount);
        for (amount, object) in asked.iter().take(3) {
            let message = format!("{} {word}", shown(*amount, unit));
            finding = finding.related(request_spot(object, resource), message);
        }
        findings.push(finding);
    }
    findings
}

/// An amount with one digit behind the point.
fn shown(amount: i64, unit: i64) -> String {
    let tenths = amount / (unit / 10).max(1);
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// What one Pod asks for: its containers together, or its largest init container.
fn of_pod(object: &Object, resource: &str) -> Option<i64> {
    if matches!(object.kind.as_str(), "Job" | "CronJob") {
        return None;
    }
    let spec = object.pod_spec()?;
    let of = |container: &Node| {
        let text = container.at("resources/requests").or_else(|| container.at("resources/limits"));
        text.and_then(|all| all.get(resource)?.text()).and_then(thousandths).unwrap_or(0)
    };
    let together: i64 = spec.items_at("containers").iter().map(of).sum();
    let first = spec.items_at("initContainers").iter().map(of).max().unwrap_or(0);
    Some(together.max(first))
}

/// How many Pods there are.
fn pods(object: &Object, nodes: i64) -> i64 {
    match object.kind.as_str() {
        "DaemonSet" => nodes,
        _ => object.node.at("spec/replicas").and_then(Node::int).unwrap_or(1),
    }
}

fn request_spot(object: &Object, resource: &str) -> Spot {
    let stated = object
        .containers()
        .into_iter()
        .find_map(|container| container.at("resources/requests")?.get(resource));
    stated.map_or_else(|| object.place(), |node| object.spot(node))
}
