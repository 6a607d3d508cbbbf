//! The pull credentials of `ghcr.io/openova-io`: random, made once, kept in one 0600 file.

use std::fs;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{CREDENTIALS, random_secret};
use crate::paths::{private_dir, write_private};
use crate::problem::Result;

/// The registry they are for, as a pull secret names it.
const REGISTRY: &str = "ghcr.io";
/// The user name; the password is what is secret.
const USER: &str = "catalyst-pull";

/// What a pull secret is made of.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PullCredentials {
    /// The registry's name, `ghcr.io`.
    pub registry: String,
    /// The user.
    pub username: String,
    /// The password.
    pub password: SecretString,
}

/// The same with its password in the open, for the moment of writing.
#[derive(Serialize)]
struct Exposed<'a> {
    registry: &'a str,
    username: &'a str,
    password: &'a str,
}

/// Where they are kept below the outside's folder.
pub(super) fn file(outside: &Path) -> PathBuf {
    outside.join("credentials").join("ghcr-pull.json")
}

impl PullCredentials {
    /// Reads the credentials of `file`, or makes them.
    ///
    /// # Errors
    /// CAT-3152 when the file holds something else, CAT-3000.
    pub fn open_or_create(file: &Path) -> Result<Self> {
        if !file.exists() {
            if let Some(dir) = file.parent() {
                private_dir(dir)?;
            }
            let password = SecretString::from(random_secret()?);
            let exposed =
                Exposed { registry: REGISTRY, username: USER, password: password.expose_secret() };
            let bytes = serde_json::to_vec(&exposed)
                .map_err(|error| CREDENTIALS.because("cannot write them").source(error))?;
            write_private(file, &bytes)?;
        }
        let cause = || format!("cannot read `{}`", file.display());
        let bytes = fs::read(file).map_err(|error| CREDENTIALS.because(cause()).source(error))?;
        // The parser's words may quote the file, so they are not kept.
        serde_json::from_slice(&bytes).map_err(|_| CREDENTIALS.because(cause()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_made_once_and_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = file(dir.path());
        let first = PullCredentials::open_or_create(&path).unwrap();
        let again = PullCredentials::open_or_create(&path).unwrap();
        assert_eq!(first.password.expose_secret(), again.password.expose_secret());
        assert!(!format!("{first:?}").contains(first.password.expose_secret()));
    }

    #[test]
    fn a_damaged_file_is_not_quoted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, r#"{"password": "s3cret", "x": 1}"#).unwrap();
        let problem = PullCredentials::open_or_create(&path).unwrap_err();
        assert!(!format!("{problem} {problem:?}").contains("s3cret"));
    }
}
