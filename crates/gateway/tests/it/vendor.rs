//! A vendor of language models over real HTTP. The model's name says how it behaves; what it would
//! bill is in a log of its own, synced before the answer's end goes out.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// Tokens of every prompt, as this vendor counts them.
pub(crate) const PROMPT: u64 = 12;
/// Pieces of an answer unless the model's name says otherwise.
pub(crate) const PIECES: u64 = 5;

/// Every model: its name is its behaviour.
pub(crate) const MODELS: &[&str] = &[
    "good",
    "slow",
    "long",
    "nousage",
    "zero",
    "garbage",
    "garbage-stream",
    "half",
    "early",
    "early-json",
    "busy",
    "broken",
    "forbidden",
    "rejects",
    "hangs",
    "error-event",
    "crlf",
    "usage-first",
    "other-name",
    "pictures",
    "quiet",
    "redirects",
    "nodone",
];

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) head: String,
    pub(crate) body: String,
}

/// A running vendor; it ends when dropped.
#[derive(Debug)]
pub(crate) struct Vendor {
    pub(crate) at: SocketAddr,
    shared: Arc<Shared>,
    _serving: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    seen: Mutex<Vec<Seen>>,
    log: Mutex<File>,
    billed: AtomicU64,
    /// Streams whose reader was found gone.
    cut: AtomicU64,
}

impl Vendor {
    pub(crate) async fn start(dir: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let log = OpenOptions::new().create(true).append(true).open(dir.join("vendor.log"));
        let shared = Arc::new(Shared {
            seen: Mutex::default(),
            log: Mutex::new(log.unwrap()),
            billed: AtomicU64::new(0),
            cut: AtomicU64::new(0),
        });
        let mut serving = JoinSet::new();
        let with = shared.clone();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                connections.spawn(connection(stream, with.clone()));
            }
        });
        Self { at, shared, _serving: serving }
    }

    /// What arrived so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Answers that were billed so far.
    pub(crate) fn billed(&self) -> u64 {
        self.shared.billed.load(Ordering::Acquire)
    }

    /// Streams whose reader was found gone.
    pub(crate) fn cut(&self) -> u64 {
        self.shared.cut.load(Ordering::Acquire)
    }
}

impl Shared {
    fn bill(&self, output: u64) {
        let number = self.billed.fetch_add(1, Ordering::AcqRel);
        let mut log = self.log.lock().unwrap();
        writeln!(log, "{number} {PROMPT} {output}").unwrap();
        log.sync_data().unwrap();
    }
}

async fn connection(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut buffer = Vec::new();
    while let Some(seen) = read(&mut stream, &mut buffer).await {
        shared.seen.lock().unwrap().push(seen.clone());
        let body: Value = serde_json::from_str(&seen.body).unwrap_or_default();
        let model = body["model"].as_str().unwrap_or("good").to_owned();
        let path = seen.head.split(' ').nth(1).unwrap_or("").to_owned();
        let streams = body["stream"] == true;
        if answer(&mut stream, &shared, &model, &path, streams).await.is_none() {
            return;
        }
    }
}

async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Seen> {
    let end = loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(buffer[..end].to_vec()).ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let length = length.unwrap_or(0);
    while buffer.len() < end + length {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8(buffer[end..end + length].to_vec()).ok()?;
    buffer.drain(..end + length);
    Some(Seen { head, body })
}

/// Writes an answer; `None` when the connection is at its end.
async fn answer(
    stream: &mut TcpStream,
    shared: &Shared,
    model: &str,
    path: &str,
    streams: bool,
) -> Option<()> {
    let refusal = |status: &str, text: &str, more: &str| {
        let body = json!({"error": {"message": text, "type": "x", "code": "y"}}).to_string();
        whole(status, "application/json", more, body.as_bytes())
    };
    let bytes = match model {
        "busy" => {
            refusal("429 Too Many Requests", "org-secret is over its limit", "retry-after: 7\r\n")
        }
        "broken" => refusal("500 Internal Server Error", "sk-vendor leaked", ""),
        "forbidden" => refusal("401 Unauthorized", "Incorrect API key provided: sk-vendor", ""),
        "rejects" => refusal("400 Bad Request", "Too long by 9 tokens for key sk-vendor", ""),
        "redirects" => {
            whole("307 Temporary Redirect", "text/plain", "location: http://127.0.0.1:1/\r\n", b"")
        }
        "hangs" => {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            return None;
        }
        "early-json" => {
            let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{\"id\"";
            stream.write_all(head).await.ok()?;
            return None;
        }
        "garbage" => whole("200 OK", "application/json", "", b"<html>oops</html>"),
        _ if streams => return stream_answer(stream, shared, model).await,
        _ => {
            let body = reply(model, path);
            if body["usage"].is_object() {
                shared.bill(body["usage"]["completion_tokens"].as_u64().unwrap_or(0));
            }
            whole("200 OK", "application/json", "", body.to_string().as_bytes())
        }
    };
    stream.write_all(&bytes).await.ok()
}

fn whole(status: &str, media: &str, more: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {media}\r\nx-vendor: internal\r\n{more}\
         content-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// The JSON reply of a model.
pub(crate) fn reply(model: &str, path: &str) -> Value {
    if path.ends_with("/embeddings") {
        let usage = json!({"prompt_tokens": PROMPT, "total_tokens": PROMPT});
        return json!({"object": "list", "model": model, "usage": usage,
            "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}]});
    }
    if path.ends_with("/messages") {
        return json!({"type": "message", "model": model, "stop_reason": "end_turn",
            "content": [{"type": "text", "text": "hello"}],
            "usage": {"input_tokens": PROMPT, "output_tokens": PIECES}});
    }
    let said = json!({"role": "assistant", "content": "tok0 tok1 tok2 tok3 tok4"});
    let mut reply = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": model,
        "choices": [{"index": 0, "message": said, "text": "tok0", "finish_reason": "stop"}],
        "usage": {"prompt_tokens": PROMPT, "completion_tokens": PIECES, "total_tokens": 17},
    });
    match model {
        "nousage" => drop(reply.as_object_mut().unwrap().remove("usage")),
        "zero" => {
            let zero = json!({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0});
            reply["usage"] = zero;
        }
        _ => {}
    }
    reply
}

/// One event of a chat's stream.
pub(crate) fn piece(model: &str, number: u64) -> String {
    format!(
        "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\
         \"model\":\"{model}\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"tok{number} \"}},\
         \"finish_reason\":null}}]}}\n\n"
    )
}

/// The event that completes it.
pub(crate) fn stop(model: &str) -> String {
    format!(
        "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\
         \"model\":\"{model}\",\"choices\":[{{\"index\":0,\"delta\":{{}},\
         \"finish_reason\":\"stop\"}}]}}\n\n"
    )
}

/// The event with the usage.
pub(crate) fn usage(model: &str, output: u64) -> String {
    format!(
        "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\
         \"model\":\"{model}\",\"choices\":[],\"usage\":{{\"prompt_tokens\":{PROMPT},\
         \"completion_tokens\":{output},\"total_tokens\":{}}}}}\n\n",
        PROMPT + output
    )
}

/// The whole stream of a model that behaves.
pub(crate) fn stream(model: &str, pieces: u64, with_usage: bool) -> String {
    let said: String = (0..pieces).map(|number| piece(model, number)).collect();
    let usage = if with_usage { usage(model, pieces) } else { String::new() };
    format!("{said}{}{usage}data: [DONE]\n\n", stop(model))
}

async fn stream_answer(stream: &mut TcpStream, shared: &Shared, model: &str) -> Option<()> {
    let head =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head).await.ok()?;
    let (pieces, pause) = match model {
        "slow" => (40, Duration::from_millis(50)),
        "long" => (2_000, Duration::ZERO),
        "quiet" => (0, Duration::ZERO),
        _ => (PIECES, Duration::ZERO),
    };
    if model == "garbage-stream" {
        chunk(stream, shared, b"\x00\xff not an event\r\n").await?;
        return None;
    }
    if model == "usage-first" {
        chunk(stream, shared, usage(model, pieces).as_bytes()).await?;
    }
    for number in 0..pieces {
        if model == "half" && number == 2 {
            chunk(stream, shared, &piece(model, number).as_bytes()[..40]).await?;
            return None;
        }
        if model == "early" && number == 3 {
            return None;
        }
        if model == "error-event" && number == 3 {
            chunk(stream, shared, b"data: {\"error\":{\"message\":\"sk-vendor org-secret\"}}\n\n")
                .await?;
            stream.write_all(b"0\r\n\r\n").await.ok()?;
            return Some(());
        }
        let text = piece(model, number);
        let text = if model == "crlf" { text.replace('\n', "\r\n") } else { text };
        // In two parts, so that no reader may take a read for an event.
        let (one, two) = text.as_bytes().split_at(text.len() / 2);
        chunk(stream, shared, one).await?;
        chunk(stream, shared, two).await?;
        tokio::time::sleep(pause).await;
    }
    shared.bill(pieces);
    if model == "quiet" {
        tokio::time::sleep(Duration::from_secs(3600)).await;
    }
    let usage = match model {
        "nousage" | "usage-first" | "nodone" => String::new(),
        _ => usage(model, pieces),
    };
    let done = if model == "nodone" { "" } else { "data: [DONE]\n\n" };
    let end = format!("{}{usage}{done}", stop(model));
    chunk(stream, shared, end.as_bytes()).await?;
    stream.write_all(b"0\r\n\r\n").await.ok()
}

/// Writes a chunk; notes when nobody is there to read it.
async fn chunk(stream: &mut TcpStream, shared: &Shared, bytes: &[u8]) -> Option<()> {
    let framed = [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    let written = stream.write_all(&framed).await;
    if written.is_err() {
        shared.cut.fetch_add(1, Ordering::AcqRel);
    }
    written.ok()
}
