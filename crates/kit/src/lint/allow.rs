//! Comments that allow a finding: `# catalyst-allow: L18 reason="…" until=2027-01-01`.
//!
//! A comment speaks for its own line, or, standing alone, for the next line that is no comment. It
//! needs a reason and an end; past its end it is an error, and so is one that allows nothing.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use super::Outcome;
use crate::facts::Facts;
use crate::finding::{Finding, LOAD, Severity, Spot};
use crate::rules::Rule;

/// The words a suppression begins with.
const MARK: &str = "catalyst-allow:";
/// The name under which faults of suppressions are reported.
pub(super) const RULE: &str = "allow";

/// A finding that the tree allows.
#[derive(Debug)]
pub struct Suppressed {
    /// The finding.
    pub finding: Finding,
    /// Why it is allowed.
    pub reason: String,
    /// Until when.
    pub until: Date,
}

/// One comment.
#[derive(Debug)]
struct Allow {
    rule: String,
    reason: String,
    until: Date,
    /// The line it stands on.
    line: u32,
    /// The line it speaks for.
    speaks_for: u32,
    used: bool,
}

/// Takes out what is allowed; `complete` says that every rule was applied, so that a comment which
/// allows nothing is known to be idle.
pub(super) fn apply(facts: &Facts, all: Vec<Finding>, today: Date, complete: bool) -> Outcome {
    let mut outcome = Outcome::default();
    let mut allows: BTreeMap<String, Vec<Allow>> = BTreeMap::new();
    for path in files(facts) {
        let Ok(file) = facts.tree.file(&path) else { continue };
        if !file.bytes.windows(MARK.len()).any(|window| window == MARK.as_bytes()) {
            continue;
        }
        let (found, faults) = read(&path, &file.text());
        outcome.findings.extend(faults);
        allows.insert(path, found);
    }
    for finding in all {
        let list = allows.get_mut(&*finding.spot.file);
        let fits = |allow: &&mut Allow| {
            finding.rule != LOAD
                && allow.rule.eq_ignore_ascii_case(finding.rule)
                && (allow.speaks_for == finding.spot.line || allow.line == finding.spot.line)
                && allow.until >= today
        };
        match list.and_then(|list| list.iter_mut().find(fits)) {
            Some(allow) => {
                allow.used = true;
                let (reason, until) = (allow.reason.clone(), allow.until);
                outcome.suppressed.push(Suppressed { finding, reason, until });
            }
            None => outcome.findings.push(finding),
        }
    }
    for (path, list) in allows {
        for allow in list {
            let spot = Spot::line(path.as_str(), allow.line);
            if allow.until < today {
                let message = format!("the permission for {} ended on {}", allow.rule, allow.until);
                outcome.findings.push(fault(spot, message, "mend what it allowed, or decide anew"));
            } else if !allow.used && complete {
                let message = format!("nothing here needs the permission for {}", allow.rule);
                outcome.findings.push(fault(spot, message, "take the comment away").warning());
            }
        }
    }
    outcome
}

/// Every file a finding may be in: those below the target, and those of the charts.
fn files(facts: &Facts) -> BTreeSet<String> {
    let mut files: BTreeSet<String> = facts.listing.files.iter().cloned().collect();
    for release in &facts.releases {
        files.extend(release.chart.iter().flat_map(|chart| chart.files.iter().cloned()));
    }
    for build in &facts.builds {
        files.extend(build.kustomizations.iter().cloned());
    }
    files.retain(|path| crate::facts::is_yaml(path) || path.ends_with(".tpl"));
    files
}

fn read(path: &str, text: &str) -> (Vec<Allow>, Vec<Finding>) {
    let lines: Vec<&str> = text.lines().collect();
    let (mut found, mut faults) = (Vec::new(), Vec::new());
    for (at, line) in lines.iter().enumerate() {
        let Some((before, rest)) = line.split_once(MARK) else { continue };
        let number = |at: usize| u32::try_from(at + 1).unwrap_or(0);
        let alone = is_comment(line);
        let next = (at + 1..lines.len()).find(|next| !is_comment(lines[*next]));
        let speaks_for = if alone { next.map_or(0, number) } else { number(at) };
        if !before.contains('#') && !before.contains("/*") {
            continue;
        }
        match parse(rest) {
            Ok((rule, reason, until)) => {
                found.push(Allow { rule, reason, until, line: number(at), speaks_for, used: false })
            }
            Err(wanted) => {
                let message = format!("this permission {wanted}");
                let fix = "write `# catalyst-allow: L18 reason=\"…\" until=2027-01-01`";
                faults.push(fault(Spot::line(path, number(at)), message, fix));
            }
        }
    }
    (found, faults)
}

fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty()
        || line.starts_with('#')
        || line.starts_with("{{/*")
        || line.starts_with("{{- /*")
        || line.ends_with("*/}}")
        || line.ends_with("*/ -}}")
}

fn parse(text: &str) -> Result<(String, String, Date), &'static str> {
    let rule = text.split_whitespace().next().ok_or("names no rule")?;
    if Rule::named(rule).is_none() {
        return Err("names a rule that does not exist");
    }
    let (_, after) = text.split_once("reason=\"").ok_or("gives no reason")?;
    let (reason, _) = after.split_once('"').ok_or("gives a reason without an end")?;
    if reason.trim().is_empty() {
        return Err("gives no reason");
    }
    let (_, after) = text.rsplit_once("until=").ok_or("has no end, such as `until=2027-01-01`")?;
    let date: String = after.chars().take_while(|c| c.is_ascii_digit() || *c == '-').collect();
    let until = date.parse().map_err(|_| "has an end that is no date")?;
    Ok((rule.to_owned(), reason.to_owned(), until))
}

fn fault(spot: Spot, message: String, fix: &str) -> Finding {
    Finding {
        rule: RULE,
        severity: Severity::Error,
        spot,
        message,
        cause: "a permission without reason and end outlives the person who knew why".to_owned(),
        fix: fix.to_owned(),
        link: "docs/rules/README.md".to_owned(),
        related: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permission_speaks_for_its_line_or_for_the_next_that_is_no_comment() {
        let text = "a: 1 # catalyst-allow: L18 reason=\"x\" until=2027-01-01\n\
                    # catalyst-allow: L04 reason=\"y\" until=2027-01-01\n# more\n\nb: 2\n";
        let (found, faults) = read("a.yaml", text);
        assert_eq!(faults, []);
        let told: Vec<_> = found.iter().map(|a| (a.rule.as_str(), a.speaks_for)).collect();
        assert_eq!(told, [("L18", 1), ("L04", 5)]);
    }

    #[test]
    fn a_permission_needs_a_rule_a_reason_and_an_end() {
        for (text, wanted) in [
            ("", "names no rule"),
            ("L99 reason=\"x\" until=2027-01-01", "names a rule that does not exist"),
            ("L18 until=2027-01-01", "gives no reason"),
            ("L18 reason=\" \" until=2027-01-01", "gives no reason"),
            ("L18 reason=\"x\"", "has no end, such as `until=2027-01-01`"),
            ("L18 reason=\"x\" until=soon", "has an end that is no date"),
        ] {
            assert_eq!(parse(text).unwrap_err(), wanted, "{text}");
        }
    }
}
