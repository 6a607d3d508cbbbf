//! Where things are kept: the cache, the state folder and the run folder, computed once.
//!
//! Each root is a type of its own, so that a Sovereign's data cannot end up in the cache. Folders
//! are made with [`private_dir`] (mode 0700), secrets with [`write_private`] (mode 0600). Whether a
//! variable of the environment names a root is the binary's affair: see [`Roots::resolve`].

use std::fmt;
use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use crate::problem::{self, NAME, NO_CHECKOUT, Result};

/// The name of a local Sovereign: `[a-z][a-z0-9-]{0,14}`. It becomes part of the names of folders,
/// namespaces and links, and it is checked once, here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName(String);

impl NodeName {
    /// Checks a name.
    ///
    /// # Errors
    /// CAT-3001 when it is not 1 to 15 lowercase letters, digits and hyphens after a letter.
    pub fn new(name: &str) -> Result<Self> {
        let mut bytes = name.bytes();
        let first = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase());
        let rest = bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if first && rest && name.len() <= 15 {
            Ok(Self(name.to_owned()))
        } else {
            Err(NAME.because(format!("`{}` is not a name", name.escape_default())))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// What a binary read from its flags and environment about folders; all optional but `home`.
#[derive(Debug, Clone, Default)]
pub struct RootsInput {
    /// `CATALYST_CACHE` or `--cache`.
    pub cache: Option<PathBuf>,
    /// `CATALYST_HOME` or `--home`.
    pub home: Option<PathBuf>,
    /// `CATALYST_RUN`; `/run/catalyst` when absent.
    pub run: Option<PathBuf>,
    /// `XDG_CACHE_HOME`.
    pub xdg_cache: Option<PathBuf>,
    /// `XDG_STATE_HOME`.
    pub xdg_state: Option<PathBuf>,
    /// `HOME`.
    pub user_home: PathBuf,
}

/// The three roots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots {
    /// What can be made again.
    pub cache: Cache,
    /// What cannot.
    pub home: Home,
    /// Sockets and pid files.
    pub run: Run,
}

impl Roots {
    /// Applies the defaults: `$XDG_CACHE_HOME/catalyst`, else `~/.cache/catalyst`;
    /// `$XDG_STATE_HOME/catalyst`, else `~/.local/state/catalyst`; `/run/catalyst`.
    pub fn resolve(input: RootsInput) -> Self {
        let RootsInput { cache, home, run, xdg_cache, xdg_state, user_home } = input;
        let under = |xdg: Option<PathBuf>, default: &str| {
            xdg.filter(|path| path.is_absolute())
                .unwrap_or_else(|| user_home.join(default))
                .join("catalyst")
        };
        Self {
            cache: Cache::new(cache.unwrap_or_else(|| under(xdg_cache, ".cache"))),
            home: Home::new(home.unwrap_or_else(|| under(xdg_state, ".local/state"))),
            run: Run::new(run.unwrap_or_else(|| PathBuf::from("/run/catalyst"))),
        }
    }
}

/// The cache: tools, Debian parts and images. Losing it costs time and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache(PathBuf);

impl Cache {
    /// A cache rooted at `path`; nothing is created yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The root itself.
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// `tools/`: one folder per tool, in it one per key.
    pub fn tools(&self) -> PathBuf {
        self.0.join("tools")
    }

    /// `tools/<tool>/<key>`: `bin/`, perhaps `crds/` or `static/`, and the file `complete`.
    pub fn tool(&self, tool: &str, key: &str) -> PathBuf {
        self.tools().join(tool).join(key)
    }

    /// `build/`: the Go builds' own caches, removed when all tools are built.
    pub fn build(&self) -> PathBuf {
        self.0.join("build")
    }

    /// `debian/`: downloaded archives and one unpacked tree per lock.
    pub fn debian(&self) -> PathBuf {
        self.0.join("debian")
    }

    /// `images/`: one OCI layout per image and key.
    pub fn images(&self) -> PathBuf {
        self.0.join("images")
    }

    /// `charts/`: packaged charts by content.
    pub fn charts(&self) -> PathBuf {
        self.0.join("charts")
    }
}

/// The state folder: what a person would miss.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home(PathBuf);

impl Home {
    /// A state folder rooted at `path`; nothing is created yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The root itself.
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// `settings.json`: what was chosen for this installation.
    pub fn settings(&self) -> PathBuf {
        self.0.join("settings.json")
    }

    /// `credentials.json`: the tokens a person signed in with.
    pub fn credentials(&self) -> PathBuf {
        self.0.join("credentials.json")
    }

    /// `mothership/`: the data of the local catalystd.
    pub fn mothership(&self) -> PathBuf {
        self.0.join("mothership")
    }

    /// `outside/`: CA, Gitea, registries and their credentials.
    pub fn outside(&self) -> PathBuf {
        self.0.join("outside")
    }

    /// `sovereigns/`: one folder per Sovereign.
    pub fn sovereigns(&self) -> PathBuf {
        self.0.join("sovereigns")
    }

    /// `sovereigns/<name>/`: everything of one Sovereign.
    pub fn sovereign(&self, name: &NodeName) -> PathBuf {
        self.sovereigns().join(name.as_str())
    }

    /// Removes everything of ours, and the root when nothing else is in it. Any folder can be made
    /// a root, so what is not ours stays; its names are given back.
    ///
    /// # Errors
    /// CAT-3000 with the path that could not be removed.
    pub fn purge(&self) -> Result<Vec<String>> {
        let folders = [self.sovereigns(), self.mothership(), self.outside()];
        for path in folders.into_iter().chain([self.settings(), self.credentials()]) {
            let removed = match path.symlink_metadata() {
                Ok(facts) if facts.is_dir() => std::fs::remove_dir_all(&path),
                Ok(_) => std::fs::remove_file(&path),
                Err(error) => Err(error),
            };
            match removed {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(problem::file("remove", &path, error));
                }
                _ => {}
            }
        }
        let mut others = Vec::new();
        for entry in std::fs::read_dir(&self.0).into_iter().flatten().flatten() {
            others.push(entry.file_name().to_string_lossy().into_owned());
        }
        others.sort();
        if others.is_empty() {
            // An empty root that is a mount point, or in another's folder, may stay.
            let _ = std::fs::remove_dir(&self.0);
        }
        Ok(others)
    }
}

/// The run folder: sockets and pid files, gone after a restart of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run(PathBuf);

impl Run {
    /// A run folder rooted at `path`; nothing is created yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The root itself.
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// `<name>/`: the sockets of one Sovereign.
    pub fn sovereign(&self, name: &NodeName) -> PathBuf {
        self.0.join(name.as_str())
    }
}

/// The checkout that holds pins, images, charts and clusters: the stated folder, else the nearest
/// one above `from` that has `sandbox/tools`.
///
/// # Errors
/// CAT-3003 when there is none.
pub fn find_checkout(stated: Option<&Path>, from: &Path) -> Result<PathBuf> {
    let holds = |folder: &Path| folder.join("sandbox/tools").is_dir();
    if let Some(stated) = stated {
        if holds(stated) {
            return Ok(stated.to_owned());
        }
        let why = format!("`{}` has no folder `sandbox/tools`", stated.display());
        return Err(NO_CHECKOUT.because(why));
    }
    let found = from.ancestors().find(|folder| holds(folder)).map(Path::to_owned);
    found.ok_or_else(|| NO_CHECKOUT.because(format!("no folder above `{}` is one", from.display())))
}

/// Eight hexadecimal digits that stand for a folder, for names that are machine-wide.
pub(crate) fn folder_digits(folder: &Path) -> String {
    let whole = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    hex::encode(&Sha256::digest(whole.as_os_str().as_encoded_bytes())[..4])
}

/// Makes `path` and its missing parents with mode 0700; a folder that exists keeps its mode.
///
/// # Errors
/// CAT-3000 with the path.
pub fn private_dir(path: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| problem::file("create the folder", path, error))
}

/// Removes a folder with all that is in it; harmless when it is not there.
///
/// # Errors
/// CAT-3000 with the path.
pub fn remove_dir(path: &Path) -> Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(problem::file("remove", path, error))
        }
        _ => Ok(()),
    }
}

/// Writes a file that holds a secret: a new file with mode 0600, synced, renamed over `path`.
///
/// # Errors
/// CAT-3000 with the path.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    write_renamed(path, bytes, 0o600)
}

/// Writes a file of mode 0644 so that a reader sees the old or the new text, never half of one.
///
/// # Errors
/// CAT-3000 with the path.
pub fn write_public(path: &Path, bytes: &[u8]) -> Result<()> {
    write_renamed(path, bytes, 0o644)
}

/// What was recorded as JSON at `path`; the defaults when nothing was.
///
/// # Errors
/// CAT-3000 when the file cannot be read or holds something else.
pub fn recorded<T: DeserializeOwned + Default>(path: &Path) -> Result<T> {
    let broken = |error: std::io::Error| problem::file("read", path, error);
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| broken(error.into())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(T::default()),
        Err(error) => Err(broken(error)),
    }
}

/// Records `value` as JSON at `path`, for its owner only.
///
/// # Errors
/// CAT-3000.
pub fn record<T: Serialize>(value: &T, path: &Path) -> Result<()> {
    let bytes = serde_json::to_vec_pretty(value)
        .map_err(|error| problem::file("write", path, error.into()))?;
    write_private(path, &bytes)
}

fn write_renamed(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(format!(".{}.partial", std::process::id()));
    let partial = PathBuf::from(partial);
    let write = || -> std::io::Result<()> {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&partial)?;
        // An interrupted writer may have left the file, and the mask may have taken bits away.
        file.set_permissions(Permissions::from_mode(mode))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&partial, path)?;
        // The new name is on the disk only once its folder is.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        std::fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    };
    write().map_err(|error| {
        let _ = std::fs::remove_file(&partial);
        problem::file("write", path, error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_path_tricks_capitals_or_too_many_letters_are_refused() {
        for bad in ["", "-a", "1a", "A", "a_b", "../a", "a/b", "a.b", "abcdefghijklmnop", "a\n"] {
            assert!(NodeName::new(bad).is_err(), "{bad:?}");
        }
        for good in ["a", "sov1", "a-b-c", "abcdefghijklmno"] {
            assert_eq!(NodeName::new(good).unwrap().as_str(), good);
        }
    }

    #[test]
    fn roots_follow_flag_then_xdg_then_home() {
        let home = RootsInput { user_home: "/home/a".into(), ..RootsInput::default() };
        let plain = Roots::resolve(home.clone());
        assert_eq!(plain.cache.root(), Path::new("/home/a/.cache/catalyst"));
        assert_eq!(plain.home.root(), Path::new("/home/a/.local/state/catalyst"));
        assert_eq!(plain.run.root(), Path::new("/run/catalyst"));
        let xdg = Roots::resolve(RootsInput { xdg_cache: Some("/x".into()), ..home.clone() });
        assert_eq!(xdg.cache.root(), Path::new("/x/catalyst"));
        let flag = Roots::resolve(RootsInput { cache: Some("/c".into()), ..home });
        assert_eq!(flag.cache.tool("etcd", "k"), Path::new("/c/tools/etcd/k"));
    }

    #[test]
    fn a_checkout_is_the_stated_folder_or_the_nearest_above() {
        let dir = tempfile::tempdir().unwrap();
        let (checkout, deep) = (dir.path().join("a"), dir.path().join("a/b/c"));
        std::fs::create_dir_all(&deep).unwrap();
        assert_eq!(find_checkout(None, &deep).unwrap_err().code(), &NO_CHECKOUT);
        std::fs::create_dir_all(checkout.join("sandbox/tools")).unwrap();
        assert_eq!(find_checkout(None, &deep).unwrap(), checkout);
        assert_eq!(find_checkout(Some(&checkout), Path::new("/")).unwrap(), checkout);
        assert!(find_checkout(Some(&deep), &checkout).is_err());
    }

    #[test]
    fn a_purge_removes_what_is_ours_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let elsewhere = dir.path().join("elsewhere");
        std::fs::create_dir_all(elsewhere.join("kept")).unwrap();
        let home = Home::new(dir.path().join("srv"));
        let fill = || {
            for folder in [home.sovereigns(), home.mothership()] {
                std::fs::create_dir_all(folder.join("deep")).unwrap();
            }
            std::fs::write(home.settings(), "{}").unwrap();
            std::fs::write(home.credentials(), "{}").unwrap();
        };
        fill();
        // A folder that was moved to a larger disk: the link goes, the disk is not ours to empty.
        std::os::unix::fs::symlink(&elsewhere, home.outside()).unwrap();
        std::fs::write(home.root().join("thesis.txt"), "mine").unwrap();
        assert_eq!(home.purge().unwrap(), ["thesis.txt"]);
        assert_eq!(std::fs::read(home.root().join("thesis.txt")).unwrap(), b"mine");
        assert_eq!(std::fs::read_dir(home.root()).unwrap().count(), 1);
        assert!(elsewhere.join("kept").is_dir());
        std::fs::remove_file(home.root().join("thesis.txt")).unwrap();
        fill();
        assert_eq!(home.purge().unwrap(), Vec::<String>::new());
        assert!(!home.root().exists());
        assert_eq!(home.purge().unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_secret_is_written_whole_and_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a/b");
        private_dir(&folder).unwrap();
        assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        let file = folder.join("secret");
        write_private(&file, b"one").unwrap();
        write_private(&file, b"two").unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"two");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    }
}
