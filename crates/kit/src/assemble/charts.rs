//! Finds the chart a release names, on this machine.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::{join, shown};
use crate::facts::{Chart, Facts};
use crate::finding::{Finding, Spot};
use crate::flux::{ChartPin, HELM, HelmRelease, SOURCE};
use crate::object::{Identity, Object, Owner, Source};
use crate::render::bounds;
use crate::tree::Tree;
use crate::yaml::{Node, load};

/// Bytes of a chart that are read; Helm itself refuses more than 100 MiB.
const MAX_CHART: usize = 100 << 20;

/// A chart and what its rendering depends on.
pub(super) struct Found {
    pub(super) chart: Chart,
    /// The folder or archive on the disk.
    pub(super) disk: String,
    /// Hash of everything in it.
    pub(super) hash: String,
}

/// The release of a target that is itself a chart: called as the chart, in a namespace of that name.
pub(super) fn alone(facts: &Facts) -> Option<Object> {
    let path = join(&facts.target, "Chart.yaml");
    let file = facts.tree.file(&path).ok()?;
    let name = file.yaml().documents.first()?.root.str_at("name")?.to_owned();
    let folder = shown(&facts.target);
    let manifest = serde_json::json!({
        "apiVersion": format!("{HELM}/v2"),
        "kind": "HelmRelease",
        "metadata": { "name": name, "namespace": "flux-system" },
        "spec": {
            "interval": "15m",
            "timeout": "15m",
            "releaseName": name,
            "targetNamespace": name,
            "chart": { "spec": {
                "chart": format!("./{folder}"),
                "sourceRef": { "kind": "GitRepository", "name": "this-tree" },
            } },
        },
    });
    let root = load(manifest.to_string().as_bytes()).documents.pop()?.root;
    let source = Source::Built { origin: None, file, patched_in: None };
    Some(Identity::of(&root)?.object(root.into(), Owner::Given, source, None))
}

/// Finds the chart of a release.
///
/// # Errors
/// The problem, ready to be reported: nothing of that name is here, or the chart is unusable.
pub(super) fn find(facts: &Facts, release: &HelmRelease) -> Result<Found, Box<Finding>> {
    let object = &facts.objects[release.object];
    let at = |path: &str| object.node.at(path).map_or_else(|| object.place(), |n| object.spot(n));
    let Some(pin) = &release.chart else {
        let message = format!("release `{}` names no chart", release.name);
        return Err(
            Finding::load(object.place(), message, "set `spec.chart` or `spec.chartRef`").into()
        );
    };
    let wanted = resolve(facts, pin);
    let spot = at(if pin.name.is_empty() { "spec/chartRef/name" } else { "spec/chart/spec/chart" });
    if let Some(folder) = in_folder(facts, &wanted) {
        return folder_chart(&facts.tree, &folder, &spot);
    }
    if let Some(archive) = in_archive(facts, &wanted) {
        return archive_chart(&facts.tree, &archive, &wanted, &spot);
    }
    let folders = facts.settings.charts.join("`, `");
    let message = format!("chart `{}` {} is not on this machine", wanted.name, wanted.version);
    let fix = format!("put it, as a folder or an archive, below one of `{folders}`");
    Err(Finding::load(spot, message, fix).into())
}

/// The chart of that name among those released before, as a folder or an archive of any version; `spot`
/// is where the release names it.
pub(super) fn released(
    facts: &Facts,
    name: &str,
    spot: &Spot,
) -> Option<Result<Found, Box<Finding>>> {
    let folder = facts.settings.released.as_deref()?;
    let own = join(folder, name);
    if name_of(&facts.tree, &own).as_deref() == Some(name) {
        return Some(folder_chart(&facts.tree, &own, spot));
    }
    let files = facts.tree.list(folder).ok()?.files;
    let archive = files.into_iter().rev().find_map(|path| {
        let file = path.rsplit('/').next()?;
        let version = file.strip_prefix(name)?.strip_prefix('-')?.strip_suffix(".tgz")?.to_owned();
        version.starts_with(|c: char| c.is_ascii_digit()).then_some((path, version))
    });
    let (path, version) = archive?;
    let wanted = Wanted { name: name.to_owned(), version, path: None };
    Some(archive_chart(&facts.tree, &path, &wanted, spot))
}

/// What to look for: a chart's name and version, or a path in this tree.
struct Wanted {
    name: String,
    version: String,
    path: Option<String>,
}

fn resolve(facts: &Facts, pin: &ChartPin) -> Wanted {
    let source =
        facts.find(SOURCE, &pin.source_kind, Some(pin.source_namespace.as_str()), &pin.source_name);
    let text = |object: &Object, path: &str| -> String {
        object.node.at(path).and_then(Node::text).unwrap_or_default().to_owned()
    };
    let (name, version) = match (pin.source_kind.as_str(), source) {
        ("OCIRepository", Some(object)) => {
            let url = text(object, "spec/url");
            let name = url.rsplit('/').next().unwrap_or_default().to_owned();
            let tag = text(object, "spec/ref/tag");
            (name, if tag.is_empty() { text(object, "spec/ref/semver") } else { tag })
        }
        ("HelmChart", Some(object)) => (text(object, "spec/chart"), text(object, "spec/version")),
        _ => (pin.name.clone(), pin.version.clone()),
    };
    let is_path = matches!(pin.source_kind.as_str(), "GitRepository" | "Bucket");
    let path = is_path.then(|| bounds::normal("", &name)).flatten();
    Wanted { name, version, path }
}

fn in_folder(facts: &Facts, wanted: &Wanted) -> Option<String> {
    if let Some(path) = &wanted.path {
        return facts.tree.has(&join(path, "Chart.yaml")).then(|| path.clone());
    }
    let short = wanted.name.strip_prefix("bp-").unwrap_or(&wanted.name);
    for folder in &facts.settings.charts {
        for inner in [wanted.name.as_str(), short] {
            for candidate in [join(folder, inner), join(&join(folder, inner), "chart")] {
                if name_of(&facts.tree, &candidate).as_deref() == Some(&wanted.name) {
                    return Some(candidate);
                }
            }
        }
    }
    None
}

fn in_archive(facts: &Facts, wanted: &Wanted) -> Option<String> {
    let name = format!("{}-{}.tgz", wanted.name, wanted.version);
    facts.settings.charts.iter().map(|folder| join(folder, &name)).find(|path| facts.tree.has(path))
}

fn name_of(tree: &Tree, folder: &str) -> Option<String> {
    let file = tree.file(&join(folder, "Chart.yaml")).ok()?;
    file.yaml().documents.first()?.root.str_at("name").map(str::to_owned)
}

fn folder_chart(tree: &Tree, folder: &str, spot: &Spot) -> Result<Found, Box<Finding>> {
    let refuse = |message: String, at: &str| {
        let fix = "a chart holds plain files below its folder";
        let finding = Finding::load(Spot::file(at), message, fix);
        Box::new(finding.related(spot.clone(), "the release that names it"))
    };
    let listing = tree.list(folder).map_err(|error| refuse(error.to_string(), folder))?;
    if let Some(link) = listing.escapes.first() {
        return Err(refuse(format!("`{link}` is a link that leads out of the tree"), link));
    }
    if let Some(link) = listing.linked.first() {
        return Err(refuse(format!("`{link}` is a link to a folder"), link));
    }
    let mut hash = Sha256::new();
    let mut bytes = 0;
    for path in &listing.files {
        let file = tree.file(path).map_err(|error| refuse(error.to_string(), path))?;
        bytes += file.bytes.len();
        if bytes > MAX_CHART {
            return Err(refuse(format!("the chart has more than {MAX_CHART} bytes"), folder));
        }
        let is_read = matches!(path.rsplit('/').next(), Some("Chart.yaml" | "values.yaml"));
        if let Some(fault) = file.yaml().unread.as_ref().filter(|_| is_read) {
            let finding = Finding::fault(&file, fault, "mend the file");
            return Err(finding.related(spot.clone(), "the release that names it").into());
        }
        let below = path.strip_prefix(folder).unwrap_or(path);
        hash.update(format!("{below} {}\n", file.bytes.len()));
        hash.update(&file.bytes);
    }
    let own = tree.file(&join(folder, "Chart.yaml")).map_err(|e| refuse(e.to_string(), folder))?;
    let text = |key: &str| {
        let root = own.yaml().documents.first().map(|doc| &doc.root);
        root.and_then(|root| root.get(key)?.text()).unwrap_or_default().to_owned()
    };
    let chart = Chart {
        folder: Some(folder.to_owned()),
        files: listing.files,
        name: text("name"),
        version: text("version"),
    };
    let disk = tree.disk(folder).display().to_string();
    Ok(Found { chart, disk, hash: hex::encode(hash.finalize()) })
}

fn archive_chart(
    tree: &Tree,
    path: &str,
    wanted: &Wanted,
    spot: &Spot,
) -> Result<Found, Box<Finding>> {
    let refuse = |message: String| {
        let fix = "pack the chart anew with `helm package`";
        let finding = Finding::load(Spot::file(path), message, fix);
        Box::new(finding.related(spot.clone(), "the release that names it"))
    };
    let file = tree.file(path).map_err(|error| refuse(error.to_string()))?;
    check_archive(&file.bytes).map_err(|reason| refuse(format!("the archive {reason}")))?;
    let (name, version) = (wanted.name.clone(), wanted.version.clone());
    let chart = Chart { folder: None, files: Vec::new(), name, version };
    let disk = Path::new(tree.root()).join(path).display().to_string();
    Ok(Found { chart, disk, hash: hex::encode(Sha256::digest(&file.bytes)) })
}

/// Refuses what an archive of a chart never holds: links, and names that climb out.
fn check_archive(bytes: &[u8]) -> Result<(), String> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(bytes));
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    let mut room = MAX_CHART as u64;
    for entry in archive.entries().map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path().map_err(unreadable)?.into_owned();
        let shown = path.display().to_string();
        if shown.starts_with('/') || shown.split('/').any(|part| part == "..") {
            return Err(format!("holds `{shown}`, which leads out of it"));
        }
        let kind = entry.header().entry_type();
        if kind.is_symlink() || kind.is_hard_link() {
            return Err(format!("holds `{shown}`, a link"));
        }
        room = room
            .checked_sub(entry.size())
            .ok_or_else(|| format!("unpacks to more than {MAX_CHART} bytes"))?;
    }
    Ok(())
}
