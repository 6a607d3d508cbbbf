//! L20: what is applied is admitted by the policies that are applied with it.

mod pattern;
mod policy;

use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity};
use crate::object::Object;
use crate::yaml::Node;

use pattern::Outcome;
use policy::{Judged, Policy};

pub(super) const RULE: Rule = Rule {
    id: "L20",
    title: "what is applied is admitted by the policies that are applied with it",
    severity: Severity::Error,
    decidability: Decidability::Files,
    cause: "the policy refuses the object, or its Pods one by one: the release never becomes Ready, and the \
            reason stands in the events of a ReplicaSet",
    fix: "mend the object, or except it in the policy by name",
    page: include_str!("../../../../docs/rules/L20.md"),
    check,
};

/// Group of Kyverno's policies.
const KYVERNO: &str = "kyverno.io";

fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for object in &facts.objects {
        match (object.group(), object.kind.as_str()) {
            (KYVERNO, "ClusterPolicy" | "Policy") => {
                for rule in object.node.items_at("spec/rules") {
                    judge(facts, &Policy { object, rule }, &mut findings);
                }
            }
            ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy")
            | ("policies.kyverno.io", "ValidatingPolicy" | "ImageValidatingPolicy") => {
                let message =
                    format!("{} is written in CEL and is not evaluated here", object.title());
                findings.push(open(RULE.at(object.place(), message)));
            }
            _ => {}
        }
    }
    findings
}

/// A policy that is not evaluated: silence about it would mean nothing.
fn open(finding: Finding) -> Finding {
    let finding = finding.cause("whether it admits what is applied is not known from files");
    finding
        .fix("write it as `validate.pattern`, or allow this finding and try it on a cluster")
        .warning()
}

fn judge<'a>(facts: &'a Facts, policy: &Policy<'a>, findings: &mut Vec<Finding>) {
    let judged = match policy.judged() {
        Judged::Nothing => return,
        Judged::Unknown(node, why) => {
            let message = format!("rule `{}` of {} {why}", policy.name(), policy.object.title());
            findings.push(open(RULE.at(policy.object.spot(node), message)));
            return;
        }
        Judged::Patterns(patterns) => patterns,
    };
    for object in facts.applied().filter(|object| policy.is_about(facts, object)) {
        for root in policy.parts(facts, object) {
            let outcomes = judged.iter().map(|pattern| pattern::hold(pattern, root));
            let mut failed = None;
            let is_admitted = outcomes.into_iter().any(|outcome| match outcome {
                Outcome::Fails(fault) => {
                    failed.get_or_insert(fault);
                    false
                }
                Outcome::Holds | Outcome::Skipped | Outcome::NotMeant => true,
            });
            if let Some(fault) = failed.filter(|_| !is_admitted) {
                findings.push(refused(policy, object, fault.node, &fault.path));
            }
        }
    }
}

fn refused(policy: &Policy<'_>, object: &Object, node: &Node, path: &str) -> Finding {
    let rule = policy.name();
    let message =
        format!("{} is refused by `{}/{rule}`: {path}", object.title(), policy.object.name);
    let mut finding = RULE.at(object.spot(node), message);
    if let Some(words) = policy.rule.at("validate/message").and_then(Node::text) {
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        finding = finding.fix(format!("{}: {words}", RULE.fix));
    }
    if !policy.enforces() {
        finding =
            finding.cause("the policy only audits: the object is applied, and reported").warning();
    }
    finding
        .related(policy.object.spot(policy.rule.get("name").unwrap_or(policy.rule)), "the policy")
}
