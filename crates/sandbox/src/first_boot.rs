//! What a new node does by itself once its API answers, as cloud-init would on a rented machine.
//!
//! Entry point: [`run`], the hidden subcommand `catalyst sandbox first-boot`, a task that PID 1 keeps
//! trying. Every step can be repeated, each has a time-out, and each says as a JSON line in
//! `log/first-boot.log` how it went; `first-boot.json` is the same for `status`. The kubeconfig is
//! posted beside the steps that follow it: a mothership that is down must not hold Flux up.

mod cluster;
mod flux;
mod kubectl;
mod post;
pub mod progress;

use std::time::Duration;

use jiff::Timestamp;

use crate::node::{NodeSpec, Reach};
use crate::problem::{Code, Problem, Result};
use kubectl::Kubectl;
use progress::{Progress, Step};

/// A step of the first boot did not come to its end in its time.
pub const STEP_TIMEOUT: Code = Code::new(
    3250,
    "a step of the first boot took too long",
    "`catalyst sandbox logs NAME` shows the daemons' logs; the step is tried again by itself.",
);
/// Something that the first boot needs could not be read or was refused.
pub const STEP_FAILED: Code = Code::new(
    3251,
    "a step of the first boot failed",
    "The cause says which and why; the step is tried again by itself.",
);
/// The mothership refused the kubeconfig for good.
pub const POST_REFUSED: Code = Code::new(
    3252,
    "the mothership refused the kubeconfig",
    "The deployment does not exist there any more, or its one-time bearer was used already. Create the Sovereign anew.",
);
/// The mothership could not be reached.
pub const POST_UNREACHABLE: Code = Code::new(
    3253,
    "the mothership could not be reached from the node",
    "Check that catalystd and the front of this link run: `catalyst sandbox status`.",
);

/// The codes of this module.
pub const CODES: &[&Code] = &[&STEP_TIMEOUT, &STEP_FAILED, &POST_REFUSED, &POST_UNREACHABLE];

/// How long one step may wait for the cluster.
const STEP_LIMIT: Duration = Duration::from_secs(300);
/// Pause between two looks at the cluster.
const LOOK: Duration = Duration::from_millis(400);

/// Runs every step up to the reach of the spec.
///
/// # Errors
/// The first step that failed; everything that does not depend on it has been done all the same.
pub async fn run(spec: NodeSpec) -> Result<()> {
    let progress = Progress::open(&spec)?;
    let boot = FirstBoot { kubectl: Kubectl::new(&spec), began: Timestamp::now(), spec };
    boot.steps(&progress).await
}

struct FirstBoot {
    spec: NodeSpec,
    kubectl: Kubectl,
    began: Timestamp,
}

impl FirstBoot {
    async fn steps(&self, progress: &Progress) -> Result<()> {
        let reach = self.spec.boot.reach;
        progress.step(Step::Images, self.import_images()).await?;
        progress.step(Step::Node, self.node_ready()).await?;
        if reach >= Reach::Cluster {
            progress.step(Step::Dns, self.apply_dns()).await?;
            progress.step(Step::Storage, self.storage()).await?;
        }
        let post = progress.step(Step::Kubeconfig, self.kubeconfig());
        let (posted, rest) = tokio::join!(post, self.gitops(progress));
        rest?;
        match posted {
            // Trying again cannot help, and the step's state says what happened.
            Err(problem) if problem.code() == &POST_REFUSED => {}
            other => other?,
        }
        progress.finish()
    }

    async fn gitops(&self, progress: &Progress) -> Result<()> {
        let reach = self.spec.boot.reach;
        if reach >= Reach::Flux {
            progress.step(Step::Flux, self.flux()).await?;
        }
        if reach >= Reach::Cluster {
            progress.step(Step::DnsReady, self.dns_ready()).await?;
        }
        if reach >= Reach::Flux {
            progress.step(Step::FluxReady, self.flux_ready()).await?;
        }
        if reach >= Reach::Kit {
            progress.step(Step::PullSecret, self.pull_secret()).await?;
            progress.step(Step::Kit, self.kit()).await?;
        }
        Ok(())
    }
}

/// Asks `look` until it says true.
async fn until<F>(what: &str, limit: Duration, mut look: impl FnMut() -> F) -> Result<()>
where
    F: Future<Output = Result<bool>>,
{
    let mut last: Option<Problem> = None;
    let wait = async {
        loop {
            match look().await {
                Ok(true) => return,
                Ok(false) => last = None,
                Err(problem) => last = Some(problem),
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    match tokio::time::timeout(limit, wait).await {
        Ok(()) => Ok(()),
        Err(_) => {
            let why = last.map(|problem| format!("; last: {problem}")).unwrap_or_default();
            Err(STEP_TIMEOUT.because(format!("{what} within {} s{why}", limit.as_secs())))
        }
    }
}
