//! Gathers what a description names into a tree.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::own::Own;
use super::spec::Spec;
use super::tree::{Refused, Source, Tree};
use super::{BAD_CONTENT, BAD_SPEC};
use crate::debian::{Debian, DebianTree};
use crate::problem::{self, Problem, Result};
use crate::process::Invocation;
use crate::tools::Tools;

/// Parts of packages that no running program reads.
const UNREAD: &[&str] = &[
    "usr/share/bash-completion",
    "usr/share/doc",
    "usr/share/doc-base",
    "usr/share/info",
    "usr/share/initramfs-tools",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/man",
    "usr/share/menu",
    "var/lib",
];
/// Where the package ca-certificates keeps the certificates that are joined into one file when it
/// is installed.
const CERTIFICATES: &str = "usr/share/ca-certificates/mozilla";

/// Everything the image holds.
pub(super) async fn gather(
    spec: &Spec,
    tools: &Tools,
    debian: &Debian,
    own: Option<&Own>,
) -> Result<Tree> {
    let mut tree = literal(spec)?;
    let packages = if spec.needs_debian() { Some(debian.tree()?) } else { None };
    if let Some(packages) = &packages {
        add_packages(spec, packages, &mut tree)?;
        add_applets(spec, packages, &mut tree).await?;
    }
    for file in &spec.files {
        let source = match (&file.tool, &file.from) {
            (Some(tool), Some(from)) => Source::Path(tools.dir(tool)?.join(from)),
            _ if file.own => {
                let own = own.ok_or_else(|| BAD_CONTENT.because("our own program is not given"))?;
                Source::Path(own.path.clone())
            }
            _ => match (&packages, file.ca_bundle) {
                (Some(packages), true) => Source::Bytes(ca_bundle(packages)?),
                _ => continue,
            },
        };
        let mode = if file.ca_bundle { 0o644 } else { 0o755 };
        tree.file(&file.to, source, mode).map_err(|refused| refuse(spec, &refused))?;
    }
    for folder in &spec.trees {
        let from = tools.dir(&folder.tool)?.join(&folder.from);
        add_folder(&from, &folder.to, &[], &mut tree).map_err(|why| why.problem(spec))?;
    }
    Ok(tree)
}

/// The part that needs nothing but the description: text, folders, links.
pub(super) fn literal(spec: &Spec) -> Result<Tree> {
    let mut tree = Tree::default();
    let refused = |why: Refused| refuse(spec, &why);
    for file in &spec.files {
        if let Some(text) = &file.text {
            let source = Source::Bytes(text.clone().into_bytes());
            tree.file(&file.to, source, 0o644).map_err(refused)?;
        }
    }
    for dir in &spec.dirs {
        let mode = u32::from_str_radix(&dir.mode, 8).map_err(|_| {
            BAD_SPEC.because(format!("`{}`: `{}` is not an octal mode", spec.name, dir.mode))
        })?;
        tree.dir(&dir.path, mode, dir.uid, dir.gid).map_err(refused)?;
    }
    for link in &spec.links {
        tree.link(&link.path, &link.to).map_err(refused)?;
    }
    Ok(tree)
}

fn refuse(spec: &Spec, refused: &Refused) -> Problem {
    BAD_CONTENT.because(format!("`{}`: {refused}", spec.name))
}

fn add_packages(spec: &Spec, packages: &DebianTree, tree: &mut Tree) -> Result<()> {
    let without: Vec<&str> =
        UNREAD.iter().copied().chain(spec.without.iter().map(String::as_str)).collect();
    for name in packages.closure(&spec.packages)? {
        let (folder, _) = packages.package(&name)?;
        add_folder(&folder, "", &without, tree).map_err(|why| why.problem(spec))?;
    }
    Ok(())
}

/// Why a folder could not be added.
enum Why {
    Refused(Refused),
    Problem(Problem),
}

impl Why {
    fn problem(self, spec: &Spec) -> Problem {
        match self {
            Self::Refused(refused) => refuse(spec, &refused),
            Self::Problem(problem) => problem,
        }
    }
}

/// Adds what is below `from` at `to`, without the paths in `without` (relative to `from`). Files
/// keep whether they can be run; nothing keeps an owner, a time or a set-uid bit.
fn add_folder(from: &Path, to: &str, without: &[&str], tree: &mut Tree) -> Result<(), Why> {
    let trouble = |error: std::io::Error| Why::Problem(problem::file("read", from, error));
    let walk = walkdir::WalkDir::new(from).min_depth(1).sort_by_file_name().into_iter();
    let kept = |entry: &walkdir::DirEntry| {
        let below = entry.path().strip_prefix(from).unwrap_or(entry.path());
        !without.iter().any(|path| below == Path::new(path))
    };
    for entry in walk.filter_entry(kept) {
        let entry = entry.map_err(|error| trouble(error.into()))?;
        let below = entry.path().strip_prefix(from).unwrap_or(entry.path());
        let path = format!("{to}/{}", below.display());
        let added = if entry.file_type().is_symlink() {
            let target = std::fs::read_link(entry.path()).map_err(trouble)?;
            tree.link(&path, &target.to_string_lossy())
        } else if entry.file_type().is_file() {
            let mode =
                entry.metadata().map_err(|error| trouble(error.into()))?.permissions().mode();
            let mode = if mode & 0o111 == 0 { 0o644 } else { 0o755 };
            tree.file(&path, Source::Path(entry.path().to_owned()), mode)
        } else {
            // A folder comes with what it holds; an empty one that matters is named in the spec.
            Ok(())
        };
        added.map_err(Why::Refused)?;
    }
    Ok(())
}

async fn add_applets(spec: &Spec, packages: &DebianTree, tree: &mut Tree) -> Result<()> {
    let Some(applets) = &spec.applets else { return Ok(()) };
    let (folder, _) = packages.package(&applets.package)?;
    let program = folder.join(applets.program.trim_start_matches('/'));
    let names = Invocation::new(program).arg("--list").run().await?.text();
    for name in names.lines().filter(|name| !name.is_empty()) {
        let path = format!("{}/{name}", applets.folder);
        if path != applets.program {
            tree.link(&path, &applets.program).map_err(|refused| refuse(spec, &refused))?;
        }
    }
    Ok(())
}

fn ca_bundle(packages: &DebianTree) -> Result<Vec<u8>> {
    let (folder, _) = packages.package("ca-certificates")?;
    let mut bundle = Vec::new();
    for entry in walkdir::WalkDir::new(folder.join(CERTIFICATES)).sort_by_file_name() {
        let entry = entry.map_err(|error| problem::file("read", &folder, error.into()))?;
        if entry.file_type().is_file() {
            let text = std::fs::read(entry.path())
                .map_err(|error| problem::file("read", entry.path(), error))?;
            bundle.extend(text);
            if !bundle.ends_with(b"\n") {
                bundle.push(b'\n');
            }
        }
    }
    if bundle.is_empty() {
        return Err(BAD_CONTENT.because("the package ca-certificates holds no certificate"));
    }
    Ok(bundle)
}
