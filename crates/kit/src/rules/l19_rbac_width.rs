//! L19: no rule grants everything, and no Pod that talks to the API uses the default account.

use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity};
use crate::object::Object;
use crate::yaml::Node;

pub(super) const RULE: Rule = Rule {
    id: "L19",
    title: "no wildcard in RBAC, no cluster-admin, nothing bound to a default account",
    severity: Severity::Error,
    decidability: Decidability::Files,
    cause: "whoever gets into one Pod of this account owns what the rule covers, which is everything",
    fix: "name the groups, resources and verbs that are used",
    page: include_str!("../../../../docs/rules/L19.md"),
    check,
};

const RBAC: &str = "rbac.authorization.k8s.io";

fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for object in facts.applied().filter(|object| object.group() == RBAC) {
        match object.kind.as_str() {
            "Role" | "ClusterRole" => wildcards(object, &mut findings),
            "RoleBinding" | "ClusterRoleBinding" => subjects(object, &mut findings),
            _ => {}
        }
    }
    findings
}

fn wildcards(object: &Object, findings: &mut Vec<Finding>) {
    for rule in object.node.items_at("rules") {
        let star = |part: &str| rule.items_at(part).iter().find(|item| item.text() == Some("*"));
        // A wildcard of one dimension can be meant; with verbs or resources open it is not.
        let (verbs, resources, groups) = (star("verbs"), star("resources"), star("apiGroups"));
        let (node, what) = match (verbs, resources, groups) {
            (Some(node), Some(_), _) => (node, "every verb on every resource"),
            (Some(node), None, _) => (node, "every verb"),
            (None, Some(node), Some(_)) => (node, "every resource of every group"),
            (None, Some(node), None) => (node, "every resource of a group"),
            _ => continue,
        };
        let reads_only = verbs.is_none() && texts(rule.items_at("verbs")).all(is_read);
        let finding = RULE.at(object.spot(node), format!("{} grants {what}", object.title()));
        findings.push(if reads_only { finding.warning() } else { finding });
    }
}

fn texts(nodes: &[Node]) -> impl Iterator<Item = &str> {
    nodes.iter().filter_map(Node::text)
}

fn is_read(verb: &str) -> bool {
    matches!(verb, "get" | "list" | "watch")
}

fn subjects(object: &Object, findings: &mut Vec<Finding>) {
    if object.node.str_at("roleRef/name") == Some("cluster-admin") {
        let node = object.node.at("roleRef/name").unwrap_or(&object.node);
        let message = format!("{} grants cluster-admin", object.title());
        findings.push(RULE.at(object.spot(node), message));
    }
    for subject in object.node.items_at("subjects") {
        let is_account = subject.str_at("kind") == Some("ServiceAccount");
        if is_account && subject.str_at("name") == Some("default") {
            let node = subject.get("name").unwrap_or(subject);
            let message = format!("{} grants rights to the default account", object.title());
            let finding = RULE.at(object.spot(node), message);
            let cause = "every Pod of the namespace that names no account has these rights";
            findings.push(finding.cause(cause).fix("make an account for the Pod that needs them"));
        }
    }
}
