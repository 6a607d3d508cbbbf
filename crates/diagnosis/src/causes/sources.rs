//! What Flux fetches and applies: GitRepositories and their like, and Kustomizations.

use catalyst_model::CauseKind;

use crate::finding::{Finding, named};
use crate::words::{after, between, has_any, refused, unreachable};
use crate::{Condition, Key, Observed, Toolkit};

pub(super) fn sources(observed: &Observed<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (kind, key, source) in &observed.sources {
        let Some(ready) = source.ready.as_ref().filter(|ready| ready.is_false()) else { continue };
        let (why, fix) = why_not_fetched(source, &ready.fact.message);
        let headline = format!("source {} cannot be fetched: {why}", key.name);
        let finding = Finding::new(CauseKind::SourceUnavailable, named(kind, key), &headline)
            .fix(fix)
            .evidence(of_condition(kind, key, ready), ready.since, &ready.fact.message)
            .since(ready.since);
        found.push(if *kind == "GitRepository" {
            finding.concerns_all()
        } else {
            finding.of(super::charts::releases_from(observed, kind, key))
        });
    }
    found
}

/// Where a condition was read.
pub(super) fn of_condition(kind: &str, key: &Key, ready: &Condition) -> String {
    format!("Condition Ready of {kind} {key} ({})", ready.fact.reason)
}

fn why_not_fetched(source: &Toolkit, message: &str) -> (String, String) {
    let Toolkit { what, from, .. } = source;
    if let Some(reason) = unreachable(message) {
        let fix =
            format!("Restore the way from the cluster to {what}; it is fetched again by itself.");
        return (format!("{what} is unreachable, {reason}"), fix);
    }
    let absent =
        ["couldn't find remote ref", "reference not found", "unknown revision", "no match found"];
    if has_any(message, &absent) {
        let fix = format!("Push {from}, or name one that exists.");
        return (format!("{from} does not exist in {what}"), fix);
    }
    if refused(message).is_some()
        || has_any(message, &["403", "authentication", "permission denied"])
    {
        let fix = "Correct the Secret that `secretRef` of the source names.".to_owned();
        return (format!("{what} refuses the credentials"), fix);
    }
    if has_any(message, &["repository not found", "not found"]) {
        let fix = "Correct the address, or the credentials if it is private.".to_owned();
        return (format!("{what} does not exist, or is hidden from these credentials"), fix);
    }
    (message.to_owned(), CauseKind::SourceUnavailable.problem().fix.to_owned())
}

pub(super) fn kustomizations(observed: &Observed<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (key, kustomization) in &observed.kustomizations {
        let ready = kustomization.ready.as_ref().filter(|ready| ready.is_false());
        let Some(ready) = ready else { continue };
        // These wait for something that has a cause of its own.
        let waits = ["ArtifactFailed", "DependencyNotReady", "SourceNotReady"];
        if waits.contains(&ready.fact.reason.as_str()) {
            continue;
        }
        found.push(
            not_applied(key, kustomization, &ready.fact.message)
                .evidence(
                    of_condition("Kustomization", key, ready),
                    ready.since,
                    &ready.fact.message,
                )
                .since(ready.since)
                .concerns_all(),
        );
    }
    found
}

fn not_applied(key: &Key, kustomization: &Toolkit, message: &str) -> Finding {
    let name = &key.name;
    if message.contains("variable not set") || message.contains("variable substitution failed") {
        let variable =
            after(message, "variable not set").and_then(|rest| between(rest, "\"", "\""));
        let place = between(message, "post build failed for '", "'").unwrap_or(&kustomization.what);
        let variable = variable.unwrap_or("(not named)");
        let headline =
            format!("variable {variable} is undefined in {place} of Kustomization {name}");
        let fix = format!(
            "Give `{variable}` in `postBuild.substitute` of Kustomization {name}, or a default: `${{{variable}:=…}}`."
        );
        return Finding::new(
            CauseKind::VariableUndefined,
            format!("variable {variable}"),
            &headline,
        )
        .fix(fix);
    }
    if let Some(finding) = super::helm::unknown_kind(message, &format!("Kustomization {name}")) {
        return finding;
    }
    let place = file_and_line(message);
    let what = match &place {
        Some(place) => format!("{place}: {}", tail(message)),
        None => tail(message).to_owned(),
    };
    let headline = format!("Kustomization {name} does not apply: {what}");
    Finding::new(CauseKind::KustomizationFailed, named("Kustomization", key), &headline)
}

/// The file and the line that a message names.
fn file_and_line(message: &str) -> Option<String> {
    let is_separator =
        |c: char| c.is_whitespace() || matches!(c, '\'' | '"' | ':' | ',' | '(' | ')');
    let file = message.split(is_separator).rfind(|word| {
        (word.ends_with(".yaml") || word.ends_with(".yml")) && !word.ends_with("kustomization.yaml")
    });
    let file = file.or_else(|| {
        message.split(is_separator).rfind(|word| word.ends_with("kustomization.yaml"))
    })?;
    let file = file.rsplit("/tmp/").next().unwrap_or(file);
    let line = after(message, "line ")
        .map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
    match line.filter(|line| !line.is_empty()) {
        Some(line) => Some(format!("file {file} line {line}")),
        None => Some(format!("file {file}")),
    }
}

/// The end of a message that goes from the outermost to the innermost reason.
fn tail(message: &str) -> &str {
    let message = message.trim();
    let at = message.rmatch_indices(": ").nth(1).map_or(0, |(at, _)| at + 2);
    &message[at..]
}
