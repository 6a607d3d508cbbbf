//! L18: no rule of a Role binds `create`, `list`, `watch` or `deletecollection` to names.

use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity};
use crate::object::Object;
use crate::yaml::Node;

pub(super) const RULE: Rule = Rule {
    id: "L18",
    title: "no create, list, watch or deletecollection together with resourceNames",
    severity: Severity::Error,
    decidability: Decidability::Files,
    cause: "at the time of `create` the API server's authoriser does not know the name, so the rule \
            never matches and the request is refused with 403",
    fix: "split the rule: these verbs in a rule without `resourceNames`, the others in one with them",
    page: include_str!("../../../../docs/rules/L18.md"),
    check,
};

fn check(facts: &Facts) -> Vec<Finding> {
    let roles = facts.applied().filter(|object| {
        object.is("rbac.authorization.k8s.io", "Role")
            || object.is("rbac.authorization.k8s.io", "ClusterRole")
    });
    roles.flat_map(role).collect()
}

fn role(object: &Object) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in object.node.items_at("rules") {
        let Some(names) = rule.get("resourceNames").filter(|names| !names.items().is_empty())
        else {
            continue;
        };
        for verb in rule.items_at("verbs") {
            let Some(text) = verb.text() else { continue };
            // `list` and `watch` match a request that selects the one name by a field selector.
            let (severity, cause) = match text {
                "create" | "deletecollection" => (Severity::Error, RULE.cause),
                "list" | "watch" => (
                    Severity::Warning,
                    "this matches only requests with the field selector `metadata.name`, which \
                     informers and kubectl do not send",
                ),
                _ => continue,
            };
            let resources = texts(rule.items_at("resources"));
            let message = format!(
                "{}: `{text}` on {resources} is bound to names and never granted",
                object.title()
            );
            let mut finding = RULE.at(object.spot(verb), message).cause(cause);
            finding.severity = severity;
            findings.push(finding.related(object.spot(names), "bound to these names"));
        }
    }
    findings
}

fn texts(nodes: &[Node]) -> String {
    nodes.iter().filter_map(Node::text).collect::<Vec<_>>().join(", ")
}
