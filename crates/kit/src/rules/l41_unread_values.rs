//! L41: a release sets no value that its chart never reads, and a chart's schema refuses such values.

use super::{Decidability, Rule};
use crate::facts::{Facts, Release};
use crate::finding::{Finding, Severity, Spot};
use crate::graph::distance;
use crate::render::wire::Read;
use crate::yaml::{Entry, Node};

pub(super) const RULE: Rule = Rule {
    id: "L41",
    title: "every value a release sets is read by its chart, and a schema refuses the others",
    severity: Severity::Error,
    decidability: Decidability::Files,
    cause: "Helm takes any value without a word; one that no template reads changes nothing",
    fix: "write the key as the chart reads it, or take the value away",
    page: include_str!("../../../../docs/rules/L41.md"),
    check,
};

fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut schemas = std::collections::BTreeSet::new();
    for release in &facts.releases {
        unread(facts, release, &mut findings);
        if let Some(folder) = release.chart.as_ref().and_then(|chart| chart.folder.as_deref()) {
            schemas.insert(join(folder, "values.schema.json"));
        }
    }
    for path in schemas {
        schema(facts, &path, &mut findings);
    }
    findings
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

fn unread(facts: &Facts, release: &Release, findings: &mut Vec<Finding>) {
    let object = facts.declaration(release);
    let (Some(values), Some(rendering)) = (object.node.at("spec/values"), &release.rendering)
    else {
        return;
    };
    // A chart always has reads of its own; none means that its templates could not be followed.
    if rendering.reads.is_empty() {
        return;
    }
    let mut found = Vec::new();
    search(values, &mut Vec::new(), &rendering.reads, &mut found);
    for (path, entry) in found {
        let shown = path.join(".");
        let message = format!(
            "release `{}` sets `{shown}`, which its chart never reads",
            release.declared.name
        );
        let mut finding = RULE.at(object.spot(&entry.key), message);
        if let Some(near) = nearest(&path, &rendering.reads) {
            finding = finding.fix(format!("did you mean `{near}`?"));
        }
        findings.push(finding);
    }
}

/// The topmost keys below which nothing is read.
fn search<'a>(
    node: &'a Node,
    path: &mut Vec<String>,
    reads: &[Read],
    found: &mut Vec<(Vec<String>, &'a Entry)>,
) {
    for entry in node.entries() {
        path.push(entry.name().to_owned());
        let whole = reads.iter().any(|read| read.whole && path.starts_with(&read.path));
        let here = || reads.iter().any(|read| read.path == *path);
        let below = || reads.iter().any(|read| read.path.starts_with(path));
        // Empty values and nulls set nothing.
        let says_nothing =
            entry.value.is_null() || entry.value.is_map() && entry.value.entries().is_empty();
        if !whole && !says_nothing {
            if !here() && !below() {
                found.push((path.clone(), entry));
            } else if entry.value.is_map() {
                search(&entry.value, path, reads, found);
            }
        }
        path.pop();
    }
}

/// The path that is read and differs least, in one key.
fn nearest(path: &[String], reads: &[Read]) -> Option<String> {
    let (last, above) = path.split_last()?;
    let siblings = reads
        .iter()
        .filter(|read| read.path.len() > above.len() && read.path.starts_with(above))
        .map(|read| &read.path[above.len()]);
    let best = siblings.map(|key| (distance(key, last), key)).min()?;
    let elsewhere = || {
        let ends = |read: &&Read| read.path.ends_with(path);
        reads.iter().find(ends).map(|read| read.path.join("."))
    };
    if best.0 <= 2 && best.0 < last.len() {
        return Some([above, std::slice::from_ref(best.1)].concat().join("."));
    }
    elsewhere()
}

/// A schema that lets any key pass.
fn schema(facts: &Facts, path: &str, findings: &mut Vec<Finding>) {
    let Ok(file) = facts.tree.file(path) else { return };
    let Some(root) = file.yaml().documents.first().map(|doc| &doc.root) else { return };
    let mut open = Vec::new();
    if root.get("$ref").is_none() {
        objects(root, "", &mut open);
    }
    for (name, node) in open {
        let what = if name.is_empty() { "the values".to_owned() } else { format!("`{name}`") };
        let message = format!("the schema lets any key of {what} pass");
        let key = node.entry("properties").map_or(node, |entry| &entry.key);
        let finding = RULE.at(Spot::span(file.path.clone(), key.span), message).warning();
        let cause = "a key with a slip of the pen passes, and changes nothing";
        findings.push(finding.cause(cause).fix("add `\"additionalProperties\": false`"));
    }
}

/// Objects of a schema that list their properties and do not refuse others.
fn objects<'a>(node: &'a Node, name: &str, open: &mut Vec<(String, &'a Node)>) {
    let Some(properties) = node.get("properties") else { return };
    let closes = ["additionalProperties", "unevaluatedProperties", "patternProperties"];
    let combined = ["allOf", "anyOf", "oneOf"];
    if !closes.iter().chain(&combined).any(|key| node.get(key).is_some()) {
        open.push((name.to_owned(), node));
    }
    for entry in properties.entries() {
        // Whatever chart is around this one has keys of its own in `global`.
        if entry.name() == "global" && name.is_empty() {
            continue;
        }
        let below = if name.is_empty() {
            entry.name().to_owned()
        } else {
            format!("{name}.{}", entry.name())
        };
        objects(&entry.value, &below, open);
        if let Some(items) = entry.value.get("items") {
            objects(items, &format!("{below}[]"), open);
        }
    }
}
