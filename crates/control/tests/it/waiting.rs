//! Phase 1 before there is a kit: whoever waits is told what for.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use catalyst_control::{ClusterPort, ClusterSession, PortError};
use catalyst_model::{
    ClusterFact, Deployment, DeploymentId, DeploymentStatus, FrozenKit, KitRelease, PlatformFact,
    Problem, Seq,
};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use secrecy::SecretString;

use crate::house::{House, kubeconfig};

type Answers = Arc<Mutex<VecDeque<Result<FrozenKit, PortError>>>>;

/// A cluster that answers each question about its kit with the next of the answers, and with the
/// last one for ever.
struct Scripted {
    answers: Answers,
    facts: Vec<ClusterFact>,
}

impl ClusterPort for Scripted {
    fn connect(
        &self,
        _: DeploymentId,
        _: SecretString,
    ) -> BoxFuture<'static, Result<Box<dyn ClusterSession>, PortError>> {
        let session = Scripted { answers: self.answers.clone(), facts: self.facts.clone() };
        Box::pin(async move { Ok(Box::new(session) as Box<dyn ClusterSession>) })
    }
}

impl ClusterSession for Scripted {
    fn expected_kit(&self) -> BoxFuture<'_, Result<FrozenKit, PortError>> {
        let mut answers = self.answers.lock().unwrap();
        let answer = match answers.len() {
            1 => answers[0].clone(),
            _ => answers.pop_front().expect("there is an answer"),
        };
        Box::pin(async move { answer })
    }

    fn watch(&self) -> BoxStream<'static, ClusterFact> {
        stream::iter(self.facts.clone()).chain(stream::pending()).boxed()
    }

    fn expect(&self, _: FrozenKit) {}
}

fn kit() -> FrozenKit {
    let release = KitRelease {
        name: "bp-one".parse().unwrap(),
        namespace: "flux-system".into(),
        slot: "10".into(),
        version: "1.0.0".into(),
        depends_on: Vec::new(),
    };
    FrozenKit::new("main@sha1:0123".into(), vec![release]).unwrap()
}

fn not_yet(message: &str) -> Result<FrozenKit, PortError> {
    Err(PortError::KitNotYet(message.to_owned()))
}

fn platform(subject: &str, well: bool, message: &str) -> ClusterFact {
    let (subject, message) = (subject.to_owned(), message.to_owned());
    ClusterFact::Platform(PlatformFact { subject, well: Some(well), message })
}

/// A house whose node has reported in, over the scripted cluster.
async fn attached(
    answers: Vec<Result<FrozenKit, PortError>>,
    facts: Vec<ClusterFact>,
    flux: Duration,
) -> (House, DeploymentId) {
    let mut house = House::new().await;
    house.close().await;
    house.config.deadlines.cluster_retry = Duration::from_millis(10);
    house.config.deadlines.flux = flux;
    let answers = Arc::new(Mutex::new(answers.into()));
    house.clusters = Arc::new(Scripted { answers, facts });
    house.open().await;
    let id = house.create("sov1").await;
    house.stands(&id).await;
    let body = kubeconfig("https://10.210.0.2:6443").into_bytes();
    house.control().put_kubeconfig(&id, Some(house.bearer(&id)), body).await.unwrap();
    (house, id)
}

#[tokio::test]
async fn what_the_kit_waits_for_is_recorded_once_each_time_it_changes() {
    let fetching = "GitRepository `openova` is not fetched: no route to host";
    let mut answers = vec![not_yet("Flux is not installed yet"); 3];
    answers.extend(vec![not_yet(fetching); 4]);
    answers.push(Ok(kit()));
    let facts = vec![
        platform("node sov1", false, "not ready: cni plugin not initialized"),
        platform("node sov1", false, "not ready: cni plugin not initialized"),
        platform("node sov1", true, "ready (v1.34.4)"),
    ];
    let (house, id) = attached(answers, facts, Duration::from_secs(600)).await;
    house.until(&id, "the kit", |d| d.kit.is_some()).await;
    let page = house.control().events(&id, Seq::ZERO).await.unwrap();
    let told = |phase: &str| -> Vec<String> {
        let lines = page.past.iter().map(|event| event.event.line());
        lines.filter(|line| line.phase == phase).map(|line| line.message).collect()
    };
    assert_eq!(
        told("flux"),
        ["waiting: Flux is not installed yet".to_owned(), format!("waiting: {fetching}")]
    );
    assert_eq!(
        told("platform"),
        ["node sov1: not ready: cni plugin not initialized", "node sov1: ready (v1.34.4)"]
    );
}

#[tokio::test]
async fn flux_that_never_begins_is_its_own_state_and_names_what_it_waits_for() {
    let answers = vec![not_yet("GitRepository `openova` is not fetched: no route to host")];
    let (house, id) = attached(answers, Vec::new(), Duration::from_millis(500)).await;
    let waits = |d: &Deployment| d.kit_awaited.is_some();
    let waits = house.until(&id, "the reason", waits).await;
    assert!(waits.answer().cause.is_some_and(|cause| cause.contains("no route to host")));
    let late = |d: &Deployment| d.status() == DeploymentStatus::FluxNotReconciling;
    let late = house.until(&id, "the deadline", late).await;
    let failure = late.failure().unwrap();
    assert_eq!(failure.code, Problem::FLUX_NOT_RECONCILING.code);
    assert!(failure.cause.contains("no route to host"), "{}", failure.cause);
}
