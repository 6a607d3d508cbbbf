//! Charts that cannot be fetched, read from the HelmCharts that Flux makes for releases.

use catalyst_model::{CauseKind, ReleaseName};

use crate::finding::Finding;
use crate::words::{after, has_any, refused, unreachable};
use crate::{Key, Observed, Toolkit};

pub(super) fn charts(observed: &Observed<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (key, chart) in &observed.charts {
        let Some(ready) = chart.ready.as_ref().filter(|ready| ready.is_false()) else { continue };
        let message = &ready.fact.message;
        let registry = registry(observed, key, chart);
        let Some(finding) = not_fetched(chart, &registry, message) else { continue };
        let evidence = super::sources::of_condition("HelmChart", key, ready);
        found.push(
            finding
                .evidence(evidence, ready.since, message)
                .since(ready.since)
                .of(releases_of(observed, key)),
        );
    }
    found
}

fn not_fetched(chart: &Toolkit, registry: &str, message: &str) -> Option<Finding> {
    let what = &chart.what;
    let found = |kind, headline: &str| Finding::new(kind, format!("chart {what}"), headline);
    // A source that is not there yet, or not ready, has a cause of its own.
    if has_any(message, &["failed to get source", "no source artifact"]) {
        return None;
    }
    if let Some(reason) = unreachable(message) {
        let headline = format!("chart {what}: registry {registry} is unreachable, {reason}");
        return Some(found(CauseKind::ChartUnreachable, &headline));
    }
    if let Some(code) = refused(message) {
        let headline = format!("chart {what} is refused by {registry} ({code})");
        return Some(found(CauseKind::ChartRefused, &headline));
    }
    let absent = [
        "not found",
        "manifest unknown",
        "no chart version",
        "could not locate",
        "404",
        "no chart name",
    ];
    if has_any(message, &absent) {
        let headline = format!("chart {what} not found in {registry}");
        return Some(found(CauseKind::ChartNotFound, &headline));
    }
    let text = after(message, "chart pull error: ").unwrap_or(message);
    Some(found(CauseKind::ReleaseFailed, &format!("chart {what} cannot be fetched: {text}")))
}

/// The address of the chart's repository, without its scheme.
fn registry(observed: &Observed<'_>, chart: &Key, object: &Toolkit) -> String {
    let (kind, name) = object.from.split_once('/').unwrap_or(("", object.from.as_str()));
    let is_it = |source: &&(&'static str, &Key, &Toolkit)| {
        source.0 == kind && source.1.name == name && source.1.namespace == chart.namespace
    };
    match observed.sources.iter().find(is_it) {
        Some((_, _, source)) => source.what.trim_start_matches("oci://").to_owned(),
        None => object.from.clone(),
    }
}

/// The releases that use a HelmChart.
fn releases_of<'a>(observed: &Observed<'a>, chart: &Key) -> Vec<&'a ReleaseName> {
    let uses =
        observed.releases.iter().filter(|(_, release)| release.chart.as_ref() == Some(chart));
    uses.filter_map(|(key, _)| super::graph::release_named(observed, key)).collect()
}

/// The releases whose chart comes from a source.
pub(super) fn releases_from<'a>(
    observed: &Observed<'a>,
    kind: &str,
    source: &Key,
) -> Vec<&'a ReleaseName> {
    let from = format!("{kind}/{}", source.name);
    let charts = observed.charts.iter().filter(|(_, chart)| chart.from == from);
    charts.flat_map(|(key, _)| releases_of(observed, key)).collect()
}
