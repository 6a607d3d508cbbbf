//! How far the first boot has come: a JSON file for the host, a JSON line per change for the log.
//!
//! Entry point: [`Progress`]; readers use [`Report::read`].

use std::path::{Path, PathBuf};
use std::time::Instant;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::STEP_FAILED;
use crate::node::NodeSpec;
use crate::paths::write_public;
use crate::problem::{Result, file};

/// The steps, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// The pause image is in containerd.
    Images,
    /// The node is Ready.
    Node,
    /// The cluster's DNS is applied.
    Dns,
    /// The default StorageClass is there.
    Storage,
    /// The mothership has the kubeconfig.
    Kubeconfig,
    /// Flux is applied.
    Flux,
    /// The cluster's DNS answers.
    DnsReady,
    /// Flux runs.
    FluxReady,
    /// The pull secret is there.
    PullSecret,
    /// The kit's source and Kustomization are applied.
    Kit,
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepState {
    /// Under way.
    Working,
    /// Done.
    Done,
    /// Failed; tried again unless the cause says it cannot help.
    Failed,
}

/// One step's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepReport {
    /// Which.
    pub step: Step,
    /// How it stands.
    pub state: StepState,
    /// When the state began.
    pub time: Timestamp,
    /// How long it took, in milliseconds; absent while it works.
    pub elapsed_ms: Option<u64>,
    /// Code, title and cause of a failure.
    pub message: Option<String>,
}

/// The whole first boot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// How often it was begun since the node was started.
    pub attempt: u32,
    /// When every step was done; absent before that.
    pub finished: Option<Timestamp>,
    /// The steps begun in this attempt.
    pub steps: Vec<StepReport>,
}

impl Report {
    /// Reads the file; absent before the first step.
    ///
    /// # Errors
    /// CAT-3000 when it cannot be read, CAT-3251 when it is not a report.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        let text = match std::fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|error| file("read", path, error))?,
        };
        let read = serde_json::from_slice(&text);
        read.map(Some).map_err(|error| STEP_FAILED.because(error.to_string()).source(error))
    }

    /// The message of the step that failed, if one did.
    pub fn failure(&self) -> Option<&StepReport> {
        self.steps.iter().find(|step| step.state == StepState::Failed)
    }
}

/// The writer's side.
#[derive(Debug)]
pub struct Progress {
    path: PathBuf,
    report: Report,
}

impl Progress {
    /// Begins an attempt.
    ///
    /// # Errors
    /// CAT-3000.
    pub fn open(spec: &NodeSpec) -> Result<Self> {
        let path = spec.layout().first_boot();
        // A report that cannot be read is replaced: it only tells, it decides nothing.
        let attempt = Report::read(&path).ok().flatten().map_or(0, |report| report.attempt);
        let report = Report { attempt: attempt + 1, ..Report::default() };
        let progress = Self { path, report };
        progress.write()?;
        Ok(progress)
    }

    /// Runs one step and tells how it went.
    ///
    /// # Errors
    /// The step's own.
    pub async fn step<T>(
        &mut self,
        step: Step,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let began = Instant::now();
        self.note(step, StepState::Working, None, None)?;
        let outcome = work.await;
        let elapsed = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        match &outcome {
            Ok(_) => self.note(step, StepState::Done, Some(elapsed), None)?,
            Err(problem) => {
                let message = Some(problem.to_string());
                self.note(step, StepState::Failed, Some(elapsed), message)?;
            }
        }
        outcome
    }

    /// Says that every step was done.
    ///
    /// # Errors
    /// CAT-3000.
    pub fn finish(&mut self) -> Result<()> {
        self.report.finished = Some(Timestamp::now());
        self.write()
    }

    fn note(
        &mut self,
        step: Step,
        state: StepState,
        elapsed_ms: Option<u64>,
        message: Option<String>,
    ) -> Result<()> {
        let time = Timestamp::now();
        match state {
            StepState::Failed => tracing::error!(?step, ?state, elapsed_ms, message),
            StepState::Working | StepState::Done => tracing::info!(?step, ?state, elapsed_ms),
        }
        let entry = StepReport { step, state, time, elapsed_ms, message };
        self.report.steps.retain(|known| known.step != step);
        self.report.steps.push(entry);
        self.write()
    }

    fn write(&self) -> Result<()> {
        let text = serde_json::to_vec_pretty(&self.report)
            .map_err(|error| STEP_FAILED.because(error.to_string()).source(error))?;
        write_public(&self.path, &text)
    }
}
