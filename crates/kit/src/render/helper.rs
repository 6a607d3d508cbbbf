//! The renderer: a program with Helm's and kustomize's own libraries, asked in batches.
//!
//! Entry point: [`Renderer::batch`]. One process answers all requests of a run in parallel; it is
//! started at the first request that no cache answers. A request that makes the process die or hang
//! is found by asking the unanswered ones again, each alone. [`wire`] has the forms.

mod cache;
pub mod wire;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;
use tokio::time::timeout;

pub use cache::Cache;
use wire::{Answer, Hello, Request};

/// The renderer's protocol that this crate speaks.
const PROTOCOL: &str = "1";
/// Until the program says what it is.
const START_LIMIT: Duration = Duration::from_secs(20);
/// Enough of the program's last words.
const WORDS_LIMIT: u64 = 4 << 10;

/// The renderer's files, as this program was built with them.
const SOURCES: [(&str, &[u8]); 8] = [
    ("helm.go", include_bytes!("../../../../sandbox/tools/kit-render/helm.go")),
    ("identity.go", include_bytes!("../../../../sandbox/tools/kit-render/identity.go")),
    ("kustomize.go", include_bytes!("../../../../sandbox/tools/kit-render/kustomize.go")),
    ("main.go", include_bytes!("../../../../sandbox/tools/kit-render/main.go")),
    ("marks.go", include_bytes!("../../../../sandbox/tools/kit-render/marks.go")),
    ("reads.go", include_bytes!("../../../../sandbox/tools/kit-render/reads.go")),
    ("strict.go", include_bytes!("../../../../sandbox/tools/kit-render/strict.go")),
    ("world.go", include_bytes!("../../../../sandbox/tools/kit-render/world.go")),
];

/// Why nothing could be rendered, or one request could not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HelperError {
    /// The program cannot be run.
    #[error("the renderer `{program}` cannot be run: {reason}")]
    Spawn {
        /// The program.
        program: String,
        /// The system's words.
        reason: String,
    },
    /// The program is of another state of the source.
    #[error("the renderer is of another state of the source than this program: {0}")]
    Stale(String),
    /// The request is refused: the chart or folder is wrong. These are the library's own words.
    #[error("{0}")]
    Refused(String),
    /// The request did not end in time.
    #[error("it did not end within {0:?}: a template that loops?")]
    TimedOut(Duration),
    /// The program died of the request.
    #[error("the renderer died of it: {0}")]
    Died(String),
}

/// Bounds of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For one batch of requests, and for one request that is asked again alone.
    pub time: Duration,
    /// Bytes of heap of the whole program.
    pub memory: u64,
}

impl Default for Limits {
    /// 60 seconds and 2 GiB: a kit of 60 releases takes less than one second and 300 MiB.
    fn default() -> Self {
        Self { time: Duration::from_secs(60), memory: 2 << 30 }
    }
}

/// The renderer's program, not started until something is asked.
#[derive(Debug)]
pub struct Renderer {
    program: PathBuf,
    limits: Limits,
    cache: Option<Cache>,
    process: Mutex<Option<Process>>,
}

#[derive(Debug)]
struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    next: u64,
}

impl Renderer {
    /// A renderer that runs `program` and remembers answers in `cache`.
    pub fn new(program: &Path, limits: Limits, cache: Option<Cache>) -> Self {
        Self { program: program.to_owned(), limits, cache, process: Mutex::new(None) }
    }

    /// Answers every request, in their order.
    ///
    /// Dropping the future leaves the process in an unknown state; it is ended with the renderer.
    pub async fn batch(&self, requests: Vec<Request>) -> Vec<Result<Answer, HelperError>> {
        let source = source_hash();
        let keys: Vec<Option<String>> =
            requests.iter().map(|request| request.cache_key(&source)).collect();
        let mut answers: Vec<Option<Result<Answer, HelperError>>> =
            keys.iter().map(|key| Some(Ok(self.cache.as_ref()?.get(key.as_deref()?)?))).collect();
        let open: Vec<usize> = (0..requests.len()).filter(|at| answers[*at].is_none()).collect();
        if !open.is_empty() {
            let mut process = self.process.lock().await;
            self.ask(&mut process, &requests, &open, &mut answers).await;
            for at in open.iter().copied() {
                if answers[at].is_none() {
                    self.ask(&mut process, &requests, &[at], &mut answers).await;
                }
            }
            for at in open {
                if let (Some(cache), Some(key), Some(Ok(answer))) =
                    (&self.cache, &keys[at], &answers[at])
                {
                    cache.put(key, answer);
                }
            }
        }
        let died = || Err(HelperError::Died("it gave no answer".to_owned()));
        answers.into_iter().map(|answer| answer.unwrap_or_else(died)).collect()
    }

    /// Asks some requests at once. After a failure of the process the unanswered ones stay open,
    /// unless there was only one: then the failure is its answer.
    async fn ask(
        &self,
        process: &mut Option<Process>,
        requests: &[Request],
        which: &[usize],
        answers: &mut [Option<Result<Answer, HelperError>>],
    ) {
        if process.is_none() {
            match self.start().await {
                Ok(started) => *process = Some(started),
                Err(error) => {
                    which.iter().for_each(|at| answers[*at] = Some(Err(error.clone())));
                    return;
                }
            }
        }
        let Some(running) = process.as_mut() else { return };
        let exchange = running.exchange(requests, which, answers);
        let failure = match timeout(self.limits.time, exchange).await {
            Ok(Ok(())) => return,
            Ok(Err(reason)) => HelperError::Died(reason),
            Err(_) => HelperError::TimedOut(self.limits.time),
        };
        if let Some(dead) = process.take() {
            let words = dead.end().await;
            if let [only] = which {
                let error = match failure {
                    HelperError::Died(reason) if words.is_empty() => HelperError::Died(reason),
                    HelperError::Died(_) => HelperError::Died(words),
                    other => other,
                };
                answers[*only] = Some(Err(error));
            }
        }
    }

    async fn start(&self) -> Result<Process, HelperError> {
        let failed = |reason: String| HelperError::Spawn {
            program: self.program.display().to_string(),
            reason,
        };
        let mut child = Command::new(&self.program)
            .env_clear()
            .env("KIT_RENDER_MEMORY", self.limits.memory.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed("it has no pipes".to_owned()));
        };
        let mut process = Process { child, input, output: BufReader::new(output), next: 1 };
        let mut line = String::new();
        let said = timeout(START_LIMIT, process.output.read_line(&mut line)).await;
        said.map_err(|_| failed("it says nothing".to_owned()))?
            .map_err(|error| failed(error.to_string()))?;
        let hello: Hello = serde_json::from_str(&line)
            .map_err(|_| failed("it does not speak the renderer's protocol".to_owned()))?;
        if hello.hello != PROTOCOL || hello.source != source_hash() {
            return Err(HelperError::Stale(self.program.display().to_string()));
        }
        Ok(process)
    }
}

impl Process {
    /// Writes the requests and reads as many answers, both at once: a full pipe never blocks.
    async fn exchange(
        &mut self,
        requests: &[Request],
        which: &[usize],
        answers: &mut [Option<Result<Answer, HelperError>>],
    ) -> Result<(), String> {
        let mut waiting = BTreeMap::new();
        let mut text = Vec::new();
        for at in which {
            waiting.insert(self.next, *at);
            requests[*at].write(self.next, &mut text).map_err(|error| error.to_string())?;
            self.next += 1;
        }
        let Self { input, output, .. } = self;
        let write = async {
            input.write_all(&text).await?;
            input.flush().await
        };
        let read = async {
            let mut line = Vec::new();
            while !waiting.is_empty() {
                line.clear();
                if output.read_until(b'\n', &mut line).await? == 0 {
                    return Err(std::io::ErrorKind::UnexpectedEof.into());
                }
                let (id, answer) = wire::read(&line)?;
                if let Some(at) = waiting.remove(&id) {
                    answers[at] = Some(answer.map_err(HelperError::Refused));
                }
            }
            Ok(())
        };
        let (written, read) = tokio::join!(write, read);
        read.and(written).map_err(|error: std::io::Error| error.to_string())
    }

    /// Ends the process and returns its last words.
    async fn end(mut self) -> String {
        let _ = self.child.start_kill();
        let mut words = Vec::new();
        if let Some(errors) = self.child.stderr.take() {
            let mut errors = errors.take(WORDS_LIMIT);
            let _ = timeout(Duration::from_secs(1), errors.read_to_end(&mut words)).await;
        }
        let _ = timeout(Duration::from_secs(5), self.child.wait()).await;
        let words = String::from_utf8_lossy(&words);
        words.lines().next().unwrap_or_default().trim().to_owned()
    }
}

/// SHA-256 over the renderer's files, as the renderer computes it over its own.
pub fn source_hash() -> String {
    let mut hash = Sha256::new();
    for (name, content) in SOURCES {
        hash.update(format!("{name} {}\n", content.len()));
        hash.update(content);
    }
    hex::encode(hash.finalize())
}
