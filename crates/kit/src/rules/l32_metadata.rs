//! L32: a chart's metadata holds only what registries take in the annotations of an image.

use std::collections::BTreeSet;

use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity, Spot};
use crate::yaml::Node;

pub(super) const RULE: Rule = Rule {
    id: "L32",
    title: "a chart's metadata holds only what every registry takes",
    severity: Severity::Warning,
    decidability: Decidability::Files,
    cause: "Helm pushes these texts as annotations, and a registry that cannot take them refuses the chart: \
            GHCR answered 500",
    fix: "write it in plain ASCII without quotes",
    page: include_str!("../../../../docs/rules/L32.md"),
    check,
};

/// What Helm makes annotations of.
const TEXTS: [&str; 5] = ["name", "description", "home", "icon", "appVersion"];

fn check(facts: &Facts) -> Vec<Finding> {
    let mut files: BTreeSet<String> = BTreeSet::new();
    let charts =
        facts.releases.iter().filter_map(|release| release.chart.as_ref()?.folder.as_deref());
    files.extend(
        charts.map(|folder| format!("{folder}/Chart.yaml").trim_start_matches('/').to_owned()),
    );
    // A chart inside another one is pushed with it.
    files.extend(facts.listing.files.iter().filter(|path| is_chart(facts, path)).cloned());
    files.iter().flat_map(|path| judge(facts, path)).collect()
}

fn is_chart(facts: &Facts, path: &str) -> bool {
    match path.rsplit_once('/') {
        Some((folder, "Chart.yaml")) => !facts.in_chart(folder),
        _ => path == "Chart.yaml",
    }
}

fn judge(facts: &Facts, path: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Ok(file) = facts.tree.file(path) else { return findings };
    let Some(root) = file.yaml().documents.first().map(|doc| &doc.root) else { return findings };
    let mut texts: Vec<(String, &Node)> = Vec::new();
    texts.extend(TEXTS.iter().filter_map(|key| Some(((*key).to_owned(), root.get(key)?))));
    for list in ["sources", "keywords"] {
        texts.extend(root.items_at(list).iter().map(|item| (list.to_owned(), item)));
    }
    for person in root.items_at("maintainers") {
        let parts = ["name", "email"].iter().filter_map(|key| person.get(key));
        texts.extend(parts.map(|node| ("maintainers".to_owned(), node)));
    }
    for entry in root.get("annotations").map(Node::entries).unwrap_or_default() {
        // A block of lists is for hubs that read the chart itself.
        if !entry.value.text().is_some_and(|text| text.contains('\n')) {
            texts.push((entry.name().to_owned(), &entry.value));
        }
    }
    for (name, node) in texts {
        let text = node.text().unwrap_or_default();
        let Some(bad) = text.chars().find(|c| !is_plain(*c)) else { continue };
        let spot = Spot::span(file.path.clone(), node.span);
        findings.push(RULE.at(spot, format!("`{name}` holds `{}`", bad.escape_default())));
    }
    if let Some(version) =
        root.get("version").filter(|node| node.text().is_some_and(|v| v.contains('+')))
    {
        let spot = Spot::span(file.path.clone(), version.span);
        let finding = RULE.at(spot, "the version holds `+`, which no tag may");
        let cause = "the chart is pushed with `_` in its place, under another version than the one it states";
        findings.push(finding.cause(cause).fix("leave the build's part away"));
    }
    findings
}

fn is_plain(c: char) -> bool {
    c == '\n' || (' '..='~').contains(&c) && !matches!(c, '\'' | '"' | '`' | '\\')
}
