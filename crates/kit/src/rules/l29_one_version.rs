//! L29: what states the version of a chart states one and the same.

use std::collections::BTreeSet;

use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity, Spot};
use crate::object::{Object, Owner};
use crate::tree::join;
use crate::yaml::Node;

pub(super) const RULE: Rule = Rule {
    id: "L29",
    title: "a chart has one version: in Chart.yaml, in the slot that pins it, and in what describes it",
    severity: Severity::Error,
    decidability: Decidability::Files,
    cause: "the change is merged and published, and the clusters go on installing the version before it",
    fix: "move all places that state the version together",
    page: include_str!("../../../../docs/rules/L29.md"),
    check,
};

fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    pins(facts, &mut findings);
    for folder in charts(facts) {
        described(facts, &folder, &mut findings);
        dependencies(facts, &folder, &mut findings);
    }
    findings
}

/// Releases, against the charts that lie in this tree.
fn pins(facts: &Facts, findings: &mut Vec<Finding>) {
    for release in &facts.releases {
        let object = facts.declaration(release);
        let Some(chart) = &release.chart else { continue };
        let Some(folder) = chart.folder.as_deref().filter(|_| object.owner != Owner::Given) else {
            continue;
        };
        let Some((owner, pin)) = pin(facts, object, release.declared.chart.as_ref()) else {
            continue;
        };
        let stated = pin.text().unwrap_or_default();
        if is_version(stated) && bare(stated) != bare(&chart.version) {
            let message = format!(
                "`{}` pins {} {stated}, the chart here has {}",
                release.declared.name, chart.name, chart.version
            );
            let finding = RULE.at(owner.spot(pin), message);
            findings
                .push(finding.related(in_chart(facts, folder, "version"), "the chart's version"));
        }
    }
}

/// The text that pins the version of a release's chart: in the release, or in the source it names.
fn pin<'a>(
    facts: &'a Facts,
    object: &'a Object,
    chart: Option<&crate::flux::ChartPin>,
) -> Option<(&'a Object, &'a Node)> {
    let chart = chart?;
    if matches!(chart.source_kind.as_str(), "GitRepository" | "Bucket") {
        return None;
    }
    if let Some(pin) = object.node.at("spec/chart/spec/version") {
        return Some((object, pin));
    }
    let namespace = Some(chart.source_namespace.as_str());
    let source =
        facts.find(crate::flux::SOURCE, &chart.source_kind, namespace, &chart.source_name)?;
    let paths = ["spec/ref/tag", "spec/version"];
    Some((source, paths.iter().find_map(|path| source.node.at(path))?))
}

/// The folders of charts of this tree: those that releases install, and those below the target.
/// Charts that others hold as dependencies are theirs.
fn charts(facts: &Facts) -> BTreeSet<String> {
    let own = facts.releases.iter().filter_map(|release| release.chart.as_ref()?.folder.clone());
    let listed = facts.listing.files.iter().filter_map(|file| {
        let folder = file.strip_suffix("Chart.yaml")?.trim_end_matches('/');
        let is_inner =
            folder.rsplit_once('/').is_some_and(|(above, _)| facts.in_chart(&format!("{above}/x")));
        (!is_inner).then(|| folder.to_owned())
    });
    own.chain(listed).map(|folder| if folder == "." { String::new() } else { folder }).collect()
}

/// `blueprint.yaml`, in the chart's folder or in the one above it, says the chart's version.
fn described(facts: &Facts, folder: &str, findings: &mut Vec<Finding>) {
    let above = folder.rsplit_once('/').map_or("", |(above, _)| above);
    let Some(version) = text(facts, &join(folder, "Chart.yaml"), "version") else { return };
    for place in BTreeSet::from([folder, above]) {
        let path = join(place, "blueprint.yaml");
        let Ok(file) = facts.tree.file(&path) else { continue };
        let Some(doc) = file.yaml().documents.first() else { continue };
        let is_of_chart = place == folder || name_fits(&doc.root, facts, folder);
        let Some(stated) = doc.root.at("spec/version").filter(|_| is_of_chart) else { continue };
        let said = stated.text().unwrap_or_default();
        if doc.root.str_at("kind") == Some("Blueprint") && bare(said) != bare(&version) {
            let message = format!("the blueprint says version {said}, its chart has {version}");
            let finding = RULE.at(Spot::span(path.as_str(), stated.span), message);
            findings
                .push(finding.related(in_chart(facts, folder, "version"), "the chart's version"));
        }
    }
}

/// Whether a blueprint above a chart is of that chart.
fn name_fits(blueprint: &Node, facts: &Facts, folder: &str) -> bool {
    let named = blueprint.str_at("metadata/name").unwrap_or_default();
    let chart = text(facts, &join(folder, "Chart.yaml"), "name").unwrap_or_default();
    let short = |name: &str| name.strip_prefix("bp-").unwrap_or(name).to_owned();
    short(named) == short(&chart)
}

/// The dependency that `catalystBlueprint.upstream` of the values and `Chart.lock` speak of.
fn dependencies(facts: &Facts, folder: &str, findings: &mut Vec<Finding>) {
    let Ok(chart) = facts.tree.file(&join(folder, "Chart.yaml")) else { return };
    let Some(doc) = chart.yaml().documents.first() else { return };
    let find = |name: &str| {
        let fits = |one: &&Node| one.str_at("name") == Some(name);
        doc.root.items_at("dependencies").iter().find(fits)?.get("version")
    };
    let mut compare = |path: &str, name: &str, stated: &Node, who: &str| {
        let Some(wanted) = find(name) else { return };
        let (said, wants) = (stated.text().unwrap_or_default(), wanted.text().unwrap_or_default());
        if is_version(wants) && bare(said) != bare(wants) {
            let message = format!("{who} {name} {said}, Chart.yaml wants {wants}");
            let finding = RULE.at(Spot::span(path, stated.span), message);
            let spot = Spot::span(chart.path.clone(), wanted.span);
            findings.push(finding.related(spot, "the version that is installed"));
        }
    };
    let root = |path: &str| {
        let file = facts.tree.file(path).ok()?;
        file.yaml().documents.first().map(|doc| doc.root.clone())
    };
    let path = join(folder, "values.yaml");
    if let Some(upstream) =
        root(&path).as_ref().and_then(|all| all.at("catalystBlueprint/upstream"))
        && let (Some(name), Some(version)) = (upstream.str_at("chart"), upstream.get("version"))
    {
        compare(&path, name, version, "the values speak of");
    }
    let path = join(folder, "Chart.lock");
    if let Some(lock) = root(&path) {
        for one in lock.items_at("dependencies") {
            if let (Some(name), Some(version)) = (one.str_at("name"), one.get("version")) {
                compare(&path, name, version, "Chart.lock holds");
            }
        }
    }
}

fn in_chart(facts: &Facts, folder: &str, key: &str) -> Spot {
    let path = join(folder, "Chart.yaml");
    let file = facts.tree.file(&path).ok();
    let span = file.and_then(|file| Some(file.yaml().documents.first()?.root.get(key)?.span));
    span.map_or_else(|| Spot::file(path.as_str()), |span| Spot::span(path.as_str(), span))
}

fn text(facts: &Facts, path: &str, key: &str) -> Option<String> {
    let file = facts.tree.file(path).ok()?;
    file.yaml().documents.first()?.root.get(key)?.text().map(str::to_owned)
}

/// Whether a text is one version; what is a range is not compared.
fn is_version(text: &str) -> bool {
    super::l25_resolvable_pins::is_exact(text)
}

/// A version without its `v`.
fn bare(version: &str) -> &str {
    version.trim_start_matches('v')
}
