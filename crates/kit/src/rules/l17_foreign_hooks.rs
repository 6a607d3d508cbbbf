//! L17: Jobs and hooks that come with somebody else's chart are known.

use std::collections::BTreeMap;

use super::{Decidability, Rule};
use crate::facts::{Facts, Release};
use crate::finding::{Finding, Severity, Spot};
use crate::object::{Object, Source};

pub(super) const RULE: Rule = Rule {
    id: "L17",
    title: "Jobs and hooks of other people's charts are allowed by name",
    severity: Severity::Warning,
    decidability: Decidability::Files,
    cause: "a Job that nobody of the kit wrote runs at every install, with its own images, its own rights and \
            its own idea of what is already there",
    fix: "switch it off by a value, or allow it in this place: `# catalyst-allow: L17 reason=\"…\" until=…`",
    page: include_str!("../../../../docs/rules/L17.md"),
    check,
};

fn check(facts: &Facts) -> Vec<Finding> {
    let mut all: BTreeMap<Spot, (String, Vec<String>)> = BTreeMap::new();
    for (at, release) in facts.releases.iter().enumerate() {
        for object in facts.of_release(at).filter(|object| runs_once(object)) {
            let Some((chart, spot)) = foreign(facts, release, object) else { continue };
            let entry = all.entry(spot).or_insert_with(|| (chart, Vec::new()));
            entry.1.push(name(object));
        }
    }
    let told = |(spot, (chart, mut names)): (Spot, (String, Vec<String>))| {
        names.sort();
        names.dedup();
        RULE.at(spot, format!("chart `{chart}` runs {}", names.join(", ")))
    };
    all.into_iter().map(told).collect()
}

/// Hooks but for tests, and Jobs.
fn runs_once(object: &Object) -> bool {
    let is_job = object.is("batch", "Job");
    match &object.hook {
        Some(hook) => {
            object.pod_spec().is_some() && hook.events.iter().any(|event| event != "test")
        }
        None => is_job,
    }
}

fn name(object: &Object) -> String {
    match &object.hook {
        Some(hook) => format!("{} `{}` ({})", object.kind, object.name, hook.events.join(", ")),
        None => format!("{} `{}`", object.kind, object.name),
    }
}

/// The chart an object comes from, if it is not the kit's own, and where the kit takes it in: the entry
/// of `dependencies` in Chart.yaml, else the release.
fn foreign(facts: &Facts, release: &Release, object: &Object) -> Option<(String, Spot)> {
    let chart = release.chart.as_ref()?;
    let Source::Template { path, .. } = &object.source else { return None };
    let Some(folder) = &chart.folder else {
        return Some((chart.name.clone(), facts.release_spot(release, "spec/chart/spec/chart")));
    };
    let below = path.strip_prefix(folder.as_str()).unwrap_or(path).trim_start_matches('/');
    let (name, _) = below.strip_prefix("charts/")?.split_once('/')?;
    let file =
        if folder.is_empty() { "Chart.yaml".to_owned() } else { format!("{folder}/Chart.yaml") };
    let stated = facts.tree.file(&file).ok().and_then(|file| {
        let root = &file.yaml().documents.first()?.root;
        let fits = |one: &&crate::yaml::Node| {
            [one.str_at("name"), one.str_at("alias")].contains(&Some(name))
        };
        let entry = root.items_at("dependencies").iter().find(fits)?;
        Some(Spot::span(file.path.clone(), entry.get("name").unwrap_or(entry).span))
    });
    Some((name.to_owned(), stated.unwrap_or_else(|| Spot::line(file, 1))))
}
