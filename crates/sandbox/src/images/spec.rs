//! `sandbox/images/<name>.toml`: what an image holds and how it starts.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::BAD_SPEC;
use crate::problem::{self, Result};

/// In `tag`, stands for the version of this workspace.
const WORKSPACE: &str = "workspace";

/// Who may pull an image, and from where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Realm {
    /// Anybody, from the public registry.
    Public,
    /// Who has the pull secret, from the private registry.
    Private,
    /// Nobody: it is imported into every node.
    Import,
}

/// A description as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct SpecFile {
    repository: String,
    tag: String,
    realm: Realm,
    user: String,
    #[serde(default)]
    entrypoint: Vec<String>,
    #[serde(default)]
    cmd: Vec<String>,
    #[serde(default)]
    env: Vec<String>,
    #[serde(default)]
    packages: Vec<String>,
    #[serde(default)]
    without: Vec<String>,
    #[serde(default)]
    applets: Option<Applets>,
    #[serde(default, rename = "file")]
    files: Vec<File>,
    #[serde(default, rename = "tree")]
    trees: Vec<Tree>,
    #[serde(default, rename = "dir")]
    dirs: Vec<Dir>,
    #[serde(default, rename = "link")]
    links: Vec<Link>,
}

/// One file: exactly one of `tool` with `from`, `own`, `text` and `ca-bundle` says where from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct File {
    pub(super) to: String,
    pub(super) tool: Option<String>,
    pub(super) from: Option<String>,
    #[serde(default)]
    pub(super) own: bool,
    pub(super) text: Option<String>,
    #[serde(default)]
    pub(super) ca_bundle: bool,
}

/// A folder of a tool, whole.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tree {
    pub(super) to: String,
    pub(super) tool: String,
    pub(super) from: String,
}

/// A folder, writable for whom its mode and owner say.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dir {
    pub(super) path: String,
    pub(super) mode: String,
    #[serde(default)]
    pub(super) uid: u32,
    #[serde(default)]
    pub(super) gid: u32,
}

/// A symbolic link.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Link {
    pub(super) path: String,
    pub(super) to: String,
}

/// A multi-call program of a package, and the folder that gets a link for each of its names.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Applets {
    pub(super) package: String,
    pub(super) program: String,
    pub(super) folder: String,
}

/// The description of one image.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Its name: the file's, without the ending.
    pub name: String,
    /// What it is pulled as, without a tag.
    pub repository: String,
    /// Its tag.
    pub tag: String,
    /// Who may pull it.
    pub realm: Realm,
    pub(super) text: String,
    pub(super) packages: Vec<String>,
    /// Paths of packages, without a leading slash, that stay out with all below them.
    pub(super) without: Vec<String>,
    pub(super) applets: Option<Applets>,
    pub(super) files: Vec<File>,
    pub(super) trees: Vec<Tree>,
    pub(super) dirs: Vec<Dir>,
    pub(super) links: Vec<Link>,
    config: Process,
}

/// The part of an image's configuration that says how it starts.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Process {
    user: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    env: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    entrypoint: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cmd: Vec<String>,
}

impl Spec {
    pub(super) fn parse(name: &str, text: &str) -> Result<Self> {
        let wrong = |why: String| BAD_SPEC.because(format!("`{name}`: {why}"));
        let file: SpecFile = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        for entry in &file.files {
            let sources = [
                entry.tool.is_some() && entry.from.is_some(),
                entry.own,
                entry.text.is_some(),
                entry.ca_bundle,
            ];
            if sources.into_iter().filter(|&given| given).count() != 1 {
                return Err(wrong(format!("`{}` must come from exactly one place", entry.to)));
            }
        }
        if file.user.split(':').next().is_none_or(|uid| uid == "0" || uid.parse::<u32>().is_err()) {
            return Err(wrong("the user must be a number other than 0".to_owned()));
        }
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let SpecFile { repository, tag, realm, user, entrypoint, cmd, env, .. } = file;
        Ok(Self {
            name: name.to_owned(),
            repository,
            tag: if tag == WORKSPACE { version } else { tag },
            realm,
            text: text.to_owned(),
            packages: file.packages,
            without: file.without,
            applets: file.applets,
            files: file.files,
            trees: file.trees,
            dirs: file.dirs,
            links: file.links,
            config: Process { user, env, entrypoint, cmd },
        })
    }

    /// `repository:tag`.
    pub fn reference(&self) -> String {
        format!("{}:{}", self.repository, self.tag)
    }

    pub(super) fn config(&self) -> Process {
        self.config.clone()
    }

    /// The tools it takes files from, sorted.
    pub(super) fn tools(&self) -> Vec<&str> {
        let files = self.files.iter().filter_map(|file| file.tool.as_deref());
        let mut tools: Vec<_> = files.chain(self.trees.iter().map(|t| t.tool.as_str())).collect();
        tools.sort_unstable();
        tools.dedup();
        tools
    }

    pub(super) fn needs_debian(&self) -> bool {
        !self.packages.is_empty()
            || self.applets.is_some()
            || self.files.iter().any(|file| file.ca_bundle)
    }

    pub(super) fn needs_own(&self) -> bool {
        self.files.iter().any(|file| file.own)
    }
}

macro_rules! specs {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"), "/../../sandbox/images/", $name, ".toml"
        )))),*]
    };
}

/// The descriptions this program was built with.
const EMBEDDED: &[(&str, &str)] = specs![
    "busybox",
    "catalyst-api",
    "coredns",
    "gitea",
    "helm-controller",
    "kustomize-controller",
    "local-path-provisioner",
    "pause",
    "powerdns",
    "registry",
    "source-controller",
];

/// All descriptions, sorted by name.
#[derive(Debug, Clone)]
pub struct Specs(Vec<Spec>);

impl Specs {
    /// The descriptions this program was built with.
    ///
    /// # Errors
    /// CAT-3120 never in a tested build.
    pub fn embedded() -> Result<Self> {
        EMBEDDED.iter().map(|(name, text)| Spec::parse(name, text)).collect::<Result<_>>().map(Self)
    }

    /// The descriptions of a checkout, from its folder `sandbox/images`.
    ///
    /// # Errors
    /// CAT-3000, CAT-3120.
    pub fn from_checkout(checkout: &Path) -> Result<Self> {
        let folder = checkout.join("sandbox/images");
        let mut specs = Vec::new();
        let list = std::fs::read_dir(&folder).map_err(|e| problem::file("list", &folder, e))?;
        for entry in list {
            let path = entry.map_err(|error| problem::file("list", &folder, error))?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(name) = name.and_then(|name| name.strip_suffix(".toml")) else { continue };
            let text =
                std::fs::read_to_string(&path).map_err(|e| problem::file("read", &path, e))?;
            specs.push(Spec::parse(name, &text)?);
        }
        specs.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self(specs))
    }

    /// The descriptions.
    pub fn iter(&self) -> std::slice::Iter<'_, Spec> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embedded_descriptions_are_those_of_the_checkout() {
        let checkout = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        let texts = |specs: Specs| -> Vec<_> {
            specs.iter().map(|spec| (spec.name.clone(), spec.text.clone())).collect()
        };
        assert_eq!(
            texts(Specs::embedded().unwrap()),
            texts(Specs::from_checkout(checkout).unwrap())
        );
    }

    #[test]
    fn no_image_runs_as_root_and_each_file_has_one_source() {
        let base = "repository = \"a/b\"\ntag = \"1\"\nrealm = \"public\"\n";
        let error = Spec::parse("x", &format!("{base}user = \"0\"")).unwrap_err();
        assert!(error.to_string().contains("user"), "{error}");
        let two = format!("{base}user = \"1\"\n[[file]]\nto = \"/a\"\ntext = \"\"\nown = true\n");
        let error = Spec::parse("x", &two).unwrap_err();
        assert!(error.to_string().contains("exactly one"), "{error}");
        let none = format!("{base}user = \"1\"\n[[file]]\nto = \"/a\"\ntool = \"etcd\"\n");
        assert!(Spec::parse("x", &none).is_err());
    }
}
