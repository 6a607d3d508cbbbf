//! The pushing half of the distribution protocol, against one registry on loopback.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use reqwest::{Body, Client, RequestBuilder, Response, StatusCode, Url};
use secrecy::ExposeSecret;
use tokio_util::io::ReaderStream;

use super::{ARTEFACT, Artefact, Blob, Content, PUBLISH};
use crate::outside::PullCredentials;
use crate::problem::{Problem, Result};

/// One request; the largest blob is some hundred MB, and both ends are on this machine.
const TIMEOUT: Duration = Duration::from_secs(300);

/// One registry.
#[derive(Debug)]
pub(super) struct Registry {
    client: Client,
    base: Url,
    credentials: Option<PullCredentials>,
}

impl Registry {
    pub(super) fn new(address: SocketAddr, credentials: Option<PullCredentials>) -> Result<Self> {
        let client = Client::builder().timeout(TIMEOUT).no_proxy().build();
        let client =
            client.map_err(|error| PUBLISH.because("cannot make a client").source(error))?;
        let base = Url::parse(&format!("http://{address}/v2/"))
            .map_err(|error| PUBLISH.because("the registry has no address").source(error))?;
        Ok(Self { client, base, credentials })
    }

    /// Whether the tag is there and means this very manifest.
    pub(super) async fn has_manifest(&self, artefact: &Artefact) -> Result<bool> {
        let at = self.at(artefact, &format!("manifests/{}", artefact.name.tag()))?;
        let request = self.client.head(at).header(ACCEPT, &artefact.media_type);
        let response = self.send(artefact, request).await?;
        match response.status() {
            StatusCode::NOT_FOUND => Ok(false),
            StatusCode::OK => {
                let known = response.headers().get("docker-content-digest");
                Ok(known.is_some_and(|known| known.as_bytes() == artefact.digest().as_bytes()))
            }
            _ => Err(refused(artefact, response).await),
        }
    }

    /// Sends a blob the registry lacks.
    pub(super) async fn push_blob(&self, artefact: &Artefact, blob: &Blob) -> Result<()> {
        let at = self.at(artefact, &format!("blobs/{}", blob.digest))?;
        if self.send(artefact, self.client.head(at)).await?.status() == StatusCode::OK {
            return Ok(());
        }
        let begin = self.client.post(self.at(artefact, "blobs/uploads/")?);
        let response = self.send(artefact, begin).await?;
        let location = response.headers().get(LOCATION).and_then(|at| at.to_str().ok());
        let location = location.and_then(|at| response.url().join(at).ok());
        let (StatusCode::ACCEPTED, Some(mut location)) = (response.status(), location) else {
            return Err(refused(artefact, response).await);
        };
        location.query_pairs_mut().append_pair("digest", &blob.digest);
        let finish = self
            .client
            .put(location)
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_LENGTH, blob.size_bytes)
            .body(body(blob).await?);
        let response = self.send(artefact, finish).await?;
        if response.status() == StatusCode::CREATED {
            Ok(())
        } else {
            Err(refused(artefact, response).await)
        }
    }

    /// Sends the manifest under its tag; its blobs must be there.
    pub(super) async fn push_manifest(&self, artefact: &Artefact) -> Result<()> {
        let at = self.at(artefact, &format!("manifests/{}", artefact.name.tag()))?;
        let request = self
            .client
            .put(at)
            .header(CONTENT_TYPE, &artefact.media_type)
            .body(artefact.manifest.clone());
        let response = self.send(artefact, request).await?;
        if response.status() == StatusCode::CREATED {
            Ok(())
        } else {
            Err(refused(artefact, response).await)
        }
    }

    fn at(&self, artefact: &Artefact, rest: &str) -> Result<Url> {
        self.base.join(&format!("{}/{rest}", artefact.name.repository())).map_err(|error| {
            PUBLISH.because(format!("`{}` makes no address", artefact.name)).source(error)
        })
    }

    async fn send(&self, artefact: &Artefact, request: RequestBuilder) -> Result<Response> {
        let request = match &self.credentials {
            Some(known) => {
                request.basic_auth(&known.username, Some(known.password.expose_secret()))
            }
            None => request,
        };
        request.send().await.map_err(|error| {
            PUBLISH
                .because(format!("`{}`: the registry did not answer", artefact.name))
                .source(error)
        })
    }
}

async fn body(blob: &Blob) -> Result<Body> {
    match &blob.content {
        Content::Bytes(bytes) => Ok(bytes.clone().into()),
        Content::File(path) => {
            let file = tokio::fs::File::open(path).await.map_err(|error| {
                ARTEFACT.because(format!("cannot read `{}`", path.display())).source(error)
            })?;
            Ok(Body::wrap_stream(ReaderStream::new(file)))
        }
    }
}

async fn refused(artefact: &Artefact, response: Response) -> Problem {
    let status = response.status();
    let words = response.text().await.unwrap_or_default();
    PUBLISH.because(format!("`{}`: the registry answered {status}: {words}", artefact.name))
}
