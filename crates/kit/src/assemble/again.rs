//! Second renderings: every release with other tags of images, and the charts that were released
//! before with the values of today.

use std::sync::Arc;

use serde_json::Value as Json;

use super::charts;
use super::releases::{helm, in_tree, objects_in, wrap};
use crate::facts::{Bump, Facts, is_yaml};
use crate::image::Reference;
use crate::object::{Identity, Object, Owner, Source};
use crate::render::Renderer;
use crate::render::wire::{HelmAnswer, HelmRequest};
use crate::yaml::load;

/// Adds what the charts of before render to, and how today's look with other tags.
pub(super) async fn add(facts: &mut Facts, asked: &[(usize, HelmRequest)], renderer: &Renderer) {
    let mut bumps = Vec::new();
    let mut requests = Vec::new();
    for (at, request) in asked {
        let release = &facts.releases[*at];
        let is_own = release.chart.as_ref().is_some_and(|chart| chart.folder.is_some());
        let Some(rendering) = release.rendering.as_ref().filter(|_| is_own) else { continue };
        let mut values = rendering.values.clone();
        let tags = bump(&mut values);
        if !tags.is_empty() {
            requests.push(wrap(&HelmRequest { values, lines: false, ..request.clone() }));
            bumps.push((*at, request, tags));
        }
    }
    let mut before = Vec::new();
    for (at, request) in asked {
        let Some(chart) = &facts.releases[*at].chart else { continue };
        let spot = facts.release_spot(&facts.releases[*at], "metadata/name");
        match charts::released(facts, &chart.name, &spot) {
            Some(Ok(found)) => {
                let folder = found.chart.folder;
                let (chart, chart_hash) = (found.disk, found.hash);
                let request = HelmRequest { chart, chart_hash, lines: false, ..request.clone() };
                requests.push(wrap(&request));
                before.push((*at, request, folder));
            }
            Some(Err(problem)) => facts.problems.push(*problem),
            None => {}
        }
    }
    let mut answers = renderer.batch(requests).await.into_iter().map(helm);
    for (at, request, tags) in bumps {
        let Some(answer) = answers.next() else { return };
        let objects = answer.map(|answer| objects(facts, at, request, None, &answer));
        if let Some(rendering) = &mut facts.releases[at].rendering {
            rendering.bump = Some(Bump { tags, objects });
        }
    }
    for ((at, request, folder), answer) in before.into_iter().zip(answers) {
        match answer {
            Ok(answer) => {
                let objects = objects(facts, at, &request, folder.as_deref(), &answer);
                facts.released.extend(objects);
            }
            Err(reason) => {
                let release = &facts.releases[at];
                let name = &release.declared.name;
                let message = format!("`{name}` as released before does not render: {reason}");
                let spot = facts.release_spot(release, "metadata/name");
                let fix = "put what it rendered to into the folder, in place of the chart";
                facts.problems.push(crate::finding::Finding::load(spot, message, fix));
            }
        }
    }
    add_manifests(facts);
}

fn objects(
    facts: &Facts,
    at: usize,
    request: &HelmRequest,
    folder: Option<&str>,
    answer: &HelmAnswer,
) -> Vec<Object> {
    // Definitions come after, so that the others are in Helm's order.
    let documents = answer.documents.iter().chain(&answer.crds);
    let read = documents.flat_map(|document| {
        let source = Source::Template {
            lines: Vec::new(),
            files: Arc::from([]),
            path: in_tree(folder, &document.path).into(),
            tree: facts.tree.clone(),
        };
        let found = load(document.text.as_bytes()).documents;
        objects_in(found, at, &request.namespace, &source, document.hook.as_ref())
    });
    read.collect()
}

/// Manifests of before: every file of the folder that is no part of a chart.
fn add_manifests(facts: &mut Facts) {
    let Some(folder) = facts.settings.released.clone() else { return };
    let Ok(listing) = facts.tree.list(&folder) else {
        let spot = crate::finding::Spot::file(facts.settings.file.clone().unwrap_or_default());
        let message = format!("the folder `{folder}`, with what was released before, is not there");
        let fix = "name the folder in `released`, or take the entry away";
        facts.problems.push(crate::finding::Finding::load(spot, message, fix));
        return;
    };
    for path in listing.files.iter().filter(|path| is_yaml(path)) {
        if crate::facts::in_chart(&listing.files, path) {
            continue;
        }
        let Ok(file) = facts.tree.file(path) else { continue };
        for doc in &file.yaml().documents {
            let Some(identity) = Identity::of(&doc.root) else { continue };
            let (node, source) = (Arc::new(doc.root.clone()), Source::File(file.clone()));
            facts.released.push(identity.object(node, Owner::Given, source, None));
        }
    }
}

/// Puts another tag into every value that holds one; returns where, and which.
fn bump(values: &mut Json) -> Vec<(String, String)> {
    let mut tags = Vec::new();
    walk(values, "", &mut tags);
    tags
}

fn walk(value: &mut Json, path: &str, tags: &mut Vec<(String, String)>) {
    match value {
        Json::Array(items) => {
            for (at, item) in items.iter_mut().enumerate() {
                walk(item, &format!("{path}.{at}"), tags);
            }
        }
        Json::Object(members) => {
            let before = tags.len();
            for (key, value) in members.iter_mut() {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let ends = |end: &str| key.to_ascii_lowercase().ends_with(end);
                match value {
                    Json::Null | Json::String(_) | Json::Number(_) if ends("tag") => {
                        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                        let tag = other(&text, tags.len());
                        *value = tag.clone().into();
                        tags.push((path, tag));
                    }
                    Json::String(text) if ends("image") => {
                        let Some(old) = Reference::read(text).and_then(|image| image.tag) else {
                            continue;
                        };
                        let tag = other(old, tags.len());
                        let repository = Reference::read(text).map_or("", |image| image.repository);
                        *value = format!("{repository}:{tag}").into();
                        tags.push((path, tag));
                    }
                    _ => walk(value, &path, tags),
                }
            }
            // A digest wins over its tag.
            if tags.len() > before
                && let Some(digest) = members.get_mut("digest").filter(|digest| digest.is_string())
            {
                *digest = "".into();
            }
        }
        _ => {}
    }
}

/// Another tag of the same form as `old`, so that a schema which asks for that form accepts it.
fn other(old: &str, number: usize) -> String {
    let is_hex = old.len() >= 7 && old.bytes().all(|b| b.is_ascii_hexdigit());
    if is_hex {
        let number = format!("{number:x}");
        return format!("f00d{number:e>width$}", width = old.len() - 4);
    }
    let v = if old.starts_with('v') { "v" } else { "" };
    format!("{v}97.{number}.31")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_tag_of_the_values_becomes_another_of_its_form() {
        let mut values = json!({
            "image": { "tag": "1.2.3", "digest": "sha256:ab" },
            "images": { "smeTag": "0a1b2c3" },
            "job": { "image": "ghcr.io/a/b:v1" },
            "tags": { "subchart": true },
            "list": [{ "tag": null }],
        });
        let tags = bump(&mut values);
        let paths: Vec<&str> = tags.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["image.tag", "images.smeTag", "job.image", "list.0.tag"]);
        assert_eq!(values["image"], json!({ "tag": "97.0.31", "digest": "" }));
        assert_eq!(values["images"]["smeTag"], "f00dee1");
        assert_eq!(values["job"]["image"], "ghcr.io/a/b:v97.2.31");
        assert_eq!(values["tags"], json!({ "subchart": true }));
    }
}
