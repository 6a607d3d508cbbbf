//! What the Helm controller says of a release: templates, values, kinds, and what has no better name.

use std::collections::BTreeSet;

use catalyst_model::{CauseKind, ReleaseName};

use super::graph::release_named;
use crate::finding::{Finding, named};
use crate::words::{after, between};
use crate::{Condition, Key, Observed, Release};

/// Releases that Helm's own record calls unfinished while no controller works on them.
pub(super) fn stuck(observed: &Observed<'_>) -> Vec<Finding> {
    let controller = observed.controllers.iter().find(|c| c.name == "helm-controller");
    let Some(controller) = controller else { return Vec::new() };
    let mut found = Vec::new();
    for pending in &observed.pending {
        // One that was begun before the present controller started is nobody's work any more.
        let is_left = match (controller.running_since, pending.since) {
            (Some(started), Some(begun)) => begun < started,
            (Some(_), None) => false,
            (None, _) => true,
        };
        if !is_left {
            continue;
        }
        let since = pending.since.map(|at| format!(" since {at:.0}")).unwrap_or_default();
        let (name, status) = (pending.release, pending.status);
        let headline = format!("release {name} is stuck in {status}{since}");
        let text = format!("{status}; the controller that wrote it runs no more");
        found.push(
            Finding::new(CauseKind::ReleaseStuck, format!("release {name}"), &headline)
                .evidence(format!("Helm record of {name}"), pending.since, &text)
                .since(pending.since)
                .of([name]),
        );
    }
    found
}

/// What the conditions of releases say, where nothing else has `explained` them.
pub(super) fn releases(observed: &Observed<'_>, explained: &BTreeSet<ReleaseName>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (key, release) in &observed.releases {
        let Some(failed) = failure(release) else { continue };
        let name = release_named(observed, key);
        let message = &failed.fact.message;
        let finding = classified(key, release, message);
        let is_explained = name.is_some_and(|name| explained.contains(name));
        let finding = match finding {
            Some(finding) => finding,
            None if is_explained || waits(failed) => continue,
            None => {
                let headline = format!("release {} failed: {}", key.name, innermost(message));
                Finding::new(CauseKind::ReleaseFailed, named("HelmRelease", key), &headline)
            }
        };
        let evidence = super::sources::of_condition("HelmRelease", key, failed);
        found.push(finding.evidence(evidence, failed.since, message).since(failed.since).of(name));
    }
    found
}

/// The condition that tells of a failure: that of now, or of the last try while the next is on.
fn failure(release: &Release) -> Option<&Condition> {
    let ready = release.ready.as_ref();
    let released = release.released.as_ref().filter(|released| released.is_false());
    // What was done about a failure is not the failure.
    let is_remedy = |c: &&Condition| {
        matches!(c.fact.reason.as_str(), "RollbackSucceeded" | "UninstallSucceeded")
    };
    if let Some(ready) = ready.filter(|ready| ready.is_false()) {
        return released.filter(|_| is_remedy(&ready)).or(Some(ready));
    }
    let is_well = ready.is_some_and(|r| r.fact.status == catalyst_model::ConditionStatus::True);
    released.filter(|_| !is_well)
}

/// Whether the release waits for something that has a cause of its own, or has not been tried.
fn waits(condition: &Condition) -> bool {
    const WAITING: &[&str] = &[
        "DependencyNotReady",
        "SourceNotReady",
        "ArtifactFailed",
        "Progressing",
        "ReconcileStarted",
        "HelmChartNotReady",
        "Deleting",
    ];
    WAITING.contains(&condition.fact.reason.as_str())
}

fn classified(key: &Key, release: &Release, message: &str) -> Option<Finding> {
    values_refused(key, release, message)
        .or_else(|| unknown_kind(message, &key.name))
        .or_else(|| template_error(key, release, message))
}

/// `template: bp-x/templates/a.yaml:12:5: executing …`, `parse error at (bp-x/templates/a.yaml:3): …`
/// and `YAML parse error on bp-x/templates/a.yaml: error converting YAML to JSON: yaml: line 3: …`.
fn template_error(key: &Key, release: &Release, message: &str) -> Option<Finding> {
    let is_mark = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | '"' | '<' | '>' | '\'');
    let is_place = |word: &&str| word.contains("/templates/") && word.contains(':');
    // The innermost template names the place.
    let place = message.split(is_mark).rfind(is_place)?;
    let (file, rest) = place.split_once(':')?;
    let line = match digits(rest) {
        line if line.is_empty() => after(message, "yaml: line ").map(digits).unwrap_or_default(),
        line => line,
    };
    let chart = &release.chart_name;
    let line = if line.is_empty() { line } else { format!(" line {line}") };
    let why = after(message, &format!("{place}):")).map_or_else(|| innermost(message), str::trim);
    let headline = format!("chart {chart} template {file}{line}: {why}");
    let fix =
        format!("Correct {file}{line} of chart {chart}, or give {} the value it misses.", key.name);
    let subject = format!("chart {chart} template {file}");
    Some(Finding::new(CauseKind::ChartTemplateError, subject, &headline).fix(fix))
}

fn digits(text: &str) -> String {
    text.trim_start().chars().take_while(char::is_ascii_digit).collect()
}

/// `values don't meet the specifications of the schema(s) in the following chart(s):` and a list.
fn values_refused(key: &Key, release: &Release, message: &str) -> Option<Finding> {
    let rest = after(message, "specifications of the schema(s)")?;
    let complaint = rest.lines().map(str::trim).find(|line| line.starts_with("- "))?;
    let complaint = complaint.trim_start_matches("- ");
    // `at '/gitea/host': got number, want string`, or of older Helm `gitea.host: Invalid type. …`
    let (path, rule) = match complaint.strip_prefix("at '") {
        Some(quoted) => {
            let (path, rule) = quoted.split_once('\'')?;
            (path.trim_start_matches('/').replace('/', "."), rule.trim_start_matches(':').trim())
        }
        None => {
            let (path, rule) = complaint.split_once(": ")?;
            (path.to_owned(), rule)
        }
    };
    let path = if path.is_empty() { "(root)".to_owned() } else { path };
    let headline = format!("value {path} of {} is refused: {rule}", key.name);
    let subject = format!("value {path} of {}", key.name);
    let fix = format!(
        "Correct `{path}` in `values` of {}: the schema of chart {} says `{rule}`.",
        key.name, release.chart_name
    );
    Some(Finding::new(CauseKind::ChartValuesRefused, subject, &headline).fix(fix))
}

/// `no matches for kind "X" in version "g/v1"`, from Helm as from the API server.
pub(super) fn unknown_kind(message: &str, who: &str) -> Option<Finding> {
    let kind = between(message, "no matches for kind \"", "\"")?;
    let version = after(message, "no matches for kind \"")
        .and_then(|rest| between(rest, "in version \"", "\""));
    let version = version.unwrap_or("?");
    let group = version.split('/').next().unwrap_or(version);
    let headline = format!(
        "kind {kind} ({version}), which {who} uses, is unknown to the cluster: its definition is not there yet"
    );
    let fix = format!(
        "Let {who} come after the release that brings the definitions of {group}: name it in `dependsOn`."
    );
    Some(
        Finding::new(CauseKind::KindUnknown, format!("kind {kind} of {group}"), &headline).fix(fix),
    )
}

/// The end of a chain of reasons, in one line.
pub(super) fn innermost(message: &str) -> &str {
    let line = message.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or(message);
    let line = line.trim_start_matches("* ");
    line.rsplit(">: ").next().unwrap_or(line)
}
