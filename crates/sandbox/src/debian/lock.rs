//! The lock file: every package of the closure, exactly.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{BAD_LOCK, NOT_UNPACKED};
use crate::problem::Result;

/// Changes when the way of unpacking does, so that old trees are not taken for new ones.
const LAYOUT: &str = "1";

/// Where a package is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Use {
    /// Runs on this machine, out of the cache.
    Host,
    /// Goes into images.
    Image,
}

/// One package, exactly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locked {
    /// Its name.
    pub name: String,
    /// Its version, with epoch.
    pub version: String,
    /// `amd64` or `all`.
    pub architecture: String,
    /// Of the `.deb` file, in hexadecimal.
    pub sha256: String,
    /// Of the `.deb` file, in bytes.
    pub size: u64,
    /// Where it is used.
    pub uses: BTreeSet<Use>,
    /// The locked packages it needs directly.
    pub depends: BTreeSet<String>,
}

impl Locked {
    /// The name `apt-get download` gives the file: a colon in the version is escaped.
    pub fn file_name(&self) -> String {
        format!("{}_{}_{}.deb", self.name, self.version.replace(':', "%3a"), self.architecture)
    }
}

/// The whole lock, sorted by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// The Debian release it was computed for, such as `bookworm`.
    pub release: String,
    /// Every package.
    pub packages: Vec<Locked>,
}

impl Lock {
    /// Reads `lock.json`.
    ///
    /// # Errors
    /// CAT-3113, also for a name that would lead out of the cache.
    pub fn parse(text: &str) -> Result<Self> {
        let lock: Self = serde_json::from_str(text)
            .map_err(|error| BAD_LOCK.because(format!("lock.json: {error}")).source(error))?;
        let plain = |word: &str| {
            !word.is_empty()
                && !word.starts_with(['.', '-'])
                && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.~:".contains(&b))
        };
        for locked in &lock.packages {
            if ![&locked.name, &locked.version, &locked.architecture].into_iter().all(|w| plain(w))
            {
                return Err(BAD_LOCK.because(format!("`{}` is not a package", locked.name)));
            }
        }
        Ok(lock)
    }

    /// The text of `lock.json`.
    pub fn text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a lock holds text and numbers");
        text.push('\n');
        text
    }

    /// 16 hexadecimal digits over everything locked.
    pub fn key(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(LAYOUT);
        hash.update(self.text());
        let mut key = hex::encode(hash.finalize());
        key.truncate(16);
        key
    }

    /// The packages of one use.
    pub fn of(&self, wanted: Use) -> impl Iterator<Item = &Locked> {
        self.packages.iter().filter(move |locked| locked.uses.contains(&wanted))
    }

    /// One package that images may hold.
    pub fn image_package(&self, name: &str) -> Option<&Locked> {
        self.of(Use::Image).find(|locked| locked.name == name)
    }

    /// `packages` and everything they need, sorted by name.
    ///
    /// # Errors
    /// CAT-3114 when one is not locked for images.
    pub fn closure(&self, packages: &[String]) -> Result<Vec<String>> {
        let mut found = BTreeSet::new();
        let mut ahead: Vec<String> = packages.to_vec();
        while let Some(name) = ahead.pop() {
            let locked = self.image_package(&name);
            let locked = locked.ok_or_else(|| {
                NOT_UNPACKED.because(format!("`{name}` is not locked for images"))
            })?;
            if found.insert(name) {
                let known = |name: &&String| self.image_package(name).is_some();
                ahead.extend(locked.depends.iter().filter(known).cloned());
            }
        }
        Ok(found.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locked(name: &str, uses: &[Use], depends: &[&str]) -> Locked {
        Locked {
            name: name.into(),
            version: "1:2.0".into(),
            architecture: "amd64".into(),
            sha256: "00".into(),
            size: 1,
            uses: uses.iter().copied().collect(),
            depends: depends.iter().map(|&name| name.into()).collect(),
        }
    }

    fn lock() -> Lock {
        let packages = vec![
            locked("a", &[Use::Image], &["b", "host-only"]),
            locked("b", &[Use::Image, Use::Host], &["a"]),
            locked("host-only", &[Use::Host], &[]),
        ];
        Lock { release: "bookworm".into(), packages }
    }

    #[test]
    fn a_closure_follows_circles_once_and_stays_among_image_packages() {
        assert_eq!(lock().closure(&["a".into()]).unwrap(), ["a", "b"]);
        assert_eq!(lock().closure(&["host-only".into()]).unwrap_err().code(), &NOT_UNPACKED);
    }

    #[test]
    fn a_lock_reads_back_and_its_key_covers_every_hash() {
        let lock = lock();
        assert_eq!(Lock::parse(&lock.text()).unwrap(), lock);
        let mut other = lock.clone();
        other.packages[0].sha256 = "01".into();
        assert_ne!(other.key(), lock.key());
    }

    #[test]
    fn a_name_that_leads_out_of_the_cache_is_refused() {
        let mut lock = lock();
        lock.packages[0].name = "../../etc".into();
        assert_eq!(Lock::parse(&lock.text()).unwrap_err().code(), &BAD_LOCK);
    }

    #[test]
    fn a_colon_in_a_version_is_escaped_in_the_file_name() {
        assert_eq!(locked("a", &[], &[]).file_name(), "a_1%3a2.0_amd64.deb");
    }
}
