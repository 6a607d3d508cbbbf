//! Fetches a source's artifact through the API server, for a control plane that stands outside.
//!
//! `status.artifact.url` names the source controller by its Service; the same path is reached
//! through that Service's proxy. What arrives is checked against the announced digest.

use catalyst_kit::archive::{self, ArchiveError};

use crate::cluster::{Cluster, RequestError};

/// Compressed bytes of an artifact; the platform's repository is below 10 MiB.
const LIMIT: usize = 128 << 20;

/// An artifact as a source's status announces it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Artifact {
    /// Where the source controller serves it inside the cluster.
    pub(crate) url: String,
    /// `sha256:<hex>`.
    pub(crate) digest: String,
    /// Revision such as `main@sha1:<hex>`.
    pub(crate) revision: String,
}

/// Why an artifact was not fetched.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// Its URL does not name a Service of the cluster.
    #[error("the artifact's URL `{0}` does not name a Service of the cluster")]
    Url(String),
    /// The request failed.
    #[error("the artifact could not be fetched through the API server")]
    Request(#[source] RequestError),
    /// The content is not what was announced.
    #[error(transparent)]
    Digest(ArchiveError),
}

impl Artifact {
    /// Downloads the artifact and checks its digest.
    pub(crate) async fn fetch(&self, cluster: &Cluster) -> Result<Vec<u8>, ArtifactError> {
        let path = proxy_path(&self.url).ok_or_else(|| ArtifactError::Url(self.url.clone()))?;
        let bytes = cluster.bytes(&path, LIMIT).await.map_err(ArtifactError::Request)?;
        archive::verify(&bytes, &self.digest).map_err(ArtifactError::Digest)?;
        Ok(bytes)
    }
}

/// The API server's path to `http://<service>.<namespace>.svc…/<path>`.
fn proxy_path(url: &str) -> Option<String> {
    let uri: http::Uri = url.parse().ok()?;
    let scheme = uri.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https"))?;
    let mut labels = uri.host()?.split('.');
    let (service, namespace) = (labels.next()?, labels.next()?);
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let is_service = labels.next() == Some("svc") && is_label(service) && is_label(namespace);
    let climbs = uri.path().split('/').any(|part| part == "..");
    if !is_service || climbs {
        return None;
    }
    let port = uri.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    let path = uri.path();
    Some(format!("/api/v1/namespaces/{namespace}/services/{scheme}:{service}:{port}/proxy{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_in_the_url_becomes_a_proxy_path() {
        let url = "http://source-controller.flux-system.svc.cluster.local./gitrepository/flux-system/openova/c0ffee.tar.gz";
        assert_eq!(
            proxy_path(url).as_deref(),
            Some(
                "/api/v1/namespaces/flux-system/services/http:source-controller:80/proxy/gitrepository/flux-system/openova/c0ffee.tar.gz"
            )
        );
        assert_eq!(
            proxy_path("http://a.b.svc:9090/x").as_deref(),
            Some("/api/v1/namespaces/b/services/http:a:9090/proxy/x")
        );
    }

    #[test]
    fn other_urls_are_refused() {
        for url in ["http://example.org/x", "ftp://a.b.svc/x", "http://a.b.svc/../../x", "x", ""] {
            assert_eq!(proxy_path(url), None, "{url}");
        }
    }
}
