//! What Flux would build: folders with a kustomization file, and what Flux Kustomizations point at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use super::{is_below, is_manifest, join, shown};
use crate::facts::{Build, Facts, FailedSubstitution};
use crate::finding::{Finding, Spot};
use crate::flux::KUSTOMIZE;
use crate::object::{FIRST, Identity, Object, Owner, Source};
use crate::render::wire::{Answer, Built, KustomizeRequest, Request};
use crate::render::{FILE_NAMES, Renderer, bounds};
use crate::substitute::{SubstituteError, Variables, substitute};
use crate::tree::{SourceFile, Tree};
use crate::yaml::{Node, load};

/// One build to do.
struct Plan {
    path: String,
    /// The Flux Kustomization that asks for it.
    object: Option<usize>,
}

/// Adds every build of the target, and then those that the objects of builds ask for.
pub(super) async fn add(facts: &mut Facts, profile: Option<&str>, renderer: &Renderer) {
    let mut seen = BTreeSet::new();
    let mut plans: Vec<Plan> = roots(facts, profile)
        .into_iter()
        .map(|path| Plan { path, object: None })
        .filter(|plan| seen.insert(plan.path.clone()))
        .collect();
    while !plans.is_empty() {
        let first_new = facts.objects.len();
        build(facts, plans, renderer).await;
        plans = asked_for(facts, first_new)
            .into_iter()
            .filter(|plan| seen.insert(plan.path.clone()))
            .collect();
    }
}

/// The folders that nothing else in the target includes.
fn roots(facts: &mut Facts, profile: Option<&str>) -> Vec<String> {
    let mut roots = all_roots(facts);
    if let Some(profile) = profile {
        let known = roots.join("`, `");
        let end = format!("/{profile}");
        roots.retain(|path| path == profile || path.ends_with(&end));
        if roots.is_empty() {
            let message = format!("no build is called `{profile}`");
            let fix = match known.as_str() {
                "" => "there is none at all here: leave the profile out".to_owned(),
                known => format!("there are `{known}`"),
            };
            let spot = Spot::file(shown(&facts.target));
            facts.problems.push(Finding::load(spot, message, fix));
        }
    }
    roots
}

fn all_roots(facts: &Facts) -> Vec<String> {
    let files = &facts.listing.files;
    let is_kustomization = |path: &&String| {
        let name = path.rsplit('/').next().unwrap_or(path);
        FILE_NAMES.contains(&name) && !crate::facts::in_chart(files, path)
    };
    let folders: Vec<String> = files
        .iter()
        .filter(is_kustomization)
        .filter(|path| !is_component(&facts.tree, path))
        .map(|path| path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned())
        .collect();
    let pointed = pointed_at(facts);
    let mut included = pointed.clone();
    for folder in &folders {
        let closure = Closure::of(&facts.tree, folder);
        included.extend(closure.folders.into_iter().filter(|inner| inner != folder));
    }
    let (included, open): (Vec<_>, Vec<_>) =
        folders.into_iter().partition(|folder| included.contains(folder));
    let mut roots = open;
    // Folders that include each other have no first one; the build says so.
    let begun = roots.iter().chain(&pointed);
    let mut reached: BTreeSet<String> =
        begun.flat_map(|folder| Closure::of(&facts.tree, folder).folders).collect();
    for folder in included {
        if !reached.contains(&folder) {
            reached.extend(Closure::of(&facts.tree, &folder).folders);
            roots.push(folder);
        }
    }
    if roots.is_empty() && files.iter().any(|path| is_manifest(files, path)) {
        roots.push(facts.target.clone());
    }
    roots
}

fn is_component(tree: &Tree, path: &str) -> bool {
    tree.file(path).is_ok_and(|file| {
        let first = file.yaml().documents.first();
        first.and_then(|doc| doc.root.str_at("kind")) == Some("Component")
    })
}

/// Folders that Flux Kustomizations in the target's files point at: they are built as those say.
fn pointed_at(facts: &Facts) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for path in facts.manifests() {
        let Ok(file) = facts.tree.file(path) else { continue };
        for doc in &file.yaml().documents {
            let group = doc.root.str_at("apiVersion").unwrap_or_default();
            if group.starts_with(KUSTOMIZE)
                && let Some(path) = doc.root.str_at("spec/path")
            {
                found.extend(bounds::normal("", path));
            }
        }
    }
    found
}

/// Flux Kustomizations among the objects from `first` on whose folder is in this tree.
fn asked_for(facts: &Facts, first: usize) -> Vec<Plan> {
    let objects = facts.objects.iter().enumerate().skip(first);
    let wanted = objects.filter(|(_, object)| object.is(KUSTOMIZE, "Kustomization"));
    wanted
        .filter_map(|(at, object)| {
            let path = bounds::normal("", object.node.str_at("spec/path").unwrap_or("."))?;
            let is_here = facts.tree.disk(&path).is_dir();
            is_here.then_some(Plan { path, object: Some(at) })
        })
        .collect()
}

async fn build(facts: &mut Facts, plans: Vec<Plan>, renderer: &Renderer) {
    let mut requests = Vec::new();
    let mut begun = Vec::new();
    for plan in plans {
        let closure = Closure::of(&facts.tree, &plan.path);
        if let Err(error) = bounds::check(facts.tree.root(), &plan.path) {
            let spot = word_in(&facts.tree, &error.file, &error.reference);
            let fix = "bring what it needs into the tree";
            facts.problems.push(Finding::load(spot, error.to_string(), fix));
            continue;
        }
        let unread = closure.unread(&facts.tree);
        if !unread.is_empty() {
            facts.problems.extend(unread);
            continue;
        }
        let spec = plan.object.and_then(|at| facts.objects[at].node.get("spec").cloned());
        let extra = extra(facts, &plan.path);
        requests.push(Request::Kustomize(KustomizeRequest {
            root: facts.tree.root().display().to_string(),
            path: plan.path.clone(),
            wrapper: wrapper(spec.as_ref()),
            files_hash: closure.hash(&facts.tree, &extra),
            extra,
        }));
        begun.push((plan, closure));
    }
    let answers = renderer.batch(requests).await;
    for ((plan, closure), answer) in begun.into_iter().zip(answers) {
        match answer {
            Ok(Answer::Kustomize(built)) => add_built(facts, plan, closure, built),
            Ok(_) => {}
            Err(error) => {
                let file = closure.kustomizations.first().cloned();
                let spot = blamed(&facts.tree, &error.to_string())
                    .unwrap_or_else(|| Spot::line(file.unwrap_or(plan.path.clone()), 1));
                let message = format!("`{}` does not build: {error}", plan.path);
                facts.problems.push(Finding::load(spot, message, "mend what kustomize names"));
            }
        }
    }
}

/// The list of manifests that Flux makes for a folder without a kustomization file.
fn extra(facts: &Facts, path: &str) -> BTreeMap<String, String> {
    let mut extra = BTreeMap::new();
    let has_own = FILE_NAMES.iter().any(|name| facts.tree.has(&join(path, name)));
    if !has_own && let Ok(listing) = facts.tree.list(path) {
        let below = |file: &String| {
            let inner = if path.is_empty() { file } else { file.strip_prefix(path)?.get(1..)? };
            Some(inner.to_owned())
        };
        // What another Kustomization builds is not built twice.
        let mut others = pointed_at(facts);
        others.remove(path);
        let is_other = |file: &String| {
            others
                .iter()
                .any(|other| other.len() > path.len() && file.starts_with(&format!("{other}/")))
        };
        let resources: Vec<String> = listing
            .files
            .iter()
            .filter(|file| is_manifest(&listing.files, file) && holds_objects(&facts.tree, file))
            .filter(|file| !is_other(file) && !is_below(facts.settings.released.as_deref(), file))
            .filter_map(below)
            .collect();
        extra.insert(join(path, FILE_NAMES[0]), kustomization(json!({ "resources": resources })));
    }
    extra
}

/// What a Flux Kustomization adds to the folder it builds.
fn wrapper(spec: Option<&Node>) -> Json {
    let mut wrapper = json!({});
    let own = [
        ("namespace", "targetNamespace"),
        ("namePrefix", "namePrefix"),
        ("nameSuffix", "nameSuffix"),
        ("patches", "patches"),
        ("images", "images"),
        ("components", "components"),
        ("commonAnnotations", "commonMetadata/annotations"),
    ];
    for (key, flux) in own {
        let value = spec.and_then(|spec| spec.at(flux)).map(Node::to_json);
        if let Some(value) = value.filter(|value| !value.is_null()) {
            wrapper[key] = value;
        }
    }
    if let Some(labels) = spec.and_then(|spec| spec.at("commonMetadata/labels")) {
        wrapper["labels"] = json!([{ "pairs": labels.to_json() }]);
    }
    wrapper
}

fn kustomization(mut content: Json) -> String {
    content["apiVersion"] = json!("kustomize.config.k8s.io/v1beta1");
    content["kind"] = json!("Kustomization");
    content.to_string()
}

/// Whether a file holds API objects; others, such as values, are no manifests.
fn holds_objects(tree: &Tree, path: &str) -> bool {
    tree.file(path).is_ok_and(|file| {
        let loaded = file.yaml();
        !loaded.faults.is_empty()
            || loaded.documents.iter().any(|d| Identity::of(&d.root).is_some())
    })
}

fn add_built(facts: &mut Facts, plan: Plan, closure: Closure, built: Vec<Built>) {
    let at = facts.builds.len();
    let variables = variables(facts, plan.object);
    for one in built {
        let source = source(facts, &closure, &one);
        let mut text = one.text;
        let mut failed = None;
        if !text.contains("kustomize.toolkit.fluxcd.io/substitute: disabled") {
            match substitute(&text, &variables) {
                Ok(replaced) => text = replaced,
                Err(error) => failed = Some(error),
            }
        }
        let Some(node) = load(text.as_bytes()).documents.pop().map(|doc| doc.root) else {
            continue;
        };
        let Some(identity) = Identity::of(&node) else { continue };
        let default = if failed.is_some() { None } else { Some("default") };
        let object = identity.object(Arc::new(node), Owner::Build(at), source, default);
        if let Some(error) = failed {
            let spot = variable_spot(&object, &error);
            let object = facts.objects.len();
            facts.substitutions.push(FailedSubstitution { object, error, spot });
        }
        facts.objects.push(object);
    }
    let Closure { kustomizations, .. } = closure;
    facts.builds.push(Build { path: plan.path, kustomizations, object: plan.object });
}

/// The variables a build is substituted with, in Flux's order: `substituteFrom`, then `substitute`;
/// those of the settings stand for what first boot would say, and the command line's win.
fn variables(facts: &Facts, object: Option<usize>) -> Variables {
    let mut variables = facts.settings.substitute.clone();
    let Some(object) = object.map(|at| &facts.objects[at]) else { return variables };
    for from in object.node.items_at("spec/postBuild/substituteFrom") {
        let text = |key: &str| from.get(key).and_then(Node::text).unwrap_or_default();
        let namespace = object.namespace.as_deref();
        if let Some(found) = facts.find("", text("kind"), namespace, text("name")) {
            for key in ["data", "stringData"] {
                for entry in found.node.get(key).map(Node::entries).unwrap_or_default() {
                    let value = entry.value.text().unwrap_or_default();
                    variables.insert(entry.name().to_owned(), value.to_owned());
                }
            }
        }
    }
    if let Some(own) = object.node.at("spec/postBuild/substitute") {
        for entry in own.entries() {
            let value = entry.value.text().unwrap_or_default();
            variables.insert(entry.name().to_owned(), value.to_owned());
        }
    }
    variables
}

/// The node that holds a failed substitution, else the object.
fn variable_spot(object: &Object, error: &SubstituteError) -> Spot {
    let wanted = match error {
        SubstituteError::Unset { name, .. } => format!("${{{name}"),
        SubstituteError::Function { name, .. } => format!("${{{name}"),
        SubstituteError::Malformed { .. } => "${".to_owned(),
    };
    let mut found = None;
    object.node.walk(&mut |node| {
        if found.is_none() && node.text().is_some_and(|text| text.contains(&wanted)) {
            found = Some(object.spot(node));
        }
    });
    found.unwrap_or_else(|| object.place())
}

fn source(facts: &Facts, closure: &Closure, built: &Built) -> Source {
    let tree = &facts.tree;
    let named = if built.origin.is_empty() { &built.configured_in } else { &built.origin };
    let file = tree.file(named).or_else(|_| {
        let first = closure.kustomizations.first().map_or("", String::as_str);
        tree.file(first)
    });
    let Ok(file) = file else { return Source::File(Arc::new(SourceFile::default())) };
    let identity =
        load(built.text.as_bytes()).documents.pop().and_then(|doc| Identity::of(&doc.root));
    let origin = identity.and_then(|identity| {
        let fits = |node: &Node| {
            Identity::of(node).is_some_and(|other| {
                other.kind == identity.kind
                    && (other.name == identity.name
                        || identity.name.contains(&other.name) && !other.name.is_empty())
            })
        };
        file.yaml()
            .documents
            .iter()
            .find(|doc| fits(&doc.root))
            .map(|doc| Arc::new(doc.root.clone()))
    });
    let name = origin.as_deref().and_then(|node| node.str_at("metadata/name")).unwrap_or_default();
    let patched_in = closure
        .kustomizations
        .iter()
        .filter_map(|path| tree.file(path).ok())
        .find(|file| patches(file, name));
    Source::Built { origin, file, patched_in }
}

/// Whether a kustomization file patches an object of that name.
fn patches(file: &SourceFile, name: &str) -> bool {
    let doc = file.yaml().documents.first();
    doc.is_some_and(|doc| {
        doc.root.items_at("patches").iter().any(|patch| {
            patch.str_at("target/name") == Some(name)
                || patch.str_at("patch").is_some_and(|text| text.contains(&format!("name: {name}")))
        })
    })
}

/// Everything a build may read, as far as its kustomization files say.
struct Closure {
    folders: BTreeSet<String>,
    kustomizations: Vec<String>,
    files: BTreeSet<String>,
    /// Whether some reference was not understood: then the files are not all.
    open: bool,
}

impl Closure {
    fn of(tree: &Tree, folder: &str) -> Self {
        let mut closure = Self {
            folders: BTreeSet::new(),
            kustomizations: Vec::new(),
            files: BTreeSet::new(),
            open: false,
        };
        closure.follow(tree, folder);
        closure
    }

    fn follow(&mut self, tree: &Tree, folder: &str) {
        if !self.folders.insert(folder.to_owned()) {
            return;
        }
        let own = FILE_NAMES.iter().map(|name| join(folder, name)).find(|path| tree.has(path));
        let Some(own) = own else {
            let listing = tree.list(folder).unwrap_or_default();
            let listed = listing.files.iter().filter(|file| is_manifest(&listing.files, file));
            self.files.extend(listed.cloned());
            return;
        };
        self.kustomizations.push(own.clone());
        self.files.insert(own.clone());
        let Ok(file) = tree.file(&own) else { return };
        let Some(doc) = file.yaml().documents.first() else { return };
        for entry in doc.root.entries() {
            match entry.name() {
                "resources" | "bases" | "components" => {
                    for item in entry.value.items().iter().filter_map(Node::text) {
                        match bounds::normal(folder, item) {
                            Some(path) if tree.disk(&path).is_dir() => self.follow(tree, &path),
                            Some(path) => {
                                self.files.insert(path);
                            }
                            None => self.open = true,
                        }
                    }
                }
                "patches" => {
                    for path in entry.value.items().iter().filter_map(|patch| patch.str_at("path"))
                    {
                        self.files.extend(bounds::normal(folder, path));
                    }
                }
                "apiVersion" | "kind" | "metadata" | "namespace" | "namePrefix" | "nameSuffix"
                | "labels" | "commonLabels" | "commonAnnotations" | "images" | "replicas"
                | "buildMetadata" | "sortOptions" => {}
                _ => self.open = true,
            }
        }
    }

    /// Files that no engine is asked to read.
    fn unread(&self, tree: &Tree) -> Vec<Finding> {
        let files = self.files.iter().filter_map(|path| tree.file(path).ok());
        let unread = files.filter_map(|file| {
            let fault = file.yaml().unread.clone()?;
            Some(Finding::fault(&file, &fault, "mend the file: its folder is not built"))
        });
        unread.collect()
    }

    /// A hash over all of it; empty when it may not be all.
    fn hash(&self, tree: &Tree, extra: &BTreeMap<String, String>) -> String {
        if self.open {
            return String::new();
        }
        let mut hash = Sha256::new();
        for path in &self.files {
            let Ok(file) = tree.file(path) else { return String::new() };
            hash.update(format!("{path} {}\n", file.bytes.len()));
            hash.update(&file.bytes);
        }
        for (path, text) in extra {
            hash.update(format!("{path} {}\n{text}", text.len()));
        }
        hex::encode(hash.finalize())
    }
}

/// The first place in a file of a word.
fn word_in(tree: &Tree, file: &str, word: &str) -> Spot {
    let Ok(found) = tree.file(file) else { return Spot::file(file) };
    let text = found.text();
    let line = text.lines().position(|line| line.contains(word));
    line.map_or(Spot::line(file, 1), |at| Spot::line(file, u32::try_from(at).unwrap_or(0) + 1))
}

/// The first file of the tree that kustomize's words name and that has a fault of its own.
fn blamed(tree: &Tree, words: &str) -> Option<Spot> {
    let separators = |c: char| c.is_whitespace() || "'\":,".contains(c);
    words.split(separators).map(|word| word.trim_start_matches("../")).find_map(|word| {
        let file = tree.file(word).ok()?;
        let fault = file.yaml().faults.first()?.clone();
        let mut spot = Spot::span(file.path.clone(), FIRST);
        (spot.line, spot.column, spot.width) = (fault.line, fault.column, 0);
        Some(spot)
    })
}
