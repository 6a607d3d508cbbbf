//! Pushes a layout to a registry of ours on loopback.

use std::path::Path;
use std::time::Duration;

use futures::TryStreamExt;
use http::HeaderValue;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference, RegistryOperation};
use secrecy::{ExposeSecret, SecretString};
use tokio_util::io::ReaderStream;

use super::layout::{digest_of, read_manifest};
use super::{BAD_LAYOUT, Blob, PUSH_FAILED};
use crate::problem::{self, Problem, Result};

/// Loopback answers at once or not at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A registry hashes and syncs a layer of 100 MB before it answers.
const READ_TIMEOUT: Duration = Duration::from_secs(120);
/// For one image as a whole.
const PUSH_TIMEOUT: Duration = Duration::from_secs(300);

/// Who pushes.
#[derive(Debug, Clone)]
pub struct Login {
    /// The account.
    pub username: String,
    /// Its password.
    pub password: SecretString,
}

/// What a push did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The digest of the manifest, `sha256:…`.
    pub digest: String,
    /// How many blobs went over; 0 when everything was there already.
    pub blobs: usize,
    /// Whether the tag pointed there already and nothing was done.
    pub was_there: bool,
}

/// A registry that speaks plain HTTP on loopback.
#[derive(Clone)]
pub struct Registry {
    client: Client,
    address: String,
    auth: RegistryAuth,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Registry").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Registry {
    /// The registry at `127.0.0.1:port`. Needs a process-wide TLS provider although it speaks plain
    /// HTTP: the client is made for both.
    ///
    /// # Errors
    /// CAT-3125 when the client cannot be made.
    pub fn on_loopback(port: u16, login: Option<Login>) -> Result<Self> {
        let config = ClientConfig {
            protocol: ClientProtocol::Http,
            use_monolithic_push: true,
            connect_timeout: Some(CONNECT_TIMEOUT),
            read_timeout: Some(READ_TIMEOUT),
            ..ClientConfig::default()
        };
        let address = format!("127.0.0.1:{port}");
        let client = Client::try_from(config).map_err(|error| failed(&address, error))?;
        let auth = login.map_or(RegistryAuth::Anonymous, |login| {
            RegistryAuth::Basic(login.username, login.password.expose_secret().to_owned())
        });
        Ok(Self { client, address, auth })
    }

    /// Makes `repository:tag` point at the layout's manifest; sends only what is not there.
    ///
    /// # Errors
    /// CAT-3125, CAT-3126.
    pub async fn push(&self, layout: &Path, repository: &str, tag: &str) -> Result<Pushed> {
        let work = Box::pin(self.push_now(layout, repository, tag));
        match tokio::time::timeout(PUSH_TIMEOUT, work).await {
            Ok(result) => result,
            Err(_) => Err(PUSH_FAILED.because(format!(
                "`{repository}:{tag}` did not go to {} within {} s",
                self.address,
                PUSH_TIMEOUT.as_secs()
            ))),
        }
    }

    async fn push_now(&self, layout: &Path, repository: &str, tag: &str) -> Result<Pushed> {
        let target =
            Reference::with_tag(self.address.clone(), repository.to_owned(), tag.to_owned());
        let shown = format!("{}/{repository}:{tag}", self.address);
        let trouble = |error| failed(&shown, error);
        let digest = digest_of(layout)
            .ok_or_else(|| BAD_LAYOUT.because(format!("`{}` is damaged", layout.display())))?;
        let (bytes, manifest) = read_manifest(layout)?;
        self.client.auth(&target, &self.auth, RegistryOperation::Push).await.map_err(trouble)?;
        let there = self.client.fetch_manifest_digest(&target, &self.auth).await;
        if there.is_ok_and(|there| there == digest) {
            return Ok(Pushed { digest, blobs: 0, was_there: true });
        }
        let mut blobs = 0;
        for blob in manifest.layers.iter().chain([&manifest.config]) {
            if !self.client.blob_exists(&target, &blob.digest).await.map_err(trouble)? {
                self.push_blob(&target, layout, blob).await?;
                blobs += 1;
            }
        }
        let kind = HeaderValue::from_str(&manifest.media_type)
            .map_err(|error| BAD_LAYOUT.because("the manifest has no type").source(error))?;
        self.client.push_manifest_raw(&target, bytes, kind).await.map_err(trouble)?;
        Ok(Pushed { digest, blobs, was_there: false })
    }

    async fn push_blob(&self, target: &Reference, layout: &Path, blob: &Blob) -> Result<()> {
        let path = layout.join("blobs").join(blob.digest.replace(':', "/"));
        let file = tokio::fs::File::open(&path)
            .await
            .map_err(|error| problem::file("open", &path, error))?;
        let stream = ReaderStream::with_capacity(file, 1 << 18)
            .map_err(|error| OciDistributionError::GenericError(Some(error.to_string())));
        self.client
            .push_blob_stream(target, stream, &blob.digest, Some(blob.size))
            .await
            .map_err(|error| failed(&blob.digest, error))?;
        Ok(())
    }
}

fn failed(what: &str, error: OciDistributionError) -> Problem {
    PUSH_FAILED.because(format!("`{what}`: {error}")).source(error)
}
