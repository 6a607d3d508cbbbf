//! Serves a port until told to stop: stop accepting, drain, deadline, drop.

use std::{net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::reply::Reply;

/// Pause after a failed accept, as when the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Connections at one time.
const CONNECTIONS: usize = 16_384;
/// A client that has not sent its head by then is not served.
const HEAD: Duration = Duration::from_secs(10);
/// A reader that has taken nothing for so long is gone; the kernel sees to it.
const WRITE: Duration = Duration::from_secs(60);

/// Answers a request; every failure is an answer, too.
pub(crate) trait Answer: Send + Sync + 'static {
    fn answer(
        self: Arc<Self>,
        peer: SocketAddr,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Reply>> + Send;
}

/// Serves `port` on `listener`. Once `stop` is cancelled nothing new is accepted, open requests
/// have `drain` to finish, and what is left then is dropped.
pub(crate) async fn serve(
    listener: TcpListener,
    port: Arc<impl Answer>,
    stop: CancellationToken,
    drain: Duration,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // The semaphore is never closed.
        let Ok(place) = places.clone().acquire_owned().await else { break };
        let (port, stop) = (port.clone(), stop.clone());
        connections.spawn(async move {
            connection(stream, peer, port, stop).await;
            drop(place);
        });
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(drain, drained).await.is_err() {
        tracing::info!("dropping requests that did not finish in time");
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    port: Arc<impl Answer>,
    stop: CancellationToken,
) {
    let set = stream
        .set_nodelay(true)
        .and_then(|()| Ok(set_tcp_user_timeout(&stream, WRITE.as_millis() as u32)?));
    if let Err(error) = set {
        tracing::debug!(%error, "a connection keeps its defaults");
    }
    let service = service_fn(move |request: Request<Incoming>| {
        let port = port.clone();
        async move { Ok::<_, std::convert::Infallible>(port.answer(peer, request).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD);
    let mut served = pin!(builder.serve_connection(TokioIo::new(stream), service));
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
