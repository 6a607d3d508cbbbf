//! L51: what is complete is said by names, never by a number.

use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity, Spot};
use crate::object::Object;
use crate::script::{self, Line};
use crate::yaml::Node;

pub(super) const RULE: Rule = Rule {
    id: "L51",
    title: "what is complete is said by names, never by a number",
    severity: Severity::Error,
    decidability: Decidability::Files,
    cause: "the number is right until a release is added, and nothing observed yet looks like all done",
    fix: "wait for each release the kit declares, by name: `kubectl wait --for=condition=Ready helmrelease/a …`",
    page: include_str!("../../../../docs/rules/L51.md"),
    check,
};

/// What is counted in place of being named.
const COUNTED: [&str; 15] = [
    "helmrelease",
    "helmreleases",
    "hr",
    "kustomization",
    "kustomizations",
    "ks",
    "pod",
    "pods",
    "po",
    "deployment",
    "deployments",
    "deploy",
    "helmrepository",
    "helmrepositories",
    "crd",
];
/// Words that make a variable an expected number, and what of.
const EXPECTED: [&str; 5] = ["EXPECTED", "MIN", "MINIMUM", "TOTAL", "REQUIRED"];
const OF: [&str; 11] = [
    "HR",
    "HRS",
    "HELMRELEASE",
    "HELMRELEASES",
    "RELEASES",
    "COMPONENTS",
    "SLOTS",
    "KUSTOMIZATIONS",
    "CHARTS",
    "BLUEPRINTS",
    "HELMREPOSITORIES",
];
const COMPARES: [&str; 12] =
    ["-ge", "-gt", "-eq", "-le", "-lt", "-ne", "==", "=", "!=", ">=", ">", "<"];

fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for object in facts.applied() {
        for script in script::of(object) {
            for (line, what) in counts(&script.lines()) {
                let message = format!("{}: it is done when {what}", object.title());
                findings.push(RULE.at(script.spot(&line), message));
            }
        }
        variables(object, &mut findings);
    }
    let ends = |file: &&String| file.ends_with(".sh") || file.ends_with(".tftpl");
    for path in facts.listing.files.iter().filter(ends) {
        let Ok(file) = facts.tree.file(path) else { continue };
        for (line, what) in counts(&script::lines(&file.text())) {
            let number = u32::try_from(line.number + 1).unwrap_or(0);
            let spot = Spot::line(path.as_str(), number);
            findings.push(RULE.at(spot, format!("it is done when {what}")));
        }
    }
    findings
}

/// The comparisons of a count with a number, and what they say.
fn counts(lines: &[Line]) -> Vec<(Line, String)> {
    // What is counted, by the variable that holds the count.
    let mut held: Vec<(&str, &Line)> = Vec::new();
    let mut all = Vec::new();
    for line in lines {
        if let Some((name, value)) = line.text.split_once("=$(")
            && let Some(name) = name.split_whitespace().last()
            && counted(value).is_some()
        {
            held.push((name, line));
        }
        let source =
            held.iter().find(|(name, _)| uses(&line.text, name)).map(|(_, source)| *source);
        let direct = counted(&line.text).map(|_| line);
        let Some(source) = source.or(direct) else { continue };
        let Some((operator, number)) = compared(line, lines) else { continue };
        let Some(kind) = counted(&source.text) else { continue };
        if is_existence(operator, number) {
            continue;
        }
        // None left that is not ready is true of none at all.
        if number == 0 && !leaves_out(&source.text) {
            continue;
        }
        all.push((line.clone(), format!("the number of {kind} is {operator} {number}")));
    }
    all
}

/// What a text counts, if it counts objects of the cluster.
fn counted(text: &str) -> Option<&str> {
    let asks = text.contains("kubectl") || text.contains("flux get");
    let counts = text.contains("wc -l") || text.contains("grep -c") || text.contains("| length");
    let after = text.split_once(" get ").filter(|_| asks && counts)?.1;
    let word = after.split_whitespace().find(|word| !word.starts_with('-'))?;
    let kind = word.split(['.', '/', ',']).next()?;
    COUNTED.contains(&kind).then_some(kind)
}

fn leaves_out(text: &str) -> bool {
    ["grep -v", "grep -cv", "grep -vc", "False", "!= \"True\"", "!=\"True\""]
        .iter()
        .any(|word| text.contains(word))
}

fn uses(text: &str, name: &str) -> bool {
    text.contains(&format!("${name}\"")) || text.contains(&format!("${{{name}}}")) || {
        let plain = format!("${name}");
        text.split_whitespace().any(|word| word.trim_matches(['"', ';']) == plain)
    }
}

/// The comparison in a line, with a number that stands there or in a variable.
fn compared<'a>(line: &'a Line, lines: &[Line]) -> Option<(&'a str, i64)> {
    let words = line.words();
    let is_test = ["[ ", "[[ ", "(( ", "test "].iter().any(|open| line.text.contains(open));
    let pairs = words.iter().zip(words.iter().skip(1)).filter(|_| is_test);
    let mut found = pairs.filter(|(operator, _)| COMPARES.contains(*operator)).filter_map(
        |(operator, value)| {
            let value = value.trim_end_matches([']', ')', ';']);
            let number = value.parse::<i64>().ok().or_else(|| {
                let name = value.strip_prefix('$')?.trim_matches(['{', '}']);
                let set = format!("{name}=");
                lines.iter().find_map(|one| {
                    let text = one.text.trim_start_matches("export ").strip_prefix(&set)?;
                    text.trim_matches(['"', '\'']).parse::<i64>().ok()
                })
            })?;
            Some((*operator, number))
        },
    );
    found.next()
}

/// Whether a comparison asks only for one at all.
fn is_existence(operator: &str, number: i64) -> bool {
    matches!((operator, number), ("-gt" | ">" | "-ne" | "!=", 0) | ("-ge" | ">=" | "-lt" | "<", 1))
}

/// Variables and keys of ConfigMaps that hold an expected number.
fn variables(object: &Object, findings: &mut Vec<Finding>) {
    let mut found: Vec<(&str, &Node)> = Vec::new();
    for variable in object.containers().into_iter().flat_map(|one| one.items_at("env")) {
        let name = variable.get("name").and_then(Node::text).unwrap_or_default();
        found.extend(variable.get("value").map(|value| (name, value)));
    }
    if object.is("", "ConfigMap") {
        let data = object.node.get("data").map(Node::entries).unwrap_or_default();
        found.extend(data.iter().map(|entry| (entry.name(), &entry.value)));
    }
    for (name, value) in found {
        let words: Vec<String> = name.split(['_', '-']).map(str::to_ascii_uppercase).collect();
        let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
        let number = value.text().and_then(|text| text.parse::<i64>().ok());
        if let Some(number) = number.filter(|number| *number > 1 && has(&EXPECTED) && has(&OF)) {
            let message = format!("{}: `{name}` expects {number} of them", object.title());
            findings.push(RULE.at(object.spot(value), message));
        }
    }
}
