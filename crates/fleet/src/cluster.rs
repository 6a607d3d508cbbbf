//! A connection to one cluster.
//!
//! Every request has a time-out and a size limit. Names are never resolved: the server is an
//! address ([`crate::kubeconfig`] sees to it).

use std::net::IpAddr;
use std::time::Duration;

use catalyst_model::Trouble;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::kubeconfig;

/// How long a cluster may take.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// To open a connection.
    pub connect: Duration,
    /// To answer one request in full; does not bound watches.
    pub request: Duration,
}

impl Default for Timeouts {
    /// 5 s to connect, 20 s to answer.
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), request: Duration::from_secs(20) }
    }
}

/// Why no connection object could be made. Nothing was sent yet.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig is refused.
    #[error(transparent)]
    Kubeconfig(#[from] Trouble),
    /// Certificates or keys in it cannot be used.
    #[error("the kubeconfig's certificates or keys cannot be used")]
    Credentials,
}

/// Why a request had no good answer.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The server said no.
    #[error("the API server answered {status} to {path}: {message}")]
    Status {
        /// HTTP status.
        status: u16,
        /// Path of the request.
        path: String,
        /// The server's message, cut short.
        message: String,
    },
    /// There was no answer in time.
    #[error("the API server did not answer {path} within {after:?}")]
    TimedOut {
        /// Path of the request.
        path: String,
        /// The time-out.
        after: Duration,
    },
    /// There was no answer at all.
    #[error("the API server cannot be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The answer is larger than allowed.
    #[error("the answer to {path} is larger than {limit} bytes")]
    TooLarge {
        /// Path of the request.
        path: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The answer is not what it should be.
    #[error("the answer to {path} is not the JSON it should be")]
    Garbled {
        /// Path of the request.
        path: String,
    },
}

impl RequestError {
    /// Whether the server said that the thing does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Status { status: 404, .. })
    }

    /// Whether the server answered and did not let us in, or is not the one whose certificate was
    /// promised. No waiting helps against either.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Status { status, .. } => *status == 401,
            Self::Unreachable(error) => tls_error(error.as_ref()).is_some_and(|tls| {
                matches!(
                    tls,
                    rustls::Error::InvalidCertificate(_) | rustls::Error::AlertReceived(_)
                )
            }),
            Self::TimedOut { .. } | Self::TooLarge { .. } | Self::Garbled { .. } => false,
        }
    }

    /// Whether the server itself could not be reached or did not answer in time.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::TimedOut { .. })
    }
}

/// The TLS error among what an error came from.
fn tls_error<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref() {
            return Some(tls);
        }
        // An I/O error hides what it wraps from whoever follows the sources.
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(|io| io.get_ref());
        if let Some(tls) = wrapped.and_then(|wrapped| tls_error(wrapped)) {
            return Some(tls);
        }
        next = error.source();
    }
    None
}

/// A connection to one cluster; cloning it shares the connection.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    timeouts: Timeouts,
    address: IpAddr,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("address", &self.address).finish_non_exhaustive()
    }
}

/// JSON objects of a cluster are bounded by etcd at 1.5 MiB; lists are read in pages by the watch.
const JSON_LIMIT: usize = 8 << 20;

impl Cluster {
    /// Makes a connection from a kubeconfig; nothing is sent yet (see [`Cluster::probe`]).
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect(
        kubeconfig: &SecretString,
        timeouts: Timeouts,
    ) -> Result<Self, ConnectError> {
        let checked = kubeconfig::check(kubeconfig.expose_secret().as_bytes(), None)?;
        // The parser's own words may quote a key, so they are dropped.
        let parsed = Kubeconfig::from_yaml(checked.text.expose_secret())
            .map_err(|_| ConnectError::Credentials)?;
        let options = KubeConfigOptions::default();
        let mut config = Config::from_custom_kubeconfig(parsed, &options)
            .await
            .map_err(|_| ConnectError::Credentials)?;
        config.connect_timeout = Some(timeouts.connect);
        config.write_timeout = Some(timeouts.request);
        config.proxy_url = None;
        let client = Client::try_from(config).map_err(|_| ConnectError::Credentials)?;
        Ok(Self { client, timeouts, address: checked.address })
    }

    /// Uses a client made elsewhere, such as one for a scripted API server in tests.
    pub fn from_client(client: Client, address: IpAddr, timeouts: Timeouts) -> Self {
        Self { client, timeouts, address }
    }

    /// Address of the API server.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Asks the server for its version, the cheapest proof that it answers us.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub async fn probe(&self) -> Result<String, RequestError> {
        let version = self.json("/version").await?;
        Ok(version.get("gitVersion").and_then(Value::as_str).unwrap_or("unknown").to_owned())
    }

    /// Reads a JSON document.
    pub(crate) async fn json(&self, path: &str) -> Result<Value, RequestError> {
        let bytes = self.bytes(path, JSON_LIMIT).await?;
        serde_json::from_slice(&bytes).map_err(|_| RequestError::Garbled { path: path.to_owned() })
    }

    /// Reads a JSON document, or nothing when it does not exist.
    pub(crate) async fn json_if_there(&self, path: &str) -> Result<Option<Value>, RequestError> {
        match self.json(path).await {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads at most `limit` bytes.
    pub(crate) async fn bytes(&self, path: &str, limit: usize) -> Result<Vec<u8>, RequestError> {
        let after = self.timeouts.request;
        tokio::time::timeout(after, self.read(path, limit))
            .await
            .map_err(|_| RequestError::TimedOut { path: path.to_owned(), after })?
    }

    async fn read(&self, path: &str, limit: usize) -> Result<Vec<u8>, RequestError> {
        let request = Request::get(path)
            .body(Body::empty())
            .map_err(|error| RequestError::Unreachable(error.into()))?;
        let unreachable = |error: kube::Error| RequestError::Unreachable(error.into());
        let response = self.client.send(request).await.map_err(unreachable)?;
        let status = response.status();
        let collected = Limited::new(response.into_body(), limit).collect().await;
        let body = collected.map_err(|error| {
            if error.is::<LengthLimitError>() {
                RequestError::TooLarge { path: path.to_owned(), limit }
            } else {
                RequestError::Unreachable(error)
            }
        })?;
        let bytes = body.to_bytes();
        if status == StatusCode::OK {
            return Ok(bytes.to_vec());
        }
        Err(refusal(status, path, &bytes))
    }

    /// Opens a document that is read as it is written.
    pub(crate) async fn stream(&self, path: &str) -> Result<Body, RequestError> {
        let request = Request::get(path)
            .body(Body::empty())
            .map_err(|error| RequestError::Unreachable(error.into()))?;
        let after = self.timeouts.request;
        let response = tokio::time::timeout(after, self.client.send(request))
            .await
            .map_err(|_| RequestError::TimedOut { path: path.to_owned(), after })?
            .map_err(|error| RequestError::Unreachable(error.into()))?;
        let status = response.status();
        if status == StatusCode::OK {
            return Ok(response.into_body());
        }
        let told = Limited::new(response.into_body(), JSON_LIMIT).collect();
        let told = tokio::time::timeout(after, told).await;
        let told = told.ok().and_then(Result::ok).map(|body| body.to_bytes());
        Err(refusal(status, path, &told.unwrap_or_default()))
    }

    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }
}

fn refusal(status: StatusCode, path: &str, body: &[u8]) -> RequestError {
    let told = serde_json::from_slice::<Value>(body).ok();
    let message = told.as_ref().and_then(|status| status.get("message")).and_then(Value::as_str);
    let message = message.map_or_else(|| String::from_utf8_lossy(body).into_owned(), str::to_owned);
    RequestError::Status {
        status: status.as_u16(),
        path: path.to_owned(),
        message: message.chars().filter(|c| !c.is_control()).take(300).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m9_a_refusal_is_told_from_silence_however_deep_it_lies() {
        let tls = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let inner = std::io::Error::new(std::io::ErrorKind::InvalidData, tls);
        let outer = std::io::Error::other(inner);
        assert!(RequestError::Unreachable(outer.into()).is_refusal());
        let silent = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        assert!(!RequestError::Unreachable(silent.into()).is_refusal());
        let told = |status| refusal(StatusCode::from_u16(status).unwrap(), "/version", b"no");
        assert!(told(401).is_refusal());
        assert!(!told(403).is_refusal() && !told(503).is_refusal());
    }
}
