//! L13: every object has the form of its type, to the last field.

use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity, Spot};
use crate::object::{Object, Owner};

pub(super) const RULE: Rule = Rule {
    id: "L13",
    title: "every object has the form of its type, to the last field",
    severity: Severity::Error,
    decidability: Decidability::Files,
    cause: "the API server refuses the object, or drops the field without a word; of a build that is \
            applied as a whole, nothing is applied then",
    fix: "correct the field; `kubectl explain` lists those there are",
    page: include_str!("../../../../docs/rules/L13.md"),
    check,
};

fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (object, verdict) in facts.objects.iter().zip(&facts.verdicts) {
        for fault in &verdict.faults {
            let (path, words) = read(fault);
            let spot = spot(object, &path);
            findings.push(RULE.at(spot, format!("{}: {words}", object.title())));
        }
    }
    for (at, object) in facts.objects.iter().enumerate() {
        let is_release = object.group() == "helm.toolkit.fluxcd.io";
        if is_release
            && matches!(object.owner, Owner::Build(_))
            && facts.verdicts.get(at).is_some_and(|v| !v.known)
        {
            let node = object.node.get("apiVersion").unwrap_or(&object.node);
            let message = format!(
                "{} is of `{}`, which Flux does not serve",
                object.title(),
                object.api_version
            );
            findings
                .push(RULE.at(object.spot(node), message).fix("write `helm.toolkit.fluxcd.io/v2`"));
        }
    }
    findings
}

/// The path a decoder's words name, and the words for people.
fn read(fault: &str) -> (String, String) {
    if let Some(rest) = fault.strip_prefix("unknown field \"") {
        let path = rest.trim_end_matches('"').to_owned();
        return (path.clone(), format!("there is no field `{path}`"));
    }
    if let Some(rest) = fault.strip_prefix("duplicate field \"") {
        let path = rest.trim_end_matches('"').to_owned();
        return (path.clone(), format!("the field `{path}` is there twice"));
    }
    // `json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32`
    if let Some((_, rest)) = fault.split_once("Go struct field ") {
        let field = rest.split_whitespace().next().unwrap_or_default();
        let path = field.split_once('.').map_or(field, |(_, path)| path).to_owned();
        let got = fault.split_once("cannot unmarshal ").map_or("", |(_, rest)| rest);
        let got = got.split_whitespace().next().unwrap_or("something else");
        let wanted = rest.rsplit(' ').next().unwrap_or_default();
        return (path.clone(), format!("`{path}` is a {got} and should be {wanted}"));
    }
    (String::new(), fault.to_owned())
}

/// Where a path such as `spec.containers[0].image` stands; the nearest above it that is there.
fn spot(object: &Object, path: &str) -> Spot {
    let mut at = &*object.node;
    let mut spot = object.place();
    for step in path.split(['.', '[']).filter(|step| !step.is_empty()) {
        let next = match step.strip_suffix(']') {
            Some(number) => number.parse::<usize>().ok().and_then(|number| at.items().get(number)),
            None => at.entry(step).map(|entry| {
                spot = object.spot(&entry.key);
                &entry.value
            }),
        };
        let Some(next) = next else { break };
        at = next;
    }
    spot
}
