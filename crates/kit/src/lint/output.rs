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

/// Findings as compilers show them, and one line at the end.
pub fn human(outcome: &Outcome, tree: &Tree, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii);
    let mut out = String::new();
    for finding in &outcome.findings {
        out.push_str(&one(finding, tree, &renderer));
        out.push_str("\n\n");
    }
    out.push_str(&summary(outcome));
    out
}

/// How many of what, in one line.
pub fn summary(outcome: &Outcome) -> String {
    let count = |wanted| outcome.findings.iter().filter(|f| f.severity == wanted).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let plural = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    let mut text = if outcome.findings.is_empty() {
        "✓ nothing found".to_owned()
    } else {
        format!("✕ {}, {}", plural(errors, "error"), plural(warnings, "warning"))
    };
    if !outcome.suppressed.is_empty() {
        text.push_str(&format!(", {} allowed in the tree", outcome.suppressed.len()));
    }
    if outcome.known > 0 {
        text.push_str(&format!(", {} known before", outcome.known));
    }
    if outcome.is_partial() {
        text.push_str("; something could not be read or rendered, so this is not all");
    }
    text
}

fn one(finding: &Finding, tree: &Tree, renderer: &Renderer) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let primary = source(tree, &finding.spot);
    let others: Vec<_> = finding.related.iter().map(|one| source(tree, &one.spot)).collect();
    let title = level.primary_title(finding.message.as_str()).id(finding.rule);
    let mut group = Group::with_title(title);
    group = match &primary {
        Some((text, range)) => group.element(
            Snippet::source(text.as_str())
                .path(&*finding.spot.file)
                .annotation(AnnotationKind::Primary.span(range.clone())),
        ),
        None => group.element(Origin::path(finding.spot.to_string())),
    };
    for (related, source) in finding.related.iter().zip(&others) {
        if let Some((text, range)) = source {
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
        .element(Level::NOTE.message(finding.cause.as_str()))
        .element(Level::HELP.message(finding.fix.as_str()));
    renderer.render(&[group]).to_string()
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
        "partial": outcome.is_partial(),
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
