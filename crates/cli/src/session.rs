//! The token a person signed in with, kept per server in a file only they can read.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context as _;
use catalyst_sandbox::paths::write_private;
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
        all.remove(api);
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
        let sessions = Sessions::new(folder.path().join("credentials.json"));
        assert!(sessions.token("http://a").unwrap().is_none());
        sessions.keep("http://a", &SecretString::from("cat_x")).unwrap();
        assert_eq!(sessions.token("http://a").unwrap().unwrap().expose_secret(), "cat_x");
        let mode = std::fs::metadata(folder.path().join("credentials.json")).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o600);
        sessions.forget("http://a").unwrap();
        assert!(sessions.token("http://a").unwrap().is_none());
    }
}
