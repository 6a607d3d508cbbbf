//! What a rule says: where, what, why, and what to do.

use std::sync::Arc;

use serde::Serialize;

use crate::tree::SourceFile;
use crate::yaml::{Fault, Span};

/// A place in a source file: what a person opens to mend it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Spot {
    /// File relative to the tree.
    #[serde(serialize_with = "as_text")]
    pub file: Arc<str>,
    /// Line, counted from 1; 0 when only the file is known.
    pub line: u32,
    /// Column, counted from 1; 0 when only the line is known.
    pub column: u32,
    /// Characters from there on that are meant; 0 when that is not known.
    pub width: u32,
}

fn as_text<S: serde::Serializer>(text: &Arc<str>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(text)
}

impl Spot {
    /// A file as a whole.
    pub fn file(file: impl Into<Arc<str>>) -> Self {
        Self { file: file.into(), line: 0, column: 0, width: 0 }
    }

    /// A line of a file.
    pub fn line(file: impl Into<Arc<str>>, line: u32) -> Self {
        Self { file: file.into(), line, column: 0, width: 0 }
    }

    /// A stretch of a file; one that goes over lines is cut at its first.
    pub fn span(file: impl Into<Arc<str>>, span: Span) -> Self {
        let width = if span.end_line == span.line { span.end_column - span.column } else { 0 };
        Self { file: file.into(), line: span.line, column: span.column, width }
    }
}

impl std::fmt::Display for Spot {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.file)?;
        if self.line > 0 {
            write!(out, ":{}", self.line)?;
            if self.column > 0 {
                write!(out, ":{}", self.column)?;
            }
        }
        Ok(())
    }
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It will break, or already lies.
    Error,
    /// It works and will hurt later.
    Warning,
}

/// A second place that explains the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Related {
    /// Where.
    pub spot: Spot,
    /// What is there, a fragment.
    pub message: String,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule's name, such as `L18`; `load` for what could not be read or rendered at all.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Where it is.
    #[serde(flatten)]
    pub spot: Spot,
    /// What is wrong, a fragment without a full stop.
    pub message: String,
    /// Why that breaks.
    pub cause: String,
    /// What to do.
    pub fix: String,
    /// The rule's page, relative to the repository.
    pub link: String,
    /// Places that explain it.
    pub related: Vec<Related>,
}

/// The name under which what could not be read or rendered is reported.
pub const LOAD: &str = "load";

impl Finding {
    /// Something that could not be read or rendered: everything after it is unknown.
    pub fn load(spot: Spot, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            rule: LOAD,
            severity: Severity::Error,
            spot,
            message: message.into(),
            cause: "what cannot be read or rendered cannot be judged either".to_owned(),
            fix: fix.into(),
            link: "docs/rules/README.md".to_owned(),
            related: Vec::new(),
        }
    }

    /// A file whose YAML cannot be read.
    pub(crate) fn fault(file: &SourceFile, fault: &Fault, fix: &str) -> Self {
        let spot = Spot { column: fault.column, ..Spot::line(file.path.clone(), fault.line) };
        Self::load(spot, fault.reason.clone(), fix)
    }

    /// With the reason why it breaks, in place of the rule's own.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        self.cause = cause.into();
        self
    }

    /// With what to do, in place of the rule's own.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = fix.into();
        self
    }

    /// With a second place.
    #[must_use]
    pub fn related(mut self, spot: Spot, message: impl Into<String>) -> Self {
        self.related.push(Related { spot, message: message.into() });
        self
    }

    /// As a warning.
    #[must_use]
    pub fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }
}
