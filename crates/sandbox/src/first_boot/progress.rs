//! How far the first boot has come: a JSON file for the host, a JSON line per change for the log.
//!
//! Entry point: [`Progress`]; readers use [`Report::read`].

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
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

/// The writer's side. Steps that go on beside each other share it.
#[derive(Debug)]
pub struct Progress {
    path: PathBuf,
    /// Held for the change and the write of the file, never across an await.
    report: Mutex<Report>,
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
        let progress = Self { path, report: Mutex::new(report) };
        progress.change(|_| {})?;
        Ok(progress)
    }

    /// Runs one step and tells how it went.
    ///
    /// # Errors
    /// The step's own.
    pub async fn step<T>(&self, step: Step, work: impl Future<Output = Result<T>>) -> Result<T> {
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
    pub fn finish(&self) -> Result<()> {
        self.change(|report| report.finished = Some(Timestamp::now()))
    }

    fn note(
        &self,
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
        self.change(|report| {
            // Its place stays: a reader sees the steps in the order they began.
            match report.steps.iter_mut().find(|known| known.step == step) {
                Some(known) => *known = entry,
                None => report.steps.push(entry),
            }
        })
    }

    fn change(&self, edit: impl FnOnce(&mut Report)) -> Result<()> {
        // A panic in another step cannot leave a report half changed.
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        edit(&mut report);
        let text = serde_json::to_vec_pretty(&*report)
            .map_err(|error| STEP_FAILED.because(error.to_string()).source(error))?;
        write_public(&self.path, &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(folder: &Path) -> Progress {
        Progress { path: folder.join("first-boot.json"), report: Mutex::new(Report::default()) }
    }

    #[tokio::test]
    async fn steps_beside_each_other_keep_their_places_and_their_own_times() {
        let folder = tempfile::tempdir().unwrap();
        let progress = progress(folder.path());
        let pause = |ms| tokio::time::sleep(std::time::Duration::from_millis(ms));
        let long = progress.step(Step::Kubeconfig, async {
            pause(80).await;
            Ok(())
        });
        let short = progress.step(Step::Flux, async {
            pause(1).await;
            Err::<(), _>(STEP_FAILED.because("no CRDs"))
        });
        let (long, short) = tokio::join!(long, short);
        assert!(long.is_ok() && short.is_err());
        progress.finish().unwrap();
        let report = Report::read(&progress.path).unwrap().unwrap();
        let told: Vec<_> = report.steps.iter().map(|step| (step.step, step.state)).collect();
        assert_eq!(
            told,
            [(Step::Kubeconfig, StepState::Done), (Step::Flux, StepState::Failed)],
            "in the order they began"
        );
        assert!(report.steps[0].elapsed_ms >= Some(80) && report.steps[1].elapsed_ms < Some(80));
        assert!(report.failure().is_some_and(|step| step.step == Step::Flux));
        assert!(report.finished.is_some());
    }
}
