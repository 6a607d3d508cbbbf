//! The probe endpoints of the roles that serve nothing else: `/healthz` and `/readyz`.
//!
//! `/healthz` answers 200 while the process turns; `/readyz` answers 200 once [`Readiness::set`] was
//! called with `true`, else 503. The entry point is [`serve`].

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A probe that has not sent its request line by then is cut off.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// Connections answered at one time; the kubelet opens one or two. More are refused.
const MAX_CONNECTIONS: usize = 16;
/// A request line longer than this is none of the kubelet's.
const REQUEST_LIMIT_BYTES: usize = 1024;

/// Whether the role does its work, shared between the role and its probes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Says that the role does its work, or that it does not.
    pub(crate) fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Relaxed);
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Binds `address` and answers probes until the future is dropped.
///
/// # Errors
/// When the address cannot be bound.
pub(crate) async fn serve(address: SocketAddr, ready: Readiness) -> Result<()> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("bind {address}"))?;
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if connections.len() < MAX_CONNECTIONS => {
                    let ready = ready.clone();
                    connections.spawn(async move {
                        // A probe that went away has nobody to be told about it.
                        let _ = tokio::time::timeout(PROBE_TIMEOUT, answer(stream, &ready)).await;
                    });
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "a probe could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn answer(mut stream: TcpStream, ready: &Readiness) -> std::io::Result<()> {
    let mut request = Vec::with_capacity(256);
    while !request.contains(&b'\n') && request.len() < REQUEST_LIMIT_BYTES {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let (status, body) = respond(&request, ready.get());
    let response = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(response.as_bytes()).await?;
    stream.shutdown().await
}

fn respond(request: &[u8], ready: bool) -> (&'static str, &'static str) {
    let line = String::from_utf8_lossy(request);
    let mut words = line.split_whitespace();
    match (words.next(), words.next()) {
        (Some("GET" | "HEAD"), Some("/healthz")) => ("200 OK", "ok\n"),
        (Some("GET" | "HEAD"), Some("/readyz")) if ready => ("200 OK", "ready\n"),
        (Some("GET" | "HEAD"), Some("/readyz")) => ("503 Service Unavailable", "not ready\n"),
        _ => ("404 Not Found", "not found\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn liveness_does_not_ask_for_readiness() {
        assert_eq!(respond(b"GET /healthz HTTP/1.1\r\n", false).0, "200 OK");
    }

    #[test]
    fn readiness_follows_the_role() {
        assert_eq!(respond(b"GET /readyz HTTP/1.1\r\n", false).0, "503 Service Unavailable");
        assert_eq!(respond(b"GET /readyz HTTP/1.1\r\n", true).0, "200 OK");
    }

    #[test]
    fn anything_else_is_not_found() {
        for request in [&b"GET / HTTP/1.1\r\n"[..], b"POST /healthz HTTP/1.1\r\n", b"\xff\n", b""] {
            assert_eq!(respond(request, true).0, "404 Not Found");
        }
    }

    #[tokio::test]
    async fn a_probe_is_answered_over_the_wire() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let ready = Readiness::default();
        ready.set(true);
        let client = async {
            for _ in 0..50 {
                if let Ok(mut stream) = TcpStream::connect(address).await {
                    stream.write_all(b"GET /readyz HTTP/1.1\r\n\r\n").await.unwrap();
                    let mut text = String::new();
                    stream.read_to_string(&mut text).await.unwrap();
                    return text;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            panic!("the probe listener did not open");
        };
        tokio::select! {
            served = serve(address, ready) => panic!("serving ended: {served:?}"),
            text = client => assert!(text.starts_with("HTTP/1.1 200 OK"), "{text}"),
        }
    }
}
