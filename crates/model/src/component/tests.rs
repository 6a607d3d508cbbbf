//! Facts about the judgement over a component.

use super::*;
use crate::{ConditionFact, WorkloadFact};

fn ready(status: ConditionStatus, reason: &str, message: &str) -> Option<ConditionFact> {
    Some(ConditionFact {
        status,
        reason: reason.into(),
        message: message.into(),
        observed_generation: None,
    })
}

fn fact() -> ComponentFact {
    ComponentFact {
        name: "bp-x".parse().unwrap(),
        helm: Some(HelmFact {
            generation: 2,
            observed_generation: Some(2),
            ready: ready(ConditionStatus::True, "InstallSucceeded", "done"),
            ..HelmFact::default()
        }),
        inventory: Some(Inventory {
            objects: 3,
            workloads: vec![WorkloadFact {
                kind: "Deployment".into(),
                namespace: "x".into(),
                name: "x".into(),
                available: true,
                ready: 1,
                desired: 1,
                message: None,
            }],
        }),
    }
}

#[test]
fn ready_and_available_is_installed() {
    assert_eq!(assess(&fact(), Past::Seen).state, ComponentState::Installed);
}

#[test]
fn a14_ready_at_an_older_generation_is_not_installed() {
    let mut f = fact();
    f.helm.as_mut().unwrap().generation = 3;
    let a = assess(&f, Past::InstalledOnce);
    assert_eq!((a.state, a.helm_ready), (ComponentState::Installing, false));

    let mut f = fact();
    f.helm.as_mut().unwrap().ready.as_mut().unwrap().observed_generation = Some(1);
    assert!(!assess(&f, Past::Seen).helm_ready);
}

#[test]
fn a8_helm_ready_without_running_pods_is_not_installed() {
    let mut f = fact();
    let w = &mut f.inventory.as_mut().unwrap().workloads[0];
    (w.available, w.ready, w.message) = (false, 0, Some("ImagePullBackOff".into()));
    let a = assess(&f, Past::Seen);
    assert_eq!((a.state, a.helm_ready), (ComponentState::Installing, true));
    assert!(a.message.contains("ImagePullBackOff"), "{}", a.message);
    assert_eq!(assess(&f, Past::InstalledOnce).state, ComponentState::Degraded);
}

#[test]
fn a8_a_release_that_installed_nothing_is_never_healthy() {
    let mut f = fact();
    f.inventory = Some(Inventory::default());
    assert_eq!(assess(&f, Past::Seen).state, ComponentState::Degraded);
    f.inventory = None;
    assert_ne!(assess(&f, Past::Seen).state, ComponentState::Installed);
}

#[test]
fn a7_a_failed_install_is_failed_only_when_the_controller_gave_up() {
    let mut f = fact();
    let helm = f.helm.as_mut().unwrap();
    helm.ready = ready(ConditionStatus::False, "InstallFailed", "boom");
    helm.failures = 2;
    let a = assess(&f, Past::Seen);
    assert_eq!(a.state, ComponentState::Installing);
    assert!(a.message.starts_with("attempt 2 failed"), "{}", a.message);

    f.helm.as_mut().unwrap().stalled = ready(ConditionStatus::True, "RetriesExceeded", "gave up");
    assert_eq!(assess(&f, Past::Seen).state, ComponentState::Failed);
}

#[test]
fn a13_absence_is_a_state() {
    let mut f = fact();
    f.helm = None;
    assert_eq!(assess(&f, Past::NeverSeen).state, ComponentState::Pending);
    assert_eq!(assess(&f, Past::InstalledOnce).state, ComponentState::Missing);
}

#[test]
fn waiting_for_a_dependency_is_pending() {
    let mut f = fact();
    f.helm.as_mut().unwrap().ready = ready(
        ConditionStatus::False,
        "DependencyNotReady",
        "dependency 'flux-system/bp-y' is not ready",
    );
    assert_eq!(assess(&f, Past::Seen).state, ComponentState::Pending);
}

#[test]
fn a14_another_chart_than_the_one_asked_for_is_not_installed() {
    let with = |applied: Option<&str>| {
        let mut f = fact();
        f.helm.as_mut().unwrap().applied_version = applied.map(str::to_owned);
        f
    };
    let judged = |asked: &str, applied: Option<&str>, past| {
        assess(&with(applied), past).at_version(asked, &with(applied), past)
    };
    for (asked, applied) in [
        ("1.2.3", "1.2.3"),
        ("1.2.3", "1.2.3+0badc0de"),
        ("v1.2.3", "1.2.3"),
        ("", "9.9.9"),
        ("1.x", "1.9.0"),
        (">=1.0.0 <2.0.0", "1.4.0"),
    ] {
        let state = judged(asked, Some(applied), Past::Seen).state;
        assert_eq!(state, ComponentState::Installed, "{asked} {applied}");
    }
    let other = judged("1.2.3", Some("1.2.2"), Past::Seen);
    assert_eq!(other.state, ComponentState::Installing);
    assert_eq!(other.message, "chart 1.2.2 is installed, the kit asks for 1.2.3");
    let later = judged("1.2.3", Some("1.3.0"), Past::InstalledOnce);
    assert_eq!(later.state, ComponentState::Degraded);
    assert_eq!(judged("1.2.3", None, Past::Seen).state, ComponentState::Installing);
}
