//! A disk without room: refused with one problem, nothing half-written, and well again with room.

use std::path::{Path, PathBuf};

use catalyst_control::{Error, Readiness};
use catalyst_model::{Deployment, DeploymentStatus, PhaseId, Problem, Progress, ResourceState};
use catalyst_testkit::disk::{fill, make_room, small_disk};

use crate::house::{House, by, kubeconfig, spec};

/// Every file and folder below `folder` with its size, without the one that fills the disk.
fn everything(folder: &Path) -> Vec<(PathBuf, u64)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let (path, facts) = entry.map(|e| (e.path(), e.metadata().unwrap())).unwrap();
        match facts.is_dir() {
            true => {
                all.push((path.clone(), 0));
                all.extend(everything(&path));
            }
            false if path.file_name().is_some_and(|name| name == "fill") => {}
            false => all.push((path, facts.len())),
        }
    }
    all.sort();
    all
}

fn problem<T>(result: Result<T, Error>) -> &'static Problem {
    match result {
        Ok(_) => panic!("it was done"),
        Err(error) => error.trouble().problem,
    }
}

#[tokio::test]
async fn a_full_disk_refuses_a_request_and_keeps_nothing_of_it() {
    let name = "disk::a_full_disk_refuses_a_request_and_keeps_nothing_of_it";
    let Some(disk) = small_disk(name, 512) else { return };
    let mut house = House::within(&disk);
    house.open().await;
    std::fs::create_dir_all(house.at("tofu")).unwrap();
    let mut refused = 0;
    // The disk is full at one write after the other: the bearer's, the record's, its folder's.
    for pages in 0..8 {
        let filled = fill(&disk).unwrap();
        make_room(&filled, pages).unwrap();
        let before = everything(&disk);
        let created = house.control().create(&spec("sov1"), None, &by()).await;
        std::fs::remove_file(&filled).unwrap();
        if created.is_ok() {
            break;
        }
        refused += 1;
        assert_eq!(problem(created), &Problem::STORE_FULL, "with room for {pages} pages");
        assert_eq!(everything(&disk), before, "with room for {pages} pages");
        assert!(house.control().list().is_empty());
    }
    assert!(refused >= 2, "the disk was full only {refused} times");
    let id = match house.control().list().first() {
        Some(deployment) => deployment.id.clone(),
        None => house.create("sov1").await,
    };
    house.stands(&id).await;
    house.close().await;
}

#[tokio::test]
async fn a_kubeconfig_that_does_not_fit_leaves_the_bearer_good() {
    let name = "disk::a_kubeconfig_that_does_not_fit_leaves_the_bearer_good";
    let Some(disk) = small_disk(name, 512) else { return };
    let mut house = House::within(&disk);
    house.open().await;
    let id = house.create("sov1").await;
    house.stands(&id).await;
    std::fs::create_dir_all(house.at("kubeconfigs")).unwrap();
    let bearer = house.bearer(&id);
    let filled = fill(&disk).unwrap();
    let body = kubeconfig("https://10.210.0.2:6443").into_bytes();
    let put = house.control().put_kubeconfig(&id, Some(bearer.clone()), body.clone()).await;
    assert_eq!(problem(put), &Problem::KUBECONFIG_WRITE_FAILED);
    assert!(everything(&house.at("kubeconfigs")).is_empty());
    assert_eq!(problem(house.control().kubeconfig(&id).await), &Problem::KUBECONFIG_NOT_YET);
    std::fs::remove_file(filled).unwrap();
    house.control().put_kubeconfig(&id, Some(bearer), body).await.unwrap();
    house.control().kubeconfig(&id).await.unwrap();
    house.close().await;
}

#[tokio::test]
async fn a_disk_that_fills_in_mid_apply_is_told_and_the_apply_goes_on_with_room() {
    let name = "disk::a_disk_that_fills_in_mid_apply_is_told_and_the_apply_goes_on_with_room";
    let Some(disk) = small_disk(name, 512) else { return };
    let mut house = House::within(&disk);
    house.gets_a_bad_day(&["hold"]);
    house.open().await;
    let id = house.create("sov1").await;
    let applies = |d: &Deployment| {
        d.infrastructure.resources.iter().any(|r| r.state == ResourceState::Creating)
    };
    house.until(&id, "the apply", applies).await;
    let filled = fill(&disk).unwrap();
    // The state and the last lines of the program do not fit.
    std::fs::write(house.at("go"), "").unwrap();
    // Whether the failure itself still fits depends on what its last page has left.
    let told = |d: &Deployment| {
        let unwritable = house.control().readiness() != Readiness::Ready;
        unwritable || d.status() == DeploymentStatus::Failed
    };
    let full = house.until(&id, "a word of it", told).await;
    if let Some(failure) = full.failure() {
        assert_eq!(failure.code, Problem::WORKDIR_FULL.code);
    }
    std::fs::remove_file(filled).unwrap();
    // What was under way when there was room again may have failed for want of it.
    let ended =
        |d: &Deployment| d.infrastructure.progress == Progress::Done || d.failure().is_some();
    if house.until(&id, "an end", ended).await.failure().is_some() {
        house.control().retry(&id, PhaseId::Infrastructure).await.unwrap();
    }
    house.stands(&id).await;
    assert_eq!(house.control().readiness(), Readiness::Ready);
    house.close().await;
}
