//! Versions of charts, and the releases that pin them.

use std::collections::{BTreeMap, BTreeSet};

use super::Refused;
use super::edit::Edit;
use crate::assemble::join;
use crate::facts::{Facts, Release};
use crate::flux::SOURCE;
use crate::object::Object;
use crate::yaml::Node;

/// Adds the next version of every chart that `edits` change, and brings every release to its chart's
/// version; the charts with a new one: name, old, new.
pub(super) fn edits(
    facts: &Facts,
    edits: &mut BTreeSet<Edit>,
) -> Result<Vec<(String, String, String)>, Refused> {
    let touched: BTreeSet<String> = edits.iter().map(|edit| edit.file.clone()).collect();
    let mut versions: BTreeMap<&str, String> = BTreeMap::new();
    let mut moved = Vec::new();
    for release in &facts.releases {
        let Some(chart) = &release.chart else { continue };
        let Some(folder) = chart.folder.as_deref() else { continue };
        if versions.contains_key(folder) {
            continue;
        }
        let mut version = chart.version.clone();
        if chart.files.iter().any(|file| touched.contains(file)) {
            let edit = next(facts, folder)?;
            version.clone_from(&edit.new);
            moved.push((chart.name.clone(), chart.version.clone(), version.clone()));
            edits.insert(edit);
        }
        versions.insert(folder, version);
    }
    for release in &facts.releases {
        let Some((object, node)) = pin(facts, release) else { continue };
        let folder = release.chart.as_ref().and_then(|chart| chart.folder.as_deref());
        let Some(version) = folder.and_then(|folder| versions.get(folder)) else { continue };
        edits.extend(repin(facts, release, (object, node), version)?);
    }
    Ok(moved)
}

/// Whether every release names the version of its chart.
pub(super) fn prove(facts: &Facts) -> Result<(), Refused> {
    for release in &facts.releases {
        let Some((_, node)) = pin(facts, release) else { continue };
        let Some(chart) = release.chart.as_ref().filter(|chart| chart.folder.is_some()) else {
            continue;
        };
        if node.text() != Some(&chart.version) {
            let (name, pin) = (&release.declared.name, node.text().unwrap_or_default());
            let version = &chart.version;
            let why = format!("release `{name}` would pin {pin}, its chart would be {version}");
            return Err(Refused::Proof(why));
        }
    }
    Ok(())
}

/// The edit to the next version of the chart in a folder.
fn next(facts: &Facts, folder: &str) -> Result<Edit, Refused> {
    let file = facts.tree.file(&join(folder, "Chart.yaml"))?;
    let node = file.yaml().documents.first().and_then(|doc| doc.root.get("version"));
    let text = node.and_then(Node::text).unwrap_or_default().to_owned();
    let span = node.map(|node| node.span).unwrap_or_default();
    let mut spot = crate::finding::Spot::line(file.path.clone(), span.line.max(1));
    let parts: Vec<Option<u64>> = text.split('.').map(|part| part.parse().ok()).collect();
    let [Some(major), Some(minor), Some(patch)] = parts[..] else {
        return Err(Refused::Version { spot, version: text });
    };
    spot.column = span.column;
    let version = format!("{major}.{minor}.{}", patch.saturating_add(1));
    let line = file.line(span.line).unwrap_or_default();
    Edit::at(&spot, &line, &text, &version)
}

/// The edit that makes a release name a version, if it names another one.
fn repin(
    facts: &Facts,
    release: &Release,
    (object, node): (&Object, &Node),
    version: &str,
) -> Result<Option<Edit>, Refused> {
    let text = node.text().unwrap_or_default();
    if text == version {
        return Ok(None);
    }
    let spot = object.spot(node);
    let exact = |c: char| c.is_ascii_alphanumeric() || ".-+".contains(c);
    if !text.chars().all(exact) || text.split('.').count() < 3 || text.contains(".x") {
        return Err(Refused::Pin { spot, release: release.declared.name.clone() });
    }
    let line = facts.tree.file(&spot.file)?.line(spot.line).unwrap_or_default();
    Edit::at(&spot, &line, text, version).map(Some)
}

/// The object and node with the version of a release's chart; nothing where Flux reads none.
fn pin<'a>(facts: &'a Facts, release: &Release) -> Option<(&'a Object, &'a Node)> {
    let object = facts.objects.get(release.declared.object)?;
    let named = release.declared.chart.as_ref()?;
    let source = || {
        let namespace = Some(named.source_namespace.as_str());
        facts.find(SOURCE, &named.source_kind, namespace, &named.source_name)
    };
    match named.source_kind.as_str() {
        "HelmRepository" => Some((object, object.node.at("spec/chart/spec/version")?)),
        "OCIRepository" => source().and_then(|one| Some((one, one.node.at("spec/ref/tag")?))),
        "HelmChart" => source().and_then(|one| Some((one, one.node.at("spec/version")?))),
        _ => None,
    }
}
