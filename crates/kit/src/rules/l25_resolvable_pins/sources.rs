//! Charts: their versions and where they come from.

use super::{RULE, is_allowed};
use crate::facts::{Facts, Release};
use crate::finding::Finding;
use crate::flux::{ChartPin, SOURCE};
use crate::object::{Object, Owner};
use crate::yaml::Node;

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for release in &facts.releases {
        let is_asked_for = facts.declaration(release).owner != Owner::Given;
        if let Some(pin) = release.declared.chart.as_ref().filter(|_| is_asked_for) {
            chart(facts, release, pin, &mut findings);
        }
    }
    for source in facts.applied().filter(|object| object.group() == SOURCE) {
        match source.kind.as_str() {
            "HelmRepository" => repository(facts, source, &mut findings),
            "OCIRepository" => artifact(facts, source, &mut findings),
            "HelmChart" => version(source, "spec/version", "spec/sourceRef/kind", &mut findings),
            _ => {}
        }
    }
    findings
}

fn chart(facts: &Facts, release: &Release, pin: &ChartPin, findings: &mut Vec<Finding>) {
    let object = facts.declaration(release);
    let is_here = |kind: &str| {
        let namespace = Some(pin.source_namespace.as_str());
        facts.find(SOURCE, kind, namespace, &pin.source_name).is_some()
    };
    if matches!(pin.source_kind.as_str(), "HelmRepository" | "OCIRepository")
        && !is_here(&pin.source_kind)
    {
        let path = if pin.name.is_empty() {
            "spec/chartRef/name"
        } else {
            "spec/chart/spec/sourceRef/name"
        };
        let name = &release.declared.name;
        let message = format!(
            "`{name}` takes its chart from {} `{}/{}`, which nothing here defines",
            pin.source_kind, pin.source_namespace, pin.source_name
        );
        let finding = RULE.at(facts.release_spot(release, path), message);
        let finding = finding.cause("the release waits for a chart that nobody fetches");
        findings
            .push(finding.fix("define the source beside the release, or declare it as `given`"));
    }
    if !pin.name.is_empty() {
        version(object, "spec/chart/spec/version", "spec/chart/spec/sourceRef/kind", findings);
    }
}

/// A chart of a repository has one version; one of a folder in Git has that of its commit.
fn version(object: &Object, path: &str, kind: &str, findings: &mut Vec<Finding>) {
    if matches!(object.node.str_at(kind), Some("GitRepository" | "Bucket")) {
        return;
    }
    let stated = object.node.at(path);
    let text = stated.and_then(Node::text).unwrap_or_default();
    if is_exact(text) {
        return;
    }
    let message = if text.is_empty() {
        format!("{} pins no version of its chart", object.title())
    } else {
        format!("`{text}` of {} is a range, no version", object.title())
    };
    let chart =
        path.strip_suffix("version").and_then(|spec| object.node.at(&format!("{spec}chart")));
    let spot = stated.or(chart).map_or_else(|| object.place(), |node| object.spot(node));
    let finding = RULE.at(spot, message);
    let cause =
        "the cluster takes the newest chart by itself, between two passes, without a commit";
    findings.push(finding.cause(cause).fix("write one version, such as `1.4.2`"));
}

/// Whether a text is one version of a chart: three numbers, and what may follow them.
pub(in crate::rules) fn is_exact(text: &str) -> bool {
    let text = text.strip_prefix('v').unwrap_or(text);
    let core = text.split(['-', '+']).next().unwrap_or(text);
    let parts: Vec<&str> = core.split('.').collect();
    let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    parts.len() == 3 && parts.iter().all(is_number) && !text.contains(char::is_whitespace)
}

fn repository(facts: &Facts, source: &Object, findings: &mut Vec<Finding>) {
    let Some(url) = source.node.at("spec/url") else { return };
    let text = url.text().unwrap_or_default();
    let mut tell = |message: String, cause: &str, fix: &str| {
        findings.push(RULE.at(source.spot(url), message).cause(cause).fix(fix));
    };
    let Some(place) = text.strip_prefix("oci://") else {
        if !text.starts_with("https://") && !text.starts_with("http://") {
            let message = format!("`{text}` is no address of a repository of charts");
            tell(message, "Flux refuses the source", "write `https://…` or `oci://…`");
        }
        return;
    };
    if source.node.str_at("spec/type") != Some("oci") {
        let message = format!("{} has an `oci://` address without `type: oci`", source.title());
        tell(message, "Flux refuses the address", "add `type: oci`");
    }
    let pinned = facts.releases.iter().filter_map(|release| release.declared.chart.as_ref());
    let doubled = pinned
        .filter(|pin| {
            pin.source_kind == "HelmRepository"
                && source.named(Some(&pin.source_namespace), &pin.source_name)
        })
        .find(|pin| place.trim_end_matches('/').ends_with(&format!("/{}", pin.name)));
    if let Some(pin) = doubled {
        let message = format!("`{text}` ends with the chart's name `{}`", pin.name);
        tell(
            message,
            "Flux adds the chart's name once more, and finds nothing there",
            "leave the name out",
        );
    }
    hosts(facts, source, place, url, findings);
}

/// A place of charts: allowed, and with a Secret where nobody may read without one.
fn hosts(facts: &Facts, source: &Object, place: &str, url: &Node, findings: &mut Vec<Finding>) {
    if !is_allowed(facts, place) {
        let message = format!("`{place}` is not allowed to bring charts");
        let finding = RULE.at(source.spot(url), message);
        findings.push(finding.fix("mirror the charts, or add the place to `allowedImages`"));
    }
    let below = |known: &String| place.starts_with(known.trim_end_matches('/'));
    let is_private = facts.settings.private_images.iter().any(below);
    if is_private && source.node.at("spec/secretRef/name").is_none() {
        let message = format!("{} reads a private registry without `secretRef`", source.title());
        let finding = RULE.at(source.spot(url), message).cause("the registry answers 401 or 403");
        findings.push(finding.fix("name the pull secret in `secretRef`"));
    }
}

fn artifact(facts: &Facts, source: &Object, findings: &mut Vec<Finding>) {
    let Some(url) = source.node.at("spec/url") else { return };
    if let Some(place) = url.text().and_then(|text| text.strip_prefix("oci://")) {
        hosts(facts, source, place, url, findings);
    }
    let at = |key: &str| source.node.get("spec")?.get("ref")?.get(key);
    if at("digest").is_some() || at("tag").is_some_and(|tag| tag.text() != Some("latest")) {
        return;
    }
    let node = at("semver").or_else(|| at("tag")).unwrap_or(url);
    let message = format!("{} names neither tag nor digest", source.title());
    let finding = RULE.at(source.spot(node), message);
    let cause = "the cluster takes the newest one by itself, between two passes, without a commit";
    findings.push(finding.cause(cause).fix("set `ref.tag` or `ref.digest`"));
}
