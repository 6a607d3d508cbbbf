//! L08: a chart's folder `crds` holds CustomResourceDefinitions and nothing else.

use super::{Decidability, Rule};
use crate::facts::{Facts, is_yaml};
use crate::finding::{Finding, Severity, Spot};
use crate::object::Identity;

pub(super) const RULE: Rule = Rule {
    id: "L08",
    title: "the folder crds holds CustomResourceDefinitions and nothing else",
    severity: Severity::Error,
    decidability: Decidability::Files,
    cause: "Helm applies every file below `crds` as it is, before anything else, and never removes it",
    fix: "move the file out of `crds`, or keep it out of the chart with `.helmignore`",
    page: include_str!("../../../../docs/rules/L08.md"),
    check,
};

fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let charts = facts.releases.iter().filter_map(|release| release.chart.as_ref());
    let mut files: Vec<&String> = charts.flat_map(|chart| &chart.files).collect();
    files.sort();
    files.dedup();
    for path in files.into_iter().filter(|path| in_crds(path)) {
        let Ok(file) = facts.tree.file(path) else { continue };
        if !is_yaml(path) {
            continue;
        }
        let loaded = file.yaml();
        if loaded.documents.is_empty() && loaded.faults.is_empty() {
            let message = "this file of `crds` holds no CRD";
            let cause = "a CRD was lost, and every object of its kind is refused";
            findings.push(RULE.at(Spot::line(path.as_str(), 1), message).cause(cause));
        }
        for doc in &loaded.documents {
            let kind = doc.root.get("kind");
            let stated = kind.and_then(|kind| kind.text()).unwrap_or("nothing");
            if stated != "CustomResourceDefinition" {
                let spot = Spot::span(path.as_str(), kind.unwrap_or(&doc.root).span);
                let name =
                    Identity::of(&doc.root).map(|identity| identity.name).unwrap_or_default();
                findings.push(RULE.at(spot, format!("`crds` holds {stated} `{name}`")));
            }
        }
    }
    findings
}

/// Whether a file is below a chart's folder `crds`, of the chart itself or of one inside it.
fn in_crds(path: &str) -> bool {
    path.starts_with("crds/") || path.contains("/crds/") && !path.contains("/templates/")
}
