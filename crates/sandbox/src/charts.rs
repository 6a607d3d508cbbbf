//! Packages our charts and pushes them to the private registry as OCI artefacts.
//!
//! The charts in `charts/bp-*` name our images by tag; a packaged chart names them by digest too, so
//! that a Sovereign runs exactly the images that were made with it. `helm package` checks and packs;
//! the archive is then written again without times, so that the same chart has the same digest.

mod pin;
mod repack;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::images::ImageSet;
use crate::oci::{self, Pushed, Registry};
use crate::paths::{Cache, private_dir};
use crate::problem::{self, Code, Result};
use crate::process::Invocation;
use crate::tools::Tools;

/// A chart cannot be packaged.
pub const BAD_CHART: Code = Code::new(
    3130,
    "a chart could not be packaged",
    "The cause holds Helm's words. The chart is in the folder `charts` of the checkout.",
);

/// The codes of this module.
pub const CODES: &[&Code] = &[&BAD_CHART];

/// The organisation of our charts at the registry.
const ORGANISATION: &str = "openova-io";
/// Our charts' folders begin so.
const PREFIX: &str = "bp-";
/// Changes when the way of packing does.
const LAYOUT: &str = "1";
const CONFIG_TYPE: &str = "application/vnd.cncf.helm.config.v1+json";
const CONTENT_TYPE: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";

/// One packaged chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chart {
    /// Its name, such as `bp-gitea`.
    pub name: String,
    /// Its version, which is its tag.
    pub version: String,
    /// The digest of its manifest, `sha256:…`.
    pub digest: String,
    /// The folder with its OCI layout.
    pub layout: PathBuf,
}

impl Chart {
    /// The repository inside the private registry, such as `openova-io/bp-gitea`.
    pub fn path(&self) -> String {
        format!("{ORGANISATION}/{}", self.name)
    }

    /// Makes the registry offer this chart under its version; sends nothing that is there.
    ///
    /// # Errors
    /// CAT-3125.
    pub async fn push(&self, registry: &Registry) -> Result<Pushed> {
        registry.push(&self.layout, &self.path(), &self.version).await
    }
}

/// Packages every chart of a checkout, sorted by name; what is in the cache already is not packed
/// again.
///
/// # Errors
/// CAT-3130 when a chart is wrong, CAT-3103 when Helm is not built, CAT-3000.
pub async fn package_all(
    cache: &Cache,
    checkout: &Path,
    tools: &Tools,
    images: &ImageSet,
) -> Result<Vec<Chart>> {
    let folder = checkout.join("charts");
    let mut sources = Vec::new();
    let list = std::fs::read_dir(&folder).map_err(|error| problem::file("list", &folder, error))?;
    for entry in list {
        let entry = entry.map_err(|error| problem::file("list", &folder, error))?;
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if ours && entry.path().join("Chart.yaml").is_file() {
            sources.push(entry.path());
        }
    }
    sources.sort();
    let mut charts = Vec::new();
    for source in sources {
        charts.push(package(cache, &source, tools, images).await?);
    }
    Ok(charts)
}

/// The part of `Chart.yaml` that is needed here.
#[derive(Debug, Deserialize)]
struct ChartFile {
    name: String,
    version: String,
}

/// A chart's files as they are packed, by path relative to its folder.
type Files = Vec<(PathBuf, Vec<u8>)>;

async fn package(cache: &Cache, source: &Path, tools: &Tools, images: &ImageSet) -> Result<Chart> {
    let wrong = |why: String| BAD_CHART.because(format!("`{}`: {why}", source.display()));
    let files = read(source, images)?;
    let metadata = files.iter().find(|(path, _)| path == Path::new("Chart.yaml"));
    let metadata = metadata.map(|(_, bytes)| bytes.as_slice()).unwrap_or_default();
    let chart: ChartFile =
        serde_saphyr::from_slice(metadata).map_err(|error| wrong(error.to_string()))?;
    let key = key(&files, &tools.entry("helm")?.key);
    let layout = cache.charts().join(&chart.name).join(&key);
    let made = |digest| Chart {
        name: chart.name.clone(),
        version: chart.version.clone(),
        digest,
        layout: layout.clone(),
    };
    if let Some(digest) = oci::digest_of(&layout) {
        return Ok(made(digest));
    }
    private_dir(&cache.charts())?;
    let work = tempfile::tempdir_in(cache.charts())
        .map_err(|error| problem::file("create a folder in", &cache.charts(), error))?;
    let archive = helm_package(work.path(), &chart, &files, tools).await?;
    let content = repack::without_times(&archive).map_err(|error| wrong(error.to_string()))?;
    let config: serde_json::Value =
        serde_saphyr::from_slice(metadata).map_err(|error| wrong(error.to_string()))?;
    let partial = work.path().join("layout");
    let reference = format!("ghcr.io/{ORGANISATION}/{}:{}", chart.name, chart.version);
    let config = config.to_string();
    let digest = oci::write_artefact(
        &partial,
        (CONFIG_TYPE, config.as_bytes()),
        (CONTENT_TYPE, &content),
        &reference,
    )?;
    let folder = cache.charts().join(&chart.name);
    // What an older make of this chart left is of no use.
    let _ = std::fs::remove_dir_all(&folder);
    private_dir(&folder)?;
    std::fs::rename(&partial, &layout).map_err(|e| problem::file("rename", &partial, e))?;
    Ok(made(digest))
}

/// Reads a chart's files, sorted; `values.yaml` gets the images' digests.
fn read(source: &Path, images: &ImageSet) -> Result<Files> {
    let mut files = Files::new();
    for entry in walkdir::WalkDir::new(source).sort_by_file_name() {
        let entry = entry.map_err(|error| problem::file("read", source, error.into()))?;
        if !entry.file_type().is_file() {
            continue;
        }
        let mut bytes = std::fs::read(entry.path())
            .map_err(|error| problem::file("read", entry.path(), error))?;
        let path = entry.path().strip_prefix(source).unwrap_or(entry.path()).to_owned();
        if path == Path::new("values.yaml") {
            bytes = pin::images(&String::from_utf8_lossy(&bytes), images).into_bytes();
        }
        files.push((path, bytes));
    }
    Ok(files)
}

fn key(files: &Files, helm: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(LAYOUT);
    hash.update(helm);
    for (path, bytes) in files {
        let path = path.to_string_lossy();
        hash.update((path.len() as u64).to_le_bytes());
        hash.update(path.as_bytes());
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    }
    let mut key = hex::encode(hash.finalize());
    key.truncate(16);
    key
}

/// Runs `helm package` on a copy; returns the archive.
async fn helm_package(
    work: &Path,
    chart: &ChartFile,
    files: &Files,
    tools: &Tools,
) -> Result<PathBuf> {
    let copy = work.join(&chart.name);
    for (path, bytes) in files {
        let target = copy.join(path);
        private_dir(target.parent().unwrap_or(&copy))?;
        std::fs::write(&target, bytes).map_err(|e| problem::file("write", &target, e))?;
    }
    let home = |name: &str| work.join("helm").join(name);
    let helm = Invocation::new(tools.bin("helm")?)
        .arg("package")
        .arg(&copy)
        .arg("--destination")
        .arg(work)
        .env("HELM_CACHE_HOME", home("cache"))
        .env("HELM_CONFIG_HOME", home("config"))
        .env("HELM_DATA_HOME", home("data"))
        .timeout(Duration::from_secs(60));
    helm.run().await.map_err(|failure| {
        BAD_CHART.because(format!("`{}`: {failure}", chart.name)).source(failure)
    })?;
    Ok(work.join(format!("{}-{}.tgz", chart.name, chart.version)))
}
