//! All that is known of a kit before any cluster is touched: what rules look at.
//!
//! Made by [`crate::assemble`]; the fields are plain data and the methods are look-ups. A rule reads
//! facts and nothing else.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::finding::{Finding, Spot};
use crate::flux::HelmRelease;
use crate::object::{Object, Owner};
use crate::render::wire::{Lookup, Read, Verdict};
use crate::settings::Settings;
use crate::substitute::SubstituteError;
use crate::tree::{Listing, Tree};
use crate::yaml::Node;

/// All that is known of a kit.
#[derive(Debug)]
pub struct Facts {
    /// The files.
    pub tree: Arc<Tree>,
    /// The folder that is judged, relative to the tree; empty for the whole tree.
    pub target: String,
    /// Every file below the target.
    pub listing: Listing,
    /// What stands around the kit.
    pub settings: Settings,
    /// The folders that are built and applied.
    pub builds: Vec<Build>,
    /// Every object that would be applied or is given; those of releases come after those of builds.
    pub objects: Vec<Object>,
    /// What the types of Kubernetes and Flux say of each object of `objects`.
    pub verdicts: Vec<Verdict>,
    /// Every HelmRelease, in the order of the builds.
    pub releases: Vec<Release>,
    /// Substitutions that failed.
    pub substitutions: Vec<FailedSubstitution>,
    /// What was applied by the version before, where `catalyst-kit.yaml` says where that is.
    pub released: Vec<Object>,
    /// What could not be read or rendered.
    pub problems: Vec<Finding>,
}

/// One folder that is built and applied.
#[derive(Debug, Clone)]
pub struct Build {
    /// The folder, relative to the tree.
    pub path: String,
    /// Every kustomization file it includes, its own first.
    pub kustomizations: Vec<String>,
    /// The Flux Kustomization that applies it, by its place in `Facts::objects`.
    pub object: Option<usize>,
}

/// One HelmRelease and what became of it.
#[derive(Debug)]
pub struct Release {
    /// As declared.
    pub declared: HelmRelease,
    /// The chart, where it was found.
    pub chart: Option<Chart>,
    /// What Helm made of it; nothing if it could not be rendered (the reason is a problem).
    pub rendering: Option<Rendering>,
}

/// A chart on this machine.
#[derive(Debug, Clone)]
pub struct Chart {
    /// Its folder in the tree; nothing for an archive.
    pub folder: Option<String>,
    /// Every file of the folder, relative to the tree.
    pub files: Vec<String>,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// What Helm made of a release.
#[derive(Debug, Clone)]
pub struct Rendering {
    /// The chart's metadata.
    pub metadata: Json,
    /// What `.Values` held.
    pub values: Json,
    /// What the release itself set.
    pub own_values: Json,
    /// What templates asked the cluster for.
    pub lookups: Vec<Lookup>,
    /// What templates look at below `.Values`; empty when that is not known.
    pub reads: Vec<Read>,
    /// How many objects a rendering has in which every lookup finds nothing.
    pub objects_without_world: usize,
    /// Objects that came out differently when rendered again, by their place in `Facts::objects`.
    pub unstable: Vec<usize>,
    /// NOTES.txt as rendered.
    pub notes: String,
    /// Bytes of everything rendered.
    pub bytes: usize,
    /// The same with other tags of images, for a chart in a folder of the tree whose values hold some.
    pub bump: Option<Bump>,
}

/// A rendering with other tags of images.
#[derive(Debug, Clone)]
pub struct Bump {
    /// Each value that holds a tag, as `images.smeTag`, and the tag it had in this rendering.
    pub tags: Vec<(String, String)>,
    /// Its objects in the order of Helm, or why there are none.
    pub objects: Result<Vec<Object>, String>,
}

/// A substitution that failed.
#[derive(Debug, Clone)]
pub struct FailedSubstitution {
    /// The object, by its place in `Facts::objects`.
    pub object: usize,
    /// What is wrong.
    pub error: SubstituteError,
    /// Where it stands.
    pub spot: Spot,
}

impl Facts {
    /// The objects a release applies.
    pub fn of_release(&self, release: usize) -> impl Iterator<Item = &Object> {
        self.objects.iter().filter(move |object| object.owner == Owner::Release(release))
    }

    /// The objects of a kind, whatever the version.
    pub fn of_kind<'a>(
        &'a self,
        group: &'a str,
        kind: &'a str,
    ) -> impl Iterator<Item = &'a Object> {
        self.objects.iter().filter(move |object| object.is(group, kind))
    }

    /// The objects the kit applies, without what is given.
    pub fn applied(&self) -> impl Iterator<Item = &Object> {
        self.objects.iter().filter(|object| object.owner != Owner::Given)
    }

    /// The object of a kind, namespace and name.
    pub fn find(
        &self,
        group: &str,
        kind: &str,
        namespace: Option<&str>,
        name: &str,
    ) -> Option<&Object> {
        self.objects.iter().find(|object| object.is(group, kind) && object.named(namespace, name))
    }

    /// The namespace of an object; for one whose kind is not known here, its release's.
    pub fn home<'a>(&'a self, object: &'a Object) -> Option<&'a str> {
        object.namespace.as_deref().or_else(|| match object.owner {
            Owner::Release(at) => Some(self.releases[at].declared.target_namespace.as_str()),
            _ => None,
        })
    }

    /// The HelmRelease's own object.
    pub fn declaration(&self, release: &Release) -> &Object {
        &self.objects[release.declared.object]
    }

    /// Where a path below a HelmRelease's object stands; where it begins, if there is nothing.
    pub fn release_spot(&self, release: &Release, path: &str) -> Spot {
        let object = self.declaration(release);
        object.node.at(path).map_or_else(|| object.place(), |node| object.spot(node))
    }

    /// The release of that name, by its place in `releases`.
    pub fn release_named(&self, namespace: &str, name: &str) -> Option<usize> {
        let fits = |release: &Release| {
            release.declared.name == name && release.declared.namespace == namespace
        };
        self.releases.iter().position(fits)
    }

    /// The releases that must be Ready before this one, directly or through others.
    pub fn upstream(&self, release: usize) -> BTreeSet<usize> {
        let mut seen = BTreeSet::new();
        let mut open = vec![release];
        while let Some(at) = open.pop() {
            for edge in &self.releases[at].declared.depends_on {
                if let Some(next) = self.release_named(&edge.namespace, &edge.name)
                    && next != release
                    && seen.insert(next)
                {
                    open.push(next);
                }
            }
        }
        seen
    }

    /// The build that brings an owner into the cluster, itself asked for by nothing here; none for what
    /// is given. Owners below different roots may belong to different clusters.
    pub fn root_of(&self, owner: Owner) -> Option<usize> {
        let mut owner = owner;
        // Each step leads from a build to the one that holds its Kustomization.
        for _ in 0..=self.builds.len() {
            match owner {
                Owner::Given => return None,
                Owner::Release(at) => owner = self.declaration(&self.releases[at]).owner,
                Owner::Build(at) => match self.builds[at].object {
                    Some(object) => owner = self.objects[object].owner,
                    None => return Some(at),
                },
            }
        }
        None
    }

    /// Who applies an object, as a person says it.
    pub fn owner_title(&self, owner: Owner) -> String {
        match owner {
            Owner::Given => "what is there before the kit".to_owned(),
            Owner::Build(at) => format!("the manifests in `{}`", self.builds[at].path),
            Owner::Release(at) => format!("release `{}`", self.releases[at].declared.name),
        }
    }

    /// The YAML files below the target that are no part of a chart.
    pub fn manifests(&self) -> impl Iterator<Item = &str> {
        self.listing.files.iter().map(String::as_str).filter(|file| {
            is_yaml(file) && !self.in_chart(file) && self.settings.file.as_deref() != Some(file)
        })
    }

    /// Whether a file is part of a chart.
    pub fn in_chart(&self, file: &str) -> bool {
        in_chart(&self.listing.files, file)
    }

    /// A number at a path below an object, with the node for its place.
    pub fn number<'a>(&self, object: &'a Object, path: &str) -> Option<(i64, &'a Node)> {
        let node = object.node.at(path)?;
        Some((node.int()?, node))
    }
}

/// Whether a file's name ends as YAML's do.
pub(crate) fn is_yaml(file: &str) -> bool {
    let ends = |end: &str| file.len() > end.len() && file.ends_with(end);
    ends(".yaml") || ends(".yml")
}

/// Whether one of the folders above a file holds a `Chart.yaml`.
pub(crate) fn in_chart(files: &[String], file: &str) -> bool {
    let mut folder = file;
    while let Some((above, _)) = folder.rsplit_once('/') {
        let chart = format!("{above}/Chart.yaml");
        if files.binary_search(&chart).is_ok() {
            return true;
        }
        folder = above;
    }
    files.binary_search_by(|known| known.as_str().cmp("Chart.yaml")).is_ok()
}
