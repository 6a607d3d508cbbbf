//! L54: a Deployment with a volume that one node may mount replaces its Pod, it does not roll.

use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity};
use crate::object::Object;
use crate::yaml::Node;

pub(super) const RULE: Rule = Rule {
    id: "L54",
    title: "a Deployment with a ReadWriteOnce volume uses Recreate and one replica",
    severity: Severity::Error,
    decidability: Decidability::Files,
    cause: "a rolling update starts the new Pod before the old one lets go of the volume: on another node \
            it waits for ever, on the same one two programs write one volume",
    fix: "set `strategy: {type: Recreate}`, or use a StatefulSet with a claim for each replica",
    page: include_str!("../../../../docs/rules/L54.md"),
    check,
};

fn check(facts: &Facts) -> Vec<Finding> {
    facts.of_kind("apps", "Deployment").flat_map(|object| judge(facts, object)).collect()
}

fn judge(facts: &Facts, object: &Object) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Some(spec) = object.pod_spec() else { return findings };
    let replicas = object.node.at("spec/replicas");
    let count = replicas.and_then(Node::int).unwrap_or(1);
    let strategy = object.node.at("spec/strategy/type");
    let recreates = strategy.and_then(Node::text) == Some("Recreate");
    for volume in spec.items_at("volumes") {
        let Some(name) = volume.at("persistentVolumeClaim/claimName") else { continue };
        let Some(claim) = claim(facts, object, name) else { continue };
        let Some(mode) = single_mode(claim) else { continue };
        let text = mode.text().unwrap_or_default();
        if count > 1 {
            let node = replicas.unwrap_or(name);
            let message = format!("{} has {count} replicas and one {text} volume", object.title());
            let finding = RULE.at(object.spot(node), message);
            let cause = "replicas on other nodes never get the volume";
            findings.push(finding.cause(cause).related(claim.spot(mode), "the claim"));
        } else if count == 1 && !recreates {
            let node = strategy.unwrap_or(name);
            let message = format!("{} rolls over a {text} volume", object.title());
            let finding = RULE.at(object.spot(node), message);
            findings.push(finding.related(claim.spot(mode), "the claim"));
        }
    }
    findings
}

fn claim<'a>(facts: &'a Facts, object: &Object, name: &Node) -> Option<&'a Object> {
    facts.find("", "PersistentVolumeClaim", object.namespace.as_deref(), name.text()?)
}

/// The access mode, if none of the claim's lets several nodes write.
fn single_mode(claim: &Object) -> Option<&Node> {
    let modes = claim.node.items_at("spec/accessModes");
    let single = |mode: &&Node| {
        mode.text().is_some_and(|text| text == "ReadWriteOnce" || text == "ReadWriteOncePod")
    };
    modes.iter().find(single).filter(|_| modes.iter().all(|mode| single(&mode)))
}
