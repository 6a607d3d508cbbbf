//! Our own program as it goes into images: without its debugging symbols.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::BAD_CONTENT;
use crate::paths::Cache;
use crate::problem::{self, Result};
use crate::process::Invocation;

/// The static program and what it is.
#[derive(Debug, Clone)]
pub(super) struct Own {
    /// The file that goes into images.
    pub(super) path: PathBuf,
    /// SHA-256 of its bytes, in hexadecimal.
    pub(super) sha256: String,
}

/// Strips `program` into the cache: symbols are three quarters of a development build, and every
/// node unpacks them. Without `strip` on the machine the program is taken as it is.
pub(super) async fn strip(cache: &Cache, program: &Path) -> Result<Own> {
    let bytes = read(program)?;
    if !bytes.starts_with(b"\x7fELF") {
        let why = format!("`{}` is not a Linux program", program.display());
        return Err(BAD_CONTENT.because(why));
    }
    let whole = hex::encode(Sha256::digest(&bytes));
    let folder = cache.images().join(".own");
    let path = folder.join(&whole[..16]);
    if !path.is_file() {
        std::fs::create_dir_all(&folder).map_err(|e| problem::file("create", &folder, e))?;
        let partial = folder.join(format!("{}.partial", &whole[..16]));
        let strip = Invocation::new("strip").arg("--strip-all").arg("-o").arg(&partial);
        match strip.arg(program).timeout(Duration::from_secs(60)).run().await {
            Ok(_) => {}
            Err(failure) if failure.is_missing() => {
                return Ok(Own { path: program.to_owned(), sha256: whole });
            }
            Err(failure) => return Err(failure.into()),
        }
        for old in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            if old.path() != partial {
                let _ = std::fs::remove_file(old.path());
            }
        }
        std::fs::rename(&partial, &path).map_err(|e| problem::file("rename", &partial, e))?;
    }
    let sha256 = hex::encode(Sha256::digest(read(&path)?));
    Ok(Own { path, sha256 })
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| problem::file("read", path, error))
}
