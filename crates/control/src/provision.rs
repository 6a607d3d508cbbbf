//! The workflow that makes a Sovereign's infrastructure with OpenTofu.
//!
//! Six fixed steps over a folder of the deployment's own. Each may run again after a crash: the
//! state is there, the plan is made anew when it was begun to be applied, and whatever still runs
//! of an earlier try is waited for.

use std::{path::PathBuf, sync::Arc, time::Duration};

use catalyst_model::{
    Deployment, DeploymentEvent, Failure, KubeconfigState, Problem, Progress, ProvisionStep,
    ResourceState, Trouble,
};
use catalyst_workflow::{Entry, Log, Outcome, Position, Step, StepFuture, Workflow, run};
use tokio_util::sync::CancellationToken;

use crate::{Error, ProvisioningConfig, owner::Handle};

mod lines;
mod outputs;
mod process;
mod tofu;
pub(crate) mod workdir;

use tofu::{Ended, Tofu};
use workdir::StateFile;

pub(crate) use tofu::check_program;

/// The resource that is made first and carries the clean-up.
const HOST: &str = "terraform_data.host";

pub(crate) struct Job {
    pub(crate) handle: Handle,
    pub(crate) settings: Box<ProvisioningConfig>,
    pub(crate) step_deadline: Duration,
    pub(crate) stop: CancellationToken,
}

/// What the steps work with.
struct Work {
    handle: Handle,
    deployment: Arc<Deployment>,
    settings: Box<ProvisioningConfig>,
    dir: PathBuf,
    tofu: Tofu,
}

struct DeploymentLogOf {
    handle: Handle,
}

impl Log<Failure> for DeploymentLogOf {
    type Error = Error;

    async fn append(&mut self, entry: Entry<Failure>) -> Result<(), Error> {
        let unknown =
            |word: &str| Error::internal(format!("step `{word}` has no place in a record"));
        let of = |word: &str| ProvisionStep::from_word(word).ok_or_else(|| unknown(word));
        let event = match entry {
            Entry::Started { step, run } => {
                DeploymentEvent::StepStarted { step: of(step)?, attempt: run }
            }
            Entry::Finished { step } => DeploymentEvent::StepFinished { step: of(step)? },
            Entry::Failed { step, failure } => {
                DeploymentEvent::StepFailed { step: of(step)?, failure }
            }
        };
        self.handle.record(vec![event]).await
    }
}

fn workflow() -> Workflow<Work, Failure> {
    fn step(
        step: ProvisionStep,
        work: for<'a> fn(&'a mut Work) -> StepFuture<'a, Failure>,
    ) -> Step<Work, Failure> {
        Step { name: step.as_str(), work }
    }
    Workflow {
        steps: vec![
            step(ProvisionStep::Prepare, |w| {
                Box::pin(async { w.prepare().await.map_err(Failure::from) })
            }),
            step(ProvisionStep::Init, |w| {
                Box::pin(async { w.init().await.map_err(Failure::from) })
            }),
            step(ProvisionStep::Host, |w| {
                Box::pin(async { w.host().await.map_err(Failure::from) })
            }),
            step(ProvisionStep::Plan, |w| {
                Box::pin(async { w.plan().await.map_err(Failure::from) })
            }),
            step(ProvisionStep::Apply, |w| {
                Box::pin(async { w.apply().await.map_err(Failure::from) })
            }),
            step(ProvisionStep::Outputs, |w| {
                Box::pin(async { w.outputs().await.map_err(Failure::from) })
            }),
        ],
    }
}

/// Where the workflow of `deployment` stands.
fn position(deployment: &Deployment) -> Position {
    let infra = &deployment.infrastructure;
    let run = infra.attempt;
    match &infra.progress {
        Progress::Waiting => Position::BEGINNING,
        Progress::Working { step } => {
            let at = ProvisionStep::ALL.iter().position(|s| s == step).unwrap_or(0);
            let ended = infra.finished_steps.contains(step);
            Position::At { run, next: if ended { at + 1 } else { at }, begun: !ended }
        }
        Progress::Failed { step, .. } => {
            let at = ProvisionStep::ALL.iter().position(|s| s == step).unwrap_or(0);
            Position::Failed { run, at }
        }
        Progress::Done => Position::Done { run },
    }
}

impl Job {
    pub(crate) async fn run(self) {
        let deployment = self.handle.deployment();
        let dir = self.settings.tofu_dir.join(deployment.id.as_str());
        let tofu = Tofu {
            program: self.settings.tofu_bin.clone(),
            environment: workdir::environment(&self.settings, &dir),
            dir: dir.clone(),
            deadline: self.step_deadline,
            handle: self.handle.clone(),
        };
        let position = position(&deployment);
        let id = deployment.id.clone();
        let mut log = DeploymentLogOf { handle: self.handle.clone() };
        let mut work = Work { handle: self.handle, deployment, settings: self.settings, dir, tofu };
        match run(&workflow(), position, &mut work, &mut log, &self.stop).await {
            Ok(Outcome::Done) => tracing::info!(%id, "the infrastructure stands"),
            Ok(Outcome::Failed { step, failure }) => {
                tracing::warn!(%id, step, code = %failure.code, "the infrastructure failed");
            }
            Ok(Outcome::Stopped) => tracing::info!(%id, "the infrastructure goes on later"),
            Err(error) => tracing::error!(%id, %error, "cannot record the infrastructure's steps"),
        }
    }
}

impl Work {
    async fn prepare(&mut self) -> Result<(), Trouble> {
        tofu::check_program(&self.settings.tofu_bin)?;
        self.tofu.settle().await?;
        workdir::lay_out(&self.deployment, &self.settings, &self.dir).await
    }

    async fn init(&mut self) -> Result<(), Trouble> {
        let ended = self.tofu.run("init", &["init", "-input=false", "-no-color"]).await?;
        ended.or_problem(&Problem::TOFU_INIT_FAILED)
    }

    async fn host(&mut self) -> Result<(), Trouble> {
        self.mend_state().await?;
        self.claim().await
    }

    /// Makes the resource that carries the clean-up, before any other.
    async fn claim(&self) -> Result<(), Trouble> {
        let target = format!("-target={HOST}");
        let args =
            ["apply", "-json", "-input=false", "-auto-approve", "-lock-timeout=60s", &target];
        let ended = self.tofu.run("host", &args).await?;
        ended.or_problem(&Problem::TOFU_APPLY_FAILED)
    }

    /// Puts a state that an apply left empty or torn, because it was killed, out of the way. What
    /// that apply made is in no state any more: the module's own clean-up takes it away by the
    /// deployment's name, unless the node has reported in, in which case the steps find it as it is.
    async fn mend_state(&self) -> Result<(), Trouble> {
        let StateFile::Torn(how) = workdir::state_file(&self.dir).await else { return Ok(()) };
        let reported_in =
            matches!(self.handle.deployment().kubeconfig, KubeconfigState::Stored { .. });
        let then = match reported_in {
            true => "what stands is taken over as it is",
            false => "what a killed run left is taken away first",
        };
        self.tofu.warn(&format!("the state of the infrastructure is torn ({how}): {then}")).await?;
        workdir::set_state_aside(&self.dir).await?;
        if !reported_in {
            self.sweep().await?;
        }
        workdir::remove(&self.dir, "tfplan").await?;
        // Last, so that a crash on the way begins here again.
        workdir::state_is_mended(&self.dir).await
    }

    /// Takes everything of this deployment away without a state that knows of it: the resource
    /// with the clean-up is made anew and destroyed.
    async fn sweep(&self) -> Result<(), Trouble> {
        self.claim().await?;
        let target = format!("-target={HOST}");
        let args =
            ["destroy", "-json", "-input=false", "-auto-approve", "-lock-timeout=60s", &target];
        let ended = self.tofu.run("sweep", &args).await?;
        ended.or_problem(&Problem::TOFU_SWEEP_FAILED)
    }

    async fn plan(&mut self) -> Result<(), Trouble> {
        let args = ["plan", "-json", "-input=false", "-lock-timeout=60s", "-out=tfplan.new"];
        let ended = self.tofu.run("plan", &args).await?;
        ended.or_problem(&Problem::TOFU_PLAN_FAILED)?;
        // After a failure somebody asked to try again, and what is broken has to be replaced.
        if self.handle.deployment().infrastructure.attempt <= 1 {
            ended.undoes_nothing()?;
        }
        workdir::rename(&self.dir, "tfplan.new", "tfplan").await
    }

    async fn apply(&mut self) -> Result<(), Trouble> {
        self.tofu.settle().await?;
        // Without a whole state the machine is claimed again first, so that the clean-up is in
        // the state before anything else is made.
        if !matches!(workdir::state_file(&self.dir).await, StateFile::Whole) {
            self.host().await?;
            workdir::remove(&self.dir, "tfplan").await?;
        }
        let ended = self.apply_plan().await?;
        let ended =
            if ended.says("Saved plan is stale") { self.apply_plan().await? } else { ended };
        ended.or_problem(&Problem::TOFU_APPLY_FAILED)
    }

    /// Applies the plan, made anew when it is not there: a plan is moved away before it is
    /// applied, for it is good only once.
    async fn apply_plan(&mut self) -> Result<Ended, Trouble> {
        if !workdir::exists(&self.dir, "tfplan").await {
            self.plan().await?;
        }
        workdir::rename(&self.dir, "tfplan", "tfplan.used").await?;
        let args = ["apply", "-json", "-input=false", "-lock-timeout=60s", "tfplan.used"];
        self.tofu.run("apply", &args).await
    }

    async fn outputs(&mut self) -> Result<(), Trouble> {
        let text = self.tofu.capture("output", &["output", "-json", "-no-color"]).await?;
        let outputs = outputs::parse(&text, &self.deployment.placement.expected_api)?;
        let mut events = self.settle_resources();
        events.push(DeploymentEvent::OutputsRead { outputs });
        self.handle.record(events).await.map_err(|e| e.trouble().clone())
    }

    /// The apply ended well, so every resource of its plan stands; a line that said so may have
    /// gone by while nobody was there to read it.
    fn settle_resources(&self) -> Vec<DeploymentEvent> {
        self.handle
            .deployment()
            .infrastructure
            .resources
            .iter()
            .filter(|r| matches!(r.state, ResourceState::Planned | ResourceState::Creating))
            .map(|r| DeploymentEvent::ResourceChanged {
                address: r.address.clone(),
                state: ResourceState::Created,
                message: None,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
