//! L07: a slot has one file and one release, none of them reserved, and the list of files is whole.

use std::collections::BTreeMap;

use super::{Decidability, Rule};
use crate::facts::{Facts, Release, is_yaml};
use crate::finding::{Finding, Severity, Spot};
use crate::flux::{SLOT_LABEL, slot_of_file};
use crate::render::bounds::normal;
use crate::yaml::Node;

pub(super) const RULE: Rule = Rule {
    id: "L07",
    title: "a slot belongs to one release, and every slot file is listed",
    severity: Severity::Error,
    decidability: Decidability::Files,
    cause: "two streams of work that take one number overwrite each other's place in every list",
    fix: "take a free slot, and let label, file name and list agree",
    page: include_str!("../../../../docs/rules/L07.md"),
    check,
};

fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut taken: BTreeMap<&str, &Release> = BTreeMap::new();
    for release in &facts.releases {
        let Some(slot) = release.declared.slot.as_deref() else { continue };
        let spot = slot_spot(facts, release);
        if let Some(first) = taken.get(slot) {
            let message = format!(
                "slot {slot} of `{}` is taken by `{}`",
                release.declared.name, first.declared.name
            );
            let finding = RULE.at(spot.clone(), message);
            findings.push(finding.related(slot_spot(facts, first), "taken here"));
        } else {
            taken.insert(slot, release);
        }
        let of_file = slot_of_file(&facts.declaration(release).place().file);
        if let Some(other) = of_file.filter(|other| other != slot) {
            let message = format!("the label says slot {slot}, the file's name says {other}");
            findings.push(RULE.at(spot.clone(), message).cause("one of the two is out of date"));
        }
        reserved(facts, release, slot, spot, &mut findings);
    }
    unlisted(facts, &mut findings);
    findings
}

fn slot_spot(facts: &Facts, release: &Release) -> Spot {
    let object = facts.declaration(release);
    let label = object.node.at("metadata/labels").and_then(|labels| labels.get(SLOT_LABEL));
    label.map_or_else(|| object.place(), |label| object.spot(label))
}

fn reserved(facts: &Facts, release: &Release, slot: &str, spot: Spot, out: &mut Vec<Finding>) {
    let digits = slot.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let Ok(number) = digits.parse::<u32>() else { return };
    for (from, to) in &facts.settings.reserved_slots {
        if (*from..=*to).contains(&number) {
            let message = format!("slot {slot} of `{}` is reserved", release.declared.name);
            let cause =
                format!("slots {from} to {to} are promised to releases that are not here yet");
            out.push(RULE.at(spot.clone(), message).cause(cause));
        }
    }
}

/// Files beside a kustomization file that look like slots and that it does not list.
fn unlisted(facts: &Facts, out: &mut Vec<Finding>) {
    let lists = facts.builds.iter().flat_map(|build| &build.kustomizations);
    for path in lists {
        let Ok(file) = facts.tree.file(path) else { continue };
        let Some(doc) = file.yaml().documents.first() else { continue };
        let Some(resources) = doc.root.get("resources") else { continue };
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let listed: Vec<String> =
            resources.items().iter().filter_map(|item| normal(folder, item.text()?)).collect();
        for beside in facts.listing.files.iter().filter(|file| is_slot(file, folder)) {
            if !listed.contains(beside) {
                let name = beside.rsplit('/').next().unwrap_or(beside);
                let message = format!("`{name}` is not listed");
                let spot = Spot::span(path.as_str(), resources.span);
                let spot =
                    Spot { line: key_line(&doc.root).unwrap_or(spot.line), column: 0, ..spot };
                let finding = RULE.at(spot, message).cause("what is not listed is not installed");
                let finding = finding.fix(format!("add `- {name}` to `resources`"));
                out.push(finding.related(Spot::line(beside.as_str(), 1), "the file"));
            }
        }
    }
}

fn key_line(root: &Node) -> Option<u32> {
    Some(root.entry("resources")?.key.span.line)
}

fn is_slot(file: &str, folder: &str) -> bool {
    let parent = file.rsplit_once('/').map_or("", |(folder, _)| folder);
    parent == folder && is_yaml(file) && slot_of_file(file).is_some()
}
