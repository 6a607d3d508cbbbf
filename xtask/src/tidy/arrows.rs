//! Which crate may use which. The table is the architecture: a new edge is a reviewed line here.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use super::Finding;

/// Allowed edges between our crates; development dependencies on `catalyst-testkit` are always
/// allowed, and nothing else may depend on it.
const ARROWS: &[(&str, &[&str])] = &[
    ("catalyst-model", &[]),
    ("catalyst-workflow", &[]),
    ("catalyst-kit", &["catalyst-model"]),
    ("catalyst-diagnosis", &["catalyst-model"]),
    ("catalyst-fleet", &["catalyst-diagnosis", "catalyst-kit", "catalyst-model"]),
    ("catalyst-store", &["catalyst-model", "catalyst-workflow"]),
    (
        "catalyst-control",
        &["catalyst-fleet", "catalyst-model", "catalyst-store", "catalyst-workflow"],
    ),
    ("catalyst-http", &["catalyst-control", "catalyst-model"]),
    ("catalyst-gateway", &["catalyst-model"]),
    (
        "catalystd",
        &[
            "catalyst-control",
            "catalyst-fleet",
            "catalyst-gateway",
            "catalyst-http",
            "catalyst-model",
            "catalyst-store",
        ],
    ),
    ("catalyst-sandbox", &[]),
    ("catalyst-cli", &["catalyst-kit", "catalyst-model", "catalyst-sandbox"]),
    ("catalyst-testkit", &[]),
    ("catalyst-e2e", &[]),
    ("xtask", &[]),
];

/// Third-party crates that only the named crates may use directly, with the reason.
const OWNERS: &[(&str, &[&str], &str)] = &[
    (
        "kube",
        &["catalyst-fleet", "catalystd"],
        "only `fleet` (and the reflector role) talks to an API server",
    ),
    ("axum", &["catalyst-http"], "nothing below `http` knows HTTP routes"),
    ("sqlx", &["catalyst-store"], "only `store` knows how records are kept"),
    ("rusqlite", &["catalyst-gateway"], "only the gateway's book is a database"),
    ("clap", &["catalystd", "catalyst-cli", "xtask"], "only binaries parse arguments"),
    (
        "anyhow",
        &["catalystd", "catalyst-cli", "xtask", "catalyst-testkit", "catalyst-e2e"],
        "libraries have typed errors",
    ),
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
    path: Option<String>,
}

pub(crate) fn check(root: &Path) -> anyhow::Result<Vec<Finding>> {
    let output = Command::new("cargo")
        .args(["metadata", "--format-version=1", "--no-deps", "--locked"])
        .current_dir(root)
        .output()
        .context("run cargo metadata")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Metadata = serde_json::from_slice(&output.stdout)?;
    Ok(metadata.packages.iter().flat_map(check_package).collect())
}

fn check_package(package: &Package) -> Vec<Finding> {
    let table: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    let place = format!("crate {}", package.name);
    let Some(allowed) = table.get(package.name.as_str()) else {
        let message = "is not in the table of arrows (xtask/src/tidy/arrows.rs)".to_owned();
        return vec![Finding { place, message }];
    };
    let mut findings = Vec::new();
    for dependency in &package.dependencies {
        let development = dependency.kind.as_deref() == Some("dev");
        let finding = if dependency.path.is_some() {
            ours(allowed, dependency, development)
        } else {
            theirs(&package.name, dependency, development)
        };
        findings.extend(finding.map(|message| Finding { place: place.clone(), message }));
    }
    findings
}

fn ours(allowed: &[&str], dependency: &Dependency, development: bool) -> Option<String> {
    let name = dependency.name.as_str();
    let permitted = if name == "catalyst-testkit" {
        development
    } else {
        development || allowed.contains(&name)
    };
    (!permitted).then(|| format!("uses `{name}`, an arrow the architecture does not have"))
}

fn theirs(package: &str, dependency: &Dependency, development: bool) -> Option<String> {
    let (name, owners, reason) = OWNERS.iter().find(|(name, ..)| *name == dependency.name)?;
    let permitted = development || owners.contains(&package);
    (!permitted).then(|| format!("uses `{name}`: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, dependency: &str, kind: Option<&str>, path: Option<&str>) -> Package {
        let dependency = Dependency {
            name: dependency.to_owned(),
            kind: kind.map(str::to_owned),
            path: path.map(str::to_owned),
        };
        Package { name: name.to_owned(), dependencies: vec![dependency] }
    }

    #[test]
    fn an_edge_outside_the_table_is_found() {
        let findings = check_package(&package("catalyst-model", "catalyst-http", None, Some("x")));
        assert_eq!(findings.len(), 1);
        let fine = package("catalyst-http", "catalyst-model", None, Some("x"));
        assert!(check_package(&fine).is_empty());
    }

    #[test]
    fn the_test_kit_is_never_a_production_dependency() {
        let production = package("catalyst-http", "catalyst-testkit", None, Some("x"));
        let development = package("catalyst-http", "catalyst-testkit", Some("dev"), Some("x"));
        assert_eq!(check_package(&production).len(), 1);
        assert!(check_package(&development).is_empty());
    }

    #[test]
    fn an_owned_crate_is_kept_from_the_others() {
        assert_eq!(check_package(&package("catalyst-model", "kube", None, None)).len(), 1);
        assert!(check_package(&package("catalyst-fleet", "kube", None, None)).is_empty());
    }

    #[test]
    fn a_crate_nobody_listed_is_found() {
        assert_eq!(check_package(&package("catalyst-new", "serde", None, None)).len(), 1);
    }
}
