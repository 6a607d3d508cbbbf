//! L34: no program changes live what Flux applies from Git.

use serde_json::Value as Json;

use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity};
use crate::kinds;
use crate::object::{Object, Owner};
use crate::script::{self, Line, Script};
use crate::yaml::Node;

pub(super) const RULE: Rule = Rule {
    id: "L34",
    title: "no program changes live what Flux applies from Git",
    severity: Severity::Error,
    decidability: Decidability::Files,
    cause: "Flux puts back what Git says at its next look, some 30 seconds later; the program has long \
            reported success",
    fix: "change the source first (commit and push), wait for Flux to apply it, and then verify",
    page: include_str!("../../../../docs/rules/L34.md"),
    check,
};

/// Kinds as kubectl takes them: plural, short names, and the kind.
const KINDS: [(&[&str], &str); 20] = [
    (&["helmrelease", "helmreleases", "hr"], "HelmRelease"),
    (&["helmrepository", "helmrepositories", "helmrepo"], "HelmRepository"),
    (&["gitrepository", "gitrepositories", "gitrepo"], "GitRepository"),
    (&["ocirepository", "ocirepositories", "ocirepo"], "OCIRepository"),
    (&["kustomization", "kustomizations", "ks"], "Kustomization"),
    (&["deployment", "deployments", "deploy"], "Deployment"),
    (&["statefulset", "statefulsets", "sts"], "StatefulSet"),
    (&["daemonset", "daemonsets", "ds"], "DaemonSet"),
    (&["cronjob", "cronjobs", "cj"], "CronJob"),
    (&["service", "services", "svc"], "Service"),
    (&["ingress", "ingresses", "ing"], "Ingress"),
    (&["httproute", "httproutes"], "HTTPRoute"),
    (&["gateway", "gateways", "gtw"], "Gateway"),
    (&["configmap", "configmaps", "cm"], "ConfigMap"),
    (&["secret", "secrets"], "Secret"),
    (&["serviceaccount", "serviceaccounts", "sa"], "ServiceAccount"),
    (&["networkpolicy", "networkpolicies", "netpol"], "NetworkPolicy"),
    (&["storageclass", "storageclasses", "sc"], "StorageClass"),
    (&["namespace", "namespaces", "ns"], "Namespace"),
    (&["persistentvolumeclaim", "persistentvolumeclaims", "pvc"], "PersistentVolumeClaim"),
];
/// Of these, the first ones are Flux's own.
const OF_FLUX: usize = 5;
/// Options of kubectl that take a word of their own.
const WITH_WORD: [&str; 10] = [
    "-n",
    "--namespace",
    "--context",
    "--kubeconfig",
    "--type",
    "-p",
    "--patch",
    "-l",
    "--selector",
    "-o",
];

/// One call of kubectl that changes an object.
struct Change<'a> {
    verb: &'a str,
    kind: &'static str,
    is_flux: bool,
    /// Nothing when the program finds the name itself.
    name: Option<&'a str>,
    namespace: Option<&'a str>,
}

fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for object in facts.applied() {
        for script in script::of(object) {
            // A program that commits changes the source itself.
            if !script.text().contains("git push") {
                judge(facts, object, script, &mut findings);
            }
        }
    }
    findings
}

fn judge(facts: &Facts, object: &Object, script: Script<'_>, findings: &mut Vec<Finding>) {
    for line in script.lines() {
        let direct = line.text.contains("PATCH") && line.text.contains("toolkit.fluxcd.io/");
        let words = line.words();
        let change = change(&words, script.text());
        let asserted = change.as_ref().and_then(|change| asserted(facts, object, change, &line));
        let (what, declared) = match (change, asserted) {
            (Some(change), Some(declared)) => {
                let name = change.name.map(|name| format!(" `{name}`")).unwrap_or_default();
                (format!("`kubectl {}` changes {}{name}", change.verb, change.kind), declared)
            }
            _ if direct => ("a request changes an object of Flux".to_owned(), None),
            _ => continue,
        };
        let message = format!("{}: {what}, which Git declares", object.title());
        let mut finding = RULE.at(script.spot(&line), message);
        if let Some(declared) = declared {
            finding = finding.related(declared.place(), "declared here");
        }
        findings.push(finding);
    }
}

/// The object of the kit a change is about: `Some(None)` for one of Flux's whose name is not known,
/// nothing where Git does not speak of it.
fn asserted<'a>(
    facts: &'a Facts,
    program: &Object,
    change: &Change<'_>,
    line: &Line,
) -> Option<Option<&'a Object>> {
    let marks = matches!(change.verb, "annotate" | "label");
    let Some(name) = change.name else {
        let suspends = line.text.contains("suspend");
        return (change.is_flux && !marks && !suspends).then_some(None);
    };
    let fits = |object: &&Object| {
        object.kind == change.kind
            && object.name == name
            && change.namespace.is_none_or(|space| object.namespace.as_deref() == Some(space))
            && (kinds::is_flux(object.group()) || !change.is_flux)
    };
    let Some(declared) = facts.applied().filter(|object| object.hook.is_none()).find(fits) else {
        let suspends = line.text.contains("suspend");
        return (change.is_flux && !marks && !suspends).then_some(None);
    };
    // What a release makes to be filled by its own programs is no field of Git.
    let is_filled = matches!(change.kind, "Secret" | "ConfigMap")
        && matches!(declared.owner, Owner::Release(_))
        && declared.owner == program.owner;
    let says = match change.verb {
        "annotate" => says_key(declared, "metadata/annotations", line),
        "label" => says_key(declared, "metadata/labels", line),
        "patch" => patched(line).is_none_or(|patch| says(&declared.node, &patch)),
        _ => true,
    };
    (says && !is_filled).then_some(Some(declared))
}

/// Whether one of the words of a line sets a key that the object declares.
fn says_key(object: &Object, path: &str, line: &Line) -> bool {
    let declared = object.node.at(path).map(Node::entries).unwrap_or_default();
    let keys = line.words().into_iter().filter_map(|word| word.split_once('=')).map(|(key, _)| key);
    keys.into_iter().any(|key| declared.iter().any(|entry| entry.name() == key))
}

/// The patch in a line, where it can be read.
fn patched(line: &Line) -> Option<Json> {
    let from = line.text.find(['{', '['])?;
    let to = line.text.rfind(['}', ']'])?;
    let text = line.text.get(from..=to)?.replace("\\\"", "\"");
    serde_json::from_str(&text).ok()
}

/// Whether an object says anything about a field that a patch sets.
fn says(node: &Node, patch: &Json) -> bool {
    match patch {
        Json::Object(fields) => fields.iter().any(|(key, value)| match (node.get(key), value) {
            (Some(below), Json::Object(_)) => says(below, value),
            (Some(_), _) => true,
            (None, _) => false,
        }),
        // A list of operations with paths.
        Json::Array(operations) => operations.iter().any(|operation| {
            operation["path"].as_str().is_some_and(|path| node.at(path).is_some())
        }),
        _ => true,
    }
}

/// The change a line makes, if it makes one.
fn change<'a>(words: &[&'a str], script: &str) -> Option<Change<'a>> {
    let at = words.iter().position(|word| *word == "kubectl" || word.ends_with("/kubectl"))?;
    let mut namespace = None;
    let mut plain = Vec::new();
    let mut rest = words[at + 1..].iter();
    while let Some(word) = rest.next() {
        if WITH_WORD.contains(word) {
            let value = rest.next().copied();
            if matches!(*word, "-n" | "--namespace") {
                namespace = value.filter(|value| !value.contains('$'));
            }
        } else if let Some(value) = word.strip_prefix("--namespace=") {
            namespace = Some(value).filter(|value| !value.contains('$'));
        } else if matches!(*word, "|" | "&&" | "||" | ">") {
            break;
        } else if !word.starts_with('-') {
            plain.push(*word);
        }
    }
    let mut plain = plain.into_iter();
    let verb = plain.next()?;
    if !matches!(verb, "patch" | "annotate" | "label" | "set" | "scale" | "edit") {
        return None;
    }
    if verb == "set" {
        plain.next()?;
    }
    let target = plain.next()?;
    let (kind, name) = match target.split_once('/') {
        Some((kind, name)) => (kind, Some(name)),
        None => (target, plain.next()),
    };
    let (kind, is_flux) = match kind_of(kind) {
        Some(known) => known,
        // `kubectl patch "$one"`, with names out of `kubectl get helmrepository -o name`.
        None if target.starts_with('$') => {
            let (_, kind) = KINDS[..OF_FLUX].iter().find(|(names, _)| {
                names.iter().any(|name| script.contains(&format!("get {name}")))
            })?;
            return Some(Change { verb, kind, is_flux: true, name: None, namespace });
        }
        None => return None,
    };
    let name = name.filter(|name| !name.contains('$') && !name.starts_with('-'));
    Some(Change { verb, kind, is_flux, name, namespace })
}

fn kind_of(word: &str) -> Option<(&'static str, bool)> {
    let word = word.split('.').next().unwrap_or(word).to_ascii_lowercase();
    let at = KINDS.iter().position(|(names, _)| names.contains(&word.as_str()))?;
    Some((KINDS[at].1, at < OF_FLUX))
}
