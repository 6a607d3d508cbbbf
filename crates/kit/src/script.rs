//! The programs an object carries: what its Pods are told to run, and the texts of ConfigMaps, line by
//! line, each with its place.

use crate::finding::Spot;
use crate::object::Object;
use crate::yaml::Node;

/// One program, or one text that may hold programs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Script<'a> {
    object: &'a Object,
    /// The text, at its place.
    pub(crate) node: &'a Node,
}

/// One line of a program; lines that end in a backslash are joined to the next.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// The words, comments left out.
    pub(crate) text: String,
    /// Which line of the text it begins at, counted from 0.
    pub(crate) number: usize,
}

/// The texts an object hands to programs: commands, arguments, variables, and a ConfigMap's data.
pub(crate) fn of(object: &Object) -> Vec<Script<'_>> {
    let mut nodes: Vec<&Node> = Vec::new();
    nodes.extend(object.containers().into_iter().flat_map(of_container));
    if object.is("", "ConfigMap") {
        let data = object.node.get("data").map(Node::entries).unwrap_or_default();
        nodes.extend(data.iter().map(|entry| &entry.value));
    }
    nodes.into_iter().map(|node| Script { object, node }).collect()
}

/// Commands, arguments and variables of a container.
pub(crate) fn of_container(container: &Node) -> impl Iterator<Item = &Node> {
    let words = ["command", "args"].into_iter().flat_map(|part| container.items_at(part));
    words.chain(container.items_at("env").iter().filter_map(|one| one.get("value")))
}

/// The lines of a program, empty ones and comments left out.
pub(crate) fn lines(text: &str) -> Vec<Line> {
    let mut all = Vec::new();
    let mut open: Option<Line> = None;
    for (number, raw) in text.lines().enumerate() {
        let trimmed = raw.trim();
        if trimmed.starts_with('#') || (trimmed.is_empty() && open.is_none()) {
            continue;
        }
        let (piece, goes_on) = match trimmed.strip_suffix('\\') {
            Some(piece) => (piece.trim_end(), true),
            None => (trimmed, false),
        };
        match &mut open {
            Some(line) => {
                line.text.push(' ');
                line.text.push_str(piece);
            }
            None => open = Some(Line { text: piece.to_owned(), number }),
        }
        if !goes_on {
            all.extend(open.take());
        }
    }
    all.extend(open);
    all
}

impl<'a> Script<'a> {
    /// The whole text.
    pub(crate) fn text(&self) -> &'a str {
        self.node.text().unwrap_or_default()
    }

    /// Its lines, empty ones and comments left out.
    pub(crate) fn lines(&self) -> Vec<Line> {
        lines(self.text())
    }

    /// Where a line stands.
    pub(crate) fn spot(&self, line: &Line) -> Spot {
        self.object.line_spot(self.node, line.number)
    }
}

impl Line {
    /// The words, quotes taken off.
    pub(crate) fn words(&self) -> Vec<&str> {
        let quote = |c: char| matches!(c, '"' | '\'' | '`' | '(' | ')' | ';');
        let words = self.text.split_whitespace().map(|word| word.trim_matches(quote));
        words.filter(|word| !word.is_empty()).collect()
    }
}

/// A key or variable without what only separates its words, in small letters.
pub(crate) fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}
