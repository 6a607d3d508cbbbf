//! What differs between two renderings of a tree: releases, versions, objects, members.
//!
//! Entry point: [`TreeDiff::of`]. Values of Secrets are compared and never shown.

mod paths;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::facts::{Facts, Release};
use crate::finding::Spot;
use crate::flux::HELM;
use crate::object::{Object, Owner};

pub use paths::{Change, MASKED};

/// The form of JSON output; it changes when the form does.
const JSON_VERSION: u32 = 1;
/// Labels that every object of a chart carries and that change with its version.
const VERSION_LABELS: [&str; 2] = ["labels/helm.sh/chart", "labels/app.kubernetes.io/version"];

/// What differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeDiff {
    /// Everything that differs, by name: releases first, then what builds apply themselves.
    pub groups: Vec<Group>,
    /// Whether something of one of the two could not be read or rendered.
    pub is_partial: bool,
}

/// How a thing differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It is only in the new tree.
    Added,
    /// It is only in the old tree.
    Removed,
    /// It is in both.
    Changed,
}

/// One release, or what a build applies itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// The release's name, with its namespace; nothing for what builds apply.
    pub release: Option<String>,
    /// How it differs.
    pub kind: Kind,
    /// The chart's version before.
    pub old_version: Option<String>,
    /// The chart's version now.
    pub new_version: Option<String>,
    /// Every object that differs.
    pub objects: Vec<ObjectDiff>,
}

/// One object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectDiff {
    /// Kind and name.
    pub object: String,
    /// How it differs.
    pub kind: Kind,
    /// Where it comes from: in the new tree, or in the old one if it is gone.
    pub at: Spot,
    /// Members that differ; none for an object that is new or gone.
    pub changes: Vec<Change>,
    /// Whether it comes out differently at every rendering: then only its form was compared.
    pub unstable: bool,
}

impl ObjectDiff {
    /// Whether nothing but the labels with the chart's version differs.
    fn is_version_only(&self) -> bool {
        let is_label = |change: &Change| VERSION_LABELS.iter().any(|l| change.path.ends_with(l));
        self.kind == Kind::Changed && self.changes.iter().all(is_label)
    }
}

impl TreeDiff {
    /// Compares two trees.
    pub fn of(old: &Facts, new: &Facts) -> Self {
        let (before, after) = (Side::of(old), Side::of(new));
        let keys: BTreeSet<&Key> = before.groups.keys().chain(after.groups.keys()).collect();
        let groups = keys.into_iter().filter_map(|key| group(key, &before, &after)).collect();
        let is_partial = !old.problems.is_empty() || !new.problems.is_empty();
        Self { groups, is_partial }
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// How many of what, in one line.
    pub fn summary(&self) -> String {
        let count = |kind: Kind| {
            self.groups.iter().flat_map(|g| &g.objects).filter(|object| object.kind == kind).count()
        };
        let releases = self.groups.iter().filter(|group| group.release.is_some()).count();
        let mut text = if self.is_empty() {
            "nothing differs".to_owned()
        } else {
            format!(
                "{releases} release{} differ{}: {} objects added, {} removed, {} changed",
                if releases == 1 { "" } else { "s" },
                if releases == 1 { "s" } else { "" },
                count(Kind::Added),
                count(Kind::Removed),
                count(Kind::Changed)
            )
        };
        if self.is_partial {
            text.push_str("; something could not be read or rendered, so this is not all");
        }
        text
    }

    /// For terminals.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for group in &self.groups {
            out.push_str(&group.text());
            out.push('\n');
        }
        out + &self.summary()
    }

    /// One JSON document.
    pub fn json(&self) -> Json {
        json!({ "version": JSON_VERSION, "groups": self.groups, "partial": self.is_partial })
    }
}

fn mark(kind: Kind) -> char {
    match kind {
        Kind::Added => '+',
        Kind::Removed => '-',
        Kind::Changed => '~',
    }
}

impl Group {
    fn text(&self) -> String {
        let name = self.release.as_deref().unwrap_or("manifests");
        let version = match (&self.old_version, &self.new_version) {
            (Some(old), Some(new)) if old != new => format!(" {old} → {new}"),
            (_, Some(version)) | (Some(version), None) => format!(" {version}"),
            (None, None) => String::new(),
        };
        let mut out = format!("{} {name}{version}\n", mark(self.kind));
        let (labels, rest): (Vec<_>, Vec<_>) =
            self.objects.iter().partition(|object| object.is_version_only());
        for object in rest {
            let note = if object.unstable { " (differs at every rendering)" } else { "" };
            out.push_str(&format!("    {} {}{note}\n", mark(object.kind), object.object));
            for Change { path, old, new } in &object.changes {
                out.push_str(&match (old, new) {
                    (Some(old), Some(new)) => format!("        ~ {path}: {old} → {new}\n"),
                    (None, Some(new)) => format!("        + {path}: {new}\n"),
                    (old, None) => {
                        format!("        - {path}: {}\n", old.as_deref().unwrap_or_default())
                    }
                });
            }
        }
        if !labels.is_empty() {
            let plural = if labels.len() == 1 { " differs" } else { "s differ" };
            let line =
                format!("    {} object{plural} in nothing but version labels\n", labels.len());
            out.push_str(&line);
        }
        out
    }
}

/// A group's place in the order: releases by name, then what builds apply.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Release(String, String),
    Builds,
}

/// What identifies an object in its group: group, kind, namespace, name, and its place among those
/// that share all of them.
type ObjectKey<'a> = (&'a str, &'a str, Option<&'a str>, &'a str, usize);

/// One tree's objects, by group.
struct Side<'a> {
    facts: &'a Facts,
    groups: BTreeMap<Key, BTreeMap<ObjectKey<'a>, &'a Object>>,
    unstable: BTreeSet<ObjectKey<'a>>,
}

impl<'a> Side<'a> {
    fn of(facts: &'a Facts) -> Self {
        let mut side = Self { facts, groups: BTreeMap::new(), unstable: BTreeSet::new() };
        for release in &facts.releases {
            side.groups.entry(release_key(release)).or_default();
        }
        let unstable: BTreeSet<usize> = facts
            .releases
            .iter()
            .filter_map(|release| release.rendering.as_ref())
            .flat_map(|rendering| rendering.unstable.iter().copied())
            .collect();
        for (at, object) in facts.objects.iter().enumerate() {
            let key = match object.owner {
                Owner::Given => continue,
                Owner::Release(at) => release_key(&facts.releases[at]),
                Owner::Build(_) if object.is(HELM, "HelmRelease") => {
                    let namespace = object.namespace.clone().unwrap_or_default();
                    Key::Release(namespace, object.name.clone())
                }
                Owner::Build(_) => Key::Builds,
            };
            let objects = side.groups.entry(key).or_default();
            let namespace = object.namespace.as_deref();
            let mut one =
                (object.group(), object.kind.as_str(), namespace, object.name.as_str(), 0);
            while objects.contains_key(&one) {
                one.4 += 1;
            }
            if unstable.contains(&at) {
                side.unstable.insert(one);
            }
            objects.insert(one, object);
        }
        side
    }

    fn version(&self, key: &Key) -> Option<String> {
        let release = self.facts.releases.iter().find(|release| release_key(release) == *key)?;
        let pinned = || Some(release.declared.chart.as_ref()?.version.clone());
        let found = release.chart.as_ref().map(|chart| chart.version.clone());
        found.or_else(pinned).filter(|version| !version.is_empty())
    }
}

fn release_key(release: &Release) -> Key {
    Key::Release(release.declared.namespace.clone(), release.declared.name.clone())
}

fn group(key: &Key, before: &Side, after: &Side) -> Option<Group> {
    let (old, new) = (before.groups.get(key), after.groups.get(key));
    let kind = match (old, new) {
        (None, Some(_)) => Kind::Added,
        (Some(_), None) => Kind::Removed,
        _ => Kind::Changed,
    };
    let keys: BTreeSet<_> = old.into_iter().chain(new).flat_map(BTreeMap::keys).collect();
    let objects: Vec<ObjectDiff> = keys
        .into_iter()
        .filter_map(|one| {
            let unstable = before.unstable.contains(one) || after.unstable.contains(one);
            let find =
                |side: Option<&BTreeMap<ObjectKey, &Object>>| side?.get(one).copied().cloned();
            object(find(old).as_ref(), find(new).as_ref(), unstable)
        })
        .collect();
    let (old_version, new_version) = (before.version(key), after.version(key));
    if kind == Kind::Changed && objects.is_empty() && old_version == new_version {
        return None;
    }
    let release = match key {
        Key::Release(namespace, name) => Some(format!("{namespace}/{name}")),
        Key::Builds => None,
    };
    Some(Group { release, kind, old_version, new_version, objects })
}

fn object(old: Option<&Object>, new: Option<&Object>, unstable: bool) -> Option<ObjectDiff> {
    let present = new.or(old)?;
    let (kind, changes) = match (old, new) {
        (Some(old), Some(new)) => (Kind::Changed, paths::changes(old, new, unstable)),
        (None, _) => (Kind::Added, Vec::new()),
        (_, None) => (Kind::Removed, Vec::new()),
    };
    if kind == Kind::Changed && changes.is_empty() {
        return None;
    }
    let object = present.title().replace('`', "");
    Some(ObjectDiff { object, kind, at: present.place(), changes, unstable })
}
