//! What differs between two objects, member by member. No secret value leaves this file.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::object::Object;
use crate::yaml::{Node, Value};

/// Stands for a value that is not shown.
pub const MASKED: &str = "(not shown)";
/// Characters of a value that are shown.
const SHOWN: usize = 100;
/// Words in the name of a member whose value is not for anybody's eyes.
const SECRET_WORDS: [&str; 7] =
    ["password", "passwd", "token", "apikey", "privatekey", "secretkey", "credential"];

/// One member that differs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    /// Its path: `spec/template/spec/containers[web]/image`.
    pub path: String,
    /// What stood there; nothing for a new member.
    pub old: Option<String>,
    /// What stands there; nothing for one that is gone.
    pub new: Option<String>,
}

/// Every difference. With `only_form` values are not compared, only which members there are: for
/// objects that come out differently at every rendering.
pub(super) fn changes(old: &Object, new: &Object, only_form: bool) -> Vec<Change> {
    let is_secret = new.is("", "Secret") || new.is("bitnami.com", "SealedSecret");
    let mut walk = Walk { is_secret, only_form, found: Vec::new() };
    walk.nodes(&old.node, &new.node, "");
    walk.found
}

struct Walk {
    is_secret: bool,
    only_form: bool,
    found: Vec<Change>,
}

impl Walk {
    fn nodes(&mut self, old: &Node, new: &Node, path: &str) {
        match (&old.value, &new.value) {
            (Value::Map(_), Value::Map(_)) => self.maps(old, new, path),
            (Value::List(_), Value::List(_)) => self.lists(old, new, path),
            (Value::Scalar(before), Value::Scalar(after)) => {
                if (&before.kind, &before.text) != (&after.kind, &after.text) && !self.only_form {
                    let (before, after) = first_difference(&before.text, &after.text);
                    self.add(path, Some(before), Some(after));
                }
            }
            _ => self.add(path, Some(brief(old)), Some(brief(new))),
        }
    }

    fn maps(&mut self, old: &Node, new: &Node, path: &str) {
        let keys: BTreeSet<&str> =
            old.entries().iter().chain(new.entries()).map(|entry| entry.name()).collect();
        for key in keys {
            let below = if path.is_empty() { key.to_owned() } else { format!("{path}/{key}") };
            self.pair(old.get(key), new.get(key), &below);
        }
    }

    fn lists(&mut self, old: &Node, new: &Node, path: &str) {
        let (before, after) = (old.items(), new.items());
        if let (Some(before_names), Some(after_names)) = (names(before), names(after)) {
            let all: BTreeSet<&str> = before_names.iter().chain(&after_names).copied().collect();
            for name in all {
                let find = |items: &[Node], names: &[&str]| {
                    names.iter().position(|one| *one == name).filter(|at| *at < items.len())
                };
                let old = find(before, &before_names).map(|at| &before[at]);
                let new = find(after, &after_names).map(|at| &after[at]);
                self.pair(old, new, &format!("{path}[{name}]"));
            }
            return;
        }
        for at in 0..before.len().max(after.len()) {
            self.pair(before.get(at), after.get(at), &format!("{path}[{at}]"));
        }
    }

    fn pair(&mut self, old: Option<&Node>, new: Option<&Node>, path: &str) {
        match (old, new) {
            (Some(old), Some(new)) => self.nodes(old, new, path),
            (old, new) => self.add(path, old.map(brief), new.map(brief)),
        }
    }

    fn add(&mut self, path: &str, old: Option<String>, new: Option<String>) {
        let shown = |text: String| {
            let hides = is_hidden(path) || is_revealing(&text) || self.is_secret && !is_open(path);
            if hides { MASKED.to_owned() } else { text }
        };
        let change = Change { path: path.to_owned(), old: old.map(shown), new: new.map(shown) };
        self.found.push(change);
    }
}

/// The names of items, if each has one of its own.
fn names(items: &[Node]) -> Option<Vec<&str>> {
    let names: Option<Vec<&str>> = items.iter().map(|item| item.get("name")?.text()).collect();
    names.filter(|names| names.iter().collect::<BTreeSet<_>>().len() == names.len())
}

/// A value in a few words.
fn brief(node: &Node) -> String {
    match &node.value {
        Value::Scalar(scalar) => cut(&scalar.text),
        Value::List(items) => format!("[{} items]", items.len()),
        Value::Map(entries) => format!("{{{} members}}", entries.len()),
    }
}

/// Both texts, or the first line in which long ones differ.
fn first_difference(old: &str, new: &str) -> (String, String) {
    if !old.contains('\n') && !new.contains('\n') {
        return (cut(old), cut(new));
    }
    let (before, after): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let at = before.iter().zip(&after).take_while(|(old, new)| old == new).count();
    let line = |lines: &[&str]| match lines.get(at) {
        Some(line) => format!("line {}: {}", at + 1, cut(line.trim())),
        None => format!("{} lines", lines.len()),
    };
    (line(&before), line(&after))
}

fn cut(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    let mut short: String = first.chars().take(SHOWN).collect();
    if short.len() < text.trim_end().len() {
        short.push('…');
    }
    short
}

/// Whether a path leads to what may be secret: by the words of its last two steps, unless it only
/// names another object.
fn is_hidden(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    let last: Vec<&str> = path.rsplit('/').take(2).collect();
    let plain: String = last.concat().chars().filter(char::is_ascii_alphanumeric).collect();
    let is_reference =
        last.iter().any(|step| step.ends_with("ref") || step.ends_with("secretname"));
    !is_reference && has_word(&plain)
}

fn has_word(text: &str) -> bool {
    SECRET_WORDS.iter().any(|word| text.contains(word))
}

/// Whether a text itself holds a password: in a URL, or in a line that says so.
fn is_revealing(text: &str) -> bool {
    let in_url = text.split("://").skip(1).any(|rest| {
        let host = rest.split(['/', ' ', '?']).next().unwrap_or_default();
        host.contains('@')
    });
    let plain: String = text
        .to_ascii_lowercase()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '=')
        .collect();
    in_url || text.contains([':', '=']) && has_word(&plain)
}

/// The members of a Secret that anybody may see.
fn is_open(path: &str) -> bool {
    path == "type"
        || path == "immutable"
        || path == "apiVersion"
        || path.starts_with("metadata/labels")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::object::{Identity, Owner, Source};
    use crate::tree::SourceFile;
    use crate::yaml::load;

    fn object(text: &str) -> Object {
        let node = Arc::new(load(text.as_bytes()).documents.remove(0).root);
        let source = Source::File(Arc::new(SourceFile::default()));
        Identity::of(&node).unwrap().object(node, Owner::Given, source, None)
    }

    fn told(old: &str, new: &str) -> Vec<String> {
        let old = old.trim_start();
        let changes = changes(&object(old), &object(new.trim_start()), false);
        let side = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        changes
            .into_iter()
            .map(|c| format!("{}: {} → {}", c.path, side(c.old), side(c.new)))
            .collect()
    }

    #[test]
    fn items_with_names_are_compared_by_name_and_the_others_by_place() {
        let pod = |containers: &str, args: &str| {
            format!(
                "{{apiVersion: v1, kind: Pod, metadata: {{name: a}}, spec: {{containers: [{containers}], args: [{args}]}}}}"
            )
        };
        let old = pod("{name: web, image: w:1}, {name: log, image: l:1}", "a, b");
        let new =
            pod("{name: log, image: l:2}, {name: new, image: n:1}, {name: web, image: w:1}", "a");
        assert_eq!(
            told(&old, &new),
            [
                "spec/args[1]: b → -",
                "spec/containers[log]/image: l:1 → l:2",
                "spec/containers[new]: - → {2 members}",
            ]
        );
    }

    #[test]
    fn a_number_that_becomes_a_text_differs() {
        let one = |value: &str| {
            format!(
                "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: a}}, data: {{a: {value}}}}}"
            )
        };
        assert_eq!(told(&one("1"), &one("'1'")), ["data/a: 1 → 1"]);
        assert_eq!(told(&one("1"), &one("1")), Vec::<String>::new());
    }

    #[test]
    fn of_a_long_text_the_first_line_that_differs_is_shown() {
        let map = |lines: &str| {
            format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata:\n  f: |\n{lines}"
            )
        };
        assert_eq!(
            told(&map("    a\n    b\n    c\n"), &map("    a\n    B\n    c\n")),
            ["data/f: line 2: b → line 2: B"]
        );
        assert_eq!(told(&map("    a\n"), &map("    a\n    b\n")), ["data/f: 1 lines → line 2: b"]);
    }

    #[test]
    fn no_secret_value_is_shown() {
        for (kind, old, new) in [
            ("Secret", "data: {a: aHVzaA==}", "data: {a: aHVzaDI=, b: aHVzaA==}"),
            ("Secret", "stringData: {a: hush}", "stringData: {a: hush2}"),
            ("Secret", "metadata: {name: a, annotations: {x: hush}}", "metadata: {name: a}"),
            ("ConfigMap", "data: {adminPassword: hush}", "data: {adminPassword: hush2}"),
            ("ConfigMap", "data: {api_key: hush}", "data: {api_key: hush2}"),
            ("ConfigMap", "data: {refresh-token: hush}", "data: {refresh-token: hush2}"),
            ("ConfigMap", "data: {url: 'pg://u:hush@db/x'}", "data: {url: 'pg://u:hush2@db/x'}"),
            (
                "ConfigMap",
                "data: {f: \"a\\nDB_PASSWORD=hush\\n\"}",
                "data: {f: \"a\\nDB_PASSWORD=hush2\\n\"}",
            ),
            (
                "Pod",
                "spec: {env: [{name: DB_TOKEN, value: hush}]}",
                "spec: {env: [{name: DB_TOKEN, value: hush2}]}",
            ),
            ("Pod", "spec: {env: [{name: DB_TOKEN, value: hush}]}", "spec: {env: []}"),
        ] {
            let whole = |part: &str| {
                let name = if part.starts_with("metadata") { "" } else { "metadata: {name: a}\n" };
                format!("apiVersion: v1\nkind: {kind}\n{name}{part}\n")
            };
            let told = told(&whole(old), &whole(new));
            assert!(!told.is_empty(), "{old}");
            let text = told.join("\n");
            assert!(!text.contains("hush") && !text.contains("aHVzaA"), "{text}");
        }
    }

    #[test]
    fn a_reference_to_a_secret_is_no_secret() {
        let pod = |name: &str| {
            format!(
                "{{apiVersion: v1, kind: Pod, metadata: {{name: a}}, spec: {{env: [{{name: T, valueFrom: {{secretKeyRef: {{name: {name}, key: token}}}}}}]}}}}"
            )
        };
        assert_eq!(told(&pod("a"), &pod("b")), ["spec/env[T]/valueFrom/secretKeyRef/name: a → b"]);
    }
}
