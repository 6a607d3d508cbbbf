//! Kyverno's patterns: the anchors of keys, and the operators and wildcards of values.

use crate::quantity::thousandths as quantity;
use crate::yaml::{Node, ScalarKind, Value};

/// How a pattern and a value go together.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome<'a> {
    /// The value is as asked for.
    Holds,
    /// A condition in the pattern says that this part is not meant.
    Skipped,
    /// A condition in the pattern says that the object is not meant.
    NotMeant,
    /// It is not as asked for.
    Fails(Fault<'a>),
}

/// What is not as asked for.
#[derive(Debug, PartialEq)]
pub(super) struct Fault<'a> {
    /// The value, or what should hold it.
    pub(super) node: &'a Node,
    /// What was asked for, as `spec.containers.image: !*:latest`.
    pub(super) path: String,
}

/// Holds a value against a pattern.
pub(super) fn hold<'a>(pattern: &Node, value: &'a Node) -> Outcome<'a> {
    let mut path = Vec::new();
    element(pattern, value, &mut path)
}

fn element<'a>(pattern: &Node, value: &'a Node, path: &mut Vec<String>) -> Outcome<'a> {
    match (&pattern.value, &value.value) {
        (Value::Map(_), Value::Map(_)) => mapping(pattern, value, path),
        (Value::List(patterns), Value::List(values)) => match patterns.as_slice() {
            [] => Outcome::Holds,
            [pattern] => each(pattern, values, path),
            several => {
                let pairs = several.iter().enumerate();
                let outcomes = pairs.map(|(at, pattern)| match values.get(at) {
                    Some(value) => element(pattern, value, path),
                    None => fails(pattern, value, path),
                });
                worst(outcomes)
            }
        },
        (Value::Scalar(_), Value::List(values)) => each(pattern, values, path),
        (Value::Scalar(_), Value::Scalar(_)) if scalar(pattern, value) => Outcome::Holds,
        (Value::Scalar(_), Value::Map(_))
            if pattern.text() == Some("*") || pattern.text() == Some("?*") =>
        {
            Outcome::Holds
        }
        _ => fails(pattern, value, path),
    }
}

fn each<'a>(pattern: &Node, values: &'a [Node], path: &mut Vec<String>) -> Outcome<'a> {
    worst(values.iter().map(|value| element(pattern, value, path)))
}

/// The first failure, or that the object is not meant; skipped, if all of a list is.
fn worst<'a>(outcomes: impl Iterator<Item = Outcome<'a>>) -> Outcome<'a> {
    let (mut all, mut skipped) = (0, 0);
    for outcome in outcomes {
        all += 1;
        match outcome {
            Outcome::Fails(_) | Outcome::NotMeant => return outcome,
            Outcome::Skipped => skipped += 1,
            Outcome::Holds => {}
        }
    }
    if all > 0 && all == skipped { Outcome::Skipped } else { Outcome::Holds }
}

fn fails<'a>(pattern: &Node, node: &'a Node, path: &[String]) -> Outcome<'a> {
    let wanted = pattern.text().map(|text| format!(": `{text}`")).unwrap_or_default();
    Outcome::Fails(Fault { node, path: format!("{} is not as asked for{wanted}", path.join(".")) })
}

/// How a key is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Anchor {
    /// The key and its value must be there.
    Plain,
    /// `(k)`: where it does not hold, the mapping is not meant.
    Condition,
    /// `<(k)`: where it does not hold, the object is not meant.
    Global,
    /// `=(k)`: must hold where the key is there.
    Equality,
    /// `X(k)`: must not be there.
    Negation,
    /// `^(k)`: one of the list at least.
    Existence,
}

fn anchor(key: &str) -> (Anchor, &str) {
    let within = |prefix: &str| key.strip_prefix(prefix)?.strip_suffix(')');
    let known = [
        ("<(", Anchor::Global),
        ("=(", Anchor::Equality),
        ("X(", Anchor::Negation),
        ("^(", Anchor::Existence),
        ("(", Anchor::Condition),
    ];
    let found = known.into_iter().find_map(|(prefix, anchor)| Some((anchor, within(prefix)?)));
    found.unwrap_or((Anchor::Plain, key))
}

fn mapping<'a>(pattern: &Node, value: &'a Node, path: &mut Vec<String>) -> Outcome<'a> {
    let is_condition = |kind: Anchor| matches!(kind, Anchor::Condition | Anchor::Global);
    let asked = || pattern.entries().iter().map(|entry| (anchor(entry.name()), &entry.value));
    for ((kind, key), wanted) in asked().filter(|((kind, _), _)| is_condition(*kind)) {
        let outcome = find(value, key).map(|have| element(wanted, have, path));
        if !matches!(outcome, Some(Outcome::Holds)) {
            return if kind == Anchor::Global { Outcome::NotMeant } else { Outcome::Skipped };
        }
    }
    for ((kind, key), wanted) in asked().filter(|((kind, _), _)| !is_condition(*kind)) {
        path.push(key.to_owned());
        let outcome = asked_for(kind, wanted, value, find(value, key), path);
        path.pop();
        match outcome {
            Outcome::Holds => {}
            other => return other,
        }
    }
    Outcome::Holds
}

/// The value under a key, which may hold wildcards.
fn find<'a>(value: &'a Node, key: &str) -> Option<&'a Node> {
    let exact = value.get(key);
    exact.or_else(|| {
        let fits =
            |entry: &&crate::yaml::Entry| key.contains(['*', '?']) && glob(key, entry.name());
        value.entries().iter().find(fits).map(|entry| &entry.value)
    })
}

fn asked_for<'a>(
    kind: Anchor,
    wanted: &Node,
    holder: &'a Node,
    have: Option<&'a Node>,
    path: &mut Vec<String>,
) -> Outcome<'a> {
    match (kind, have) {
        (Anchor::Negation, None) | (Anchor::Equality, None) => Outcome::Holds,
        (Anchor::Negation, Some(have)) => Outcome::Fails(Fault {
            node: have,
            path: format!("{} must not be there", path.join(".")),
        }),
        (Anchor::Existence, Some(have)) => {
            let inner = wanted.items().first().unwrap_or(wanted);
            let is_there =
                have.items().iter().any(|one| element(inner, one, path) == Outcome::Holds);
            if is_there { Outcome::Holds } else { fails(wanted, have, path) }
        }
        (_, Some(have)) => element(wanted, have, path),
        (_, None) if wanted.is_null() => Outcome::Holds,
        (_, None) => {
            let text =
                wanted.text().map(|text| format!(", `{text}` is asked for")).unwrap_or_default();
            Outcome::Fails(Fault {
                node: holder,
                path: format!("{} is missing{text}", path.join(".")),
            })
        }
    }
}

fn scalar(pattern: &Node, value: &Node) -> bool {
    let (Some(wanted), Some(have)) = (pattern.scalar(), value.scalar()) else { return false };
    match (wanted.kind, have.kind) {
        (ScalarKind::Null, kind) => kind == ScalarKind::Null,
        (ScalarKind::Bool(one), ScalarKind::Bool(other)) => one == other,
        (ScalarKind::Bool(_), _) => false,
        (_, ScalarKind::Null) => hold_text(&wanted.text, ""),
        _ => hold_text(&wanted.text, &have.text),
    }
}

/// Holds a text against alternatives (`|`), each of terms that must all hold (`&`).
pub(super) fn hold_text(pattern: &str, value: &str) -> bool {
    pattern.split('|').any(|one| one.split('&').all(|term| hold_term(term.trim(), value)))
}

fn hold_term(term: &str, value: &str) -> bool {
    let compare = |rest: &str, fits: fn(i64, i64) -> bool| {
        quantity(value).zip(quantity(rest.trim())).is_some_and(|(have, wanted)| fits(have, wanted))
    };
    if let Some(rest) = term.strip_prefix(">=") {
        compare(rest, |have, wanted| have >= wanted)
    } else if let Some(rest) = term.strip_prefix("<=") {
        compare(rest, |have, wanted| have <= wanted)
    } else if let Some(rest) = term.strip_prefix('>') {
        compare(rest, |have, wanted| have > wanted)
    } else if let Some(rest) = term.strip_prefix('<') {
        compare(rest, |have, wanted| have < wanted)
    } else if let Some(rest) = term.strip_prefix('!') {
        !same(rest.trim(), value)
    } else if let Some((from, to, is_outside)) = range(term) {
        quantity(value).is_some_and(|have| (from..=to).contains(&have) != is_outside)
    } else {
        same(term, value)
    }
}

/// `1-100` and, outside of it, `1!-100`.
fn range(term: &str) -> Option<(i64, i64, bool)> {
    let (from, to) = term.split_once('-')?;
    let (from, is_outside) = from.strip_suffix('!').map_or((from, false), |from| (from, true));
    Some((quantity(from)?, quantity(to)?, is_outside))
}

fn same(pattern: &str, value: &str) -> bool {
    let by_number = || Some(quantity(pattern)? == quantity(value)?);
    glob(pattern, value) || by_number().unwrap_or(false)
}

/// `*` stands for any characters, `?` for one.
pub(super) fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                back = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((star, from)) = back else { return false };
                back = Some((star, from + 1));
                p = star + 1;
                t = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::load;

    fn told(pattern: &str, value: &str) -> bool {
        let node = |text: &str| load(text.as_bytes()).documents.remove(0).root;
        !matches!(hold(&node(pattern), &node(value)), Outcome::Fails(_))
    }

    #[test]
    fn values_are_held_against_operators_and_wildcards() {
        for (pattern, value, wanted) in [
            ("'*:*'", "a:1", true),
            ("'!*:latest'", "a:latest", false),
            ("'?*'", "''", false),
            ("'ghcr.io/* | quay.io/*'", "quay.io/a", true),
            ("'>=2 & <10'", "2", true),
            ("'<=1Gi'", "1025Mi", false),
            ("'1-3'", "4", false),
            ("'1!-3'", "4", true),
            ("'<1'", "500m", true),
            ("true", "'true'", false),
            ("false", "false", true),
        ] {
            assert_eq!(told(pattern, value), wanted, "{pattern} {value}");
        }
    }

    #[test]
    fn anchors_say_when_a_key_counts() {
        let always = "{containers: [{(image): '*:latest', imagePullPolicy: Always}]}";
        assert!(told(
            always,
            "{containers: [{image: 'a:1'}, {image: 'b:latest', imagePullPolicy: Always}]}"
        ));
        assert!(!told(always, "{containers: [{image: 'a:1'}, {image: 'b:latest'}]}"));
        assert!(told("{=(hostNetwork): false}", "{a: b}"));
        assert!(!told("{=(hostNetwork): false}", "{hostNetwork: true}"));
        assert!(!told("{X(hostPath): 'null'}", "{hostPath: {path: /}}"));
        assert!(told("{^(c): [{name: web}]}", "{c: [{name: a}, {name: web}]}"));
        assert!(!told("{^(c): [{name: web}]}", "{c: [{name: a}]}"));
        assert!(told("{<(kind): Pod, spec: {a: b}}", "{kind: Job, spec: {}}"));
        assert!(!told("{metadata: {labels: {'app*': '?*'}}}", "{metadata: {labels: {x: y}}}"));
    }
}
