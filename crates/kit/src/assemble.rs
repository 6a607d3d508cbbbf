//! Makes [`Facts`] of a folder: builds what Flux would build, renders what Helm would render.
//!
//! Entry point: [`assemble`]. Nothing is left out in silence: what cannot be read, built, found or
//! rendered becomes a problem among the facts. The only process is the renderer's.

mod again;
mod builds;
mod charts;
mod releases;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::facts::{Facts, in_chart, is_yaml};
use crate::finding::{Finding, Spot};
use crate::kinds;
use crate::object::{Identity, Object, Owner, Source};
use crate::render::Renderer;
use crate::render::wire::{Answer, Request, StrictRequest, Verdict};
use crate::settings::{self, Settings};
pub(crate) use crate::tree::join;
use crate::tree::{Tree, TreeError};

pub(crate) use releases::base64;

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The folder or chart to judge, relative to the tree; empty for the whole tree.
    pub target: String,
    /// Only the builds whose folder ends so.
    pub profile: Option<String>,
    /// Variables that win over those of `catalyst-kit.yaml`.
    pub substitute: BTreeMap<String, String>,
    /// Folders with charts, besides those of `catalyst-kit.yaml` and `charts` of the tree.
    pub charts: Vec<String>,
}

/// Makes the facts of a folder.
///
/// # Errors
/// [`TreeError`] when the folder itself cannot be listed; everything else is a problem among the
/// facts.
pub async fn assemble(
    tree: Arc<Tree>,
    options: &Options,
    renderer: &Renderer,
) -> Result<Facts, TreeError> {
    let listing = tree.list(&options.target)?;
    let (mut settings, problems) = read_settings(&tree, &options.target);
    settings.substitute.extend(options.substitute.clone());
    settings.charts.extend(options.charts.iter().cloned());
    if tree.disk("charts").is_dir() && !settings.charts.iter().any(|known| known == "charts") {
        settings.charts.push("charts".to_owned());
    }
    let mut facts = Facts {
        tree,
        target: options.target.clone(),
        listing,
        settings,
        builds: Vec::new(),
        objects: Vec::new(),
        verdicts: Vec::new(),
        releases: Vec::new(),
        substitutions: Vec::new(),
        released: Vec::new(),
        problems,
    };
    let before = facts.settings.released.clone();
    facts.listing.files.retain(|file| !is_below(before.as_deref(), file));
    report_unreadable(&mut facts);
    add_given(&mut facts);
    let alone = charts::alone(&facts);
    if alone.is_none() {
        builds::add(&mut facts, options.profile.as_deref(), renderer).await;
    }
    let is_module = |path: &String| path.ends_with(".tf") || path.ends_with(".tftpl");
    let has_module = facts.listing.files.iter().any(is_module);
    if alone.is_none() && facts.builds.is_empty() && facts.problems.is_empty() && !has_module {
        let message = "there is nothing here to judge: no kustomization file, manifest or chart";
        let fix = "name the folder of a kit, or of a chart";
        facts.problems.push(Finding::load(Spot::file(shown(&options.target)), message, fix));
    }
    releases::add(&mut facts, alone, renderer).await;
    settle_namespaces(&mut facts);
    facts.verdicts = verdicts(&facts.objects, renderer, &mut facts.problems).await;
    Ok(facts)
}

/// Reads `catalyst-kit.yaml` of the folder or of the nearest one above it.
fn read_settings(tree: &Tree, target: &str) -> (Settings, Vec<Finding>) {
    let mut folder = target;
    loop {
        let path = join(folder, settings::FILE_NAME);
        if let Ok(file) = tree.file(&path) {
            return Settings::read(&file, folder);
        }
        if folder.is_empty() {
            return (Settings::default(), Vec::new());
        }
        folder = folder.rsplit_once('/').map_or("", |(above, _)| above);
    }
}

/// Files that no build may ever see: too large, links that lead out.
fn report_unreadable(facts: &mut Facts) {
    for link in &facts.listing.escapes {
        let message = format!("`{link}` is a link that leads out of the tree");
        let fix = "put the file itself in its place";
        facts.problems.push(Finding::load(Spot::file(link.as_str()), message, fix));
    }
    for path in facts.listing.files.iter().filter(|path| is_yaml(path)) {
        if let Err(error) = facts.tree.file(path) {
            let fix = "split the file, or take it out of the tree";
            facts.problems.push(Finding::load(Spot::file(path.as_str()), error.to_string(), fix));
        }
    }
}

fn add_given(facts: &mut Facts) {
    let Some(file) = facts.settings.file.as_ref().and_then(|path| facts.tree.file(path).ok())
    else {
        return;
    };
    for node in facts.settings.given.clone() {
        let Some(identity) = Identity::of(&node) else {
            let spot = Spot::span(file.path.clone(), node.span);
            let message = "this given object has no apiVersion or kind";
            facts.problems.push(Finding::load(spot, message, "write it as a manifest"));
            continue;
        };
        let source = Source::File(file.clone());
        facts.objects.push(identity.object(Arc::new(node), Owner::Given, source, None));
    }
}

/// Custom objects without a namespace take their release's, if their CRD says they live in one.
fn settle_namespaces(facts: &mut Facts) {
    let scoped: Vec<(String, String)> = facts
        .of_kind("apiextensions.k8s.io", "CustomResourceDefinition")
        .filter(|crd| crd.node.str_at("spec/scope") == Some("Namespaced"))
        .filter_map(|crd| {
            let text = |path| crd.node.str_at(path).map(str::to_owned);
            Some((text("spec/group")?, text("spec/names/kind")?))
        })
        .collect();
    let homes: Vec<String> =
        facts.releases.iter().map(|release| release.declared.target_namespace.clone()).collect();
    for object in &mut facts.objects {
        if object.namespace.is_none()
            && kinds::is_namespaced(object.group(), &object.kind).is_none()
        {
            let is_scoped = scoped.iter().any(|(group, kind)| object.is(group, kind));
            if let (true, Owner::Release(at)) = (is_scoped, object.owner) {
                object.namespace = homes.get(at).cloned();
            }
        }
    }
}

/// Holds every object against the types of Kubernetes and Flux.
async fn verdicts(
    objects: &[Object],
    renderer: &Renderer,
    problems: &mut Vec<Finding>,
) -> Vec<Verdict> {
    let documents = objects.iter().map(|object| object.node.to_json().to_string()).collect();
    let request = Request::Strict(StrictRequest { documents });
    match renderer.batch(vec![request]).await.pop() {
        Some(Ok(Answer::Strict(verdicts))) if verdicts.len() == objects.len() => verdicts,
        Some(Err(error)) => {
            let fix = "run `scripts/kit-render`";
            problems.push(Finding::load(Spot::file(""), error.to_string(), fix));
            vec![Verdict { known: false, faults: Vec::new() }; objects.len()]
        }
        _ => vec![Verdict { known: false, faults: Vec::new() }; objects.len()],
    }
}

/// A folder as a person reads it.
fn shown(folder: &str) -> &str {
    if folder.is_empty() { "." } else { folder }
}

/// Whether a file lies in a folder, if there is one.
fn is_below(folder: Option<&str>, file: &str) -> bool {
    let rest = folder.and_then(|folder| file.strip_prefix(folder));
    rest.is_some_and(|rest| rest.starts_with('/'))
}

/// Whether a file may hold manifests of a folder that Flux would list by itself.
fn is_manifest(files: &[String], path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    is_yaml(path) && name != settings::FILE_NAME && !in_chart(files, path)
}
