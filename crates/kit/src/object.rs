//! One API object as it would be applied, which still knows the file it came from.

use std::sync::Arc;

use crate::finding::Spot;
use crate::kinds;
use crate::tree::{SourceFile, Tree};
use crate::yaml::{Node, Span, Step, Style, Value};

/// One API object.
#[derive(Debug, Clone)]
pub struct Object {
    /// Group and version.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// The namespace it ends up in; nothing for kinds without one.
    pub namespace: Option<String>,
    /// Name; empty for one that has only `generateName`.
    pub name: String,
    /// The whole object.
    pub node: Arc<Node>,
    /// Who applies it.
    pub owner: Owner,
    /// Set for a Helm hook.
    pub hook: Option<Hook>,
    /// Whether it comes from a chart's folder `crds`.
    pub from_crds: bool,
    /// Where its text comes from.
    pub source: Source,
}

/// Who applies an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// What stands around the kit: it is there before.
    Given,
    /// A Flux Kustomization, by its place in `Facts::builds`.
    Build(usize),
    /// A Helm release, by its place in `Facts::releases`.
    Release(usize),
}

/// What makes an object a Helm hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Such as `pre-install`.
    pub events: Vec<String>,
    /// Lower runs first.
    pub weight: i64,
    /// Such as `before-hook-creation`.
    pub delete_policies: Vec<String>,
}

impl Hook {
    /// Whether Helm deletes it before it makes it anew, as it does where no policy is stated.
    pub fn is_replaced(&self) -> bool {
        let policies = &self.delete_policies;
        policies.is_empty() || policies.iter().any(|policy| policy == "before-hook-creation")
    }
}

/// Where an object's text comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A file holds it as it is.
    File(Arc<SourceFile>),
    /// kustomize made it from an object in a file.
    Built {
        /// The object as the file has it.
        origin: Option<Arc<Node>>,
        /// The file.
        file: Arc<SourceFile>,
        /// The file with the patches, should the object differ.
        patched_in: Option<Arc<SourceFile>>,
    },
    /// Helm rendered it.
    Template {
        /// For each line of the text: file by number, and line; zeros where nothing is known.
        lines: Vec<(u32, u32)>,
        /// The files, by number.
        files: Arc<[String]>,
        /// The template as a whole.
        path: Arc<str>,
        /// Where the files are read.
        tree: Arc<Tree>,
    },
}

impl Object {
    /// Group of the API; empty for Kubernetes' first.
    pub fn group(&self) -> &str {
        self.api_version.rsplit_once('/').map_or("", |(group, _)| group)
    }

    /// Whether it is of a kind, whatever the version.
    pub fn is(&self, group: &str, kind: &str) -> bool {
        self.kind == kind && self.group() == group
    }

    /// Whether it is called so, in that namespace.
    pub fn named(&self, namespace: Option<&str>, name: &str) -> bool {
        self.name == name && self.namespace.as_deref() == namespace
    }

    /// An annotation.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.node.get("metadata")?.get("annotations")?.get(name)?.text()
    }

    /// A label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.node.get("metadata")?.get("labels")?.get(name)?.text()
    }

    /// Kind and name as a person says them: `Job gitea/setup`.
    pub fn title(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{} `{namespace}/{}`", self.kind, self.name),
            None => format!("{} `{}`", self.kind, self.name),
        }
    }

    /// The specification of the Pods it makes, if it makes any.
    pub fn pod_spec(&self) -> Option<&Node> {
        match (self.group(), self.kind.as_str()) {
            ("", "Pod") => self.node.get("spec"),
            ("", "ReplicationController")
            | ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
            | ("batch", "Job") => self.node.at("spec/template/spec"),
            ("batch", "CronJob") => self.node.at("spec/jobTemplate/spec/template/spec"),
            _ => None,
        }
    }

    /// The labels of the Pods it makes, if it makes any and they have some.
    pub fn pod_labels(&self) -> Option<&Node> {
        let template = match (self.group(), self.kind.as_str()) {
            ("", "Pod") => &*self.node,
            ("batch", "CronJob") => self.node.at("spec/jobTemplate/spec/template")?,
            _ => self.pod_spec().and_then(|_| self.node.at("spec/template"))?,
        };
        template.at("metadata/labels")
    }

    /// Every container of its Pods: ordinary ones, init containers and ephemeral ones.
    pub fn containers(&self) -> Vec<&Node> {
        let kinds = ["initContainers", "containers", "ephemeralContainers"];
        let spec = self.pod_spec();
        kinds.iter().filter_map(|kind| spec?.get(kind)).flat_map(Node::items).collect()
    }

    /// Where the object begins.
    pub fn place(&self) -> Spot {
        self.spot(self.node.at("metadata/name").unwrap_or(&self.node))
    }

    /// Where a node borrowed from `self.node` stands in the source.
    pub fn spot(&self, node: &Node) -> Spot {
        match &self.source {
            Source::File(file) => Spot::span(file.path.clone(), node.span),
            Source::Built { origin, file, patched_in } => {
                self.built_spot(node, origin.as_deref(), file, patched_in.as_deref())
            }
            Source::Template { lines, files, path, tree } => {
                let at = usize::try_from(node.span.line.saturating_sub(1)).unwrap_or(0);
                let (file, line) = lines.get(at).copied().unwrap_or_default();
                let name = usize::try_from(file).ok().and_then(|file| files.get(file));
                let Some(name) = name.filter(|_| line > 0) else {
                    return Spot::line(path.clone(), 1);
                };
                template_spot(tree, name, line, node)
            }
        }
    }

    /// Where a line of a text of several lines stands, counted from 0; for a text that is no block, where
    /// the text stands.
    pub fn line_spot(&self, node: &Node, line: usize) -> Spot {
        let is_block = node.scalar().is_some_and(|scalar| scalar.style == Style::Block);
        let Some(below) = u32::try_from(line).ok().filter(|_| is_block) else {
            return self.spot(node);
        };
        let spot = self.spot(node);
        let Source::Template { lines, .. } = &self.source else {
            return Spot::line(spot.file, spot.line + below);
        };
        let number = node.span.line + below;
        let at = usize::try_from(number.saturating_sub(1)).unwrap_or(0);
        if lines.get(at).is_none_or(|(_, line)| *line == 0) {
            return spot;
        }
        let span = Span { line: number, ..Span::default() };
        self.spot(&Node { span, value: Value::List(Vec::new()) })
    }

    /// Where a word in a text stands in the source; `line` counts the lines of the text from 0. Where
    /// the source has no such word, because values or patches bring it, where the text stands.
    pub fn spot_in(&self, node: &Node, line: usize, word: &str) -> Spot {
        let whole = self.spot(node);
        let mut span = node.span;
        if let Source::Built { origin, file, .. } = &self.source {
            let Some(origin) = origin.as_deref().filter(|_| whole.file == file.path) else {
                return whole;
            };
            let path = self.node.path_to(node).unwrap_or_default();
            span = origin.follow(&path).0.span;
        }
        let first = span.line + u32::try_from(line).unwrap_or(0);
        let last = span.end_line.max(first);
        let found = (first..=last).find_map(|number| {
            let (file, number, text) = self.source_line(number)?;
            let at = text.find(word)?;
            Some(word_spot(&file, number, &text, at, word))
        });
        found.unwrap_or(whole)
    }

    /// The line of the source that a line of this object's text comes from: file, number, text.
    fn source_line(&self, number: u32) -> Option<(Arc<str>, u32, String)> {
        match &self.source {
            Source::File(file) | Source::Built { file, .. } => {
                Some((file.path.clone(), number, file.line(number)?))
            }
            Source::Template { lines, files, tree, .. } => {
                let (file, line) = *lines.get(usize::try_from(number).ok()?.checked_sub(1)?)?;
                let name = files.get(usize::try_from(file).ok()?).filter(|_| line > 0)?;
                let file = tree.file(name).ok()?;
                Some((file.path.clone(), line, file.line(line)?))
            }
        }
    }

    fn built_spot(
        &self,
        node: &Node,
        origin: Option<&Node>,
        file: &Arc<SourceFile>,
        patched_in: Option<&SourceFile>,
    ) -> Spot {
        let Some(origin) = origin else { return Spot::line(file.path.clone(), 1) };
        let path = self.node.path_to(node).unwrap_or_default();
        let (found, complete) = origin.follow(&path);
        if let Some(patches) = patched_in
            && (!complete || differs(node, found))
            && let Some(spot) = patch_spot(patches, &self.name, node, &path)
        {
            return spot;
        }
        Spot::span(file.path.clone(), found.span)
    }
}

/// Whether a patch changed a value; substitution does too, but leaves its mark in the source.
fn differs(built: &Node, source: &Node) -> bool {
    match (&built.value, &source.value) {
        (Value::Scalar(new), Value::Scalar(old)) => {
            new.text != old.text && !old.text.contains("${")
        }
        (Value::List(new), Value::List(old)) => {
            new.len() != old.len() || new.iter().zip(old).any(|(new, old)| differs(new, old))
        }
        (Value::Map(_), Value::Map(_)) => false,
        _ => true,
    }
}

/// The line of a kustomization's patch of object `name` that holds the value, else its key.
fn patch_spot(file: &SourceFile, name: &str, node: &Node, path: &[Step]) -> Option<Spot> {
    let root = &file.yaml().documents.first()?.root;
    for patch in root.items_at("patches") {
        let text = patch.str_at("patch").unwrap_or_default();
        if patch.str_at("target/name") != Some(name) && !text.contains(name) {
            continue;
        }
        let Some(block) = patch.get("patch") else { continue };
        let key = path.iter().rev().find_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Item(..) => None,
        });
        let last = patch.span.end_line.max(block.span.end_line);
        let wanted = node.text().filter(|text| !text.is_empty());
        for word in wanted.into_iter().chain(key) {
            for number in block.span.line..=last {
                let line = file.line(number)?;
                if let Some(at) = line.find(word) {
                    return Some(word_spot(&file.path, number, &line, at, word));
                }
            }
        }
        return Some(Spot::span(file.path.clone(), block.span));
    }
    None
}

/// The place of a word in a line.
fn word_spot(file: &Arc<str>, number: u32, line: &str, at: usize, word: &str) -> Spot {
    let count = |text: &str| u32::try_from(text.chars().count()).unwrap_or(0);
    Spot { file: file.clone(), line: number, column: count(&line[..at]) + 1, width: count(word) }
}

/// The place of a node in the line of a template: its own text if the line has it, else what the
/// line has.
fn template_spot(tree: &Tree, name: &str, number: u32, node: &Node) -> Spot {
    let Ok(file) = tree.file(name) else { return Spot::line(name, number) };
    let Some(line) = file.line(number) else { return Spot::line(name, number) };
    if let Some(word) = node.text().filter(|text| !text.is_empty() && !text.contains('\n'))
        && let Some(at) = line.find(word)
    {
        return word_spot(&file.path, number, &line, at, word);
    }
    let body = line.trim();
    let at = line.find(body).unwrap_or(0);
    word_spot(&file.path, number, &line, at, body)
}

/// What identifies an object, read from its node.
pub(crate) struct Identity {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) namespace: Option<String>,
    pub(crate) name: String,
}

impl Identity {
    /// Reads it; nothing for a node that is no API object.
    pub(crate) fn of(node: &Node) -> Option<Self> {
        let text = |path: &str| node.at(path).and_then(Node::text).map(str::to_owned);
        Some(Self {
            api_version: text("apiVersion")?,
            kind: text("kind")?,
            namespace: text("metadata/namespace").filter(|namespace| !namespace.is_empty()),
            name: text("metadata/name").unwrap_or_default(),
        })
    }

    /// The object of it; `default` is the namespace of objects that state none.
    pub(crate) fn object(
        self,
        node: Arc<Node>,
        owner: Owner,
        source: Source,
        default: Option<&str>,
    ) -> Object {
        let group = self.api_version.rsplit_once('/').map_or("", |(group, _)| group);
        let namespace = match kinds::is_namespaced(group, &self.kind) {
            Some(false) => None,
            Some(true) => self.namespace.or_else(|| default.map(str::to_owned)),
            None => self.namespace,
        };
        Object {
            api_version: self.api_version,
            kind: self.kind,
            namespace,
            name: self.name,
            node,
            owner,
            hook: None,
            from_crds: false,
            source,
        }
    }
}

/// A span for what has none.
pub(crate) const FIRST: Span = Span { line: 1, column: 1, end_line: 1, end_column: 1 };
