//! Kubeconfigs as they were posted: one file per deployment, 0600, with its digest for later.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use catalyst_model::DeploymentId;
use secrecy::{ExposeSecret, SecretSlice};
use sha2::{Digest, Sha256};

use crate::{Error, disk};

/// The folder of kubeconfigs.
#[derive(Debug, Clone)]
pub struct Kubeconfigs {
    dir: Arc<Path>,
}

impl Kubeconfigs {
    /// The folder `dir`; it is made when it is first needed.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir: dir.into() }
    }

    /// Makes the folder if it is not there.
    ///
    /// # Errors
    /// It cannot be made.
    pub async fn prepare(&self) -> Result<(), Error> {
        let dir = self.dir.clone();
        disk::aside(move || disk::private_dir(&dir)).await
    }

    /// Keeps `text` as the kubeconfig of `id`, whole and durable when this is done; returns the
    /// SHA-256 of it in hexadecimal.
    ///
    /// # Errors
    /// The disk refused it.
    pub async fn keep(&self, id: &DeploymentId, text: SecretSlice<u8>) -> Result<String, Error> {
        let path = self.path_of(id);
        disk::aside(move || {
            disk::replace(&path, text.expose_secret())?;
            Ok(hex::encode(Sha256::digest(text.expose_secret())))
        })
        .await
    }

    /// The kubeconfig of `id`; `None` when there is none or it is not the one with this digest.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub async fn read(
        &self,
        id: &DeploymentId,
        sha256: &str,
    ) -> Result<Option<SecretSlice<u8>>, Error> {
        let (path, sha256) = (self.path_of(id), sha256.to_owned());
        disk::aside(move || match fs::read(&path) {
            Ok(bytes) => {
                let same = hex::encode(Sha256::digest(&bytes)) == sha256;
                Ok(same.then(|| SecretSlice::from(bytes)))
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::Read { path, source }),
        })
        .await
    }

    fn path_of(&self, id: &DeploymentId) -> PathBuf {
        self.dir.join(format!("{id}.yaml"))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn kept_privately_and_read_back_only_unchanged() {
        let tmp = tempfile::tempdir().unwrap();
        let kept = Kubeconfigs::new(tmp.path().join("kubeconfigs"));
        let id = DeploymentId::from_random([7; 8]);
        kept.prepare().await.unwrap();
        let sha = kept.keep(&id, SecretSlice::from(b"abc".to_vec())).await.unwrap();
        let path = kept.path_of(&id);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let dir_mode = fs::metadata(path.parent().unwrap()).unwrap().permissions().mode();
        assert_eq!(dir_mode & 0o777, 0o700);
        assert_eq!(kept.read(&id, &sha).await.unwrap().unwrap().expose_secret(), b"abc");
        fs::write(&path, "other").unwrap();
        assert!(kept.read(&id, &sha).await.unwrap().is_none());
        fs::remove_file(&path).unwrap();
        assert!(kept.read(&id, &sha).await.unwrap().is_none());
    }
}
