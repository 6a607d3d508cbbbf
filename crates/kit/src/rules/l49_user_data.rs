//! L49: what a server is given at its first boot fits into what the cloud takes.

use std::collections::BTreeSet;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::l48_file_templates::{calls, leads_to};
use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity, Spot};
use crate::template;

pub(super) const RULE: Rule = Rule {
    id: "L49",
    title: "user data stays below 32 KiB with the largest values",
    severity: Severity::Error,
    decidability: Decidability::Declared,
    cause: "the cloud refuses the server, and only for the deployment whose values are long",
    fix: "fetch large parts at first boot, or compress it with `base64gzip`",
    page: include_str!("../../../../docs/rules/L49.md"),
    check,
};

/// Bytes a cloud takes.
const MOST: usize = 32 << 10;

fn check(facts: &Facts) -> Vec<Finding> {
    let calls = calls(facts);
    let mut findings = Vec::new();
    for path in &facts.listing.files {
        let Ok(file) = facts.tree.file(path) else { continue };
        let text = file.text();
        if facts.in_chart(path) || !is_user_data(path, &text) {
            continue;
        }
        let packed =
            calls.iter().any(|(module, call)| call.is_packed && leads_to(module, &call.path, path));
        let (literal, values) = size(facts, path, &text);
        let literal = if packed { compressed(&text).unwrap_or(literal) } else { literal };
        let total = if packed { (literal + values).div_ceil(3) * 4 } else { literal + values };
        if total > MOST {
            let message = format!("{total} bytes, {values} of them values; {MOST} is the most");
            findings.push(RULE.at(Spot::line(path.as_str(), 1), message));
        } else if total > MOST / 10 * 9 {
            let message = format!("{total} bytes of {MOST} that are taken");
            let finding = RULE.at(Spot::line(path.as_str(), 1), message).warning();
            findings.push(finding.cause("the next lines will not fit"));
        }
    }
    findings
}

fn is_user_data(path: &str, text: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    let named = ["cloud-init", "cloudinit", "user-data", "user_data", "userdata"]
        .iter()
        .any(|word| name.contains(word));
    let kind =
        [".tftpl", ".yaml", ".yml", ".cfg", ".sh", ".tpl"].iter().any(|end| name.ends_with(end));
    kind && (text.starts_with("#cloud-config") || named && !path.contains("/test"))
}

/// Bytes of the text itself, and of the values that are declared for its names.
fn size(facts: &Facts, path: &str, text: &str) -> (usize, usize) {
    if !path.ends_with(".tftpl") {
        return (text.len(), 0);
    }
    let (parts, literal) = template::parts(text);
    let mut own = BTreeSet::new();
    let names = parts.iter().flat_map(|part| {
        let names = template::names(part, &mut own);
        if part.is_directive { Vec::new() } else { names }
    });
    let bytes = names.filter_map(|name| facts.settings.user_data_bytes.get(&name));
    (literal, bytes.filter_map(|bytes| usize::try_from(*bytes).ok()).sum())
}

fn compressed(text: &str) -> Option<usize> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(text.as_bytes()).ok()?;
    Some(gzip.finish().ok()?.len())
}
