//! A cause as it is found: before it is known who waits for it.

use std::collections::BTreeSet;

use catalyst_model::{CauseKind, Evidence, ReleaseName};
use jiff::Timestamp;

use crate::words::clipped;
use crate::{Event, Key};

/// More pieces of evidence than this do not make a cause clearer.
const MOST_EVIDENCE: usize = 4;
const LONGEST_HEADLINE: usize = 300;
const LONGEST_EVIDENCE: usize = 1000;

/// A cause, and the releases that have it.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    pub(crate) kind: CauseKind,
    pub(crate) subject: String,
    pub(crate) headline: String,
    pub(crate) evidence: Vec<Evidence>,
    pub(crate) fix: String,
    pub(crate) since: Option<Timestamp>,
    pub(crate) releases: BTreeSet<ReleaseName>,
    /// Whether every release that is not ready waits for it.
    pub(crate) concerns_all: bool,
}

impl Finding {
    /// A cause with the fix that the catalogue gives for its kind.
    pub(crate) fn new(kind: CauseKind, subject: impl Into<String>, headline: &str) -> Self {
        Self {
            kind,
            subject: subject.into(),
            headline: clipped(
                &headline.split_whitespace().collect::<Vec<_>>().join(" "),
                LONGEST_HEADLINE,
            ),
            evidence: Vec::new(),
            fix: kind.problem().fix.to_owned(),
            since: None,
            releases: BTreeSet::new(),
            concerns_all: false,
        }
    }

    pub(crate) fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = fix.into();
        self
    }

    pub(crate) fn since(mut self, since: Option<Timestamp>) -> Self {
        self.since = since;
        self
    }

    pub(crate) fn of<'a>(mut self, releases: impl IntoIterator<Item = &'a ReleaseName>) -> Self {
        self.releases.extend(releases.into_iter().cloned());
        self
    }

    pub(crate) fn concerns_all(mut self) -> Self {
        self.concerns_all = true;
        self
    }

    pub(crate) fn evidence(
        mut self,
        source: impl Into<String>,
        at: Option<Timestamp>,
        text: &str,
    ) -> Self {
        let text = clipped(text.trim(), LONGEST_EVIDENCE);
        if !text.is_empty() {
            self.evidence.push(Evidence { source: source.into(), at, text });
        }
        self
    }

    /// Adds an event; its first time is the evidence's, so that it stays the same while it repeats.
    pub(crate) fn event(self, event: &Event) -> Self {
        let Event { kind, object, reason, .. } = event;
        self.evidence(format!("Event {reason} of {kind} {object}"), event.first, &event.message)
    }

    /// Adds a program's last lines.
    pub(crate) fn log(self, what: &str, lines: &[String]) -> Self {
        const LAST: usize = 5;
        let from = lines.len().saturating_sub(LAST);
        self.evidence(format!("Log of {what}"), None, &lines[from..].join("\n"))
    }
}

/// `kind namespace/name`, as people write it.
pub(crate) fn named(kind: &str, key: &Key) -> String {
    format!("{kind} {key}")
}

/// One finding for each kind and subject, holding the evidence and the releases of all.
pub(crate) fn merged(findings: Vec<Finding>) -> Vec<Finding> {
    let mut merged: Vec<Finding> = Vec::new();
    for finding in findings {
        let same =
            |known: &&mut Finding| known.kind == finding.kind && known.subject == finding.subject;
        let Some(known) = merged.iter_mut().find(same) else {
            merged.push(finding);
            continue;
        };
        known.releases.extend(finding.releases);
        known.concerns_all |= finding.concerns_all;
        known.since = match (known.since, finding.since) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        known.evidence.extend(finding.evidence);
    }
    for finding in &mut merged {
        finding.evidence.truncate(MOST_EVIDENCE);
    }
    merged
}
