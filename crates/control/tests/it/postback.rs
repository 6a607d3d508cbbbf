//! The node's post: late, never, in the same moment as another.

use std::time::Duration;

use catalyst_model::{Deployment, DeploymentStatus, KubeconfigState, Problem};

use crate::house::{House, kubeconfig};

const SERVER: &str = "https://10.210.0.2:6443";

async fn waiting_house(wait: Duration, bearer: Duration) -> House {
    let mut house = House::new().await;
    house.close().await;
    house.config.deadlines.kubeconfig = wait;
    house.config.deadlines.bearer = bearer;
    house.open().await;
    house
}

#[tokio::test]
async fn a_node_that_never_posts_back_is_its_own_state_at_its_deadline() {
    let house = waiting_house(Duration::from_millis(700), Duration::from_secs(600)).await;
    let id = house.create("sov1").await;
    let waits = house.stands(&id).await;
    let late = house.until(&id, "the deadline", |d| d.status() == DeploymentStatus::TimedOut).await;
    let waited = late.status_since().duration_since(waits.infrastructure.finished_at.unwrap());
    assert!(waited.as_millis() >= 700, "{waited:?}");
    let failure = late.failure().unwrap();
    assert_eq!(failure.code, Problem::KUBECONFIG_NEVER_CAME.code);
    assert_eq!(late.answer().code, Some(Problem::KUBECONFIG_NEVER_CAME.code));
    assert!(late.answer().fix.is_some_and(|fix| fix.contains("logs")), "it says where to look");
    // Late is not never: the bearer is still good, and the record goes on from there.
    let body = kubeconfig(SERVER).into_bytes();
    house.control().put_kubeconfig(&id, Some(house.bearer(&id)), body).await.unwrap();
    let goes_on = |d: &Deployment| d.status() == DeploymentStatus::Phase1Watching;
    house.until(&id, "phase 1", goes_on).await;
}

#[tokio::test]
async fn the_deadline_of_the_post_survives_a_restart() {
    let mut house = waiting_house(Duration::from_millis(900), Duration::from_secs(600)).await;
    let id = house.create("sov1").await;
    house.stands(&id).await;
    house.close().await;
    house.open().await;
    house.until(&id, "the deadline", |d| d.status() == DeploymentStatus::TimedOut).await;
}

#[tokio::test]
async fn a_bearer_that_expired_is_refused() {
    let house = waiting_house(Duration::from_secs(600), Duration::from_millis(1)).await;
    let id = house.create("sov1").await;
    house.stands(&id).await;
    let body = kubeconfig(SERVER).into_bytes();
    let put = house.control().put_kubeconfig(&id, Some(house.bearer(&id)), body).await;
    assert_eq!(put.unwrap_err().trouble().problem, &Problem::BEARER_EXPIRED);
}

#[tokio::test]
async fn of_many_posts_at_once_exactly_one_is_taken() {
    let house = waiting_house(Duration::from_secs(600), Duration::from_secs(600)).await;
    let id = house.create("sov1").await;
    house.stands(&id).await;
    let bearer = house.bearer(&id);
    let posts = (0..16).map(|_| {
        let body = kubeconfig(SERVER).into_bytes();
        house.control().put_kubeconfig(&id, Some(bearer.clone()), body)
    });
    let answers = futures::future::join_all(posts).await;
    let refused: Vec<_> = answers.iter().filter_map(|a| a.as_ref().err()).collect();
    assert_eq!(refused.len(), 15);
    assert!(refused.iter().all(|e| e.trouble().problem == &Problem::KUBECONFIG_ALREADY_SET));
    let stored = house.control().get(&id).unwrap();
    assert!(matches!(stored.kubeconfig, KubeconfigState::Stored { .. }));
}

#[tokio::test]
async fn a_post_before_the_infrastructure_is_done_is_taken() {
    let house = waiting_house(Duration::from_secs(600), Duration::from_secs(600)).await;
    // The apply goes on until the post was taken: the node is quicker than the outputs.
    std::fs::write(house.at("hold"), "").unwrap();
    let id = house.create("sov1").await;
    let applies = |d: &Deployment| d.status() == DeploymentStatus::TofuApplying;
    house.until(&id, "the apply", applies).await;
    let body = kubeconfig(SERVER).into_bytes();
    house.control().put_kubeconfig(&id, Some(house.bearer(&id)), body).await.unwrap();
    std::fs::write(house.at("posted"), "").unwrap();
    let goes_on = |d: &Deployment| d.status() == DeploymentStatus::Phase1Watching;
    house.until(&id, "phase 1", goes_on).await;
}
