//! An OCI layout in a folder: `oci-layout`, `index.json`, `blobs/sha256/…`.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tar::{EntryType, Header};

use super::BAD_LAYOUT;
use crate::images::{Layer, Process};
use crate::problem::{self, Result};

const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// The name under which containerd stores an imported image.
const CONTAINERD_NAME: &str = "io.containerd.image.name";
/// The time every image says it was made at: a real one would change its digest.
const EPOCH: &str = "1970-01-01T00:00:00Z";

/// One blob as a manifest names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Blob {
    pub(crate) media_type: String,
    pub(crate) digest: String,
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub(crate) annotations: std::collections::BTreeMap<String, String>,
}

/// A manifest, of an image or of a chart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    schema_version: u8,
    /// Optional by the OCI specification; how a manifest is served is said beside it.
    #[serde(default = "manifest_type")]
    pub(crate) media_type: String,
    pub(crate) config: Blob,
    pub(crate) layers: Vec<Blob>,
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    annotations: std::collections::BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u8,
    /// Optional by the OCI specification.
    #[serde(default = "index_type")]
    media_type: String,
    manifests: Vec<Blob>,
}

fn manifest_type() -> String {
    MANIFEST_TYPE.to_owned()
}

fn index_type() -> String {
    INDEX_TYPE.to_owned()
}

#[derive(Debug, Serialize)]
struct ImageConfig<'a> {
    created: &'a str,
    architecture: &'a str,
    os: &'a str,
    config: &'a Process,
    rootfs: RootFs,
    history: [History<'a>; 1],
}

#[derive(Debug, Serialize)]
struct RootFs {
    #[serde(rename = "type")]
    kind: &'static str,
    diff_ids: [String; 1],
}

#[derive(Debug, Serialize)]
struct History<'a> {
    created: &'a str,
    created_by: &'a str,
}

/// Completes a layout whose one layer was written already: moves the layer to its place, writes
/// config, manifest and index, and returns the manifest's digest.
pub(crate) fn write_layout(
    layout: &Path,
    process: &Process,
    layer: Layer,
    reference: &str,
) -> Result<String> {
    let blobs = layout.join("blobs/sha256");
    std::fs::rename(&layer.path, blobs.join(&layer.digest))
        .map_err(|error| problem::file("rename", &layer.path, error))?;
    let config = ImageConfig {
        created: EPOCH,
        architecture: "amd64",
        os: "linux",
        config: process,
        rootfs: RootFs { kind: "layers", diff_ids: [format!("sha256:{}", layer.diff_id)] },
        history: [History { created: EPOCH, created_by: "catalyst sandbox" }],
    };
    let config = put(&blobs, &json(&config), CONFIG_TYPE)?;
    let layers = vec![blob(LAYER_TYPE, &layer.digest, layer.size)];
    finish(layout, config, layers, reference)
}

/// Writes a layout of an artefact that is no image: a config and one content blob.
pub(crate) fn write_artefact(
    layout: &Path,
    config: (&str, &[u8]),
    content: (&str, &[u8]),
    reference: &str,
) -> Result<String> {
    let blobs = layout.join("blobs/sha256");
    crate::paths::private_dir(&blobs)?;
    let layer = put(&blobs, content.1, content.0)?;
    let config = put(&blobs, config.1, config.0)?;
    finish(layout, config, vec![layer], reference)
}

fn finish(layout: &Path, config: Blob, layers: Vec<Blob>, reference: &str) -> Result<String> {
    let manifest = Manifest {
        schema_version: 2,
        media_type: manifest_type(),
        config,
        layers,
        annotations: Default::default(),
    };
    let mut manifest = put(&layout.join("blobs/sha256"), &json(&manifest), MANIFEST_TYPE)?;
    let digest = manifest.digest.clone();
    manifest.annotations.insert(CONTAINERD_NAME.to_owned(), reference.to_owned());
    let index = Index { schema_version: 2, media_type: index_type(), manifests: vec![manifest] };
    write(&layout.join("oci-layout"), b"{\"imageLayoutVersion\":\"1.0.0\"}")?;
    write(&layout.join("index.json"), &json(&index))?;
    Ok(digest)
}

/// The digest of the layout's manifest, or nothing when the layout is not complete.
pub fn digest_of(layout: &Path) -> Option<String> {
    let index: Index =
        serde_json::from_slice(&std::fs::read(layout.join("index.json")).ok()?).ok()?;
    let digest = index.manifests.into_iter().next()?.digest;
    layout.join("blobs").join(digest.replace(':', "/")).is_file().then_some(digest)
}

/// The manifest's bytes and meaning.
pub(crate) fn read_manifest(layout: &Path) -> Result<(Vec<u8>, Manifest)> {
    let damaged = || BAD_LAYOUT.because(format!("`{}` is damaged", layout.display()));
    let digest = digest_of(layout).ok_or_else(damaged)?;
    let path = layout.join("blobs").join(digest.replace(':', "/"));
    let bytes = std::fs::read(&path).map_err(|error| problem::file("read", &path, error))?;
    let manifest = serde_json::from_slice(&bytes).map_err(|error| damaged().source(error))?;
    Ok((bytes, manifest))
}

/// One file for `ctr -n k8s.io images import`, made from a layout on first use: the same bytes each
/// time. The image keeps the name the layout was written with.
///
/// # Errors
/// CAT-3000, CAT-3126.
pub fn archive(layout: &Path) -> Result<PathBuf> {
    let path = layout.join("image.tar");
    if path.is_file() {
        return Ok(path);
    }
    let (_, manifest) = read_manifest(layout)?;
    let digest = digest_of(layout).ok_or_else(|| BAD_LAYOUT.because("no manifest"))?;
    let mut members = vec!["oci-layout".to_owned(), "index.json".to_owned()];
    let blobs = manifest.layers.iter().map(|blob| &blob.digest);
    for digest in blobs.chain([&manifest.config.digest, &digest]) {
        members.push(format!("blobs/{}", digest.replace(':', "/")));
    }
    members.sort();
    let partial = layout.join("image.tar.partial");
    pack(layout, &members, &partial)
        .and_then(|()| std::fs::rename(&partial, &path))
        .map_err(|error| problem::file("write", &path, error))?;
    Ok(path)
}

fn pack(layout: &Path, members: &[String], to: &Path) -> std::io::Result<()> {
    let mut archive = tar::Builder::new(File::create(to)?);
    for member in members {
        let file = File::open(layout.join(member))?;
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_path(member)?;
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(file.metadata()?.len());
        header.set_cksum();
        archive.append(&header, file)?;
    }
    archive.into_inner()?.flush()
}

fn put(blobs: &Path, bytes: &[u8], media_type: &str) -> Result<Blob> {
    let digest = hex::encode(Sha256::digest(bytes));
    write(&blobs.join(&digest), bytes)?;
    Ok(blob(media_type, &digest, bytes.len() as u64))
}

fn blob(media_type: &str, digest: &str, size: u64) -> Blob {
    let digest = format!("sha256:{digest}");
    Blob { media_type: media_type.to_owned(), digest, size, annotations: Default::default() }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("texts and numbers only")
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).map_err(|error| problem::file("write", path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_artefact_reads_back_and_its_archive_holds_every_blob() {
        let dir = tempfile::tempdir().unwrap();
        let digest =
            write_artefact(dir.path(), ("config/type", b"{}"), ("content/type", b"chart"), "a/b:1")
                .unwrap();
        assert_eq!(digest_of(dir.path()), Some(digest));
        let (_, manifest) = read_manifest(dir.path()).unwrap();
        assert_eq!(manifest.layers[0].media_type, "content/type");
        assert_eq!(manifest.layers[0].size, 5);
        let archive_path = archive(dir.path()).unwrap();
        let mut tar = tar::Archive::new(File::open(&archive_path).unwrap());
        assert_eq!(tar.entries().unwrap().count(), 5);
    }

    #[test]
    fn index_and_manifest_need_not_name_their_own_type() {
        let dir = tempfile::tempdir().unwrap();
        write_artefact(dir.path(), ("c", b"{}"), ("l", b"x"), "a/b:1").unwrap();
        let index = dir.path().join("index.json");
        let without = |path: &Path| {
            let mut value: serde_json::Value =
                serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
            assert!(value.as_object_mut().unwrap().remove("mediaType").is_some());
            (json(&value), value)
        };
        let old = digest_of(dir.path()).unwrap();
        let (manifest, _) = without(&dir.path().join("blobs").join(old.replace(':', "/")));
        let new = put(&dir.path().join("blobs/sha256"), &manifest, MANIFEST_TYPE).unwrap();
        let (_, mut value) = without(&index);
        value["manifests"][0]["digest"] = new.digest.clone().into();
        std::fs::write(&index, json(&value)).unwrap();
        assert_eq!(digest_of(dir.path()), Some(new.digest));
        let (bytes, read) = read_manifest(dir.path()).unwrap();
        assert_eq!(bytes, manifest, "it is pushed as it is");
        assert_eq!(read.media_type, MANIFEST_TYPE, "under the type it has all the same");
    }

    #[test]
    fn a_layout_without_its_manifest_counts_as_absent() {
        let dir = tempfile::tempdir().unwrap();
        let digest = write_artefact(dir.path(), ("c", b"{}"), ("l", b"x"), "a/b:1").unwrap();
        std::fs::remove_file(dir.path().join("blobs").join(digest.replace(':', "/"))).unwrap();
        assert_eq!(digest_of(dir.path()), None);
        assert_eq!(archive(dir.path()).unwrap_err().code(), &BAD_LAYOUT);
    }
}
