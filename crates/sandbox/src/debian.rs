//! Debian packages, unpacked into the cache and never installed.
//!
//! `sandbox/debian/packages.toml` says what is wanted, `lock.json` beside it names every package of
//! the closure with version, size and SHA-256. [`Debian::ensure`] downloads with `apt-get
//! download`, checks, and unpacks with `dpkg-deb -x`; [`DebianTree`] answers where things are.
//! [`relock`] computes the lock anew.

mod fetch;
mod lock;
mod relock;

use std::path::{Path, PathBuf};

use crate::paths::Cache;
use crate::problem::{Code, Result};

pub use lock::{Lock, Locked};
pub use relock::relock;

/// A package could not be downloaded.
pub const DOWNLOAD: Code = Code::new(
    3110,
    "a Debian package could not be downloaded",
    "Check that `apt-get update` works on this machine, then try again.",
);
/// The mirror has moved on.
pub const VERSION_GONE: Code = Code::new(
    3111,
    "a locked Debian package has left the mirror",
    "Run `catalyst sandbox tools lock-debian` in a checkout to lock the new versions, and commit `sandbox/debian/lock.json`.",
);
/// Something else came than was locked.
pub const WRONG_HASH: Code = Code::new(
    3112,
    "a Debian package is not the locked one",
    "Remove the named file and try again. If it happens again, do not trust the mirror.",
);
/// The lock or the list of packages cannot be read.
pub const BAD_LOCK: Code = Code::new(
    3113,
    "the lock of Debian packages cannot be used",
    "Restore `sandbox/debian` from the repository, or run `catalyst sandbox tools lock-debian`.",
);
/// Something asks for a package or program that is not unpacked.
pub const NOT_UNPACKED: Code = Code::new(
    3114,
    "a Debian part is not in the cache",
    "Run `catalyst sandbox tools build`; `make up` does it by itself.",
);

/// The codes of this module.
pub const CODES: &[&Code] = &[&DOWNLOAD, &VERSION_GONE, &WRONG_HASH, &BAD_LOCK, &NOT_UNPACKED];

/// The lock this program was built with.
const EMBEDDED_LOCK: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../sandbox/debian/lock.json"));
/// Folders of programs inside an unpacked tree, in the order of search.
const BIN_DIRS: &[&str] = &["usr/sbin", "usr/bin", "sbin", "bin"];
/// Folders of libraries inside an unpacked tree.
const LIB_DIRS: &[&str] = &["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"];
/// Where xtables looks for its extensions.
const XTABLES_DIR: &str = "usr/lib/x86_64-linux-gnu/xtables";
/// The machine's own programs, after ours.
const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What is happening, for a progress display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Another process unpacks into the same cache; its process id, if it said so.
    Waiting {
        /// The other process.
        holder: Option<u32>,
    },
    /// `apt-get update` is running.
    Updating,
    /// Packages are being downloaded.
    Downloading {
        /// How many.
        packages: usize,
        /// Their size in all.
        bytes: u64,
    },
    /// Packages are being unpacked.
    Unpacking {
        /// How many.
        packages: usize,
    },
    /// The tree is ready.
    Done,
}

/// The locked packages and where they are, or would be, in the cache.
#[derive(Debug, Clone)]
pub struct Debian {
    cache: Cache,
    lock: Lock,
    key: String,
}

impl Debian {
    /// By the lock this program was built with.
    ///
    /// # Errors
    /// CAT-3113 never in a tested build.
    pub fn embedded(cache: &Cache) -> Result<Self> {
        Self::new(cache, EMBEDDED_LOCK)
    }

    /// By the lock of a checkout.
    ///
    /// # Errors
    /// CAT-3000, CAT-3113.
    pub fn from_checkout(cache: &Cache, checkout: &Path) -> Result<Self> {
        let path = checkout.join("sandbox/debian/lock.json");
        let text = std::fs::read_to_string(&path)
            .map_err(|error| crate::problem::file("read", &path, error))?;
        Self::new(cache, &text)
    }

    fn new(cache: &Cache, text: &str) -> Result<Self> {
        let lock = Lock::parse(text)?;
        let key = lock.key();
        Ok(Self { cache: cache.clone(), lock, key })
    }

    /// The lock.
    pub fn lock(&self) -> &Lock {
        &self.lock
    }

    /// The tree's key in the cache: 16 hexadecimal digits over what is locked.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Whether everything is unpacked already.
    pub fn is_complete(&self) -> bool {
        self.dir().join("complete").is_file()
    }

    /// The unpacked tree.
    ///
    /// # Errors
    /// CAT-3114 when it is not there.
    pub fn tree(&self) -> Result<DebianTree> {
        if self.is_complete() {
            return Ok(DebianTree { dir: self.dir(), lock: self.lock.clone() });
        }
        Err(NOT_UNPACKED.because("the Debian packages are not unpacked"))
    }

    /// Downloads and unpacks what is missing.
    ///
    /// # Errors
    /// CAT-3110, CAT-3111, CAT-3112, CAT-3000.
    pub async fn ensure(&self, report: &(dyn Fn(Progress) + Send + Sync)) -> Result<DebianTree> {
        if !self.is_complete() {
            fetch::ensure(&self.cache, &self.lock, &self.dir(), report).await?;
        }
        self.tree()
    }

    fn dir(&self) -> PathBuf {
        self.cache.debian().join(&self.key)
    }
}

/// The unpacked packages: `root/` holds those that run on this machine, `packages/<name>/` each
/// package that images are made of.
#[derive(Debug, Clone)]
pub struct DebianTree {
    dir: PathBuf,
    lock: Lock,
}

impl DebianTree {
    /// The tree of the programs that run on this machine.
    pub fn root(&self) -> PathBuf {
        self.dir.join("root")
    }

    /// The path of a program of this tree, such as `containerd`, `nft` or `iptables`.
    ///
    /// # Errors
    /// CAT-3114 when no unpacked package has it.
    pub fn bin(&self, program: &str) -> Result<PathBuf> {
        let root = self.root();
        BIN_DIRS
            .iter()
            .map(|dir| root.join(dir).join(program))
            .find(|path| path.exists())
            .ok_or_else(|| NOT_UNPACKED.because(format!("no unpacked package has `{program}`")))
    }

    /// The folder of the CNI plugins.
    pub fn cni_bin_dir(&self) -> PathBuf {
        self.root().join("usr/lib/cni")
    }

    /// What the programs of the tree, and whoever calls them by name, need in their environment:
    /// PATH (ours first, then the machine's), LD_LIBRARY_PATH, XTABLES_LIBDIR.
    pub fn env(&self) -> Vec<(&'static str, String)> {
        let root = self.root();
        let join = |dirs: &[&str]| {
            let paths = dirs.iter().map(|dir| root.join(dir).display().to_string());
            paths.collect::<Vec<_>>().join(":")
        };
        vec![
            ("PATH", format!("{}:{SYSTEM_PATH}", join(BIN_DIRS))),
            ("LD_LIBRARY_PATH", join(LIB_DIRS)),
            ("XTABLES_LIBDIR", join(&[XTABLES_DIR])),
        ]
    }

    /// The folder of one package for images, and what is locked about it.
    ///
    /// # Errors
    /// CAT-3114 when it is not a package for images.
    pub fn package(&self, name: &str) -> Result<(PathBuf, &Locked)> {
        let locked = self.lock.image_package(name);
        let locked = locked
            .ok_or_else(|| NOT_UNPACKED.because(format!("`{name}` is not locked for images")))?;
        Ok((self.dir.join("packages").join(name), locked))
    }

    /// The names of `packages` and of everything they need, sorted.
    ///
    /// # Errors
    /// CAT-3114 when one is not a package for images.
    pub fn closure(&self, packages: &[String]) -> Result<Vec<String>> {
        self.lock.closure(packages)
    }
}
