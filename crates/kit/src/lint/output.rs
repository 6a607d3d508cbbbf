//! Findings for people and for programs.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde_json::{Value as Json, json};

use super::Outcome;
use crate::finding::{Finding, Severity, Spot};
use crate::rules::RULES;
use crate::tree::Tree;

/// The form of JSON output; it changes when the form does.
const JSON_VERSION: u32 = 1;
/// Columns that a text has at least, however narrow the terminal is.
const MIN_TEXT: usize = 24;

/// How findings look to a person.
#[derive(Debug, Clone, Copy, Default)]
pub struct Look {
    /// Whether colours are wanted; they never carry meaning alone.
    pub colour: bool,
    /// Columns of the terminal, to wrap texts at; nothing where a line may be as long as it is.
    pub width: Option<usize>,
}

/// Findings as compilers show them, each followed by an empty line.
pub fn human(outcome: &Outcome, tree: &Tree, look: Look) -> String {
    let renderer = if look.colour { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii);
    let renderer = match look.width {
        Some(width) => renderer.term_width(width),
        None => renderer,
    };
    let mut out = String::new();
    for finding in &outcome.findings {
        out.push_str(&one(finding, tree, &renderer, look.width));
        out.push_str("\n\n");
    }
    out
}

/// How many of what, in one line.
pub fn summary(outcome: &Outcome) -> String {
    let count = |wanted| outcome.findings.iter().filter(|f| f.severity == wanted).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let mut text = if outcome.findings.is_empty() {
        format!("✓ nothing found in {}", judged(outcome))
    } else {
        let sign = if errors > 0 { "✕" } else { "!" };
        let counts = format!("{}, {}", plural(errors, "error"), plural(warnings, "warning"));
        format!("{sign} {counts} in {}", judged(outcome))
    };
    if !outcome.suppressed.is_empty() {
        text.push_str(&format!(", {} allowed in the tree", outcome.suppressed.len()));
    }
    if outcome.known > 0 {
        text.push_str(&format!(", {} known before", outcome.known));
    }
    if outcome.elsewhere > 0 {
        text.push_str(&format!(", {} out of the change's reach", outcome.elsewhere));
    }
    if outcome.is_partial() {
        text.push_str("; something could not be read or rendered, so this is not all");
    }
    text
}

fn judged(outcome: &Outcome) -> String {
    let objects = plural(outcome.objects, "object");
    match outcome.releases {
        0 => objects,
        releases => format!("{objects} of {}", plural(releases, "release")),
    }
}

fn plural(n: usize, word: &str) -> String {
    format!("{n} {word}{}", if n == 1 { "" } else { "s" })
}

fn one(finding: &Finding, tree: &Tree, renderer: &Renderer, width: Option<usize>) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let primary = source(tree, &finding.spot);
    let others: Vec<_> = finding.related.iter().map(|one| source(tree, &one.spot)).collect();
    let lines = finding.related.iter().map(|one| &one.spot).chain([&finding.spot]);
    let gutter = lines.map(|spot| spot.line.to_string().len()).max().unwrap_or(0);
    let text = |text: &str, label: &str| wrapped(text, width, gutter + label.len());
    let (cause, fix) = (text(&finding.cause, "  = note: "), text(&finding.fix, "  = help: "));
    let label = match finding.severity {
        Severity::Error => "error[]: ",
        Severity::Warning => "warning[]: ",
    };
    let message = wrapped(&finding.message, width, label.len() + finding.rule.len());
    let title = level.primary_title(message.as_str()).id(finding.rule);
    let mut group = Group::with_title(title);
    // What stands in the same file is shown in one piece.
    let near = |spot: &Spot| spot.file == finding.spot.file;
    group = match &primary {
        Some((text, range)) => {
            let annotation = AnnotationKind::Primary.span(range.clone());
            let snippet = Snippet::source(text.as_str()).path(&*finding.spot.file);
            let marks = finding.related.iter().zip(&others).filter(|(one, _)| near(&one.spot));
            let marks = marks.filter_map(|(one, source)| {
                let (_, range) = source.as_ref()?;
                Some(AnnotationKind::Context.span(range.clone()).label(one.message.as_str()))
            });
            group.element(snippet.annotation(annotation).annotations(marks))
        }
        None => group.element(Origin::path(finding.spot.to_string())),
    };
    for (related, source) in finding.related.iter().zip(&others) {
        if let Some((text, range)) = source {
            if primary.is_some() && near(&related.spot) {
                continue;
            }
            let label = AnnotationKind::Context.span(range.clone()).label(related.message.as_str());
            group = group.element(
                Snippet::source(text.as_str()).path(&*related.spot.file).annotation(label),
            );
        } else {
            group = group
                .element(Level::NOTE.message(format!("{}: {}", related.spot, related.message)));
        }
    }
    group = group
        .element(Level::NOTE.message(cause.as_str()))
        .element(Level::HELP.message(fix.as_str()));
    renderer.render(&[group]).to_string()
}

/// A text in lines that fit beside what stands before them; a word that is too long stays whole.
fn wrapped(text: &str, width: Option<usize>, before: usize) -> String {
    let Some(room) = width.map(|width| width.saturating_sub(before).max(MIN_TEXT)) else {
        return text.to_owned();
    };
    let mut out = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > room {
            out.push('\n');
            used = 0;
        } else if used > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += length;
    }
    out
}

/// The text of a spot's file and the bytes that are meant.
fn source(tree: &Tree, spot: &Spot) -> Option<(String, std::ops::Range<usize>)> {
    let at = usize::try_from(spot.line).ok()?.checked_sub(1)?;
    let text = tree.file(&spot.file).ok()?.text().into_owned();
    let begin: usize = text.split_inclusive('\n').take(at).map(str::len).sum();
    let line = text.get(begin..)?.lines().next().unwrap_or_default();
    let offset = |chars: usize| line.char_indices().nth(chars).map_or(line.len(), |(at, _)| at);
    let indent = line.len() - line.trim_start().len();
    let (from, to) = match (usize::try_from(spot.column).ok()?, usize::try_from(spot.width).ok()?) {
        (0, _) => (indent, line.len()),
        (column, 0) => (offset(column - 1), line.len()),
        (column, width) => (offset(column - 1), offset(column - 1 + width)),
    };
    Some((text, begin + from..begin + to.max(from)))
}

/// One JSON document.
pub fn json(outcome: &Outcome) -> Json {
    let suppressed: Vec<Json> = outcome
        .suppressed
        .iter()
        .map(|one| json!({ "finding": one.finding, "reason": one.reason, "until": one.until }))
        .collect();
    json!({
        "version": JSON_VERSION,
        "findings": outcome.findings,
        "suppressed": suppressed,
        "known": outcome.known,
        "elsewhere": outcome.elsewhere,
        "partial": outcome.is_partial(),
        "objects": outcome.objects,
        "releases": outcome.releases,
    })
}

/// SARIF 2.1.0, as code hosts take it.
pub fn sarif(outcome: &Outcome) -> Json {
    let rules: Vec<Json> = RULES
        .iter()
        .map(|rule| {
            json!({
                "id": rule.id,
                "name": rule.title,
                "shortDescription": { "text": rule.title },
                "fullDescription": { "text": rule.cause },
                "help": { "text": rule.fix, "markdown": rule.page },
                "defaultConfiguration": { "level": level(rule.severity) },
            })
        })
        .collect();
    let results: Vec<Json> = outcome.findings.iter().map(|f| result(f, None)).collect();
    let allowed = outcome.suppressed.iter().map(|one| result(&one.finding, Some(&one.reason)));
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "catalyst kit",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "results": results.into_iter().chain(allowed).collect::<Vec<_>>(),
        }],
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn result(finding: &Finding, reason: Option<&str>) -> Json {
    let related: Vec<Json> = finding
        .related
        .iter()
        .map(|one| {
            let mut place = location(&one.spot);
            place["message"] = json!({ "text": one.message });
            place
        })
        .collect();
    let mut result = json!({
        "ruleId": finding.rule,
        "level": level(finding.severity),
        "message": { "text": format!("{}\n{}\n{}", finding.message, finding.cause, finding.fix) },
        "locations": [location(&finding.spot)],
        "relatedLocations": related,
    });
    if let Some(reason) = reason {
        result["suppressions"] = json!([{ "kind": "inSource", "justification": reason }]);
    }
    result
}

fn location(spot: &Spot) -> Json {
    let mut place = json!({ "artifactLocation": { "uri": &*spot.file } });
    if spot.line > 0 {
        let mut region = json!({ "startLine": spot.line });
        if spot.column > 0 {
            region["startColumn"] = spot.column.into();
            if spot.width > 0 {
                region["endColumn"] = (spot.column + spot.width).into();
            }
        }
        place["region"] = region;
    }
    json!({ "physicalLocation": place })
}

/// One workflow command a line, as GitHub's runners take them.
pub fn github(outcome: &Outcome) -> String {
    let escape = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let member = |text: &str| escape(text).replace(':', "%3A").replace(',', "%2C");
    let mut lines = Vec::new();
    for finding in &outcome.findings {
        let Finding { spot, rule, message, cause, fix, .. } = finding;
        let mut place = format!("file={}", member(&spot.file));
        if spot.line > 0 {
            place.push_str(&format!(",line={}", spot.line));
        }
        if spot.column > 0 {
            place.push_str(&format!(",col={}", spot.column));
        }
        let text = escape(&format!("{message}\n{cause}\n{fix}"));
        lines.push(format!("::{} {place},title={rule}::{text}", level(finding.severity)));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_wrapped_between_words_and_never_inside_one() {
        let text = "a pull secret that nobody reflects into the namespace";
        assert_eq!(wrapped(text, None, 10), text);
        assert_eq!(
            wrapped(text, Some(40), 10),
            "a pull secret that nobody\nreflects into the namespace"
        );
        assert_eq!(
            wrapped("one-word-that-is-longer-than-a-line x", Some(1), 10).lines().count(),
            2
        );
    }
}
