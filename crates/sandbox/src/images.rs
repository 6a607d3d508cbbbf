//! Container images, made without a container engine: one deterministic layer each.
//!
//! `sandbox/images/<name>.toml` says what an image holds: files of built tools, the closure of
//! Debian packages, our own static program, literal text. [`Images::ensure`] makes those that are
//! not in the cache, as OCI layouts; the same inputs give the same bytes. [`ImageSet`] says what
//! there is, under which name it is pulled, and with which digest.

mod content;
mod layer;
mod own;
mod spec;
mod tree;

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::debian::Debian;
use crate::hold::Hold;
use crate::oci;
use crate::paths::{Cache, private_dir, remove_dir};
use crate::problem::{self, Code, Result};
use crate::tools::Tools;

pub(crate) use layer::Layer;
pub(crate) use spec::Process;
pub use spec::{Realm, Spec, Specs};

/// The description of an image cannot be used.
pub const BAD_SPEC: Code = Code::new(
    3120,
    "the description of an image cannot be used",
    "Restore the folder `sandbox/images` from the repository.",
);
/// Something an image should hold is not there or cannot be packed.
pub const BAD_CONTENT: Code = Code::new(
    3121,
    "an image could not be made",
    "The cause names the file. Rebuild what is missing with `catalyst sandbox tools build`.",
);

/// The codes of this module.
pub const CODES: &[&Code] = &[&BAD_SPEC, &BAD_CONTENT];

/// Changes when the way of packing does, so that old images are not taken for new ones.
const LAYOUT: &str = "1";

/// What is happening, for a progress display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Another process makes images in the same cache; its process id, if it said so.
    Waiting {
        /// The other process.
        holder: Option<u32>,
    },
    /// An image is being made.
    Making {
        /// Its name.
        image: String,
    },
    /// An image is there now.
    Made {
        /// Its name.
        image: String,
        /// Size of its compressed layer.
        bytes: u64,
    },
}

/// The images to be made and what they are made of.
#[derive(Debug, Clone)]
pub struct Images {
    cache: Cache,
    specs: Specs,
    tools: Tools,
    debian: Debian,
    own: PathBuf,
}

/// One image, made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its name in `sandbox/images`.
    pub name: String,
    /// What it is pulled as, without a tag, such as `ghcr.io/openova-io/gitea`.
    pub repository: String,
    /// Its tag.
    pub tag: String,
    /// Who may pull it.
    pub realm: Realm,
    /// The digest of its manifest, `sha256:…`.
    pub digest: String,
    /// The folder with its OCI layout.
    pub layout: PathBuf,
}

impl Image {
    /// `repository:tag`, as Pods name it.
    pub fn reference(&self) -> String {
        format!("{}:{}", self.repository, self.tag)
    }

    /// The repository inside its registry: what follows the first slash.
    pub fn path(&self) -> &str {
        self.repository.split_once('/').map_or(self.repository.as_str(), |(_, path)| path)
    }

    /// An archive that `ctr images import` takes under the image's full name; made on first use.
    ///
    /// # Errors
    /// CAT-3000.
    pub fn archive(&self) -> Result<PathBuf> {
        oci::archive(&self.layout)
    }
}

/// Every image, made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageSet(Vec<Image>);

impl ImageSet {
    /// A set of these images.
    pub fn new(images: Vec<Image>) -> Self {
        Self(images)
    }

    /// All images, sorted by name.
    pub fn iter(&self) -> std::slice::Iter<'_, Image> {
        self.0.iter()
    }

    /// The images of one realm.
    pub fn of(&self, realm: Realm) -> impl Iterator<Item = &Image> {
        self.0.iter().filter(move |image| image.realm == realm)
    }

    /// One image by its name in `sandbox/images`.
    ///
    /// # Errors
    /// CAT-3120 when there is no such description.
    pub fn get(&self, name: &str) -> Result<&Image> {
        let found = self.0.iter().find(|image| image.name == name);
        found.ok_or_else(|| BAD_SPEC.because(format!("no image is called `{name}`")))
    }
}

impl Images {
    /// `own` is the static `catalystd`: the content of our own images.
    pub fn new(
        cache: &Cache,
        specs: Specs,
        tools: Tools,
        debian: Debian,
        own: impl Into<PathBuf>,
    ) -> Self {
        Self { cache: cache.clone(), specs, tools, debian, own: own.into() }
    }

    /// Makes every image that is not in the cache.
    ///
    /// # Errors
    /// CAT-3103 and CAT-3114 when tools or packages are missing, CAT-3120, CAT-3121, CAT-3000.
    pub async fn ensure(&self, report: &(dyn Fn(Progress) + Send + Sync)) -> Result<ImageSet> {
        self.ensure_only(&|_| true, report).await
    }

    /// As [`Images::ensure`] for the images whose name `wanted` accepts: a node can start while
    /// later tools are still being built.
    ///
    /// # Errors
    /// As [`Images::ensure`].
    pub async fn ensure_only(
        &self,
        wanted: &(dyn Fn(&str) -> bool + Send + Sync),
        report: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<ImageSet> {
        private_dir(&self.cache.images())?;
        let waiting = |holder| report(Progress::Waiting { holder });
        let _hold = Hold::take(&self.cache.images().join("lock"), &waiting).await?;
        let mut own = None;
        let mut made = Vec::new();
        for spec in self.specs.iter().filter(|spec| wanted(&spec.name)) {
            if spec.needs_own() && own.is_none() {
                own = Some(own::strip(&self.cache, &self.own).await?);
            }
            made.push(self.ensure_one(spec, own.as_ref(), report).await?);
        }
        Ok(ImageSet::new(made))
    }

    async fn ensure_one(
        &self,
        spec: &Spec,
        own: Option<&own::Own>,
        report: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Image> {
        let key = self.key(spec, own)?;
        let layout = self.cache.images().join(&spec.name).join(&key);
        let image = |digest| Image {
            name: spec.name.clone(),
            repository: spec.repository.clone(),
            tag: spec.tag.clone(),
            realm: spec.realm,
            digest,
            layout: layout.clone(),
        };
        if let Some(digest) = oci::digest_of(&layout) {
            return Ok(image(digest));
        }
        report(Progress::Making { image: spec.name.clone() });
        let tree = content::gather(spec, &self.tools, &self.debian, own).await?;
        let (spec_copy, target) = (spec.clone(), layout.clone());
        let work = tokio::task::spawn_blocking(move || make(&spec_copy, &tree, &target));
        let (digest, bytes) = work
            .await
            .map_err(|error| BAD_CONTENT.because(format!("`{}`: {error}", spec.name)))??;
        forget_others(&layout);
        report(Progress::Made { image: spec.name.clone(), bytes });
        Ok(image(digest))
    }

    /// 16 hexadecimal digits over everything that decides an image's bytes.
    fn key(&self, spec: &Spec, own: Option<&own::Own>) -> Result<String> {
        let mut hash = Sha256::new();
        hash.update(LAYOUT);
        hash.update(&spec.text);
        for tool in spec.tools() {
            hash.update(&self.tools.entry(tool)?.key);
        }
        if spec.needs_debian() {
            hash.update(self.debian.key());
        }
        if let (true, Some(own)) = (spec.needs_own(), own) {
            hash.update(&own.sha256);
        }
        let mut key = hex::encode(hash.finalize());
        key.truncate(16);
        Ok(key)
    }
}

/// Packs one image into `layout`; returns the manifest's digest and the layer's size.
fn make(spec: &Spec, tree: &tree::Tree, layout: &Path) -> Result<(String, u64)> {
    let partial = layout.with_extension("partial");
    remove_dir(&partial)?;
    private_dir(&partial.join("blobs/sha256"))?;
    let layer = layer::write(tree, &partial.join("layer"))
        .map_err(|error| BAD_CONTENT.because(format!("`{}`: {error}", spec.name)).source(error))?;
    let size = layer.size;
    let digest = oci::write_layout(&partial, &spec.config(), layer, &spec.reference())?;
    remove_dir(layout)?;
    std::fs::rename(&partial, layout).map_err(|error| problem::file("rename", &partial, error))?;
    Ok((digest, size))
}

/// Older makes of the same image are of no use: the registry and the nodes have their own copies.
fn forget_others(layout: &Path) {
    let folder = layout.parent().into_iter().filter_map(|parent| std::fs::read_dir(parent).ok());
    for entry in folder.flatten().flatten() {
        if entry.path() != layout {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn spec() -> Spec {
        Spec::parse(
            "sample",
            r#"
            repository = "ghcr.io/openova-io/sample"
            tag = "1"
            realm = "private"
            user = "65534:65534"
            entrypoint = ["/sample"]
            env = ["PATH=/bin"]

            [[file]]
            to = "/etc/passwd"
            text = "root:x:0:0:root:/:/bin/false\n"

            [[dir]]
            path = "/tmp"
            mode = "1777"

            [[link]]
            path = "/bin/sh"
            to = "busybox"
            "#,
        )
        .unwrap()
    }

    /// Every file below `root` with its bytes, by relative path.
    fn files(root: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let walk = walkdir::WalkDir::new(root).sort_by_file_name().into_iter();
        walk.map(Result::unwrap)
            .filter(|entry| entry.file_type().is_file())
            .map(|entry| {
                let path = entry.path().strip_prefix(root).unwrap().to_owned();
                (path, std::fs::read(entry.path()).unwrap())
            })
            .collect()
    }

    #[test]
    fn an_image_made_twice_is_the_same_to_the_byte_whatever_time_and_mask_say() {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("source");
        std::fs::write(&source, "program").unwrap();
        let layouts = ["a/image", "b/image"].map(|name| dir.path().join(name));
        let mut digests = Vec::new();
        for (turn, layout) in layouts.iter().enumerate() {
            let mode = if turn == 0 { 0o644 } else { 0o777 };
            std::fs::set_permissions(&source, std::fs::Permissions::from_mode(mode)).unwrap();
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(turn as u64 * 1000);
            std::fs::File::options().write(true).open(&source).unwrap().set_modified(time).unwrap();
            let mut tree = content::literal(&spec()).unwrap();
            tree.file("/sample", tree::Source::Path(source.clone()), 0o755).unwrap();
            digests.push(make(&spec(), &tree, layout).unwrap());
        }
        assert_eq!(digests[0], digests[1]);
        let [first, second] = layouts.map(|layout| files(&layout));
        assert_eq!(first, second);
        assert_eq!(first.len(), 5, "config, layer, manifest, index.json, oci-layout");
    }
}
