//! A scripted API server on loopback: lists, watches, and the ways in which they break.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use catalyst_fleet::{Cluster, Timeouts};
use futures::{StreamExt, stream};
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio::task::JoinSet;

type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// What a watch is told.
#[derive(Debug, Clone)]
enum Line {
    Text(String),
    Break,
}

#[derive(Default)]
struct State {
    lists: BTreeMap<String, Vec<Value>>,
    documents: BTreeMap<String, Vec<u8>>,
    listings: BTreeMap<String, usize>,
    is_down: bool,
}

/// The server; dropping it ends it.
pub(crate) struct ApiServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    lines: broadcast::Sender<(String, Line)>,
    _tasks: JoinSet<()>,
}

impl ApiServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let (lines, _) = broadcast::channel(64);
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, state.clone(), lines.clone()));
        let server = Self { address, state, lines, _tasks: tasks };
        server.document("/version", br#"{"gitVersion":"v1.34.4"}"#);
        server
    }

    pub(crate) fn cluster(&self) -> Cluster {
        rustls::crypto::ring::default_provider().install_default().ok();
        let uri = format!("http://{}", self.address).parse().unwrap();
        let client = kube::Client::try_from(kube::Config::new(uri)).unwrap();
        let request = Duration::from_secs(5);
        let timeouts = Timeouts { connect: Duration::from_secs(1), request };
        Cluster::from_client(client, self.address.ip(), timeouts)
    }

    /// Serves `content` at `path`.
    pub(crate) fn document(&self, path: &str, content: &[u8]) {
        self.state.lock().unwrap().documents.insert(path.to_owned(), content.to_vec());
    }

    /// Sets what a listing of `path` holds.
    pub(crate) fn list(&self, path: &str, items: Vec<Value>) {
        self.state.lock().unwrap().lists.insert(path.to_owned(), items);
    }

    /// How often `path` was listed.
    pub(crate) fn listings(&self, path: &str) -> usize {
        self.state.lock().unwrap().listings.get(path).copied().unwrap_or(0)
    }

    /// Tells the watches of `path` of a change.
    pub(crate) fn event(&self, path: &str, kind: &str, object: &Value) {
        let line = json!({"type": kind, "object": object});
        self.raw(path, &format!("{line}\n"));
    }

    /// Sends bytes to the watches of `path`.
    pub(crate) fn raw(&self, path: &str, text: &str) {
        self.lines.send((path.to_owned(), Line::Text(text.to_owned()))).ok();
    }

    /// Breaks every watch off, and refuses everything while `is_down`.
    pub(crate) fn set_down(&self, is_down: bool) {
        self.state.lock().unwrap().is_down = is_down;
        if is_down {
            self.lines.send((String::new(), Line::Break)).ok();
        }
    }
}

async fn serve(
    listener: TcpListener,
    state: Arc<Mutex<State>>,
    lines: broadcast::Sender<(String, Line)>,
) {
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let (state, lines) = (state.clone(), lines.clone());
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let answer = answer(&request, &state, &lines);
                async move { answer.ok_or_else(|| std::io::Error::other("the server is down")) }
            });
            let io = TokioIo::new(socket);
            http1::Builder::new().serve_connection(io, service).await.ok();
        });
    }
}

fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

fn answer(
    request: &Request<Incoming>,
    state: &Mutex<State>,
    lines: &broadcast::Sender<(String, Line)>,
) -> Option<Response<Body>> {
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default();
    let mut state = state.lock().unwrap();
    if state.is_down {
        return None;
    }
    if query.contains("watch=true") {
        return Some(Response::new(watch(path, lines.subscribe())));
    }
    if let Some(items) = state.lists.get(&path).cloned() {
        *state.listings.entry(path).or_default() += 1;
        let list = json!({"kind": "List", "metadata": {"resourceVersion": "1"}, "items": items});
        return Some(Response::new(full(list.to_string())));
    }
    if let Some(content) = state.documents.get(&path) {
        return Some(Response::new(full(content.clone())));
    }
    let status = json!({"kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound",
        "message": format!("{path} not found")});
    let response = Response::builder().status(StatusCode::NOT_FOUND);
    Some(response.body(full(status.to_string())).unwrap())
}

fn watch(path: String, lines: broadcast::Receiver<(String, Line)>) -> Body {
    let frames = stream::unfold((path, lines), |(path, mut lines)| async move {
        loop {
            match lines.recv().await {
                Ok((to, Line::Text(text))) if to == path => {
                    return Some((Ok(Frame::data(Bytes::from(text))), (path, lines)));
                }
                Ok((_, Line::Text(_))) => {}
                Ok((_, Line::Break)) | Err(_) => return None,
            }
        }
    });
    BodyExt::boxed_unsync(StreamBody::new(
        frames.map(|frame: Result<_, std::io::Error>| frame).boxed()
            as futures::stream::BoxStream<'static, _>,
    ))
}
