//! Builds nodes from the parser's events, within bounds.

use std::collections::HashMap;

use granit_parser::{Event, Parser, Placement, ScalarStyle, Tag};

use super::{Doc, Entry, Node, Scalar, Span, Style, Value};
use crate::document::split;

/// Bytes of a file; the largest file of CRDs in public use has some 8 MB.
pub const MAX_BYTES: usize = 32 << 20;
/// Nodes that one file may become; aliases count as what they stand for.
const MAX_NODES: usize = 4_000_000;
/// Nodes that aliases of one file may add: no kit comes near, an alias bomb passes it at once.
const MAX_COPIED: usize = 100_000;

/// What a file holds, and what is wrong with it.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The documents that could be read, in order; those without content are left out.
    pub documents: Vec<Doc>,
    /// Every fault, in order.
    pub faults: Vec<Fault>,
    /// Every comment, in order.
    pub comments: Vec<Comment>,
    /// The first fault that cost a document: an engine cannot read the file either, or should not try.
    pub unread: Option<Fault>,
}

/// Something that is wrong at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Line, counted from 1.
    pub line: u32,
    /// Column, counted from 1.
    pub column: u32,
    /// What is wrong, a fragment without a full stop.
    pub reason: String,
}

/// One comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Its line, counted from 1.
    pub line: u32,
    /// The text after `#`, trimmed.
    pub text: String,
    /// Whether something stands before it on its line.
    pub beside: bool,
}

/// Reads a file of YAML documents; a broken document costs that document and no other.
pub fn load(bytes: &[u8]) -> Loaded {
    let mut loaded = Loaded::default();
    let fault = |line, column, reason: String| Fault { line, column, reason };
    if bytes.len() > MAX_BYTES {
        let reason =
            format!("the file has {} bytes; more than {MAX_BYTES} are not read", bytes.len());
        return loaded.without(fault(1, 1, reason));
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(error) => {
            let before = &bytes[..error.valid_up_to()];
            let line = before.iter().filter(|b| **b == b'\n').count();
            let column = before.rsplit(|b| *b == b'\n').next().map_or(0, <[u8]>::len);
            let reason = "the file is not UTF-8 from here on".to_owned();
            return loaded.without(fault(small(line) + 1, small(column) + 1, reason));
        }
    };
    let mut room = MAX_NODES;
    for document in split(text, "") {
        let first = u32::try_from(document.place.line).unwrap_or(1);
        let mut builder = Builder {
            above: first - 1,
            room,
            copied: MAX_COPIED,
            anchors: HashMap::new(),
            loaded: &mut loaded,
        };
        let read = builder.stream(document.text);
        room = builder.room;
        if let Err(found) = read {
            loaded = loaded.without(found);
        }
    }
    loaded
}

impl Loaded {
    /// With a fault that cost a document.
    fn without(mut self, fault: Fault) -> Self {
        self.unread.get_or_insert_with(|| fault.clone());
        self.faults.push(fault);
        self
    }
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX - 1)
}

struct Builder<'a> {
    /// Lines of the file before this piece of text.
    above: u32,
    room: usize,
    copied: usize,
    anchors: HashMap<usize, (Node, usize)>,
    loaded: &'a mut Loaded,
}

/// A collection that is not closed yet.
struct Open {
    node: Node,
    anchor: usize,
    key: Option<Node>,
    size: usize,
}

impl Builder<'_> {
    fn stream(&mut self, text: &str) -> Result<(), Fault> {
        let mut open: Vec<Open> = Vec::new();
        for next in Parser::new_from_str(text) {
            let (event, span) = next.map_err(|error| {
                let mark = error.marker();
                self.fault_at(small(mark.line()), small(mark.col()) + 1, readable(&error.info()))
            })?;
            let span = self.span(&span);
            match event {
                Event::Comment(text, placement) => self.loaded.comments.push(Comment {
                    line: span.line,
                    text: text.trim().to_owned(),
                    beside: placement == Placement::Right,
                }),
                Event::Scalar(text, style, anchor, tag) => {
                    let value =
                        Value::Scalar(Scalar::new(&text, style_of(style), suffix(tag.as_deref())));
                    self.complete(Node { span, value }, anchor, 1, &mut open)?;
                }
                Event::SequenceStart(_, anchor, _) => {
                    let node = Node { span, value: Value::List(Vec::new()) };
                    open.push(Open { node, anchor, key: None, size: 1 });
                }
                Event::MappingStart(_, anchor, _) => {
                    let node = Node { span, value: Value::Map(Vec::new()) };
                    open.push(Open { node, anchor, key: None, size: 1 });
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    if let Some(Open { mut node, anchor, size, .. }) = open.pop() {
                        node.span.end_line = span.end_line;
                        node.span.end_column = span.end_column;
                        if let Value::Map(entries) = &mut node.value {
                            merge(entries);
                        }
                        self.complete(node, anchor, size, &mut open)?;
                    }
                }
                Event::Alias(anchor) => {
                    let Some((node, size)) = self.anchors.get(&anchor).cloned() else {
                        let reason = "an alias inside of what it names".to_owned();
                        return Err(self.fault_here(span, reason));
                    };
                    self.copied = self.copied.checked_sub(size).ok_or_else(|| {
                        let reason = format!("aliases stand for more than {MAX_COPIED} nodes");
                        self.fault_here(span, reason)
                    })?;
                    self.complete(Node { span, value: node.value }, 0, size, &mut open)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Puts a finished node where it belongs.
    fn complete(
        &mut self,
        node: Node,
        anchor: usize,
        size: usize,
        open: &mut [Open],
    ) -> Result<(), Fault> {
        self.room = self.room.checked_sub(1).ok_or_else(|| {
            self.fault_here(node.span, format!("the file holds more than {MAX_NODES} nodes"))
        })?;
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let Some(parent) = open.last_mut() else {
            if !node.is_null() {
                self.loaded.documents.push(Doc { root: node });
            }
            return Ok(());
        };
        parent.size += size;
        match &mut parent.node.value {
            Value::List(items) => items.push(node),
            Value::Map(entries) => match parent.key.take() {
                None => parent.key = Some(node),
                Some(key) => {
                    let repeated = key.text().and_then(|name| {
                        entries.iter().find(|entry| entry.key.text() == Some(name) && name != "<<")
                    });
                    if let Some(first) = repeated {
                        let (name, line) = (first.name(), first.key.span.line);
                        let reason = format!("key `{name}` is there twice, first in line {line}");
                        self.loaded.faults.push(Fault {
                            line: key.span.line,
                            column: key.span.column,
                            reason,
                        });
                    }
                    entries.push(Entry { key, value: node });
                }
            },
            Value::Scalar(_) => {}
        }
        Ok(())
    }

    fn span(&self, span: &granit_parser::Span) -> Span {
        Span {
            line: self.above + small(span.start.line()).max(1),
            column: small(span.start.col()) + 1,
            end_line: self.above + small(span.end.line()).max(1),
            end_column: small(span.end.col()) + 1,
        }
    }

    fn fault_at(&self, line: u32, column: u32, reason: String) -> Fault {
        Fault { line: self.above + line.max(1), column, reason }
    }

    fn fault_here(&self, span: Span, reason: String) -> Fault {
        Fault { line: span.line, column: span.column, reason }
    }
}

/// `<<` takes the entries of the mappings it names that are not there yet.
fn merge(entries: &mut Vec<Entry>) {
    let is_merge = |entry: &Entry| {
        entry.name() == "<<" && entry.key.scalar().is_some_and(|key| key.style == Style::Plain)
    };
    while let Some(at) = entries.iter().position(is_merge) {
        let entry = entries.remove(at);
        let sources = match &entry.value.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(&entry.value),
        };
        for inner in sources.iter().flat_map(Node::entries) {
            if !entries.iter().any(|known| known.name() == inner.name()) {
                entries.push(inner.clone());
            }
        }
    }
}

fn style_of(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
        _ => Style::Quoted,
    }
}

fn suffix(tag: Option<&Tag>) -> Option<&str> {
    tag.map(Tag::suffix).filter(|suffix| !suffix.is_empty())
}

/// The parser's words, on one line.
fn readable(info: &str) -> String {
    let text = info.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() { "this is not YAML".to_owned() } else { text }
}
