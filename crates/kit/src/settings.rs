//! `catalyst-kit.yaml`: what a kit may take for granted, said once beside it.
//!
//! Everything in it is optional. An unknown member is a fault, not ignored.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use crate::finding::{Finding, Spot};
use crate::quantity::thousandths;
use crate::tree::SourceFile;
use crate::yaml::{Entry, Node, Value};

/// The file's name.
pub const FILE_NAME: &str = "catalyst-kit.yaml";

/// What a member's value looks like.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Text,
    Number,
    Texts,
    Variables,
    Objects,
    Ranges,
    Numbers,
    Capacity,
    Workloads,
    Bootstrap,
}

/// Every member: its name, its form, and what it says. The schema and the reader both go by it.
const MEMBERS: &[(&str, Shape, &str)] = &[
    (
        "substitute",
        Shape::Variables,
        "Variables of Flux's substitution, with values to render with.",
    ),
    ("charts", Shape::Texts, "Folders with one chart each in a subfolder, relative to this file."),
    ("kubernetes", Shape::Text, "The version of Kubernetes the kit is for, such as v1.34.0."),
    (
        "apiVersions",
        Shape::Texts,
        "APIs served besides Kubernetes' own and those of the kit's CRDs.",
    ),
    ("given", Shape::Objects, "Objects that are there before the kit, as manifests."),
    ("privateImages", Shape::Texts, "Image prefixes that nobody may pull without a pull secret."),
    (
        "allowedImages",
        Shape::Texts,
        "Image prefixes that may be pulled; empty: any explicit registry.",
    ),
    ("reservedSlots", Shape::Ranges, "Slots that nobody may take, such as \"36-48\"."),
    ("foreignWords", Shape::Texts, "Words that must not be left in a manifest."),
    ("coldStartSeconds", Shape::Number, "How long a new node may take until Pods run on it."),
    ("capacity", Shape::Capacity, "What the machines have together, and how many they are."),
    ("userDataBytes", Shape::Numbers, "Bytes of the longest value of a name in user data."),
    ("workloads", Shape::Workloads, "What a chart must render at least, such as Deployment/gitea."),
    (
        "bootstrap",
        Shape::Bootstrap,
        "What first boot installs and a release of the kit takes over.",
    ),
    (
        "released",
        Shape::Text,
        "The folder with what was released before: charts, or manifests, relative to this file.",
    ),
];

impl Shape {
    /// Whether a value has this form; else what it takes.
    fn check(self, node: &Node) -> Result<(), &'static str> {
        let is_text = |node: &Node| node.text().is_some();
        let is_list = matches!(node.value, Value::List(_));
        let texts = is_list && node.items().iter().all(is_text);
        let (fits, takes) = match self {
            Self::Text => (is_text(node), "takes a text"),
            Self::Number => (node.int().is_some(), "takes a whole number"),
            Self::Texts => (texts, "takes a list of texts"),
            Self::Ranges => (texts, "takes a list of ranges such as `36-48`"),
            Self::Objects => (is_list, "takes a list of manifests"),
            Self::Numbers => {
                let all = node.entries().iter().all(|entry| entry.value.int().is_some());
                (node.is_map() && all, "takes a mapping of whole numbers")
            }
            Self::Capacity => {
                let is_known = |entry: &Entry| match entry.name() {
                    "cpu" | "memory" => entry.value.text().and_then(thousandths).is_some(),
                    "nodes" => entry.value.int().is_some_and(|nodes| nodes > 0),
                    _ => false,
                };
                let all = node.entries().iter().all(is_known);
                (
                    node.is_map() && all,
                    "takes the quantities `cpu` and `memory`, and the number `nodes`",
                )
            }
            Self::Workloads => (
                is_list && node.items().iter().all(|one| Expected::read(one).is_some()),
                "takes entries of `chart`, `profile` and `expect`, such as [Deployment/gitea]",
            ),
            Self::Bootstrap => (
                is_list && node.items().iter().all(|one| Bootstrap::read(one).is_some()),
                "takes entries of `release` and `version`, or `file` and `after` in its place",
            ),
            Self::Variables => {
                let all = node.entries().iter().all(|entry| is_text(&entry.value));
                (matches!(node.value, Value::Map(_)) && all, "takes a mapping of texts")
            }
        };
        if fits { Ok(()) } else { Err(takes) }
    }

    fn schema(self) -> Json {
        let list = |items: Json| json!({ "type": "array", "items": items });
        match self {
            Self::Text => json!({ "type": "string" }),
            Self::Number => json!({ "type": "integer" }),
            Self::Texts => list(json!({ "type": "string" })),
            Self::Ranges => list(json!({ "type": "string", "pattern": "^[0-9]+(-[0-9]+)?$" })),
            Self::Objects => {
                list(json!({ "type": "object", "required": ["apiVersion", "kind", "metadata"] }))
            }
            Self::Numbers => {
                json!({ "type": "object", "additionalProperties": { "type": "integer" } })
            }
            Self::Capacity => {
                let quantity = json!({ "type": ["string", "number"] });
                json!({
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "cpu": quantity,
                        "memory": quantity,
                        "nodes": { "type": "integer", "minimum": 1 },
                    },
                })
            }
            Self::Workloads => {
                let expect = list(json!({ "type": "string", "pattern": "^[^/]+/[^/]+$" }));
                let text = json!({ "type": "string" });
                let members = json!({ "chart": text, "profile": text, "expect": expect });
                list(entry(members, &["chart", "expect"]))
            }
            Self::Bootstrap => {
                let text = json!({ "type": "string" });
                let members = json!({
                    "release": text, "dependency": text, "version": text, "file": text,
                    "after": text, "values": { "type": "object" },
                });
                list(entry(members, &["release"]))
            }
            Self::Variables => {
                let value = json!({ "type": ["string", "number", "boolean"] });
                json!({ "type": "object", "additionalProperties": value })
            }
        }
    }
}

/// The schema of an entry of a list.
fn entry(members: Json, required: &[&str]) -> Json {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": required,
        "properties": members,
    })
}

/// The JSON schema of `catalyst-kit.yaml`.
pub fn schema() -> Json {
    let properties: Map<String, Json> = MEMBERS
        .iter()
        .map(|(name, shape, about)| {
            let mut one = shape.schema();
            one["description"] = (*about).into();
            ((*name).to_owned(), one)
        })
        .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "catalyst-kit.yaml: what a kit may take for granted",
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    })
}

/// What stands around a kit.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Variables of Flux's substitution, with values to render with.
    pub substitute: BTreeMap<String, String>,
    /// Folders with one chart each in a subfolder, relative to the tree.
    pub charts: Vec<String>,
    /// The version of Kubernetes the kit is for; empty: the renderer's own.
    pub kubernetes: String,
    /// APIs served besides Kubernetes' own and those of the kit's CRDs.
    pub api_versions: Vec<String>,
    /// Objects that are there before the kit: what first boot makes.
    pub given: Vec<Node>,
    /// Image prefixes that nobody may pull without a pull secret.
    pub private_images: Vec<String>,
    /// Image prefixes that may be pulled from; empty: any explicit registry.
    pub allowed_images: Vec<String>,
    /// Slots that nobody may take: `36-48` or `49`.
    pub reserved_slots: Vec<(u32, u32)>,
    /// Words that must not be left in a manifest: hosts of another installation, placeholders.
    pub foreign_words: Vec<String>,
    /// Seconds a new node may take until Pods run on it; hooks that wait must outlast it.
    pub cold_start_seconds: Option<i64>,
    /// What the machines have together: `cpu`, `memory`, and `nodes` they are spread over.
    pub capacity: Option<Node>,
    /// Bytes of the longest value of a name in templates of user data.
    pub user_data_bytes: BTreeMap<String, i64>,
    /// What a chart must render at least.
    pub workloads: Vec<Expected>,
    /// What first boot installs and a release of the kit takes over.
    pub bootstrap: Vec<Bootstrap>,
    /// The folder with what was released last: charts, or manifests by release; relative to the tree.
    pub released: Option<String>,
    /// Where the file is.
    pub file: Option<String>,
}

/// What a chart must render at least.
#[derive(Debug, Clone)]
pub struct Expected {
    /// The chart's name.
    pub chart: String,
    /// Only in builds whose folder ends so; everywhere if nothing is said.
    pub profile: Option<String>,
    /// Kind and name of each object: `Deployment/gitea`.
    pub objects: Vec<Node>,
    /// The entry as a whole.
    pub node: Node,
}

/// What first boot installs and a release of the kit takes over.
#[derive(Debug, Clone)]
pub struct Bootstrap {
    /// The HelmRelease.
    pub release: String,
    /// The dependency in its chart that is meant; nothing: the chart's application.
    pub dependency: Option<String>,
    /// The version first boot installs.
    pub version: Option<Node>,
    /// A file of first boot and the words before the version in it.
    pub pinned_in: Option<(String, String)>,
    /// Values first boot sets.
    pub values: Option<Node>,
    /// The entry as a whole.
    pub node: Node,
}

impl Settings {
    /// Reads the file at `path`; `folder` is where relative folders begin.
    pub fn read(file: &SourceFile, folder: &str) -> (Self, Vec<Finding>) {
        let mut settings = Self { file: Some(file.path.to_string()), ..Self::default() };
        let mut findings = Vec::new();
        let loaded = file.yaml();
        for fault in &loaded.faults {
            findings.push(Finding::fault(file, fault, "mend the file"));
        }
        let Some(doc) = loaded.documents.first() else { return (settings, findings) };
        for entry in doc.root.entries() {
            if let Err(wanted) = settings.take(entry.name(), &entry.value, folder) {
                let spot = Spot::span(file.path.clone(), entry.key.span);
                let message = format!("`{}` {wanted}", entry.name());
                findings.push(Finding::load(
                    spot,
                    message,
                    "see docs/rules/README.md for the form",
                ));
            }
        }
        (settings, findings)
    }

    fn take(&mut self, name: &str, node: &Node, folder: &str) -> Result<(), &'static str> {
        let member = MEMBERS.iter().find(|(known, ..)| *known == name);
        member.ok_or("is no member of this file")?.1.check(node)?;
        let texts = || -> Vec<String> {
            node.items().iter().filter_map(Node::text).map(str::to_owned).collect()
        };
        match name {
            "substitute" => {
                for entry in node.entries() {
                    let value = entry.value.text().unwrap_or_default();
                    self.substitute.insert(entry.name().to_owned(), value.to_owned());
                }
            }
            "charts" => {
                for path in texts() {
                    let at = crate::render::bounds::normal(folder, &path);
                    self.charts.push(at.ok_or("names a folder outside of the tree")?);
                }
            }
            "kubernetes" => node.text().unwrap_or_default().clone_into(&mut self.kubernetes),
            "apiVersions" => self.api_versions = texts(),
            "given" => self.given = node.items().to_vec(),
            "privateImages" => self.private_images = texts(),
            "allowedImages" => self.allowed_images = texts(),
            "foreignWords" => self.foreign_words = texts(),
            "coldStartSeconds" => self.cold_start_seconds = node.int(),
            "capacity" => self.capacity = Some(node.clone()),
            "userDataBytes" => {
                let pair = |entry: &Entry| Some((entry.name().to_owned(), entry.value.int()?));
                self.user_data_bytes = node.entries().iter().filter_map(pair).collect();
            }
            "reservedSlots" => {
                for range in texts() {
                    let (from, to) = range.split_once('-').unwrap_or((&range, &range));
                    let number = |text: &str| text.trim().parse::<u32>().ok();
                    let pair = number(from).zip(number(to));
                    self.reserved_slots.push(pair.ok_or("takes ranges such as `36-48`")?);
                }
            }
            "released" => {
                let at = node.text().and_then(|path| crate::render::bounds::normal(folder, path));
                self.released = Some(at.ok_or("names no folder of the tree")?);
            }
            "workloads" => {
                self.workloads = node.items().iter().filter_map(Expected::read).collect()
            }
            "bootstrap" => {
                for mut one in node.items().iter().filter_map(Bootstrap::read) {
                    if let Some((file, _)) = &mut one.pinned_in {
                        let at = crate::render::bounds::normal(folder, file);
                        *file = at.ok_or("names a file outside of the tree")?;
                    }
                    self.bootstrap.push(one);
                }
            }
            _ => return Err("is no member of this file"),
        }
        Ok(())
    }
}

/// Whether a mapping has no members but these.
fn has_only(node: &Node, names: &[&str]) -> bool {
    node.is_map() && node.entries().iter().all(|entry| names.contains(&entry.name()))
}

impl Expected {
    fn read(node: &Node) -> Option<Self> {
        let objects = node.items_at("expect").to_vec();
        let is_object = |one: &Node| one.text().is_some_and(|text| text.contains('/'));
        let is_whole =
            has_only(node, &["chart", "profile", "expect"]) && objects.iter().all(is_object);
        (is_whole && !objects.is_empty()).then_some(())?;
        Some(Self {
            chart: node.get("chart")?.text()?.to_owned(),
            profile: node.get("profile").and_then(Node::text).map(str::to_owned),
            objects,
            node: node.clone(),
        })
    }
}

impl Bootstrap {
    fn read(node: &Node) -> Option<Self> {
        has_only(node, &["release", "dependency", "version", "file", "after", "values"])
            .then_some(())?;
        let version = node.get("version").cloned();
        let pinned_in = match (node.str_at("file"), node.str_at("after")) {
            (Some(file), Some(after)) => Some((file.to_owned(), after.to_owned())),
            (None, None) => None,
            _ => return None,
        };
        (version.is_some() != pinned_in.is_some()).then_some(())?;
        Some(Self {
            release: node.get("release")?.text()?.to_owned(),
            dependency: node.get("dependency").and_then(Node::text).map(str::to_owned),
            version,
            pinned_in,
            values: node.get("values").cloned(),
            node: node.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::load;

    fn take(name: &str, value: &str) -> Result<Settings, &'static str> {
        let mut settings = Settings::default();
        let text = format!("{name}: {value}\n");
        let loaded = load(text.as_bytes());
        let entry = &loaded.documents[0].root.entries()[0];
        settings.take(name, &entry.value, "").map(|()| settings)
    }

    #[test]
    fn every_member_of_the_schema_is_read_and_no_other() {
        let empty = format!("{:?}", Settings::default());
        for (name, shape, _) in MEMBERS {
            let value = match shape {
                Shape::Text => "v1.34.0",
                Shape::Number => "90",
                Shape::Texts => "[a]",
                Shape::Ranges => "['36-48', 49]",
                Shape::Variables => "{A: b}",
                Shape::Objects => "[{kind: A}]",
                Shape::Numbers => "{ca: 4096}",
                Shape::Capacity => "{cpu: 500m, memory: 16Gi, nodes: 2}",
                Shape::Workloads => "[{chart: a, expect: [Job/a]}]",
                Shape::Bootstrap => "[{release: a, version: 1.0.0}]",
            };
            let taken = take(name, value).unwrap();
            assert_ne!(format!("{taken:?}"), empty, "`{name}` is not kept");
        }
        assert_eq!(take("surprise", "1").unwrap_err(), "is no member of this file");
    }

    #[test]
    fn a_value_of_another_form_is_refused() {
        for (name, value) in [
            ("charts", "a"),
            ("charts", "[{a: b}]"),
            ("charts", "[../../out]"),
            ("kubernetes", "[a]"),
            ("substitute", "[a]"),
            ("substitute", "{A: {b: c}}"),
            ("given", "{a: b}"),
            ("reservedSlots", "[a]"),
            ("coldStartSeconds", "soon"),
            ("capacity", "{cpu: much}"),
            ("capacity", "{cpu: 1, disks: 2}"),
            ("capacity", "{nodes: 0}"),
            ("userDataBytes", "{ca: long}"),
            ("workloads", "[{chart: a}]"),
            ("bootstrap", "[{release: a}]"),
            ("released", "../../out"),
        ] {
            assert!(take(name, value).is_err(), "{name}: {value}");
        }
    }
}
