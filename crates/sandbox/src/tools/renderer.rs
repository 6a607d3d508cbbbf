//! The renderer of `catalyst kit`: found in the cache of tools, built by a checkout's own script.
//!
//! Its program is ours and changes with the source, so a folder is known by what it says of itself:
//! `complete` holds the program's first words, with the hash of the files it was built from.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::NO_RENDERER;
use super::build::MACHINES_OWN;
use crate::paths::Cache;
use crate::problem::Result;
use crate::process::{Failure, Invocation};

/// The folder in the cache, and the script of a checkout.
const NAME: &str = "kit-render";
/// A cold build on two busy cores, its modules downloaded.
const BUILD_TIMEOUT: Duration = Duration::from_secs(1200);
/// Go's caches, which the script uses when there are some.
const CACHES: [&str; 2] = ["GOMODCACHE", "GOCACHE"];

/// The renderer of one state of the source.
#[derive(Debug)]
pub struct Renderer<'a> {
    cache: &'a Cache,
    /// Hash of the files it is built from.
    source: String,
}

impl<'a> Renderer<'a> {
    /// The renderer whose files have this hash.
    pub fn of(cache: &'a Cache, source: impl Into<String>) -> Self {
        Self { cache, source: source.into() }
    }

    /// The built program.
    ///
    /// # Errors
    /// CAT-3107 when none of the cache is of this state of the source.
    pub fn locate(&self) -> Result<PathBuf> {
        let folder = self.cache.tools().join(NAME);
        let built = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        let mut others = 0;
        for entry in built.map(|entry| entry.path()) {
            let Ok(said) = std::fs::read_to_string(entry.join("complete")) else { continue };
            if said.contains(&format!("\"{}\"", self.source)) {
                return Ok(entry.join("bin").join(NAME));
            }
            others += 1;
        }
        let folder = folder.display();
        Err(NO_RENDERER.because(match others {
            0 => format!("`{folder}` holds none"),
            _ => format!("`{folder}` holds only those of other versions than this program's"),
        }))
    }

    /// Builds it with the script of `checkout`, and gives the program.
    ///
    /// # Errors
    /// CAT-3107 with the build's last words, or when the checkout is of another version than this
    /// program.
    pub async fn build(&self, checkout: &Path) -> Result<PathBuf> {
        let script = checkout.join("scripts").join(NAME);
        let build = Invocation::new(&script).cwd(checkout).timeout(BUILD_TIMEOUT);
        let build = MACHINES_OWN.iter().chain(&CACHES).fold(build, Invocation::inherit);
        let failed = |failure: Failure| NO_RENDERER.because(failure.to_string()).source(failure);
        build.env("CATALYST_CACHE", self.cache.root()).run().await.map_err(failed)?;
        self.locate().map_err(|_| {
            let checkout = checkout.display();
            NO_RENDERER
                .because(format!("`{checkout}` is of another version than this program"))
                .fix("Build this program anew from that checkout: `make build`.")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renderer_is_known_by_the_source_it_was_built_from() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path());
        let wanted = Renderer::of(&cache, "abc");
        assert!(wanted.locate().unwrap_err().cause().ends_with("holds none"));
        for (key, said) in [("1", r#"{"source":"abcd"}"#), ("2", r#"{"source":"abc"}"#)] {
            assert!(wanted.locate().is_err());
            let folder = cache.tool(NAME, key);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("complete"), said).unwrap();
        }
        assert_eq!(wanted.locate().unwrap(), cache.tool(NAME, "2").join("bin/kit-render"));
    }

    #[tokio::test]
    async fn a_build_that_fails_or_is_of_another_version_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path().join("cache"));
        let wanted = Renderer::of(&cache, "abc");
        let scripts = dir.path().join("scripts");
        std::fs::create_dir_all(&scripts).unwrap();
        let missing = wanted.build(dir.path()).await.unwrap_err();
        assert_eq!(missing.code(), &NO_RENDERER);
        for (text, told) in
            [("echo no compiler >&2; exit 1", "no compiler"), ("", "another version")]
        {
            let script = scripts.join(NAME);
            std::fs::write(&script, format!("#!/bin/sh\n{text}\n")).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(&script, mode).unwrap();
            let problem = wanted.build(dir.path()).await.unwrap_err();
            assert!(problem.cause().contains(told), "{problem}");
        }
    }
}
