//! Values that switch off what a chart has on.

use std::collections::BTreeSet;

use super::{RULE, credentials};
use crate::facts::{Chart, Facts, Release};
use crate::finding::{Finding, Spot};
use crate::script::plain;
use crate::tree::SourceFile;
use crate::yaml::{Entry, Node};

/// Mappings whose `enabled` is a protection.
const TOGGLES: [&str; 13] = [
    "security",
    "auth",
    "authentication",
    "authorization",
    "tls",
    "ssl",
    "mtls",
    "rbac",
    "networkpolicy",
    "encryption",
    "securitycontext",
    "podsecuritycontext",
    "containersecuritycontext",
];

const CAUSE: &str =
    "the chart's author switched it on; off, the release runs, and nobody sees the difference";
const FIX: &str =
    "mend what does not work with it on; if it must be off, allow this line with the reason";

pub(super) fn check(facts: &Facts, findings: &mut Vec<Finding>) {
    let mut seen = BTreeSet::new();
    for release in &facts.releases {
        of_release(facts, release, findings);
        let chart = release.chart.as_ref();
        if let Some((chart, folder)) = chart.and_then(|chart| Some((chart, chart.folder.as_ref()?)))
            && seen.insert(folder)
        {
            of_chart(facts, chart, folder, findings);
        }
    }
}

/// What a release sets over the chart's own.
fn of_release(facts: &Facts, release: &Release, findings: &mut Vec<Finding>) {
    let object = facts.declaration(release);
    let Some(values) = object.node.at("spec/values") else { return };
    let folder = release.chart.as_ref().and_then(|chart| chart.folder.as_deref());
    let mut path = Vec::new();
    walk(values, &mut path, &mut |path, entry| {
        let default = || folder.and_then(|folder| default(facts, folder, path));
        if let Some(what) = switched_off(path, entry, default) {
            let message = format!("release `{}` switches {what} off", release.declared.name);
            findings.push(RULE.at(object.spot(&entry.value), message).cause(CAUSE).fix(FIX));
        }
        if credentials::is_known(entry) {
            let message = format!("`{}` has a password everybody knows", path.join("."));
            findings.push(RULE.at(object.spot(&entry.value), message));
        }
    });
}

/// What a chart sets over the charts inside it, and what no chart should have off.
fn of_chart(facts: &Facts, chart: &Chart, folder: &str, findings: &mut Vec<Finding>) {
    let Some((file, root)) = values_file(facts, folder) else { return };
    let mut path = Vec::new();
    walk(&root, &mut path, &mut |path, entry| {
        let default = || inner_default(facts, folder, path);
        if let Some(what) = switched_off(path, entry, default) {
            let message = format!("chart `{}` switches {what} off", chart.name);
            let spot = Spot::span(file.path.clone(), entry.value.span);
            findings.push(RULE.at(spot, message).cause(CAUSE).fix(FIX));
        }
    });
}

/// What is switched off, if the entry does so. `default` is asked where only that makes it a step back.
fn switched_off(
    path: &[String],
    entry: &Entry,
    default: impl Fn() -> Option<bool>,
) -> Option<String> {
    let key = plain(entry.name());
    let value = entry.value.bool()?;
    let always = !value && matches!(key.as_str(), "enablesecurity" | "securityenabled")
        || value
            && matches!(key.as_str(), "disablesecurity" | "disableauth" | "insecureskipverify");
    if always {
        return Some(format!("`{}`", path.join(".")));
    }
    let above = path.len().checked_sub(2).and_then(|at| path.get(at));
    let is_toggle = matches!(key.as_str(), "enabled" | "create")
        && above.is_some_and(|above| TOGGLES.contains(&plain(above).as_str()))
        || matches!(key.as_str(), "tlsenabled" | "authenabled" | "enableauth" | "enabletls");
    (is_toggle && !value && default() == Some(true)).then(|| format!("`{}`", path.join(".")))
}

fn walk(node: &Node, path: &mut Vec<String>, visit: &mut dyn FnMut(&[String], &Entry)) {
    for entry in node.entries() {
        path.push(entry.name().to_owned());
        visit(path, entry);
        walk(&entry.value, path, visit);
        path.pop();
    }
}

fn values_file(facts: &Facts, folder: &str) -> Option<(std::sync::Arc<SourceFile>, Node)> {
    let path = format!("{folder}/values.yaml");
    let file = facts.tree.file(path.trim_start_matches('/')).ok()?;
    let root = file.yaml().documents.first()?.root.clone();
    Some((file, root))
}

fn default(facts: &Facts, folder: &str, path: &[String]) -> Option<bool> {
    let own = values_file(facts, folder).and_then(|(_, root)| root.at(&path.join("/"))?.bool());
    own.or_else(|| inner_default(facts, folder, path))
}

fn inner_default(facts: &Facts, folder: &str, path: &[String]) -> Option<bool> {
    let (name, rest) = path.split_first()?;
    let (_, root) = values_file(facts, &format!("{folder}/charts/{name}"))?;
    root.at(&rest.join("/"))?.bool()
}
