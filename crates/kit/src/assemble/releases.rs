//! Renders every HelmRelease: offline first, then again with what would exist at that moment, where
//! a template asks the cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json};

use super::charts::{self, Found};
use super::{again, join};
use crate::facts::{Chart, Facts, Release, Rendering};
use crate::finding::{Finding, Spot};
use crate::flux::{HELM, HelmRelease};
use crate::object::{Hook, Identity, Object, Owner, Source};
use crate::render::Renderer;
use crate::render::wire::{self, Answer, Document, HelmAnswer, HelmRequest, PostRenderer, Request};
use crate::yaml::{Doc, Node, Value, load};

/// Adds every release and what it renders to. `alone` is the release of a target that is a chart.
pub(super) async fn add(facts: &mut Facts, alone: Option<Object>, renderer: &Renderer) {
    facts.objects.extend(alone);
    for at in 0..facts.objects.len() {
        let object = &facts.objects[at];
        if !object.is(HELM, "HelmRelease") {
            continue;
        }
        for (node, why) in HelmRelease::unsupported(object) {
            let message = format!("release `{}`: this {why}", object.name);
            let fix = "judge this release by itself, with what it needs in the tree";
            let finding = Finding::load(object.spot(node), message, fix);
            facts.problems.push(finding);
        }
        let file = object.place().file;
        let declared = HelmRelease::read(object, at, &file);
        facts.releases.push(Release { declared, chart: None, rendering: None });
    }
    let mut asked = Vec::new();
    for at in 0..facts.releases.len() {
        match request(facts, at) {
            Ok((request, chart)) => {
                facts.releases[at].chart = Some(chart);
                asked.push((at, request));
            }
            Err(problem) => facts.problems.push(*problem),
        }
    }
    let requests = asked.iter().map(|(_, request)| wrap(request)).collect();
    let mut answers: Vec<_> = renderer.batch(requests).await.into_iter().map(helm).collect();
    let without_world: Vec<usize> = answers.iter().map(objects_of).collect();
    ask_with_world(facts, &asked, &mut answers, renderer).await;
    for (((at, request), answer), count) in asked.iter().zip(answers).zip(without_world) {
        match answer {
            Ok(answer) => add_rendering(facts, *at, request, *answer, count),
            Err(reason) => {
                let problem = does_not_render(facts, *at, &reason);
                facts.problems.push(problem);
            }
        }
    }
    again::add(facts, &asked, renderer).await;
}

pub(super) type Answered = Result<Box<HelmAnswer>, String>;

pub(super) fn wrap(request: &HelmRequest) -> Request {
    Request::Helm(Box::new(request.clone()))
}

pub(super) fn helm(answer: Result<Answer, crate::render::HelperError>) -> Answered {
    match answer {
        Ok(Answer::Helm(answer)) => Ok(answer),
        Ok(_) => Err("the renderer answered something else".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn objects_of(answer: &Answered) -> usize {
    answer.as_ref().map_or(0, |answer| answer.documents.len())
}

/// Renders again what asked the cluster for something, with a world of what is given, what builds
/// apply, and what the releases before it render to.
async fn ask_with_world(
    facts: &Facts,
    asked: &[(usize, HelmRequest)],
    answers: &mut [Answered],
    renderer: &Renderer,
) {
    let asks = |answer: &Answered| answer.as_ref().is_ok_and(|answer| !answer.lookups.is_empty());
    let again: Vec<usize> = (0..answers.len()).filter(|at| asks(&answers[*at])).collect();
    if again.is_empty() {
        return;
    }
    let base: Vec<Json> = facts.objects.iter().map(|object| as_stored(&object.node)).collect();
    let rendered: BTreeMap<usize, Vec<Json>> = asked
        .iter()
        .zip(answers.iter())
        .map(|((release, request), answer)| (*release, stored(request, answer)))
        .collect();
    let requests = again
        .iter()
        .map(|at| {
            let (release, request) = &asked[*at];
            let mut world = base.clone();
            for before in facts.upstream(*release) {
                world.extend(rendered.get(&before).into_iter().flatten().cloned());
            }
            wrap(&HelmRequest { world: Some(world), ..request.clone() })
        })
        .collect();
    for (at, answer) in again.into_iter().zip(renderer.batch(requests).await) {
        answers[at] = helm(answer);
    }
}

fn stored(request: &HelmRequest, answer: &Answered) -> Vec<Json> {
    let documents = answer.as_ref().map(|answer| answer.documents.as_slice()).unwrap_or_default();
    let loaded = documents.iter().flat_map(|one| load(one.text.as_bytes()).documents);
    loaded
        .map(|doc| {
            let mut object = as_stored(&doc.root);
            if let Some(metadata) = object.get_mut("metadata").and_then(Json::as_object_mut) {
                metadata.entry("namespace").or_insert_with(|| request.namespace.clone().into());
            }
            object
        })
        .collect()
}

/// An object as the API server would give it back: a Secret's `stringData` is in its `data`.
fn as_stored(node: &Node) -> Json {
    let mut object = node.to_json();
    if object["kind"] == "Secret"
        && let Some(Json::Object(plain)) = object.get_mut("stringData").map(Json::take)
    {
        for (key, value) in plain {
            object["data"][key] = STANDARD.encode(value.as_str().unwrap_or_default()).into();
        }
    }
    object
}

/// A text in base64, as Secrets hold it.
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn request(facts: &Facts, at: usize) -> Result<(HelmRequest, Chart), Box<Finding>> {
    let release = &facts.releases[at].declared;
    let object = &facts.objects[release.object];
    let Found { chart, disk, hash } = charts::find(facts, release)?;
    let spec = object.node.get("spec");
    let texts = |path: &str| -> Vec<String> {
        let items = spec.map(|spec| spec.items_at(path)).unwrap_or_default();
        items.iter().filter_map(Node::text).map(str::to_owned).collect()
    };
    let request = HelmRequest {
        chart: disk,
        chart_hash: hash,
        release: release.release_name.clone(),
        namespace: release.target_namespace.clone(),
        values: values(facts, release)?,
        values_files: texts("chart/spec/valuesFiles"),
        ignore_missing_values_files: spec
            .and_then(|spec| spec.at("chart/spec/ignoreMissingValuesFiles")?.bool())
            .unwrap_or(false),
        kube_version: facts.settings.kubernetes.clone(),
        api_versions: facts.settings.api_versions.clone(),
        lines: true,
        post_renderers: post_renderers(object),
        ..HelmRequest::default()
    };
    Ok((request, chart))
}

/// `valuesFrom` in order, then `values` over all of it.
fn values(facts: &Facts, release: &HelmRelease) -> Result<Json, Box<Finding>> {
    let object = &facts.objects[release.object];
    let mut merged = Json::Object(Map::new());
    for from in object.node.items_at("spec/valuesFrom") {
        let text = |key: &str| from.get(key).and_then(Node::text).unwrap_or_default();
        let key = Some(text("valuesKey")).filter(|key| !key.is_empty()).unwrap_or("values.yaml");
        let optional = from.get("optional").and_then(Node::bool).unwrap_or(false);
        let found = facts.find("", text("kind"), Some(release.namespace.as_str()), text("name"));
        let content = found.and_then(|found| {
            ["stringData", "data"].iter().find_map(|part| found.node.get(part)?.get(key)?.text())
        });
        let Some(content) = content else {
            if optional {
                continue;
            }
            let message = format!("{} `{}` has no key `{key}` here", text("kind"), text("name"));
            let fix = "put the object into the kit, or into `given` of catalyst-kit.yaml";
            return Err(Finding::load(object.spot(from), message, fix).into());
        };
        let target = text("targetPath");
        if target.is_empty() {
            let loaded = load(content.as_bytes());
            if let Some(fault) = loaded.faults.first() {
                let message =
                    format!("the values in `{}` are no YAML: {}", text("name"), fault.reason);
                return Err(Finding::load(object.spot(from), message, "mend the values").into());
            }
            let over = loaded.documents.first().map(|doc| doc.root.to_json());
            merge(&mut merged, over.unwrap_or_default());
        } else {
            let value = load(content.as_bytes()).documents.pop().map(|doc| doc.root.to_json());
            let path: Vec<&str> = target.split('.').collect();
            merge(&mut merged, nested(&path, value.unwrap_or_else(|| content.into())));
        }
    }
    if let Some(own) = object.node.at("spec/values") {
        merge(&mut merged, own.to_json());
    }
    Ok(merged)
}

fn nested(path: &[&str], value: Json) -> Json {
    match path {
        [] => value,
        [key, rest @ ..] => {
            Json::Object(Map::from_iter([((*key).to_owned(), nested(rest, value))]))
        }
    }
}

fn merge(under: &mut Json, over: Json) {
    match (under, over) {
        (Json::Object(under), Json::Object(over)) => {
            for (key, value) in over {
                merge(under.entry(key).or_insert(Json::Null), value);
            }
        }
        (_, Json::Null) => {}
        (under, over) => *under = over,
    }
}

fn post_renderers(object: &Object) -> Vec<PostRenderer> {
    let list = |node: &Node, key: &str| -> Vec<Json> {
        node.items_at(key).iter().map(Node::to_json).collect()
    };
    let stated = object.node.items_at("spec/postRenderers").iter();
    let mut all: Vec<PostRenderer> = stated
        .filter_map(|renderer| renderer.get("kustomize"))
        .map(|one| PostRenderer {
            patches: list(one, "patches"),
            images: list(one, "images"),
            ..PostRenderer::default()
        })
        .collect();
    let pairs = |key: &str| -> BTreeMap<String, String> {
        let node = object.node.at("spec/commonMetadata").and_then(|common| common.get(key));
        let entries = node.map(Node::entries).unwrap_or_default();
        let pair = |entry: &crate::yaml::Entry| {
            Some((entry.name().to_owned(), entry.value.text()?.to_owned()))
        };
        entries.iter().filter_map(pair).collect()
    };
    let (common_labels, common_annotations) = (pairs("labels"), pairs("annotations"));
    if !common_labels.is_empty() || !common_annotations.is_empty() {
        all.push(PostRenderer { common_labels, common_annotations, ..PostRenderer::default() });
    }
    all
}

fn add_rendering(
    facts: &mut Facts,
    at: usize,
    request: &HelmRequest,
    answer: HelmAnswer,
    count: usize,
) {
    let HelmAnswer {
        chart, documents, crds, notes, lookups, unstable, values, files, reads, ..
    } = answer;
    let folder = facts.releases[at].chart.as_ref().and_then(|chart| chart.folder.clone());
    let place = |path: &str| in_tree(folder.as_deref(), path);
    let files: Arc<[String]> = files.iter().map(|path| place(path)).collect();
    let mut bytes = 0;
    let mut chancy = Vec::new();
    for document in crds {
        add_crds(facts, at, &place(&document.path), &document);
    }
    for (number, document) in documents.into_iter().enumerate() {
        bytes += document.text.len();
        let path = place(&document.path);
        if unstable.contains(&number) {
            chancy.push(facts.objects.len());
        }
        add_document(facts, at, request, &path, &files, document);
    }
    facts.releases[at].rendering = Some(Rendering {
        metadata: chart,
        values,
        own_values: request.values.clone(),
        lookups,
        reads,
        objects_without_world: count,
        unstable: chancy,
        notes,
        bytes,
        bump: None,
    });
}

/// A template's path, chart name first, as a path in the tree.
pub(super) fn in_tree(folder: Option<&str>, path: &str) -> String {
    match (folder, path.split_once('/')) {
        (Some(folder), Some((_, below))) => join(folder, below),
        _ => path.to_owned(),
    }
}

fn add_crds(facts: &mut Facts, at: usize, path: &str, document: &Document) {
    let file = facts.tree.file(path).ok();
    let parsed = match &file {
        Some(file) => file.yaml().documents.clone(),
        None => load(document.text.as_bytes()).documents,
    };
    for doc in parsed {
        let Some(identity) = Identity::of(&doc.root) else { continue };
        let source = match &file {
            Some(file) => Source::File(file.clone()),
            None => template(facts, path, &Arc::from([]), Vec::new()),
        };
        let mut object = identity.object(doc.root.into(), Owner::Release(at), source, None);
        object.from_crds = true;
        facts.objects.push(object);
    }
}

fn template(facts: &Facts, path: &str, files: &Arc<[String]>, lines: Vec<(u32, u32)>) -> Source {
    Source::Template { lines, files: files.clone(), path: path.into(), tree: facts.tree.clone() }
}

fn add_document(
    facts: &mut Facts,
    at: usize,
    request: &HelmRequest,
    path: &str,
    files: &Arc<[String]>,
    document: Document,
) {
    let loaded = load(document.text.as_bytes());
    let source = template(facts, path, files, document.lines);
    for fault in &loaded.faults {
        let lines = match &source {
            Source::Template { lines, .. } => lines.as_slice(),
            _ => &[],
        };
        let line = usize::try_from(fault.line - 1).ok().and_then(|at| lines.get(at)).copied();
        let (file, line) = line.unwrap_or_default();
        let name = usize::try_from(file).ok().and_then(|at| files.get(at)).filter(|_| line > 0);
        let spot = name.map_or(Spot::line(path, 1), |name| Spot::line(name.as_str(), line));
        let message = format!("the template renders to YAML with a fault: {}", fault.reason);
        facts.problems.push(Finding::load(spot, message, "mend the template"));
    }
    let hook = document.hook.as_ref();
    facts.objects.extend(objects_in(loaded.documents, at, &request.namespace, &source, hook));
}

/// The API objects of a rendered document.
pub(super) fn objects_in(
    documents: Vec<Doc>,
    at: usize,
    namespace: &str,
    source: &Source,
    hook: Option<&wire::HookForm>,
) -> Vec<Object> {
    let nodes = documents.into_iter().flat_map(|doc| items(doc.root));
    nodes
        .filter_map(|node| {
            let identity = Identity::of(&node)?;
            let owner = Owner::Release(at);
            let mut object = identity.object(node.into(), owner, source.clone(), Some(namespace));
            object.hook = hook.map(|hook| Hook {
                events: hook.events.clone().unwrap_or_default(),
                weight: hook.weight,
                delete_policies: hook.delete_policies.clone(),
            });
            Some(object)
        })
        .collect()
}

/// An object, or the objects of a `List`.
fn items(root: Node) -> Vec<Node> {
    let is_list = root.str_at("kind") == Some("List") && root.get("items").is_some();
    match (is_list, root.value) {
        (true, Value::Map(entries)) => {
            let items = entries.into_iter().find(|entry| entry.name() == "items");
            match items.map(|entry| entry.value.value) {
                Some(Value::List(items)) => items,
                _ => Vec::new(),
            }
        }
        (_, value) => vec![Node { span: root.span, value }],
    }
}

/// The problem of a release that does not render, at the template line Helm names.
fn does_not_render(facts: &Facts, at: usize, reason: &str) -> Finding {
    let release = &facts.releases[at];
    let folder = release.chart.as_ref().and_then(|chart| chart.folder.as_deref());
    let named =
        reason.split(|c: char| c.is_whitespace() || c == '(' || c == ')').find_map(|word| {
            let (path, rest) = word.split_once(':')?;
            let line = rest.split(':').next()?;
            let line = if line.is_empty() { 1 } else { line.parse::<u32>().ok()? };
            let path = in_tree(folder, path);
            facts.tree.has(&path).then(|| Spot::line(path, line))
        });
    let declared = facts.release_spot(release, "metadata/name");
    let message = format!("release `{}` does not render: {reason}", release.declared.name);
    let fix = "mend the template, or set the value it asks for";
    match named {
        Some(spot) => Finding::load(spot, message, fix).related(declared, "the release"),
        None => Finding::load(declared, message, fix),
    }
}
