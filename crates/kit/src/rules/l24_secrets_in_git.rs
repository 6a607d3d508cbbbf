//! L24: nothing that writes to Git writes a secret. What the writer writes at run time no file shows;
//! what lies in the tree is looked at here.

use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity};
use crate::object::{Object, Owner};
use crate::script::plain;
use crate::yaml::{Entry, Node};

pub(super) const RULE: Rule = Rule {
    id: "L24",
    title: "no secret is written to Git",
    severity: Severity::Error,
    decidability: Decidability::Undecidable,
    cause: "whoever may read the repository has it, and its history keeps it when the file is gone",
    fix: "have it made in the cluster, or refer to a store; change the secret, for it is known now",
    page: include_str!("../../../../docs/rules/L24.md"),
    check,
};

fn check(facts: &Facts) -> Vec<Finding> {
    let in_git =
        |object: &&Object| matches!(object.owner, Owner::Build(_)) && object.is("", "Secret");
    facts.applied().filter(in_git).flat_map(|object| judge(facts, object)).collect()
}

fn judge(facts: &Facts, object: &Object) -> Vec<Finding> {
    // SOPS says in the object itself that its values are encrypted.
    if object.node.get("sops").is_some() {
        return Vec::new();
    }
    let parts = ["data", "stringData"].into_iter().filter_map(|part| object.node.get(part));
    let entries = parts.flat_map(Node::entries).filter(|entry| is_secret(entry));
    let written = entries.filter(|entry| !is_variable(facts, object, entry));
    let told = written.map(|entry| {
        let message = format!("{}: `{}` stands in Git", object.title(), entry.name());
        RULE.at(object.spot(&entry.value), message)
    });
    told.collect()
}

/// Whether an entry holds a secret: by its key, or by how little its text repeats itself.
fn is_secret(entry: &Entry) -> bool {
    let text = entry.value.text().unwrap_or_default();
    let key = plain(entry.name());
    let is_public = ["crt", "cert", "pub", "username", "user", "url", "host"];
    if text.is_empty() || text.starts_with("ENC[") || is_public.iter().any(|end| key.ends_with(end))
    {
        return false;
    }
    let named =
        ["password", "passwd", "token", "secret", "privatekey", "apikey", "dockerconfigjson"];
    named.iter().any(|end| key.ends_with(end))
        || text.contains("PRIVATE KEY-----")
        || text.len() >= 24 && !text.contains(char::is_whitespace) && bits_a_character(text) > 4.0
}

/// Whether Flux brings the value when it applies the object.
fn is_variable(facts: &Facts, object: &Object, entry: &Entry) -> bool {
    let spot = object.spot(&entry.value);
    let line = facts.tree.file(&spot.file).ok().and_then(|file| file.line(spot.line));
    line.is_some_and(|line| line.contains("${"))
}

/// Shannon's entropy of a text, a character.
fn bits_a_character(text: &str) -> f64 {
    let mut counts = [0_u32; 256];
    text.bytes().for_each(|byte| counts[usize::from(byte)] += 1);
    let all = f64::from(u32::try_from(text.len()).unwrap_or(u32::MAX));
    let shares = counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / all);
    shares.map(|share| -share * share.log2()).sum()
}
