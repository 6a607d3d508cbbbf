//! Infrastructure that is cut off: tofu killed, a child of it left, its state torn, ourselves gone
//! in the middle. A real process each time, that only says it makes something.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use catalyst_model::{
    Deployment, DeploymentId, DeploymentStatus, PhaseId, Problem, Progress, ResourceState, Seq,
};

use crate::house::{House, kubeconfig};

/// A house whose tofu has a bad day.
async fn rough(days: &[&str]) -> House {
    let house = House::new().await;
    house.gets_a_bad_day(days);
    house
}

fn folder(house: &House, id: &DeploymentId) -> PathBuf {
    house.at("tofu").join(id.as_str())
}

fn calls(house: &House, id: &DeploymentId) -> Vec<String> {
    let text = fs::read_to_string(folder(house, id).join("calls")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn failed(d: &Deployment) -> bool {
    d.status() == DeploymentStatus::Failed
}

async fn fails(house: &House, id: &DeploymentId) -> Deployment {
    Deployment::clone(&*house.until(id, "the failure", failed).await)
}

async fn said(house: &House, id: &DeploymentId) -> String {
    let page = house.control().events(id, Seq::ZERO).await.unwrap();
    let lines: Vec<String> = page.past.iter().map(|one| one.event.line().message).collect();
    lines.join("\n")
}

#[tokio::test]
async fn c3_a_state_that_was_torn_is_named_and_what_it_knew_of_is_swept_before_the_retry() {
    for (day, how) in [("empty", "0 empty bytes"), ("torn", "it breaks off after 17 bytes")] {
        let house = rough(&[day]).await;
        let id = house.create("sov1").await;
        let first = fails(&house, &id).await;
        assert_eq!(first.failure().unwrap().code, Problem::TOFU_APPLY_FAILED.code);
        fs::remove_dir(folder(&house, &id).join("applying")).ok();
        let before = calls(&house, &id).len();
        house.control().retry(&id, PhaseId::Infrastructure).await.unwrap();
        house.stands(&id).await;
        let wanted =
            ["init", "apply host", "destroy host", "apply host", "plan", "apply", "output"];
        assert_eq!(calls(&house, &id)[before..], wanted, "{day}");
        let told = said(&house, &id).await;
        assert!(told.contains(&format!("torn ({how})")), "{told}");
        let lost = folder(&house, &id).join("terraform.tfstate.lost");
        assert!(lost.exists(), "it is kept for whoever wants to know");
    }
}

#[tokio::test]
async fn m7_a_child_that_outlives_a_killed_tofu_is_waited_for_and_heard() {
    let house = rough(&["child", "empty"]).await;
    let id = house.create("sov1").await;
    let first = fails(&house, &id).await;
    assert!(folder(&house, &id).join("child.done").exists(), "it failed once nothing was left");
    let node = first.infrastructure.resources.iter().find(|r| r.short_name() == "node").unwrap();
    assert_eq!(node.state, ResourceState::Created, "its late line was read");
    house.control().retry(&id, PhaseId::Infrastructure).await.unwrap();
    house.stands(&id).await;
    assert!(!calls(&house, &id).contains(&"race".to_owned()));
}

#[tokio::test]
async fn diagnostics_and_a_last_word_without_a_line_end_become_the_cause() {
    let house = rough(&["fail"]).await;
    let id = house.create("sov1").await;
    let first = fails(&house, &id).await;
    let cause = first.failure().unwrap().cause;
    assert_eq!(cause, "terraform_data.node: CAT-3204 no room for etcd");
    house.control().retry(&id, PhaseId::Infrastructure).await.unwrap();
    let stands = house.stands(&id).await;
    assert_eq!((stands.infrastructure.attempt, stands.failure()), (2, None));
}

#[tokio::test]
async fn a6_a_restart_in_mid_apply_waits_for_the_apply_and_twice_is_as_once() {
    let mut house = rough(&["hold"]).await;
    let id = house.create("sov1").await;
    let begun = folder(&house, &id).join("applying");
    house.until(&id, "the apply", |_| begun.exists()).await;
    for _ in 0..2 {
        house.close().await;
        assert!(begun.exists(), "what was begun goes on without us");
        house.open().await;
        tokio::time::sleep(Duration::from_millis(400)).await;
        let now = house.control().get(&id).unwrap();
        assert!(matches!(now.infrastructure.progress, Progress::Working { .. }));
        assert_eq!(calls(&house, &id).iter().filter(|call| *call == "apply").count(), 1);
    }
    fs::write(house.at("go"), "").unwrap();
    let stands = house.stands(&id).await;
    assert_eq!(stands.infrastructure.attempt, 1);
    assert!(!calls(&house, &id).contains(&"race".to_owned()));
    assert!(!folder(&house, &id).join("running.json").exists());
}

#[tokio::test]
async fn d6_a_plan_that_replaces_is_refused_until_somebody_tries_again() {
    let house = rough(&["undoes"]).await;
    let id = house.create("sov1").await;
    let first = fails(&house, &id).await;
    let failure = first.failure().unwrap();
    assert_eq!(failure.code, Problem::TOFU_PLAN_UNDOES.code);
    assert_eq!(failure.cause, "terraform_data.node is to be replaced");
    let node = first.infrastructure.resources.iter().find(|r| r.short_name() == "node").unwrap();
    assert_eq!(node.message.as_deref(), Some("to be replaced"));
    assert!(!calls(&house, &id).contains(&"apply".to_owned()), "nothing was applied");
    house.control().retry(&id, PhaseId::Infrastructure).await.unwrap();
    house.stands(&id).await;
}

#[tokio::test]
async fn d15_the_bearers_file_goes_when_the_bearer_is_used_up() {
    let house = rough(&[]).await;
    let id = house.create("sov1").await;
    house.stands(&id).await;
    let (file, bearer) = (folder(&house, &id).join("kubeconfig.bearer"), house.bearer(&id));
    let body = kubeconfig("https://10.210.0.2:6443").into_bytes();
    house.control().put_kubeconfig(&id, Some(bearer), body).await.unwrap();
    assert!(!file.exists());
}

#[tokio::test]
async fn a_bearer_that_was_lost_is_a_problem_of_its_own() {
    let house = rough(&["fail"]).await;
    let id = house.create("sov1").await;
    fails(&house, &id).await;
    fs::remove_file(folder(&house, &id).join("kubeconfig.bearer")).unwrap();
    house.control().retry(&id, PhaseId::Infrastructure).await.unwrap();
    let second = |d: &Deployment| failed(d) && d.infrastructure.attempt == 2;
    let again = house.until(&id, "the second failure", second).await;
    assert_eq!(again.failure().unwrap().code, Problem::BEARER_LOST.code);
}

#[tokio::test]
async fn only_what_failed_or_ran_out_of_time_is_tried_again() {
    let mut house = rough(&[]).await;
    house.close().await;
    house.config.deadlines.kubeconfig = Duration::from_millis(400);
    house.open().await;
    let id = house.create("sov1").await;
    house.stands(&id).await;
    let refused = |phase| {
        let control = house.control().clone();
        let id = id.clone();
        async move { control.retry(&id, phase).await.unwrap_err().trouble().problem }
    };
    let late = |d: &Deployment| d.status() == DeploymentStatus::TimedOut;
    house.until(&id, "the deadline", late).await;
    for phase in [PhaseId::Infrastructure, PhaseId::Flux, PhaseId::Kit, PhaseId::Ready] {
        assert_eq!(refused(phase).await, &Problem::NOT_RETRYABLE, "{phase:?}");
    }
    let waits = house.control().retry(&id, PhaseId::Kubeconfig).await.unwrap();
    assert_eq!(waits.status(), DeploymentStatus::AwaitingKubeconfig);
    assert_eq!(refused(PhaseId::Kubeconfig).await, &Problem::NOT_RETRYABLE, "it is waited for");
    house.until(&id, "the second deadline", late).await;
}
