//! The TLS process of a front: accepts on the link's address, speaks HTTP/1.1, ends when told.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::counts::Counters;
use super::proxy::Proxy;
use super::{Counts, FRONT, Settings, tls};
use crate::paths::write_public;
use crate::problem::{self, Result};

/// Connections at once: one node with its controllers has some dozens. More wait to be accepted.
const CONNECTIONS: usize = 512;
/// A client that wants to speak does so at once.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two requests of a connection, and for the head of each.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long transfers may go on after the front was told to end.
const DRAIN: Duration = Duration::from_secs(2);
/// Between two writings of the counts.
const COUNTS_EVERY: Duration = Duration::from_secs(1);
/// After a failed accept, which means that handles ran out: let some connection end first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves by the settings file until told to end (SIGTERM or SIGINT).
///
/// # Errors
/// CAT-3160 when the settings, the certificate or the address cannot be used.
pub async fn run(file: &Path) -> Result<()> {
    let bytes = std::fs::read(file).map_err(|error| problem::file("read", file, error))?;
    let settings: Settings = serde_json::from_slice(&bytes).map_err(|error| {
        FRONT.because(format!("cannot understand `{}`: {error}", file.display())).source(error)
    })?;
    let acceptor = TlsAcceptor::from(tls::config(&settings)?);
    let listener = TcpListener::bind(settings.listen).await.map_err(|error| {
        FRONT.because(format!("cannot listen on `{}`: {error}", settings.listen)).source(error)
    })?;
    let told = |error| FRONT.because("cannot listen for signals").source(error);
    let mut terminate = signal(SignalKind::terminate()).map_err(told)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(told)?;

    let counters = Arc::new(Counters::default());
    let proxy = Arc::new(Proxy::new(settings.backends, Arc::clone(&counters)));
    let server = Server { acceptor, proxy, counters, stop: CancellationToken::new() };
    tracing::info!(listen = %settings.listen, "serving");
    let connections = TaskTracker::new();
    tokio::select! {
        () = server.accept(&listener, &connections) => {}
        () = server.report(&settings.counts) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    drop(listener);
    server.stop.cancel();
    connections.close();
    let _ = tokio::time::timeout(DRAIN, connections.wait()).await;
    write_counts(&settings.counts, &server.counters.read());
    Ok(())
}

#[derive(Clone)]
struct Server {
    acceptor: TlsAcceptor,
    proxy: Arc<Proxy>,
    counters: Arc<Counters>,
    stop: CancellationToken,
}

impl Server {
    async fn accept(&self, listener: &TcpListener, connections: &TaskTracker) {
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let server = self.clone();
            connections.spawn(async move {
                server.connection(stream, peer).await;
                drop(place);
            });
        }
    }

    async fn connection(self, stream: TcpStream, peer: SocketAddr) {
        let _ = stream.set_nodelay(true);
        let handshake = self.acceptor.accept(stream);
        let stream = match tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                // The supervisor's own question whether we serve ends here, too: it says nothing.
                if error.kind() != std::io::ErrorKind::UnexpectedEof {
                    self.counters.handshake_failed();
                    tracing::info!(%peer, %error, "no handshake");
                }
                return;
            }
            Err(_) => return self.counters.handshake_failed(),
        };
        let proxy = self.proxy;
        let service = service_fn(move |request| {
            let proxy = Arc::clone(&proxy);
            async move { Ok::<_, Infallible>(proxy.answer(peer, request).await) }
        });
        let mut connection = std::pin::pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service)
        );
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "connection broke");
        }
    }

    async fn report(&self, file: &Path) {
        let mut written = None;
        let mut every = tokio::time::interval(COUNTS_EVERY);
        loop {
            every.tick().await;
            let counts = self.counters.read();
            if written.as_ref() != Some(&counts) {
                write_counts(file, &counts);
                written = Some(counts);
            }
        }
    }
}

fn write_counts(file: &Path, counts: &Counts) {
    let written = serde_json::to_vec(counts)
        .map_err(|error| problem::file("write", file, error.into()))
        .and_then(|bytes| write_public(file, &bytes));
    if let Err(problem) = written {
        tracing::warn!(%problem, "counts not written");
    }
}
