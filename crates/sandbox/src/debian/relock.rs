//! Computes the lock anew: the closure of the wanted packages as on a bare Debian.
//!
//! apt is asked with an empty list of installed packages, for libraries that happen to be installed
//! would hide themselves. Its answer is a consistent set of versions; which of them are really
//! needed follows from their own `Depends`, cut at the packages named `without`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::lock::{Lock, Locked, Use};
use super::{BAD_LOCK, DOWNLOAD, fetch};
use crate::paths::write_public;
use crate::problem::{self, Problem, Result};
use crate::process::{Failure, Invocation};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PackagesFile {
    host: Wanted,
    image: Wanted,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    packages: Vec<String>,
    without: BTreeSet<String>,
}

/// Writes `sandbox/debian/lock.json` of a checkout from its `packages.toml`. Needs root for
/// `apt-get update`.
///
/// # Errors
/// CAT-3113 when the list cannot be read, CAT-3110 when apt fails.
pub async fn relock(checkout: &Path) -> Result<Lock> {
    let folder = checkout.join("sandbox/debian");
    let path = folder.join("packages.toml");
    let text = std::fs::read_to_string(&path).map_err(|e| problem::file("read", &path, e))?;
    let wanted: PackagesFile = toml::from_str(&text)
        .map_err(|error| BAD_LOCK.because(format!("packages.toml: {error}")).source(error))?;
    fetch::update().await?;
    let stanzas = available(&wanted).await?;
    let lock = close(&wanted, &stanzas)?;
    write_public(&folder.join("lock.json"), lock.text().as_bytes())?;
    Ok(lock)
}

/// One package as `apt-cache show` tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Stanza {
    fields: BTreeMap<String, String>,
}

impl Stanza {
    fn get(&self, field: &str) -> &str {
        self.fields.get(field).map_or("", String::as_str)
    }

    /// The names in `Depends` and `Pre-Depends`: a list of alternatives each.
    fn needs(&self) -> Vec<Vec<String>> {
        let lists = [self.get("Pre-Depends"), self.get("Depends")];
        let groups = lists.into_iter().flat_map(|list| list.split(',')).map(str::trim);
        groups.filter(|group| !group.is_empty()).map(|g| g.split('|').map(bare).collect()).collect()
    }

    fn provides(&self) -> Vec<String> {
        self.get("Provides").split(',').map(bare).filter(|name| !name.is_empty()).collect()
    }
}

/// `libc6:any (>= 2.36)` → `libc6`.
fn bare(dependency: &str) -> String {
    let name = dependency.trim().split([' ', '(', ':']).next().unwrap_or_default();
    name.to_owned()
}

/// Asks apt for a consistent set and the details of each of its packages.
async fn available(wanted: &PackagesFile) -> Result<BTreeMap<String, Stanza>> {
    let failed =
        |failure: Failure| -> Problem { DOWNLOAD.because(failure.to_string()).source(failure) };
    let nothing = tempfile::NamedTempFile::new()
        .map_err(|error| problem::file("create a file in", &std::env::temp_dir(), error))?;
    let names = wanted.host.packages.iter().chain(&wanted.image.packages);
    let uris = fetch::apt("apt-get")
        .arg("-o")
        .arg(format!("Dir::State::status={}", nothing.path().display()))
        .args(["--no-install-recommends", "--yes", "--print-uris", "install"])
        .args(names)
        .timeout(Duration::from_secs(120));
    let uris = uris.run().await.map_err(failed)?.text();
    let exact: Vec<_> = uris.lines().filter_map(exact_version).collect();
    if exact.is_empty() {
        return Err(DOWNLOAD.because("apt names no package for what is wanted"));
    }
    let show = Invocation::new("apt-cache").arg("show").args(exact);
    let shown = show.run().await.map_err(failed)?.text();
    Ok(parse_stanzas(&shown))
}

/// `'http://…/x.deb' libfoo_1%3a2_amd64.deb 123 …` → `libfoo=1:2`.
fn exact_version(line: &str) -> Option<String> {
    let file = line.strip_prefix('\'')?.split_whitespace().nth(1)?;
    let mut parts = file.split('_');
    let (name, version) = (parts.next()?, parts.next()?);
    Some(format!("{name}={}", version.replace("%3a", ":")))
}

fn parse_stanzas(text: &str) -> BTreeMap<String, Stanza> {
    let mut all = BTreeMap::new();
    for block in text.split("\n\n") {
        let mut stanza = Stanza::default();
        for line in block.lines().filter(|line| !line.starts_with(' ')) {
            if let Some((field, value)) = line.split_once(':') {
                stanza.fields.insert(field.to_owned(), value.trim().to_owned());
            }
        }
        if !stanza.get("Package").is_empty() {
            all.insert(stanza.get("Package").to_owned(), stanza);
        }
    }
    all
}

fn close(wanted: &PackagesFile, stanzas: &BTreeMap<String, Stanza>) -> Result<Lock> {
    let host = closure(&wanted.host, stanzas)?;
    let image = closure(&wanted.image, stanzas)?;
    let mut packages = Vec::new();
    for name in host.union(&image) {
        let stanza = &stanzas[name];
        let mut uses = BTreeSet::new();
        if host.contains(name) {
            uses.insert(Use::Host);
        }
        if image.contains(name) {
            uses.insert(Use::Image);
        }
        let size = stanza.get("Size").parse();
        packages.push(Locked {
            name: name.clone(),
            version: stanza.get("Version").to_owned(),
            architecture: stanza.get("Architecture").to_owned(),
            sha256: stanza.get("SHA256").to_owned(),
            size: size.map_err(|_| BAD_LOCK.because(format!("apt tells no size of `{name}`")))?,
            uses,
            depends: direct(stanza, stanzas)
                .into_iter()
                .filter(|need| host.contains(need) || image.contains(need))
                .collect(),
        });
    }
    Ok(Lock { release: "bookworm".to_owned(), packages })
}

fn closure(wanted: &Wanted, stanzas: &BTreeMap<String, Stanza>) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut ahead = wanted.packages.clone();
    while let Some(name) = ahead.pop() {
        if wanted.without.contains(&name) || found.contains(&name) {
            continue;
        }
        let stanza = stanzas
            .get(&name)
            .ok_or_else(|| BAD_LOCK.because(format!("apt offers no `{name}`")))?;
        ahead.extend(direct(stanza, stanzas));
        found.insert(name);
    }
    Ok(found)
}

/// The packages one needs directly: of each group of alternatives the first that apt chose, by its
/// own name or by what it provides.
fn direct(stanza: &Stanza, stanzas: &BTreeMap<String, Stanza>) -> BTreeSet<String> {
    let choose = |group: Vec<String>| -> Option<String> {
        group.iter().find(|name| stanzas.contains_key(*name)).cloned().or_else(|| {
            let provides =
                |other: &Stanza| other.provides().iter().any(|name| group.contains(name));
            stanzas.iter().find(|(_, other)| provides(other)).map(|(name, _)| name.clone())
        })
    };
    stanza.needs().into_iter().filter_map(choose).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWN: &str = "Package: pdns\nVersion: 4\nArchitecture: amd64\nDepends: libc6 (>= 2.36), \
        libluajit | libluajit2 (>= 2), adduser, awk:any\nSize: 7\nSHA256: aa\nDescription: x\n more\n\n\
        Package: libc6\nVersion: 2.36\nArchitecture: amd64\nPre-Depends: libgcc\nSize: 8\nSHA256: bb\n\n\
        Package: libgcc\nVersion: 12\nArchitecture: amd64\nDepends: libc6\nSize: 9\nSHA256: cc\n\n\
        Package: libluajit2\nVersion: 5\nArchitecture: amd64\nSize: 1\nSHA256: dd\n\n\
        Package: mawk\nVersion: 1\nArchitecture: amd64\nProvides: awk\nSize: 2\nSHA256: ee\n\n\
        Package: adduser\nVersion: 3\nArchitecture: all\nDepends: perl\nSize: 3\nSHA256: ff";

    #[test]
    fn a_closure_takes_alternatives_and_provided_names_and_stops_at_what_is_left_out() {
        let without = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let wanted = PackagesFile {
            host: Wanted { packages: vec!["libc6".into()], without: without(&["libgcc"]) },
            image: Wanted { packages: vec!["pdns".into()], without: without(&["adduser"]) },
        };
        let lock = close(&wanted, &parse_stanzas(SHOWN)).unwrap();
        insta::assert_snapshot!(lock.text());
    }

    #[test]
    fn the_uri_of_a_package_tells_name_and_version() {
        let line =
            "'http://x/pool/git_2.39%2bx.deb' git_1%3a2.39.5-0+deb12u3_amd64.deb 726 MD5Sum:b4";
        assert_eq!(exact_version(line).unwrap(), "git=1:2.39.5-0+deb12u3");
        assert_eq!(exact_version("Reading package lists..."), None);
    }
}
