//! L44: what Helm keeps of a release fits into a Secret, with room to grow.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{Decidability, Rule};
use crate::assemble::base64;
use crate::facts::{Facts, Release};
use crate::finding::{Finding, Severity};

pub(super) const RULE: Rule = Rule {
    id: "L44",
    title: "what Helm keeps of a release stays below 0.8 MiB",
    severity: Severity::Warning,
    decidability: Decidability::Files,
    cause: "Helm keeps chart, values and manifest in one Secret, and the API server refuses one of more \
            than 1 MiB: after the next few lines the release can no longer be upgraded",
    fix: "split the chart, leave out what no template reads (`.helmignore`), or take CRDs and dashboards out",
    page: include_str!("../../../../docs/rules/L44.md"),
    check,
};

/// Bytes of a Secret.
const MOST: usize = 1 << 20;
/// Of these, per hundred.
const SHARE: usize = 80;

fn check(facts: &Facts) -> Vec<Finding> {
    let judged = (0..facts.releases.len()).filter_map(|at| judge(facts, at));
    judged.collect()
}

fn judge(facts: &Facts, at: usize) -> Option<Finding> {
    let release = &facts.releases[at];
    let parts = parts(facts, release, at)?;
    let limit = MOST / 100 * SHARE;
    // Compression never makes it larger.
    let raw: usize = parts.iter().map(Vec::len).sum();
    if encoded(raw) <= limit {
        return None;
    }
    let size = encoded(packed(&parts)?);
    if size <= limit {
        return None;
    }
    let tenths = (size * 10).div_ceil(1 << 20);
    let message = format!(
        "release `{}` takes about {}.{} MiB in its Secret",
        release.declared.name,
        tenths / 10,
        tenths % 10
    );
    let mut finding = RULE.at(facts.release_spot(release, "metadata/name"), message);
    if size > MOST {
        finding.severity = Severity::Error;
        finding = finding
            .cause("the API server refuses a Secret of more than 1 MiB: it cannot be installed");
    }
    Some(finding)
}

/// What Helm writes of a release: the chart's files, the values, and every object.
fn parts(facts: &Facts, release: &Release, at: usize) -> Option<Vec<Vec<u8>>> {
    let rendering = release.rendering.as_ref()?;
    let mut parts = vec![rendering.own_values.to_string().into_bytes()];
    let objects = facts.of_release(at).filter(|object| !object.from_crds);
    parts.extend(objects.map(|object| object.node.to_json().to_string().into_bytes()));
    let chart = release.chart.as_ref()?;
    let ignored = ignored(facts, chart.folder.as_deref());
    for path in &chart.files {
        let below = chart.folder.as_deref().and_then(|folder| path.strip_prefix(folder));
        let below = below.unwrap_or(path).trim_start_matches('/');
        if !ignored.iter().any(|pattern| fits(pattern, below)) {
            let file = facts.tree.file(path).ok()?;
            parts.push(base64(&file.bytes).into_bytes());
        }
    }
    Some(parts)
}

/// The patterns of `.helmignore`.
fn ignored(facts: &Facts, folder: Option<&str>) -> Vec<String> {
    let Some(folder) = folder else { return Vec::new() };
    let path = format!("{folder}/.helmignore");
    let Ok(file) = facts.tree.file(path.trim_start_matches('/')) else { return Vec::new() };
    let text = file.text();
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with(['#', '!']))
        .map(str::to_owned)
        .collect()
}

/// Whether a pattern takes a file out: by a part of its path, with one `*` at most.
fn fits(pattern: &str, path: &str) -> bool {
    let pattern = pattern.trim_start_matches('/').trim_end_matches('/');
    let part_fits = |part: &str| match pattern.split_once('*') {
        Some((start, end)) => {
            part.len() >= start.len() + end.len() && part.starts_with(start) && part.ends_with(end)
        }
        None => part == pattern,
    };
    path == pattern || path.starts_with(&format!("{pattern}/")) || path.split('/').any(part_fits)
}

/// Bytes after compression as Helm compresses.
fn packed(parts: &[Vec<u8>]) -> Option<usize> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    for part in parts {
        gzip.write_all(part).ok()?;
    }
    Some(gzip.finish().ok()?.len())
}

/// Bytes in base64.
fn encoded(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}
