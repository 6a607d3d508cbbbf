//! The token a person signed in with, kept per server in a file only they can read.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context as _;
use catalyst_sandbox::paths::{private_dir, write_private};
use secrecy::{ExposeSecret as _, SecretString};

/// The file of kept tokens: server → bearer.
#[derive(Debug, Clone)]
pub(crate) struct Sessions {
    file: PathBuf,
}

impl Sessions {
    pub(crate) fn new(file: PathBuf) -> Self {
        Self { file }
    }

    /// The token kept for a server, if any.
    pub(crate) fn token(&self, api: &str) -> anyhow::Result<Option<SecretString>> {
        Ok(self.read()?.remove(api).map(SecretString::from))
    }

    /// Keeps a token for a server.
    pub(crate) fn keep(&self, api: &str, token: &SecretString) -> anyhow::Result<()> {
        let mut all = self.read()?;
        all.insert(api.to_owned(), token.expose_secret().to_owned());
        self.write(&all)
    }

    /// Forgets the token of a server.
    pub(crate) fn forget(&self, api: &str) -> anyhow::Result<()> {
        let mut all = self.read()?;
        if all.remove(api).is_none() {
            return Ok(());
        }
        self.write(&all)
    }

    fn read(&self) -> anyhow::Result<BTreeMap<String, String>> {
        match std::fs::read(&self.file) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("`{}` is not a token file", self.file.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(error).with_context(|| format!("read `{}`", self.file.display())),
        }
    }

    fn write(&self, all: &BTreeMap<String, String>) -> anyhow::Result<()> {
        if let Some(folder) = self.file.parent() {
            private_dir(folder)?;
        }
        write_private(&self.file, &serde_json::to_vec_pretty(all)?)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_kept_token_is_found_again_in_a_private_file() {
        let folder = tempfile::tempdir().unwrap();
        // Whoever signs in to another machine's server has no folder of ours yet.
        let file = folder.path().join("new/credentials.json");
        let sessions = Sessions::new(file.clone());
        assert!(sessions.token("http://a").unwrap().is_none());
        sessions.keep("http://a", &SecretString::from("cat_x")).unwrap();
        assert_eq!(sessions.token("http://a").unwrap().unwrap().expose_secret(), "cat_x");
        let mode = std::fs::metadata(&file).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o600);
        sessions.forget("http://a").unwrap();
        assert!(sessions.token("http://a").unwrap().is_none());
    }
}
