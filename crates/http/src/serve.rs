//! Serves a router on a listener until told to stop: stop accepting, drain, deadline, drop.
//!
//! axum's own `serve` sets no time-out on a request's head nor on a reader that takes nothing, keeps
//! no room for whoever asks how we are, and has no deadline on the way out.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use catalyst_model::Problem;
use http::header::{CONNECTION, RETRY_AFTER};
use http::{HeaderValue, Method, Request};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::auth::Peer;
use crate::error::Refusal;

use self::patience::Patience;

mod patience;

/// Pause after a failed accept, as when the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What one listener puts up with.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Connections served at one time, whatever they ask.
    connections: usize,
    /// Connections beyond those, for one request each: how we are, or a node's kubeconfig.
    reserved: usize,
    /// A client that has not sent its head by then is not served.
    head: Duration,
    /// A reader that has taken nothing for so long is gone.
    write: Duration,
}

/// A console holds one stream and a few requests; a thousand connections is somebody else's test.
const LIMITS: Limits = Limits {
    connections: 1024,
    reserved: 64,
    head: Duration::from_secs(10),
    write: Duration::from_secs(60),
};

/// Serves `router` on `listener`. Once `stop` is cancelled nothing new is accepted, open requests
/// have `drain` to finish, and what is left then is dropped.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
    drain: Duration,
) {
    serve_within(LIMITS, listener, router, stop, drain).await;
}

async fn serve_within(
    limits: Limits,
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
    drain: Duration,
) {
    let places = Places::new(limits);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                // The place is chosen now: one that was free before somebody came may be gone.
                let place = tokio::select! {
                    () = stop.cancelled() => break,
                    place = places.take() => place,
                };
                let stop = stop.clone();
                let connection =
                    Connection { stream, peer, limits, reserved: place.reserved, stop };
                let connection = connection.serve(router.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(drain, drained).await.is_err() {
        tracing::info!("dropping requests that did not finish in time");
    }
}

/// Where connections are counted.
struct Places {
    open: Arc<Semaphore>,
    reserved: Arc<Semaphore>,
}

/// One connection's place; given back when dropped.
struct Place {
    reserved: bool,
    // Neither semaphore is ever closed.
    _permit: Option<OwnedSemaphorePermit>,
}

impl Places {
    fn new(limits: Limits) -> Self {
        let room = |size| Arc::new(Semaphore::new(size));
        Self { open: room(limits.connections), reserved: room(limits.reserved) }
    }

    async fn take(&self) -> Place {
        let (permit, reserved) = tokio::select! {
            biased;
            permit = Arc::clone(&self.open).acquire_owned() => (permit, false),
            permit = Arc::clone(&self.reserved).acquire_owned() => (permit, true),
        };
        Place { reserved, _permit: permit.ok() }
    }
}

/// One connection and what holds for it.
struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    limits: Limits,
    reserved: bool,
    stop: CancellationToken,
}

impl Connection {
    async fn serve(self, router: Router) {
        let Self { stream, peer, limits, reserved, stop } = self;
        // Events are small and a person waits for each.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "could not set a connection to send at once");
        }
        let service = service_fn(move |mut request: Request<hyper::body::Incoming>| {
            let router = router.clone();
            request.extensions_mut().insert(Peer(peer));
            async move {
                if reserved && !has_room_kept(request.method(), request.uri().path()) {
                    return Ok(busy());
                }
                router.oneshot(request.map(Body::new)).await
            }
        });
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(limits.head).keep_alive(!reserved);
        let stream = TokioIo::new(Patience::new(stream, limits.write));
        let mut served = pin!(builder.serve_connection(stream, service));
        let result = tokio::select! {
            result = served.as_mut() => result,
            () = stop.cancelled() => {
                served.as_mut().graceful_shutdown();
                served.await
            }
        };
        if let Err(error) = result {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}

/// Whether a request is one that must get through when every ordinary place is taken: whoever
/// restarts the process or sends traffic here must be able to ask, and a node posts once.
fn has_room_kept(method: &Method, path: &str) -> bool {
    let asks = matches!(*method, Method::GET | Method::HEAD);
    let posts = *method == Method::PUT && path.ends_with("/kubeconfig");
    posts || asks && matches!(path, "/healthz" | "/readyz")
}

fn busy() -> Response {
    let mut response = Refusal::from(&Problem::TOO_BUSY).into_response();
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

#[cfg(test)]
mod tests;
