//! Keeps a build inside its source: no remote bases, no path that climbs out.
//!
//! Entry point: [`check`]. It follows the references of each `kustomization.yaml` it can reach.
//! The build that runs afterwards is the real one; this only refuses, it never renders.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::FILE_NAMES;

/// A reference that a build must not follow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{file}` refers to `{reference}`, {why}")]
pub struct OutOfBounds {
    /// The file with the reference, relative to the source.
    pub file: String,
    /// The reference as written.
    pub reference: String,
    /// What is wrong with it.
    pub why: &'static str,
}

const REMOTE: &str = "which is not part of the source: remote bases are not followed";
const CLIMBS: &str = "which leads out of the source";
const HELM: &str = "but a kit inflates no charts while it is built";

/// Members of a kustomization file whose strings are paths of files, at any depth.
const PATH_MEMBERS: [&str; 13] = [
    "path",
    "files",
    "env",
    "envs",
    "crds",
    "configurations",
    "generators",
    "transformers",
    "validators",
    "patchesStrategicMerge",
    "valuesFile",
    "additionalValuesFiles",
    "chartHome",
];

/// Checks folder `folder` (normal, relative to `root`) and every folder it includes.
///
/// # Errors
/// The first reference that is out of bounds. Files that cannot be read are left to the build,
/// whose message is better.
pub fn check(root: &Path, folder: &str) -> Result<(), OutOfBounds> {
    let mut seen = BTreeSet::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        if !seen.insert(folder.clone()) {
            continue;
        }
        let at = root.join(&folder);
        let Some(name) = FILE_NAMES.iter().find(|name| at.join(name).is_file()) else { continue };
        let file = if folder.is_empty() { (*name).to_owned() } else { format!("{folder}/{name}") };
        let Ok(text) = std::fs::read_to_string(root.join(&file)) else { continue };
        let Ok(value) = serde_saphyr::from_str::<Value>(&text) else { continue };
        for member in ["helmCharts", "helmChartInflationGenerator", "helmGlobals"] {
            if value.get(member).is_some() {
                let reference = member.to_owned();
                return Err(OutOfBounds { file, reference, why: HELM });
            }
        }
        for member in ["resources", "bases", "components"] {
            for reference in strings(value.get(member)) {
                waiting.push(local(&folder, reference, &file)?);
            }
        }
        check_paths(&value, &folder, &file)?;
    }
    Ok(())
}

/// The place inside the source that `reference` in `folder` means.
///
/// # Errors
/// A remote reference, and one that leads out of the source.
pub fn local(folder: &str, reference: &str, file: &str) -> Result<String, OutOfBounds> {
    let refuse = |why| OutOfBounds { file: file.to_owned(), reference: reference.to_owned(), why };
    if is_remote(reference) {
        return Err(refuse(REMOTE));
    }
    normal(folder, reference).ok_or_else(|| refuse(CLIMBS))
}

/// Joins two paths without touching the disk; nothing if the result is absolute or climbs out.
pub fn normal(folder: &str, reference: &str) -> Option<String> {
    if reference.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in reference.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

fn is_remote(reference: &str) -> bool {
    let first = reference.split('/').next().unwrap_or_default();
    let looks_like_host = first.contains('.') && !first.starts_with('.') && reference.contains('/');
    reference.contains("://")
        || reference.contains('?')
        || first.contains('@')
        || first.contains(':')
        || looks_like_host
}

fn strings(value: Option<&Value>) -> impl Iterator<Item = &str> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn check_paths(value: &Value, folder: &str, file: &str) -> Result<(), OutOfBounds> {
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| check_paths(item, folder, file)),
        Value::Object(members) => members.iter().try_for_each(|(name, inner)| {
            if PATH_MEMBERS.contains(&name.as_str()) {
                let alone = inner.as_str();
                for text in alone.into_iter().chain(strings(Some(inner))) {
                    check_file(text, folder, file)?;
                }
            }
            check_paths(inner, folder, file)
        }),
        _ => Ok(()),
    }
}

fn check_file(text: &str, folder: &str, file: &str) -> Result<(), OutOfBounds> {
    let refuse = |why| Err(OutOfBounds { file: file.to_owned(), reference: text.to_owned(), why });
    let path = text.split_once('=').map_or(text, |(_, path)| path);
    if text.contains('\n') {
        // An inline patch, not a path.
        return Ok(());
    }
    if path.contains("://") {
        return refuse(REMOTE);
    }
    // `path: /spec/replicas` of a JSON patch is a pointer and not a file. The two look alike, so
    // an absolute path is refused only where it names something on this machine.
    if path.starts_with('/') && !Path::new(path).exists() {
        return Ok(());
    }
    if normal(folder, path).is_none() {
        return refuse(CLIMBS);
    }
    Ok(())
}
