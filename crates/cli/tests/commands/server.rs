//! A catalyst-api of a test's own: canned answers, and a memory of what was asked.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// Method and path.
    pub(crate) line: String,
    pub(crate) bearer: Option<String>,
    pub(crate) body: String,
}

/// What is answered.
pub(crate) enum Answer {
    Json(u16, Value),
    Text(&'static str),
    Nothing,
    /// Frames of an event stream with a pause after each, then silence.
    Stream(Vec<String>),
}

pub(crate) struct Server {
    pub(crate) port: u16,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub(crate) fn new(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (memory, answer) = (Arc::clone(&seen), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (memory, answer) = (Arc::clone(&memory), Arc::clone(&answer));
                std::thread::spawn(move || {
                    if let Some(request) = read(&stream) {
                        memory.lock().unwrap().push(request.clone());
                        // Whoever went away needs no answer.
                        let _ = write(stream, answer(&request));
                    }
                });
            }
        });
        Self { port, seen }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let header = |name: &str| {
        let of = |line: &String| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        };
        head.iter().find_map(of)
    };
    let length = header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let line = head.first()?.rsplit_once(' ')?.0.to_owned();
    let bearer =
        header("authorization").and_then(|it| it.strip_prefix("Bearer ").map(str::to_owned));
    Some(Request { line, bearer, body: String::from_utf8(body).ok()? })
}

fn write(mut stream: TcpStream, answer: Answer) -> std::io::Result<()> {
    let head = |status: u16, media: &str, length: usize| {
        format!(
            "HTTP/1.1 {status} x\r\ncontent-type: {media}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
        )
    };
    match answer {
        Answer::Json(status, value) => {
            let body = value.to_string();
            write!(stream, "{}{body}", head(status, "application/json", body.len()))
        }
        Answer::Text(body) => write!(stream, "{}{body}", head(200, "application/yaml", body.len())),
        Answer::Nothing => stream.write_all(b"HTTP/1.1 204 x\r\nconnection: close\r\n\r\n"),
        Answer::Stream(frames) => {
            let head =
                "HTTP/1.1 200 x\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
            stream.write_all(head.as_bytes())?;
            for frame in frames {
                stream.write_all(frame.as_bytes())?;
                stream.flush()?;
                std::thread::sleep(Duration::from_millis(30));
            }
            // Open until the reader closes it.
            let _ = stream.read(&mut [0; 1]);
            Ok(())
        }
    }
}

/// A Sovereign in a state, as the API tells it.
pub(crate) fn sovereign(status: &str) -> Value {
    let phase = if status == "failed" { "failed" } else { "done" };
    json!({
        "id": "00000000000000aa", "name": "sov1", "provider": "sandbox", "status": status,
        "sovereignFQDN": "sov1.catalyst.test", "region": "local", "seq": 3,
        "startedAt": "2026-01-01T00:00:00Z", "finishedAt": null,
        "answer": { "headline": format!("it is {status}"), "cause": "a cause", "fix": "Do this." },
        "phases": [{ "id": "infrastructure", "title": "Infrastructure", "state": phase }],
        "resources": [], "components": [], "kit": null,
    })
}

/// A server with one Sovereign in a state, whose log has three events.
pub(crate) fn with_one(status: &'static str) -> Server {
    Server::new(move |request| match request.line.as_str() {
        "GET /api/v1/deployments" => {
            Answer::Json(200, json!({ "deployments": [sovereign(status)] }))
        }
        "GET /api/v1/deployments/00000000000000aa" => Answer::Json(200, sovereign(status)),
        "GET /api/v1/deployments/00000000000000aa/kubeconfig" => {
            Answer::Text("apiVersion: v1\nkind: Config\nclusters: []\n")
        }
        "POST /api/v1/deployments" => {
            Answer::Json(201, json!({ "id": "00000000000000aa", "name": "sov1", "status": status }))
        }
        "POST /api/v1/deployments/00000000000000aa/phases/infrastructure/retry" => Answer::Nothing,
        "POST /api/v1/auth/login" => Answer::Json(
            200,
            json!({ "subject": "owner", "tier": "owner", "expiresAt": "2026-02-01T00:00:00Z", "token": "cat_kept" }),
        ),
        "POST /api/v1/auth/logout" => Answer::Nothing,
        "POST /api/v1/auth/tokens" => Answer::Json(
            201,
            json!({ "token": "cat_new", "id": "t1", "note": "n", "tier": "viewer", "expiresAt": "2026-02-01T00:00:00Z" }),
        ),
        "GET /api/v1/auth/tokens" => Answer::Json(
            200,
            json!({ "tokens": [{ "id": "t1", "note": "nightly", "subject": "owner", "tier": "viewer",
                "createdAt": "2026-01-01T00:00:00Z", "expiresAt": "2026-02-01T00:00:00Z", "current": true }] }),
        ),
        "DELETE /api/v1/auth/tokens/t1" => Answer::Nothing,
        line if line.starts_with("GET /api/v1/deployments/00000000000000aa/logs") => {
            let event = |seq: u64| {
                let event = json!({ "seq": seq, "time": "2026-01-01T00:00:00Z", "phase": "kit",
                    "level": "info", "message": format!("event {seq}"), "kind": "x" });
                format!("id: {seq}\ndata: {event}\n\n")
            };
            Answer::Stream((1..=100).map(event).collect())
        }
        _ => Answer::Json(
            404,
            json!({ "title": "There is nothing at this address", "code": "CAT-1015" }),
        ),
    })
}
