//! Programs built from the pins in `sandbox/tools`, cached by key.
//!
//! [`Tools::locate`] says which pinned tools are in the cache, [`Tools::ensure`] builds the others
//! one at a time, and the rest of the type answers where a program, its CRDs or its static files
//! are. A key covers the pins and the Go version; how long a build takes is not part of it.

mod build;
mod embedded;
mod eta;
mod pin;
mod renderer;
mod room;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::paths::{Cache, write_public};
use crate::problem::{Code, Result};
use crate::process::Invocation;

pub use build::Progress;
pub use pin::{Asset, Binary, Pin, Pins};
pub use renderer::Renderer;
pub use room::free_bytes;

/// The Go toolchain is needed to build the tools and to know their keys.
pub const GO_MISSING: Code = Code::new(
    3100,
    "the Go toolchain is missing",
    "Install Go 1.26 or newer so that `go version` answers, then try again.",
);
/// A tool did not compile.
pub const BUILD_FAILED: Code = Code::new(
    3101,
    "a tool could not be built",
    "The cause holds the compiler's last lines. What was built so far is kept; try again after mending it.",
);
/// Not enough free disk for the builds.
pub const NO_ROOM: Code = Code::new(
    3102,
    "not enough free disk space to build the tools",
    "Free some space, or put the cache on a larger disk with CATALYST_CACHE. The space is needed during the builds only.",
);
/// Something asks for a tool that is not in the cache.
pub const NOT_BUILT: Code = Code::new(
    3103,
    "a tool is not in the cache",
    "Run `catalyst sandbox tools build`; `make up` does it by itself.",
);
/// A pin cannot be read.
pub const BAD_PIN: Code = Code::new(
    3104,
    "a tool's pin cannot be used",
    "Restore the folder `sandbox/tools` from the repository.",
);
/// The module proxy or the checksum database said no.
pub const MODULE_REFUSED: Code = Code::new(
    3105,
    "a Go module was refused",
    "The refusal is final. Check GOPROXY and GOSUMDB; the pinned versions are in `sandbox/tools`.",
);
/// The module proxy did not answer, several times.
pub const MODULE_TIMEOUT: Code = Code::new(
    3106,
    "the Go module proxy did not answer",
    "Try again later: what was downloaded and built so far is kept.",
);

/// The renderer of `catalyst kit` is not there.
pub const NO_RENDERER: Code = Code::new(
    3107,
    "the renderer of `catalyst kit` is not built",
    "Run `scripts/kit-render` in a checkout of this program's own version (Go 1.26 builds it in about a minute), or name a built one with `--renderer` or CATALYST_KIT_RENDER.",
);

/// The codes of this module.
pub const CODES: &[&Code] = &[
    &GO_MISSING,
    &BUILD_FAILED,
    &NO_ROOM,
    &NOT_BUILT,
    &BAD_PIN,
    &MODULE_REFUSED,
    &MODULE_TIMEOUT,
    &NO_RENDERER,
];

/// The pinned tools and where each is, or would be, in the cache.
#[derive(Debug, Clone)]
pub struct Tools {
    cache: Cache,
    go_version: String,
    entries: Vec<Entry>,
}

/// One pinned tool at the key of this machine's Go.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What is pinned.
    pub pin: Pin,
    /// 16 hexadecimal digits over pins and Go version.
    pub key: String,
    /// Its folder in the cache, existing or not.
    pub dir: PathBuf,
}

impl Entry {
    /// Whether it was built to its end.
    pub fn is_complete(&self) -> bool {
        self.dir.join("complete").is_file()
    }
}

impl Tools {
    /// Computes every pin's key; touches nothing. Go is needed to build, not to find what it built:
    /// where `go` does not answer, the version that built this cache counts.
    ///
    /// # Errors
    /// CAT-3100 when Go is not installed and never built anything here.
    pub async fn locate(cache: &Cache, pins: Pins) -> Result<Self> {
        Ok(Self::at(cache, pins, &known(cache, go_version().await)?))
    }

    /// As [`Tools::locate`], for a stated Go version such as `go1.26.8`.
    pub fn at(cache: &Cache, pins: Pins, go_version: &str) -> Self {
        let entry = |pin: Pin| {
            let key = pin.key(go_version);
            let dir = cache.tool(&pin.name, &key);
            Entry { pin, key, dir }
        };
        let entries = pins.into_iter().map(entry).collect();
        Self { cache: cache.clone(), go_version: go_version.to_owned(), entries }
    }

    /// Every tool, in the order of building.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The tools that must still be built, in the order of building.
    pub fn missing(&self) -> Vec<&Entry> {
        self.entries.iter().filter(|entry| !entry.is_complete()).collect()
    }

    /// Bytes of free disk that building what is missing takes; 0 when nothing is missing.
    pub fn needed_bytes(&self) -> u64 {
        room::needed_bytes(&self.entries, &self.missing())
    }

    /// Builds what is missing, one at a time, then removes the builds' own caches in the
    /// background. Waits for another builder of the same cache and says so.
    ///
    /// Cancel-safe: a build that is dropped is killed, its leavings are overwritten next time, and
    /// finished tools stay.
    ///
    /// # Errors
    /// CAT-3101, CAT-3102, CAT-3105, CAT-3106.
    pub async fn ensure(&self, report: &(dyn Fn(Progress) + Send + Sync)) -> Result<()> {
        build::ensure(&self.cache, &self.entries, report).await?;
        let path = version_file(&self.cache);
        if std::fs::read_to_string(&path).is_ok_and(|known| known.trim() == self.go_version) {
            return Ok(());
        }
        write_public(&path, format!("{}\n", self.go_version).as_bytes())
    }

    /// The path of a program by its own name, such as `kubelet` or `tofu`.
    ///
    /// # Errors
    /// CAT-3103 when no pinned tool has it or it is not built.
    pub fn bin(&self, program: &str) -> Result<PathBuf> {
        let entry = self
            .entries
            .iter()
            .find(|entry| entry.pin.binaries.iter().any(|binary| binary.name == program))
            .ok_or_else(|| NOT_BUILT.because(format!("no pinned tool holds `{program}`")))?;
        self.complete(entry).map(|dir| dir.join("bin").join(program))
    }

    /// The folder of a tool by the tool's name, such as `gitea`.
    ///
    /// # Errors
    /// CAT-3103.
    pub fn dir(&self, tool: &str) -> Result<&Path> {
        self.complete(self.entry(tool)?)
    }

    /// The tool's pin and key by its name.
    ///
    /// # Errors
    /// CAT-3103 when no such tool is pinned.
    pub fn entry(&self, tool: &str) -> Result<&Entry> {
        self.entries
            .iter()
            .find(|entry| entry.pin.name == tool)
            .ok_or_else(|| NOT_BUILT.because(format!("no tool is called `{tool}`")))
    }

    /// The CRD manifests a controller brings, sorted by name.
    ///
    /// # Errors
    /// CAT-3103, CAT-3000.
    pub fn crds(&self, tool: &str) -> Result<Vec<PathBuf>> {
        let dir = self.dir(tool)?.join("crds");
        let list = || -> std::io::Result<Vec<PathBuf>> {
            let mut files = Vec::new();
            for file in std::fs::read_dir(&dir)? {
                files.push(file?.path());
            }
            files.retain(|path| path.extension().is_some_and(|end| end == "yaml"));
            files.sort();
            Ok(files)
        };
        list().map_err(|error| crate::problem::file("list", &dir, error))
    }

    fn complete<'a>(&self, entry: &'a Entry) -> Result<&'a Path> {
        if entry.is_complete() {
            return Ok(&entry.dir);
        }
        Err(NOT_BUILT.because(format!("`{}` {} is missing", entry.pin.name, entry.pin.version)))
    }
}

/// Where the Go version is kept that built what is in the cache.
fn version_file(cache: &Cache) -> PathBuf {
    cache.tools().join("go-version")
}

/// What Go answered, else what it answered when the cache was filled.
fn known(cache: &Cache, asked: Result<String>) -> Result<String> {
    let recorded = || std::fs::read_to_string(version_file(cache)).ok();
    asked.or_else(|missing| recorded().map(|text| text.trim().to_owned()).ok_or(missing))
}

/// This machine's Go version, such as `go1.26.8`.
///
/// # Errors
/// CAT-3100 when there is no Go.
pub async fn go_version() -> Result<String> {
    let go = Invocation::new("go").args(["env", "GOVERSION"]).inherit("PATH").inherit("HOME");
    match go.env("GOFLAGS", "").timeout(Duration::from_secs(60)).run().await {
        Ok(output) => Ok(output.text()),
        Err(failure) => Err(GO_MISSING.because(failure.to_string()).source(failure)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_counts_only_when_it_was_built_to_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let tools = Tools::at(&Cache::new(dir.path()), Pins::embedded().unwrap(), "go1.26.8");
        assert_eq!(tools.missing().len(), 12);
        let kubelet = &tools.entry("kubernetes").unwrap().dir;
        std::fs::create_dir_all(kubelet.join("bin")).unwrap();
        assert_eq!(tools.bin("kubelet").unwrap_err().code(), &NOT_BUILT);
        std::fs::write(kubelet.join("complete"), "").unwrap();
        assert_eq!(tools.bin("kubelet").unwrap(), kubelet.join("bin/kubelet"));
        assert_eq!(tools.missing().len(), 11);
        assert_eq!(tools.bin("docker").unwrap_err().code(), &NOT_BUILT);
    }
    #[tokio::test]
    async fn what_was_built_is_found_after_go_has_gone() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path());
        let away = || Err(GO_MISSING.because("no such file"));
        assert_eq!(known(&cache, away()).unwrap_err().code(), &GO_MISSING);
        let tools = Tools::at(&cache, Pins::embedded().unwrap(), "go1.26.8");
        for entry in tools.entries() {
            std::fs::create_dir_all(&entry.dir).unwrap();
            std::fs::write(entry.dir.join("complete"), "").unwrap();
        }
        tools.ensure(&|_| {}).await.unwrap();
        assert_eq!(known(&cache, away()).unwrap(), "go1.26.8");
        assert_eq!(known(&cache, Ok("go1.27.0".into())).unwrap(), "go1.27.0");
    }
}
