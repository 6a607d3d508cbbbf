//! YAML that keeps its places: every node knows file lines and columns, scalars know how they were
//! written, and duplicate keys, tabs and alias bombs are faults with a position.
//!
//! Entry point: [`load`]. Scalars mean what they mean to Helm and the API server (YAML 1.1: `yes` is
//! a boolean, `0755` is 493), not what they mean to this crate's other, typed reader.

mod load;
mod scalar;

use serde_json::Value as Json;

pub use load::{Comment, Fault, Loaded, MAX_BYTES, load};
pub use scalar::{Scalar, ScalarKind, Style};

/// A stretch of text, lines and columns counted from 1; the end is exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First line.
    pub line: u32,
    /// First column, in characters.
    pub column: u32,
    /// Line of the end.
    pub end_line: u32,
    /// Column of the end.
    pub end_column: u32,
}

/// One value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub value: Value,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A word, number or text.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order of the file; a repeated key stays and is a fault besides.
    Map(Vec<Entry>),
}

/// One key and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: Node,
    /// The value.
    pub value: Node,
}

/// One document of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Doc {
    /// Its content.
    pub root: Node,
}

/// One step from a node to one below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Into a mapping.
    Key(String),
    /// Into a list; the name of the item, where it has one, finds it again in another version.
    Item(usize, Option<String>),
}

impl Entry {
    /// The key as text; empty for a key that is no scalar.
    pub fn name(&self) -> &str {
        self.key.text().unwrap_or_default()
    }
}

impl Node {
    /// The value under a key; the last one wins, as for Helm.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The key and value under a key.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().rev().find(|entry| entry.name() == key)
    }

    /// The value at a path of keys and list positions, such as `spec/template/0`.
    pub fn at(&self, path: &str) -> Option<&Node> {
        path.split('/').filter(|step| !step.is_empty()).try_fold(self, |node, step| {
            match &node.value {
                Value::List(items) => items.get(step.parse::<usize>().ok()?),
                _ => node.get(step),
            }
        })
    }

    /// The text at a path, if a string stands there.
    pub fn str_at(&self, path: &str) -> Option<&str> {
        self.at(path)?.str()
    }

    /// Entries of a mapping; none for anything else.
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// Items of a list; none for anything else.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// Items of the list at a path; none if there is no list.
    pub fn items_at(&self, path: &str) -> &[Node] {
        self.at(path).map(Node::items).unwrap_or_default()
    }

    /// The scalar, if it is one.
    pub fn scalar(&self) -> Option<&Scalar> {
        match &self.value {
            Value::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// The text of a string; nothing for numbers, booleans and the rest.
    pub fn str(&self) -> Option<&str> {
        self.scalar().filter(|scalar| scalar.kind == ScalarKind::Str).map(|scalar| &*scalar.text)
    }

    /// The text of any scalar as written, quotes and escapes resolved.
    pub fn text(&self) -> Option<&str> {
        self.scalar().map(|scalar| &*scalar.text)
    }

    /// A boolean.
    pub fn bool(&self) -> Option<bool> {
        match self.scalar()?.kind {
            ScalarKind::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// A whole number.
    pub fn int(&self) -> Option<i64> {
        match self.scalar()?.kind {
            ScalarKind::Int(value) => Some(value),
            ScalarKind::Float(value) if value.fract() == 0.0 && value.abs() < 1e15 =>
            {
                #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
                Some(value as i64)
            }
            _ => None,
        }
    }

    /// Nothing, written out or left empty.
    pub fn is_null(&self) -> bool {
        self.scalar().is_some_and(|scalar| scalar.kind == ScalarKind::Null)
    }

    /// Whether it is a mapping.
    pub fn is_map(&self) -> bool {
        matches!(self.value, Value::Map(_))
    }

    /// Calls `visit` for this node and all below it, each key before its value.
    pub fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Node)) {
        visit(self);
        match &self.value {
            Value::Scalar(_) => {}
            Value::List(items) => items.iter().for_each(|item| item.walk(visit)),
            Value::Map(entries) => {
                for entry in entries {
                    visit(&entry.key);
                    entry.value.walk(visit);
                }
            }
        }
    }

    /// Calls `visit` for every key with its value, here and below.
    pub fn walk_entries<'a>(&'a self, visit: &mut dyn FnMut(&'a Entry)) {
        match &self.value {
            Value::Scalar(_) => {}
            Value::List(items) => items.iter().for_each(|item| item.walk_entries(visit)),
            Value::Map(entries) => {
                for entry in entries {
                    visit(entry);
                    entry.value.walk_entries(visit);
                }
            }
        }
    }

    /// The steps from here to `wanted`, a node borrowed from this tree (a key counts as its value).
    pub fn path_to(&self, wanted: &Node) -> Option<Vec<Step>> {
        if std::ptr::eq(self, wanted) {
            return Some(Vec::new());
        }
        let within = |step: Step, below: &Node| {
            below.path_to(wanted).map(|mut path| {
                path.insert(0, step);
                path
            })
        };
        match &self.value {
            Value::Scalar(_) => None,
            Value::List(items) => items.iter().enumerate().find_map(|(at, item)| {
                let name = item.get("name").and_then(Node::text).map(str::to_owned);
                within(Step::Item(at, name), item)
            }),
            Value::Map(entries) => entries.iter().find_map(|entry| {
                let step = Step::Key(entry.name().to_owned());
                if std::ptr::eq(&raw const entry.key, wanted) {
                    return Some(vec![step]);
                }
                within(step, &entry.value)
            }),
        }
    }

    /// The node that the steps lead to, or the last one on the way that is there.
    pub fn follow(&self, path: &[Step]) -> (&Node, bool) {
        let mut at = self;
        for step in path {
            let next = match step {
                Step::Key(key) => at.get(key),
                Step::Item(position, Some(name)) => {
                    let fits = |item: &&Node| item.get("name").and_then(Node::text) == Some(name);
                    let same_place = at.items().get(*position).filter(fits);
                    same_place.or_else(|| at.items().iter().find(fits))
                }
                Step::Item(position, None) => at.items().get(*position),
            };
            let Some(next) = next else { return (at, false) };
            at = next;
        }
        (at, true)
    }

    /// The value without its places.
    pub fn to_json(&self) -> Json {
        match &self.value {
            Value::Scalar(scalar) => scalar.to_json(),
            Value::List(items) => Json::Array(items.iter().map(Node::to_json).collect()),
            Value::Map(entries) => {
                let pair = |entry: &Entry| (entry.name().to_owned(), entry.value.to_json());
                Json::Object(entries.iter().map(pair).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests;
