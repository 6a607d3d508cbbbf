//! Facts about a listener: who is shut out, and who never is.

use std::convert::Infallible;

use axum::body::Bytes;
use futures::stream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

const SOON: Duration = Duration::from_millis(300);
const LATE: Duration = Duration::from_secs(10);

/// A listener with room for two, one of them reserved.
async fn listener() -> (SocketAddr, CancellationToken, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback(answer_for);
    let limits = Limits { connections: 1, reserved: 1, head: LATE, write: SOON };
    let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
    tasks.spawn(serve_within(limits, listener, router, stop.clone(), SOON));
    (address, stop, tasks)
}

async fn answer_for(request: axum::extract::Request) -> Body {
    if request.uri().path() == "/endless" {
        let piece = Bytes::from_static(&[b'x'; 64 * 1024]);
        return Body::from_stream(stream::repeat_with(move || Ok::<_, Infallible>(piece.clone())));
    }
    Body::from("here")
}

async fn send(address: SocketAddr, line: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{line} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// The answer of a connection that the server closes after it.
async fn answer(mut stream: TcpStream) -> String {
    let mut text = String::new();
    let read = stream.read_to_string(&mut text);
    tokio::time::timeout(LATE, read).await.expect("it is closed").unwrap();
    text
}

#[tokio::test]
async fn whoever_asks_how_we_are_gets_in_when_all_places_are_taken() {
    let (address, _stop, _tasks) = listener().await;
    // Takes the one ordinary place and says nothing.
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET /other").await.unwrap();
    tokio::time::sleep(SOON / 3).await;
    for (line, expected) in [
        ("GET /healthz", "HTTP/1.1 200"),
        ("PUT /d/kubeconfig", "HTTP/1.1 200"),
        ("GET /other", "HTTP/1.1 503"),
    ] {
        let text = answer(send(address, line).await).await;
        assert!(text.starts_with(expected), "{line}: {text}");
        assert_eq!(text.contains("CAT-1106"), expected.ends_with("503"), "{line}: {text}");
    }
    drop(idle);
    tokio::time::sleep(SOON / 3).await;
    let mut let_in = send(address, "GET /other").await;
    let mut head = [0; 12];
    let_in.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
}

#[tokio::test]
async fn a_reader_that_takes_nothing_loses_its_place() {
    let (address, _stop, _tasks) = listener().await;
    let stalled = send(address, "GET /endless").await;
    let mut waited = Duration::ZERO;
    loop {
        let text = answer_or_head(address).await;
        if text.starts_with("HTTP/1.1 200") {
            break;
        }
        assert!(waited < LATE, "the place was never given back: {text}");
        tokio::time::sleep(SOON).await;
        waited += SOON;
    }
    drop(stalled);
}

/// The first bytes of an answer to a request that needs an ordinary place.
async fn answer_or_head(address: SocketAddr) -> String {
    let mut stream = send(address, "GET /other").await;
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    String::from_utf8_lossy(&head).into_owned()
}
