//! How upstreams are reached: names are resolved, every address is judged before it is connected
//! to, TLS is checked against the machine's roots, and no redirect is followed.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use hickory_resolver::TokioResolver;
use http_body_util::Full;
use hyper::{
    Request, Response, Uri,
    body::{Bytes, Incoming},
    rt::{Read, ReadBufCursor, Write},
};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connected, Connection},
    },
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tower::Service;

use crate::net::Reach;

/// How long resolving, connecting and the TLS handshake may take together.
const CONNECT: Duration = Duration::from_secs(3);
/// Idle connections are dropped before servers do it: many close after five seconds.
const IDLE: Duration = Duration::from_secs(4);

/// Why an upstream was not reached, or did not answer in HTTP.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreached {
    /// Nothing was sent.
    #[error("the upstream could not be connected to")]
    Connect(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Something may have been sent.
    #[error("the upstream hung up")]
    HungUp(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
enum NoConnection {
    #[error("`{0}` is no address of an upstream")]
    Address(String),
    #[error("the name could not be resolved")]
    Resolve(#[source] hickory_resolver::net::NetError),
    #[error("every address of the upstream is out of bounds")]
    OutOfBounds,
    #[error("no connection could be made")]
    Connect(#[source] io::Error),
    #[error("no connection was made in time")]
    Late,
}

/// A client for upstreams; clones share its connections.
#[derive(Debug, Clone)]
pub(crate) struct Upstreams {
    inside: Client<Connector, Full<Bytes>>,
    outside: Client<Connector, Full<Bytes>>,
}

impl Upstreams {
    /// A client that keeps to `reach`.
    pub(crate) fn new(reach: Reach) -> Result<Self, rustls::Error> {
        let resolver = TokioResolver::builder_tokio().and_then(|builder| builder.build()).ok();
        let tls = TlsConnector::from(Arc::new(tls()?));
        let parts = Arc::new(Parts { reach, resolver, tls });
        let connector = |in_cluster| Connector { parts: parts.clone(), in_cluster };
        let client = |in_cluster| {
            Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE)
                .build(connector(in_cluster))
        };
        Ok(Self { inside: client(true), outside: client(false) })
    }

    /// Sends a request; the answer is there once its head is.
    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
        in_cluster: bool,
    ) -> Result<Response<Incoming>, Unreached> {
        let client = if in_cluster { &self.inside } else { &self.outside };
        client.request(request).await.map_err(|error| {
            if error.is_connect() {
                Unreached::Connect(error.into())
            } else {
                Unreached::HungUp(error.into())
            }
        })
    }
}

/// Trusts the machine's roots; a machine without any trusts nobody.
fn tls() -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[derive(Clone)]
struct Connector {
    parts: Arc<Parts>,
    in_cluster: bool,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").field("in_cluster", &self.in_cluster).finish_non_exhaustive()
    }
}

struct Parts {
    reach: Reach,
    resolver: Option<TokioResolver>,
    tls: TlsConnector,
}

impl Service<Uri> for Connector {
    type Response = Wire;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Wire, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (parts, in_cluster) = (self.parts.clone(), self.in_cluster);
        Box::pin(async move {
            let connecting = tokio::time::timeout(CONNECT, parts.connect(&uri, in_cluster));
            Ok(connecting.await.map_err(|_| NoConnection::Late)??)
        })
    }
}

impl Parts {
    async fn connect(&self, uri: &Uri, in_cluster: bool) -> Result<Wire, NoConnection> {
        let host = uri.host().ok_or_else(|| NoConnection::Address(uri.to_string()))?;
        let host = host.trim_matches(['[', ']']);
        let tls = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let mut failed = NoConnection::OutOfBounds;
        for ip in self.addresses(host).await? {
            let address = SocketAddr::new(ip, port);
            if !self.reach.permits(address, in_cluster) {
                tracing::warn!(%address, "an upstream's address is out of bounds");
                continue;
            }
            match TcpStream::connect(address).await {
                Ok(stream) => return self.wire(stream, host, tls).await,
                Err(error) => failed = NoConnection::Connect(error),
            }
        }
        Err(failed)
    }

    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, NoConnection> {
        if let Ok(ip) = host.parse() {
            return Ok(vec![ip]);
        }
        let resolver = self.resolver.as_ref().ok_or(NoConnection::OutOfBounds)?;
        let found = resolver.lookup_ip(host).await.map_err(NoConnection::Resolve)?;
        Ok(found.iter().collect())
    }

    async fn wire(&self, stream: TcpStream, host: &str, tls: bool) -> Result<Wire, NoConnection> {
        stream.set_nodelay(true).map_err(NoConnection::Connect)?;
        if !tls {
            return Ok(Wire(TokioIo::new(Box::pin(stream))));
        }
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|_| NoConnection::Address(host.to_owned()))?;
        let stream = self.tls.connect(name, stream).await.map_err(NoConnection::Connect)?;
        Ok(Wire(TokioIo::new(Box::pin(stream))))
    }
}

/// A connection to an upstream, plain or not.
struct Wire(TokioIo<Pin<Box<dyn Duplex>>>);

trait Duplex: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send {}

impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send> Duplex for T {}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl Write for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
