//! What a derived graph is made of: releases, edges, evidence.

use std::time::Duration;

use serde::Serialize;

use crate::finding::Spot;

/// One release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseNode {
    /// Its name; with what tells it apart, where a tree has the name twice.
    pub name: String,
    /// Its slot, if it has one.
    pub slot: Option<String>,
    /// Where it is declared.
    pub spot: Spot,
    /// How long Flux waits at most for its installation.
    pub timeout: Duration,
    /// Tries after the first; below zero: without end.
    pub retries: i64,
    /// Whether Ready means no more than applied.
    pub disable_wait: bool,
}

/// One entry of `dependsOn`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredEdge {
    /// The release that waits.
    pub from: usize,
    /// What it waits for.
    pub to: usize,
    /// Where the entry stands.
    pub spot: Spot,
    /// Whether it ends as soon as objects were applied, whether or not anything runs.
    pub applied_only: bool,
    /// Whether something that was derived asks for it. One without evidence may still be right: not
    /// everything that a program needs stands in files.
    pub has_evidence: bool,
}

/// One entry of `dependsOn` that names no release of the kit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownEdge {
    /// The release that waits.
    pub from: usize,
    /// The name it waits for.
    pub name: String,
    /// The most similar name of the kit, if it is similar enough to be a slip of the pen.
    pub nearest: Option<String>,
    /// Where the entry stands.
    pub spot: Spot,
}

/// What one release needs of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DerivedEdge {
    /// The release that needs it.
    pub from: usize,
    /// The release that makes it.
    pub to: usize,
    /// Why, what is most needed first.
    pub evidence: Vec<Evidence>,
    /// How the declared order stands to it.
    pub state: EdgeState,
}

/// How the declared order stands to a derived edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EdgeState {
    /// It is declared, directly or through other releases.
    Declared,
    /// It is not; this is what to add.
    Missing(Fix),
    /// It is not, but comes with another missing edge, whose end this is.
    ComesWith(usize),
    /// The declared order says the contrary, and what is needed is needed before anything runs.
    Reversed,
    /// The declared order says the contrary, but what is needed is needed only while it runs.
    Mutual,
}

/// One line to add.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fix {
    /// The file and line of the release's `dependsOn`, or where the release begins if it has none.
    #[serde(flatten)]
    pub spot: Spot,
    /// The entry.
    pub add: String,
    /// Whether `dependsOn` is there already.
    pub has_list: bool,
}

impl std::fmt::Display for Fix {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { spot, add, has_list } = self;
        if *has_list {
            write!(out, "add `{add}` to `dependsOn` in {}:{}", spot.file, spot.line)
        } else {
            let entry = add.trim_start_matches("- ").trim_matches(['{', '}']);
            write!(out, "add `dependsOn: [{{{entry}}}]` to `spec` in {}", spot.file)
        }
    }
}

/// Why one release needs another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// When it is needed.
    pub when: When,
    /// What sort of thing is needed.
    pub kind: EvidenceKind,
    /// What is needed.
    pub what: String,
    /// What needs it.
    pub by: String,
    /// Where it is asked for.
    pub consumer: Spot,
    /// Where it is made.
    pub provider: Spot,
}

/// When something is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// The release cannot be rendered or applied without it.
    Apply,
    /// A Pod does not start without it, or a hook waits for it.
    Start,
    /// What runs asks for it and asks again.
    Run,
}

/// What sort of thing a release needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EvidenceKind {
    /// A custom object's definition.
    CustomResource,
    /// A namespace.
    Namespace,
    /// A webhook that judges what is applied and refuses it when it does not answer.
    Webhook,
    /// A Secret.
    Secret,
    /// A ConfigMap.
    ConfigMap,
    /// A StorageClass, IngressClass, GatewayClass, PriorityClass or RuntimeClass.
    Class,
    /// An issuer of certificates.
    Issuer,
    /// Any other object that is named.
    Object,
    /// A Service that is called.
    Service,
}

/// Releases that wait for each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cycle {
    /// The whole way; its first release is repeated at its end.
    pub path: Vec<usize>,
    /// Whether `dependsOn` alone makes it; else needs of objects do, together with `dependsOn`.
    pub is_declared: bool,
}

/// The longest chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CriticalPath {
    /// The releases, the first to be installed first.
    pub path: Vec<usize>,
    /// The sum of their time-outs.
    pub timeout: Duration,
    /// The same with every retry used; nothing where one retries without end.
    pub with_retries: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fix_is_one_line_of_yaml() {
        let fix = |add: &str, has_list| {
            let spot = Spot::line("a.yaml", 3);
            Fix { spot, add: add.to_owned(), has_list }.to_string()
        };
        let other = "- {name: x, namespace: y}";
        assert_eq!(fix(other, true), "add `- {name: x, namespace: y}` to `dependsOn` in a.yaml:3");
        assert_eq!(
            fix(other, false),
            "add `dependsOn: [{name: x, namespace: y}]` to `spec` in a.yaml"
        );
        assert_eq!(fix("- name: x", false), "add `dependsOn: [{name: x}]` to `spec` in a.yaml");
    }
}
