//! L39: nothing of another installation is left in what is applied.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity, Spot};
use crate::object::{Object, Owner};
use crate::yaml::{Entry, Node};

pub(super) const RULE: Rule = Rule {
    id: "L39",
    title: "no word of another installation is left in what is applied",
    severity: Severity::Error,
    decidability: Decidability::Declared,
    cause: "this installation writes to, reads from or sends mail in the name of the other one",
    fix: "make it a value of the profile, such as `${SOVEREIGN_FQDN}`",
    page: include_str!("../../../../docs/rules/L39.md"),
    check,
};

/// Members that name types, not places.
const TYPES: [&str; 5] = ["apiVersion", "apiGroups", "group", "apiGroup", "description"];

fn check(facts: &Facts) -> Vec<Finding> {
    let words: Vec<String> =
        facts.settings.foreign_words.iter().map(|word| word.to_lowercase()).collect();
    let mut findings = Vec::new();
    if words.is_empty() {
        return findings;
    }
    let objects = facts.applied().filter(|object| object.kind != "CustomResourceDefinition");
    for object in objects {
        let is_secret = object.is("", "Secret");
        let mut open: Vec<&Node> = vec![&object.node];
        while let Some(node) = open.pop() {
            judge(facts, object, node, &words, &mut findings);
            open.extend(node.items());
            let told = |entry: &&Entry| !TYPES.contains(&entry.name());
            open.extend(node.entries().iter().filter(told).map(|entry| &entry.value));
        }
        if is_secret {
            for entry in object.node.get("data").map(Node::entries).unwrap_or_default() {
                encoded(facts, object, &entry.value, &words, &mut findings);
            }
        }
    }
    findings
}

fn judge(
    facts: &Facts,
    object: &Object,
    node: &Node,
    words: &[String],
    findings: &mut Vec<Finding>,
) {
    let Some(text) = node.str() else { return };
    let text = without_profile(facts, text);
    for (line, content) in text.lines().enumerate() {
        for word in words {
            let Some(found) = find(content, word) else { continue };
            let message = format!("{} holds `{found}`", object.title());
            let spot = spot(facts, object, node, line, found);
            findings.push(RULE.at(spot, message));
        }
    }
}

fn encoded(
    facts: &Facts,
    object: &Object,
    node: &Node,
    words: &[String],
    findings: &mut Vec<Finding>,
) {
    let Some(bytes) = node.str().and_then(|text| STANDARD.decode(text.trim()).ok()) else { return };
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let text = without_profile(facts, &text);
    for word in words.iter().filter(|word| find(&text, word).is_some()) {
        let message = format!("{} holds `{word}`, encoded", object.title());
        findings.push(RULE.at(object.spot(node), message));
    }
}

/// A text without what the profile itself brings.
fn without_profile(facts: &Facts, text: &str) -> String {
    let values = facts.settings.substitute.values().filter(|value| value.len() > 3);
    values.fold(text.to_owned(), |text, value| text.replace(value.as_str(), ""))
}

/// The word as it stands in a line, if it stands there whole.
fn find<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    let lower = line.to_ascii_lowercase();
    let is_inner = |c: char| c.is_alphanumeric() || c == '_';
    lower.match_indices(word).find_map(|(at, _)| {
        let end = at + word.len();
        let is_whole = !lower[..at].ends_with(is_inner) && !lower[end..].starts_with(is_inner);
        line.get(at..end).filter(|_| is_whole)
    })
}

/// Where the word is written: in the template or manifest, else in the values that bring it.
fn spot(facts: &Facts, object: &Object, node: &Node, line: usize, word: &str) -> Spot {
    let spot = object.spot_in(node, line, word);
    let is_there = |spot: &Spot| {
        let text = facts.tree.file(&spot.file).ok().and_then(|file| file.line(spot.line));
        text.is_some_and(|text| text.contains(word))
    };
    let Owner::Release(at) = object.owner else { return spot };
    if is_there(&spot) {
        return spot;
    }
    let release = &facts.releases[at];
    let declared = facts.declaration(release);
    let mut found = None;
    if let Some(values) = declared.node.at("spec/values") {
        values.walk(&mut |node| {
            if found.is_none() && node.str().is_some_and(|text| text.contains(word)) {
                found = Some(declared.spot(node));
            }
        });
    }
    found
        .or_else(|| in_values(facts, release.chart.as_ref()?.folder.as_deref()?, word))
        .unwrap_or(spot)
}

fn in_values(facts: &Facts, folder: &str, word: &str) -> Option<Spot> {
    let path = crate::tree::join(if folder == "." { "" } else { folder }, "values.yaml");
    let file = facts.tree.file(&path).ok()?;
    let mut found = None;
    file.yaml().documents.first()?.root.walk(&mut |node| {
        if found.is_none() && node.str().is_some_and(|text| text.contains(word)) {
            found = Some(Spot::span(path.as_str(), node.span));
        }
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_whole_only() {
        assert_eq!(find("https://Console.openova.io/x", "openova.io"), Some("openova.io"));
        assert_eq!(find("myopenova.io openova.iox", "openova.io"), None);
    }
}
