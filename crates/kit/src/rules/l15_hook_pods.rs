//! L15: hook Pods are small, end by themselves and leave nothing behind.

use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity};
use crate::object::Object;
use crate::quantity::thousandths;
use crate::yaml::Node;

pub(super) const RULE: Rule = Rule {
    id: "L15",
    title: "hook Pods are small, end by themselves and leave nothing behind",
    severity: Severity::Warning,
    decidability: Decidability::Files,
    cause: "a release waits for its hook: one that finds no room, or never ends, is told as a bare time-out \
            of the release",
    fix: "set `activeDeadlineSeconds`, `ttlSecondsAfterFinished` and small requests with a memory limit",
    page: include_str!("../../../../docs/rules/L15.md"),
    check,
};

/// What a full node still has: thousandths of a core, thousandths of a byte.
const SMALL_CPU: i64 = 250;
const SMALL_MEMORY: i64 = (256 << 20) * 1_000;

fn check(facts: &Facts) -> Vec<Finding> {
    facts.applied().filter_map(judge).collect()
}

fn judge(object: &Object) -> Option<Finding> {
    let hook = object.hook.as_ref()?;
    let spec = object.pod_spec()?;
    if hook.events.iter().all(|event| event == "test") {
        return None;
    }
    let mut faults = Vec::new();
    let has = |path: &str| object.node.at(path).is_some();
    if !has("spec/activeDeadlineSeconds") && spec.get("activeDeadlineSeconds").is_none() {
        faults.push("has no activeDeadlineSeconds".to_owned());
    }
    let is_cleared = hook.delete_policies.iter().any(|policy| policy == "hook-succeeded");
    if object.is("batch", "Job") && !is_cleared && !has("spec/ttlSecondsAfterFinished") {
        faults.push(
            "stays behind (neither ttlSecondsAfterFinished nor the policy hook-succeeded)"
                .to_owned(),
        );
    }
    let is_critical = spec.str_at("priorityClassName").is_some_and(|name| !name.is_empty());
    for container in object.containers() {
        let name = container.str_at("name").unwrap_or_default();
        if let Some(fault) = resources(container, is_critical) {
            faults.push(format!("container `{name}` {fault}"));
        }
    }
    (!faults.is_empty())
        .then(|| RULE.at(object.place(), format!("{} {}", object.title(), faults.join("; "))))
}

/// What is wrong with a container's resources.
fn resources(container: &Node, is_critical: bool) -> Option<String> {
    let quantity = |path: &str| container.at(path).and_then(Node::text);
    let request = |name: &str| {
        let stated = quantity(&format!("resources/requests/{name}"));
        stated.or_else(|| quantity(&format!("resources/limits/{name}")))
    };
    let (cpu, memory) = (request("cpu"), request("memory"));
    if quantity("resources/limits/memory").is_none() {
        return Some("has no memory limit".to_owned());
    }
    if cpu.is_none() {
        return Some("requests no cpu".to_owned());
    }
    let large = cpu.and_then(thousandths).is_some_and(|cpu| cpu > SMALL_CPU)
        || memory.and_then(thousandths).is_some_and(|memory| memory > SMALL_MEMORY);
    (large && !is_critical).then(|| {
        let (cpu, memory) = (cpu.unwrap_or("0"), memory.unwrap_or("0"));
        format!("requests {cpu} of cpu and {memory} of memory without a priorityClassName")
    })
}
