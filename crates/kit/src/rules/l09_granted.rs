//! L09: whatever a program asks of the API server is granted to its account.

use std::collections::BTreeSet;

use super::{Decidability, Rule};
use crate::access;
use crate::facts::Facts;
use crate::finding::{Finding, Severity};
use crate::object::Object;
use crate::shell;
use crate::shell::calls::{Call, Reach};

pub(super) const RULE: Rule = Rule {
    id: "L09",
    title: "what a program asks of the API server is granted to its account",
    severity: Severity::Error,
    decidability: Decidability::Files,
    cause: "the API server answers 403; the program fails, or goes on without what it asked for",
    fix: "add the verb to a Role of that namespace which is bound to the account",
    page: include_str!("../../../../docs/rules/L09.md"),
    check,
};

fn check(facts: &Facts) -> Vec<Finding> {
    let pods = facts.applied().filter(|object| object.pod_spec().is_some());
    pods.flat_map(|object| pod(facts, object)).collect()
}

fn pod(facts: &Facts, object: &Object) -> Vec<Finding> {
    let Some(spec) = object.pod_spec() else { return Vec::new() };
    let account =
        spec.str_at("serviceAccountName").filter(|name| !name.is_empty()).unwrap_or("default");
    let namespace = object.namespace.as_deref().unwrap_or_default();
    let programs = shell::programs(facts, object);
    let asked: Vec<_> = programs
        .iter()
        .flat_map(|program| {
            shell::calls::doings(program).calls.into_iter().map(move |call| (program, call))
        })
        .collect();
    if asked.is_empty() || is_foreign(facts, namespace, account) {
        return Vec::new();
    }
    let grants = access::grants(facts, namespace, account);
    if grants.is_open {
        return Vec::new();
    }
    let mut told = BTreeSet::new();
    let mut findings = Vec::new();
    for (program, mut call) in asked {
        let Some((group, resource)) = access::resource(facts, &call.target) else { continue };
        if access::is_cluster_wide(facts, &group, &resource) {
            call.reach = Reach::All;
        }
        if grants.covers(&call, &group, &resource) {
            continue;
        }
        let message = format!(
            "{} asks to `{}` {}, which is not granted to account `{account}`",
            object.title(),
            call.verb,
            what(&call, &resource),
        );
        if told.insert((call.line, message.clone())) {
            let mut finding = RULE.at(program.spot(call.line), message);
            for role in &grants.roles {
                finding = finding.related(role.place(), "what it is granted");
            }
            findings.push(finding);
        }
    }
    findings
}

/// Whether an account comes from elsewhere, and its rights with it: nothing here names it.
fn is_foreign(facts: &Facts, namespace: &str, account: &str) -> bool {
    account != "default" && facts.find("", "ServiceAccount", Some(namespace), account).is_none()
}

fn what(call: &Call, resource: &str) -> String {
    let name =
        call.name.as_deref().filter(|_| call.verb != "create").map(|name| format!(" `{name}`"));
    let name = name.unwrap_or_default();
    match &call.reach {
        Reach::In(namespace) => format!("{resource}{name} in namespace `{namespace}`"),
        Reach::Unknown => format!("{resource}{name}"),
        Reach::All => format!("{resource}{name} of the whole cluster"),
    }
}
