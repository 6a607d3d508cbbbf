//! One image or chart as a registry takes it: a name, a manifest and its blobs.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::ARTEFACT;
use crate::front::names;
use crate::problem::Result;

/// Media type of an image manifest.
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Who may pull it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// Anybody.
    Public,
    /// Whoever has the pull credentials.
    Private,
}

/// The full name of an artefact: `host/repository:tag`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    host: String,
    repository: String,
    tag: String,
}

impl Name {
    /// Reads a full name.
    ///
    /// # Errors
    /// CAT-3171 when it has no host this installation answers for, or no tag.
    pub fn parse(name: &str) -> Result<Self> {
        let fail = |why: &str| ARTEFACT.because(format!("`{}` {why}", name.escape_default()));
        let (host, rest) = name.split_once('/').ok_or_else(|| fail("has no registry"))?;
        let (repository, tag) = rest.rsplit_once(':').ok_or_else(|| fail("has no tag"))?;
        if !names::REGISTRIES.contains(&host) {
            return Err(fail("is of no registry the outside stands for"));
        }
        let part = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-/".contains(&b);
        let tag_part = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        let fine = !repository.is_empty() && repository.bytes().all(part);
        if !(fine && !tag.is_empty() && tag.bytes().all(tag_part)) {
            return Err(fail("is not a name of an image"));
        }
        Ok(Self { host: host.into(), repository: repository.into(), tag: tag.into() })
    }

    /// The part between host and tag.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The part after the colon.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// `ghcr.io/openova-io` asks for credentials; everything else is public.
    pub fn visibility(&self) -> Visibility {
        if self.host == names::GHCR && self.repository.starts_with("openova-io/") {
            Visibility::Private
        } else {
            Visibility::Public
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}:{}", self.host, self.repository, self.tag)
    }
}

/// One image or chart.
#[derive(Debug, Clone)]
pub struct Artefact {
    /// What it is pulled as.
    pub name: Name,
    /// The manifest, byte for byte.
    pub manifest: Vec<u8>,
    /// The manifest's media type.
    pub media_type: String,
    /// The configuration and the layers.
    pub blobs: Vec<Blob>,
}

/// A piece of content.
#[derive(Debug, Clone)]
pub struct Blob {
    /// `sha256:` and 64 hexadecimal digits.
    pub digest: String,
    /// Its length.
    pub size_bytes: u64,
    /// Where it is.
    pub content: Content,
}

/// Where a piece of content is.
#[derive(Debug, Clone)]
pub enum Content {
    /// In this file.
    File(PathBuf),
    /// Here.
    Bytes(Vec<u8>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    size: u64,
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Manifest {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

impl Artefact {
    /// Reads the one artefact of an OCI image layout.
    ///
    /// # Errors
    /// CAT-3171 when the layout is not one, or has several artefacts.
    pub fn from_layout(name: Name, layout: &Path) -> Result<Self> {
        let index: Index = parse(&read(&layout.join("index.json"))?, layout)?;
        let [entry] = index.manifests.as_slice() else {
            let cause = format!("`{}` does not hold one artefact", layout.display());
            return Err(ARTEFACT.because(cause));
        };
        let manifest = read(&blob_path(layout, &entry.digest)?)?;
        let Manifest { config, layers } = parse(&manifest, layout)?;
        let blobs = std::iter::once(config)
            .chain(layers)
            .map(|Descriptor { digest, size, .. }| {
                let content = Content::File(blob_path(layout, &digest)?);
                Ok(Blob { digest, size_bytes: size, content })
            })
            .collect::<Result<_>>()?;
        let media_type =
            if entry.media_type.is_empty() { MANIFEST.into() } else { entry.media_type.clone() };
        Ok(Self { name, manifest, media_type, blobs })
    }

    /// The digest of the manifest: what a registry knows it by.
    pub fn digest(&self) -> String {
        format!("sha256:{}", hex::encode(Sha256::digest(&self.manifest)))
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| {
        ARTEFACT.because(format!("cannot read `{}`", path.display())).source(error)
    })
}

fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8], layout: &Path) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| {
        ARTEFACT.because(format!("cannot understand `{}`", layout.display())).source(error)
    })
}

/// The file of a digest; a digest that is none must not become a path.
fn blob_path(layout: &Path, digest: &str) -> Result<PathBuf> {
    match digest.strip_prefix("sha256:") {
        Some(hex) if hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()) => {
            Ok(layout.join("blobs/sha256").join(hex))
        }
        _ => Err(ARTEFACT.because(format!("`{}` is not a digest", digest.escape_default()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_openova_io_is_private() {
        let visibility = |name: &str| Name::parse(name).unwrap().visibility();
        assert_eq!(visibility("ghcr.io/openova-io/bp-gitea:1.2.3"), Visibility::Private);
        assert_eq!(visibility("ghcr.io/fluxcd/helm-controller:v1.4.3"), Visibility::Public);
        assert_eq!(visibility("docker.io/library/busybox:1.35"), Visibility::Public);
    }

    #[test]
    fn names_without_registry_tag_or_known_host_are_refused() {
        for bad in
            ["busybox", "docker.io/library/busybox", "example.org/a:1", "ghcr.io/A:1", "ghcr.io/:1"]
        {
            assert!(Name::parse(bad).is_err(), "{bad}");
        }
        let name = Name::parse("docker.io/library/busybox:1.35").unwrap();
        assert_eq!((name.repository(), name.tag()), ("library/busybox", "1.35"));
        assert_eq!(name.to_string(), "docker.io/library/busybox:1.35");
    }

    #[test]
    fn a_digest_cannot_name_a_file_outside_the_layout() {
        for bad in ["sha256:../../x", "md5:a", "", &format!("sha256:{}", "g".repeat(64))] {
            assert!(blob_path(Path::new("/l"), bad).is_err(), "{bad}");
        }
    }
}
