//! What a change reaches: the files it touched, and whatever depends on them.
//!
//! Entry point: [`Reach::of`]. It errs on the side of telling more.

use std::collections::BTreeSet;

use crate::facts::{Facts, Release};
use crate::finding::{Finding, LOAD};
use crate::object::{Object, Owner, Source};

/// The files that a change touched, and those of what depends on them.
///
/// - `catalyst-kit.yaml` reaches everything.
/// - A kustomization file reaches its whole build, for its patches may change any object of it; so
///   does a file that is gone. A build reaches the Flux Kustomizations that depend on its own.
/// - A release is reached by the file that declares or patches it, by its chart, its source and what
///   `valuesFrom` names, by its build, and by every release it waits for, directly or through others.
/// - What reaches a release reaches the files that declare it and all files of its chart.
#[derive(Debug)]
pub struct Reach {
    files: BTreeSet<String>,
    /// Folders of charts, each ending with `/`.
    folders: BTreeSet<String>,
    everything: bool,
}

impl Reach {
    /// What a change of these files reaches; paths are relative to the tree.
    pub fn of(facts: &Facts, changed: &BTreeSet<String>) -> Self {
        let everything = facts.settings.file.as_ref().is_some_and(|file| changed.contains(file));
        let mut reach = Self { files: changed.clone(), folders: BTreeSet::new(), everything };
        let builds = builds(facts, changed);
        for object in &facts.objects {
            if matches!(object.owner, Owner::Build(at) if builds.contains(&at)) {
                reach.files.extend(files(object));
            }
        }
        for build in &builds {
            reach.files.extend(facts.builds[*build].kustomizations.iter().cloned());
        }
        let touched: BTreeSet<usize> = (0..facts.releases.len())
            .filter(|at| is_touched(facts, &facts.releases[*at], changed, &builds))
            .collect();
        for (at, release) in facts.releases.iter().enumerate() {
            if touched.contains(&at) || !facts.upstream(at).is_disjoint(&touched) {
                reach.files.extend(files(facts.declaration(release)));
                reach.folders.extend(folder(release));
            }
        }
        reach
    }

    /// Whether a finding is of something reached. What could not be read or rendered always is.
    pub fn holds(&self, finding: &Finding) -> bool {
        let related = finding.related.iter().map(|one| &one.spot);
        let mut spots = [&finding.spot].into_iter().chain(related);
        self.everything || finding.rule == LOAD || spots.any(|spot| self.has(&spot.file))
    }

    fn has(&self, file: &str) -> bool {
        self.files.contains(file) || self.folders.iter().any(|folder| file.starts_with(folder))
    }
}

/// The builds that a change reaches.
fn builds(facts: &Facts, changed: &BTreeSet<String>) -> BTreeSet<usize> {
    let gone = |path: &str| {
        let is_inside = |file: &&String| {
            path.is_empty() || file.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'))
        };
        changed.iter().filter(is_inside).any(|file| !facts.tree.has(file))
    };
    let mut reached: BTreeSet<usize> = (0..facts.builds.len())
        .filter(|at| {
            let build = &facts.builds[*at];
            build.kustomizations.iter().any(|file| changed.contains(file)) || gone(&build.path)
        })
        .collect();
    loop {
        let before = reached.len();
        for (at, build) in facts.builds.iter().enumerate() {
            let Some(object) = build.object.map(|at| &facts.objects[at]) else { continue };
            let waits = object.node.get("spec").map(|spec| spec.items_at("dependsOn"));
            let waits = waits.unwrap_or_default().iter();
            let mut names = waits.filter_map(|edge| edge.str_at("name"));
            if names.any(|name| reached.iter().any(|at| applies(facts, *at) == Some(name))) {
                reached.insert(at);
            }
        }
        if reached.len() == before {
            return reached;
        }
    }
}

/// The name of the Flux Kustomization that applies a build.
fn applies(facts: &Facts, build: usize) -> Option<&str> {
    facts.builds[build].object.map(|at| facts.objects[at].name.as_str())
}

/// Whether a change is of the release's own: its declaration, its chart, what it reads.
fn is_touched(
    facts: &Facts,
    release: &Release,
    changed: &BTreeSet<String>,
    builds: &BTreeSet<usize>,
) -> bool {
    let declaration = facts.declaration(release);
    let of_chart = match (&release.chart, folder(release)) {
        (_, Some(folder)) => changed.iter().any(|file| file.starts_with(&folder)),
        (Some(_), None) => changed.iter().any(|file| file.ends_with(".tgz")),
        (None, None) => false,
    };
    let spec = declaration.node.get("spec");
    let names = spec.map(|spec| spec.items_at("valuesFrom")).unwrap_or_default();
    let names = names.iter().filter_map(|from| from.str_at("name"));
    let source = release.declared.chart.iter().map(|chart| chart.source_name.as_str());
    let read: BTreeSet<&str> = names.chain(source).collect();
    let mut reads = facts.objects.iter().filter(|object| read.contains(object.name.as_str()));
    of_chart
        || matches!(declaration.owner, Owner::Build(at) if builds.contains(&at))
        || files(declaration).iter().any(|file| changed.contains(file))
        || reads.any(|object| files(object).iter().any(|file| changed.contains(file)))
}

/// The folder of a release's chart, ending with `/`.
fn folder(release: &Release) -> Option<String> {
    release.chart.as_ref()?.folder.as_ref().map(|folder| format!("{folder}/"))
}

/// The files an object of a build is made from.
fn files(object: &Object) -> Vec<String> {
    match &object.source {
        Source::File(file) => vec![file.path.to_string()],
        Source::Built { file, patched_in, .. } => {
            let patches = patched_in.iter().map(|file| file.path.to_string());
            [file.path.to_string()].into_iter().chain(patches).collect()
        }
        Source::Template { .. } => Vec::new(),
    }
}
