//! YAML streams cut into documents that remember their file and line.
//!
//! Entry point: [`split`]. The cut is made on the text, before parsing, so that one unreadable
//! document never hides the others.

use std::fmt;

use serde_json::Value;

/// Where something stands: a file as people know it, and a line counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// File relative to the kit's repository, or the name of a build's output.
    pub file: String,
    /// Line counted from 1; 0 when it is not known.
    pub line: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            f.write_str(&self.file)
        } else {
            write!(f, "{}:{}", self.file, self.line)
        }
    }
}

/// One document of a stream, still text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document<'a> {
    /// The text between two separators.
    pub text: &'a str,
    /// Where its first line stands.
    pub place: Place,
}

/// A document that is not YAML.
#[derive(Debug, thiserror::Error)]
#[error("{place}: this is not YAML that can be read: {reason}")]
pub struct Unreadable {
    /// File and line of the fault.
    pub place: Place,
    /// The parser's words, without a copy of the text.
    pub reason: String,
}

/// Cuts `stream` at lines that hold a document separator; documents without content are left out.
pub fn split<'a>(stream: &'a str, file: &str) -> Vec<Document<'a>> {
    let mut documents = Vec::new();
    let (mut start, mut start_line) = (0, 1);
    let (mut at, mut line) = (0, 0);
    let mut push = |from: usize, to: usize, first_line: u64| {
        let text = &stream[from..to];
        let has_content =
            text.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
        if has_content {
            let place = Place { file: file.to_owned(), line: first_line };
            documents.push(Document { text, place });
        }
    };
    for piece in stream.split_inclusive('\n') {
        line += 1;
        let end = at + piece.len();
        if is_separator(piece) {
            push(start, at, start_line);
            (start, start_line) = (end, line + 1);
        }
        at = end;
    }
    push(start, stream.len(), start_line);
    documents
}

fn is_separator(line: &str) -> bool {
    line.strip_prefix("---").is_some_and(|rest| {
        let rest = rest.trim();
        rest.is_empty() || rest.starts_with('#')
    })
}

impl Document<'_> {
    /// Parses the document into a value.
    ///
    /// # Errors
    /// [`Unreadable`] with the line inside the whole stream.
    pub fn parse(&self) -> Result<Value, Unreadable> {
        serde_saphyr::from_str::<Value>(self.text).map_err(|error| {
            let inside = error.location().map_or(0, |location| location.line());
            let line = (self.place.line + inside).saturating_sub(1).max(1);
            Unreadable {
                place: Place { file: self.place.file.clone(), line },
                reason: error.without_snippet().to_string(),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_remember_the_line_they_start_on() {
        let stream = "---\n# only a comment\n---\na: 1\n---\nb: 2\n";
        let found: Vec<_> =
            split(stream, "kit.yaml").iter().map(|d| (d.place.line, d.text.to_owned())).collect();
        assert_eq!(found, [(4, "a: 1\n".to_owned()), (6, "b: 2\n".to_owned())]);
    }

    #[test]
    fn a_fault_is_reported_with_its_line_in_the_whole_stream() {
        let stream = "a: 1\n---\nb: 2\nc: [1, 2\n";
        let documents = split(stream, "10-gitea.yaml");
        let fault = documents[1].parse().unwrap_err();
        assert_eq!(fault.place.file, "10-gitea.yaml");
        assert!(fault.place.line >= 4, "{fault}");
    }

    #[test]
    fn dashes_inside_a_block_text_do_not_separate() {
        let stream = "a: |\n  ---\n  b\n";
        assert_eq!(split(stream, "x").len(), 1);
    }
}
