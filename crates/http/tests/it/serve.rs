//! Serving and coming to an end: nobody under way is cut off, nobody holds the end up for ever.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use futures::stream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const DRAIN: Duration = Duration::from_millis(400);

async fn answer(request: axum::extract::Request) -> Body {
    match request.uri().path() {
        "/slow" => {
            tokio::time::sleep(Duration::from_millis(150)).await;
            Body::from("done")
        }
        "/endless" => {
            let pieces = stream::unfold((), |()| async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Some((Ok::<_, std::io::Error>(Bytes::from_static(b"piece")), ()))
            });
            Body::from_stream(pieces)
        }
        _ => Body::from("here"),
    }
}

struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinSet<()>,
}

async fn server() -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let stop = CancellationToken::new();
    let router = Router::new().fallback(answer);
    let mut task = JoinSet::new();
    task.spawn(catalyst_http::serve(listener, router, stop.clone(), DRAIN));
    Server { address, stop, task }
}

async fn ask(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("it reads");
    stream
}

async fn rest(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    // A connection that is cut ends with an error, and what came before counts.
    let _ = stream.read_to_end(&mut text).await;
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn a_request_under_way_is_answered_before_the_end() {
    let mut server = server().await;
    let under_way = ask(server.address, "/slow").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    server.stop.cancel();
    assert!(rest(under_way).await.ends_with("done"));
    server.task.join_next().await.expect("it ran").expect("and ended well");
    assert!(TcpStream::connect(server.address).await.is_err(), "nothing new is accepted");
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_the_end_up() {
    let mut server = server().await;
    let mut idle = ask(server.address, "/").await;
    let mut some = [0; 16];
    idle.read_exact(&mut some).await.expect("an answer");
    let began = Instant::now();
    server.stop.cancel();
    server.task.join_next().await.expect("it ran").expect("and ended well");
    assert!(began.elapsed() < DRAIN, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_stream_without_an_end_is_dropped_at_the_deadline() {
    let mut server = server().await;
    let endless = ask(server.address, "/endless").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let began = Instant::now();
    server.stop.cancel();
    server.task.join_next().await.expect("it ran").expect("and ended well");
    assert!(began.elapsed() >= DRAIN);
    assert!(rest(endless).await.contains("piece"));
}
