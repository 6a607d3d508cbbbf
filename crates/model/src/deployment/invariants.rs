//! What holds in whatever order things happen: property tests of the fold. The ids (A1, B4, …) are
//! those of the invariants they show.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    ConditionFact, ConditionStatus, HelmFact, KitRelease, Level, Outputs, Problem, WorkloadFact,
};

const NAMES: [&str; 3] = ["bp-one", "bp-two", "bp-three"];
const VERSION: &str = "1.2.3";

/// The events a deployment can be told, without their numbers: what is possible at all, not what
/// is possible now.
#[derive(Debug, Clone)]
enum Told {
    Start(ProvisionStep, bool),
    Finish(ProvisionStep),
    Fail(ProvisionStep),
    Resource,
    Line,
    Outputs,
    Stored(u8),
    NeverCame,
    Attached,
    Lost,
    Frozen(u8),
    KitRefused,
    Late,
    Seen(usize, Shown),
    Again,
}

/// What a cluster shows of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Well,
    Absent,
    Working,
    OldGeneration,
    GivenUp,
    OtherVersion,
    NothingInstalled,
    NotAvailable,
    Unread,
}

fn at(second: u64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + i64::try_from(second).unwrap()).unwrap()
}

fn created() -> DeploymentEvent {
    serde_json::from_value(json!({"kind": "created", "data": {
        "id": "0123456789abcdef",
        "spec": {"provider": "sandbox", "name": "sov1", "fqdn": "sov1.example.org",
            "orgName": "Example", "orgEmail": "ops@example.org", "region": "local"},
        "placement": {"sandboxIndex": 0, "networkPrefix": "10.210.0",
            "expectedApi": "https://10.210.0.2:6443"},
        "bearerHash": "00", "bearerExpiresAt": at(100_000),
    }}))
    .unwrap()
}

fn opened() -> (Deployment, Vec<Recorded<DeploymentEvent>>) {
    let first = Recorded { seq: Seq(1), time: at(1), event: created() };
    (Deployment::open(&first).unwrap(), vec![first])
}

fn failure() -> Failure {
    Problem::INTERNAL.plain().into()
}

fn kit(commit: u8) -> FrozenKit {
    let release = |name: &&str| KitRelease {
        name: name.parse().unwrap(),
        namespace: "flux-system".into(),
        slot: "10".into(),
        version: VERSION.into(),
        depends_on: Vec::new(),
    };
    FrozenKit::new(format!("main@sha1:{commit}"), NAMES.iter().map(release).collect()).unwrap()
}

fn fact(name: &str, shown: Shown) -> ComponentFact {
    let condition = |status, reason: &str| ConditionFact {
        status,
        reason: reason.into(),
        message: reason.into(),
        observed_generation: Some(2),
    };
    let mut helm = HelmFact {
        generation: 2,
        observed_generation: Some(2),
        ready: Some(condition(ConditionStatus::True, "InstallSucceeded")),
        applied_version: Some(VERSION.into()),
        ..HelmFact::default()
    };
    let workload = WorkloadFact {
        kind: "Deployment".into(),
        namespace: "x".into(),
        name: "x".into(),
        available: true,
        ready: 1,
        desired: 1,
        message: None,
    };
    let mut inventory = Inventory { objects: 1, workloads: vec![workload] };
    match shown {
        Shown::Well | Shown::Absent | Shown::Unread => {}
        Shown::Working => helm.ready = Some(condition(ConditionStatus::Unknown, "Progressing")),
        Shown::OldGeneration => helm.generation = 3,
        Shown::GivenUp => {
            helm.ready = Some(condition(ConditionStatus::False, "InstallFailed"));
            helm.stalled = Some(condition(ConditionStatus::True, "RetriesExceeded"));
        }
        Shown::OtherVersion => helm.applied_version = Some("1.2.2".into()),
        Shown::NothingInstalled => inventory = Inventory::default(),
        Shown::NotAvailable => inventory.workloads[0].available = false,
    }
    ComponentFact {
        name: name.parse().unwrap(),
        helm: (shown != Shown::Absent).then_some(helm),
        inventory: (!matches!(shown, Shown::Absent | Shown::Unread)).then_some(inventory),
    }
}

fn outputs() -> Outputs {
    let ip = "10.210.0.2".parse().unwrap();
    Outputs {
        control_plane_ip: ip,
        load_balancer_ip: ip,
        console_url: "https://console.sov1.example.org".into(),
        gitops_repo_url: "https://gitea.sov1.example.org".into(),
        api_server: "https://10.210.0.2:6443".into(),
    }
}

fn event(told: &Told, state: &Deployment) -> DeploymentEvent {
    use DeploymentEvent as E;
    let attempt = state.infrastructure.attempt;
    match told {
        Told::Start(step, next) => {
            E::StepStarted { step: *step, attempt: attempt + u32::from(*next) }
        }
        Told::Finish(step) => E::StepFinished { step: *step },
        Told::Fail(step) => E::StepFailed { step: *step, failure: failure() },
        Told::Resource => E::ResourceChanged {
            address: "terraform_data.node".into(),
            state: ResourceState::Created,
            message: None,
        },
        Told::Line => E::ToolLine { level: Level::Info, message: "a line".into() },
        Told::Outputs => E::OutputsRead { outputs: outputs() },
        Told::Stored(which) => E::KubeconfigStored { sha256: which.to_string(), size_bytes: 1 },
        Told::NeverCame => E::KubeconfigTimedOut { failure: failure() },
        Told::Attached => E::ClusterAttached,
        Told::Lost => E::ClusterLost { message: "gone".into() },
        Told::Frozen(commit) => E::KitFrozen { kit: kit(*commit) },
        Told::KitRefused => E::KitRefused { failure: failure() },
        Told::Late => E::KitTimedOut { failure: failure() },
        Told::Seen(which, shown) => {
            let name = NAMES.get(*which).copied().unwrap_or("bp-stranger");
            E::ComponentObserved { fact: fact(name, *shown) }
        }
        Told::Again => created(),
    }
}

/// A deployment and everything it was told.
struct Story {
    state: Deployment,
    log: Vec<Recorded<DeploymentEvent>>,
}

impl Story {
    fn begin() -> Self {
        let (state, log) = opened();
        Self { state, log }
    }

    /// Tells it; whether it was taken.
    fn tell(&mut self, told: &Told) -> bool {
        let seq = self.state.seq.next();
        let one = Recorded { seq, time: at(seq.0), event: event(told, &self.state) };
        let before = self.state.clone();
        match self.state.apply(&one) {
            Ok(()) => {
                self.log.push(one);
                true
            }
            Err(_) => {
                assert_eq!(self.state, before, "what is refused changes nothing");
                false
            }
        }
    }
}

/// What the log last said of each release, by itself and without the fold.
fn last_shown(log: &[Recorded<DeploymentEvent>]) -> BTreeMap<String, ComponentFact> {
    let mut last = BTreeMap::new();
    for one in log {
        if let DeploymentEvent::ComponentObserved { fact } = &one.event {
            last.insert(fact.name.to_string(), fact.clone());
        }
    }
    last
}

/// Whether the log alone shows a Sovereign that is ready.
fn log_shows_ready(log: &[Recorded<DeploymentEvent>]) -> bool {
    use DeploymentEvent as E;
    let last = last_shown(log);
    let all_well = NAMES.iter().all(|name| last.get(*name) == Some(&fact(name, Shown::Well)));
    let stored = log.iter().any(|r| matches!(r.event, E::KubeconfigStored { .. }));
    let stands = log.iter().rev().find_map(|r| match &r.event {
        E::StepFinished { step } => Some(*step == ProvisionStep::Outputs),
        E::StepStarted { .. } | E::StepFailed { .. } => Some(false),
        _ => None,
    });
    let lost = log.iter().rev().find_map(|r| match r.event {
        E::ClusterLost { .. } => Some(true),
        E::ClusterAttached => Some(false),
        _ => None,
    });
    all_well && stored && stands == Some(true) && lost != Some(true)
}

fn shown() -> impl Strategy<Value = Shown> {
    prop_oneof![
        6 => Just(Shown::Well),
        1 => Just(Shown::Absent),
        1 => Just(Shown::Working),
        1 => Just(Shown::OldGeneration),
        1 => Just(Shown::GivenUp),
        1 => Just(Shown::OtherVersion),
        1 => Just(Shown::NothingInstalled),
        1 => Just(Shown::NotAvailable),
        1 => Just(Shown::Unread),
    ]
}

fn told() -> impl Strategy<Value = Told> {
    let step = || prop::sample::select(ProvisionStep::ALL.as_slice());
    prop_oneof![
        3 => (step(), any::<bool>()).prop_map(|(s, next)| Told::Start(s, next)),
        2 => step().prop_map(Told::Finish),
        1 => step().prop_map(Told::Fail),
        1 => Just(Told::Resource),
        1 => Just(Told::Line),
        1 => Just(Told::Outputs),
        1 => any::<u8>().prop_map(Told::Stored),
        1 => Just(Told::NeverCame),
        2 => Just(Told::Attached),
        1 => Just(Told::Lost),
        2 => (0..2_u8).prop_map(Told::Frozen),
        1 => Just(Told::KitRefused),
        1 => Just(Told::Late),
        6 => (0..4_usize, shown()).prop_map(|(i, s)| Told::Seen(i, s)),
        1 => Just(Told::Again),
    ]
}

/// The provisioner's part of a good run.
fn provisioner() -> Vec<Told> {
    let mut all = Vec::new();
    for step in ProvisionStep::ALL {
        all.push(Told::Start(step, step == ProvisionStep::Prepare));
        match step {
            ProvisionStep::Apply => all.push(Told::Resource),
            ProvisionStep::Outputs => all.push(Told::Outputs),
            _ => {}
        }
        all.push(Told::Finish(step));
    }
    all
}

/// The node's and the cluster's part of a good run, one component after the other.
fn cluster() -> Vec<Told> {
    let mut all = vec![Told::Stored(1), Told::Attached, Told::Frozen(0)];
    for which in 0..NAMES.len() {
        all.push(Told::Seen(which, Shown::Working));
        all.push(Told::Seen(which, Shown::Well));
    }
    all
}

/// Any events, or a good run whose two parts are interleaved in any way with any events between.
fn story() -> impl Strategy<Value = Vec<Told>> {
    let any_order = prop::collection::vec(told(), 0..60);
    let woven = (prop::collection::vec(any::<bool>(), 24), prop::collection::vec(told(), 0..12))
        .prop_map(|(turns, noise)| {
            let mut all = woven(&turns);
            for (i, one) in noise.into_iter().enumerate() {
                let at = (i * 7) % (all.len() + 1);
                all.insert(at, one);
            }
            all
        });
    prop_oneof![any_order, woven]
}

/// A good run: each turn takes the next event of the cluster's part, or of the provisioner's.
fn woven(turns: &[bool]) -> Vec<Told> {
    let (mut one, mut other) = (provisioner().into_iter(), cluster().into_iter());
    let mut all = Vec::new();
    for turn in turns {
        all.extend(if *turn { other.next() } else { one.next() });
    }
    all.extend(one);
    all.extend(other);
    all
}

proptest! {
    #[test]
    fn a1_a3_no_order_leads_to_ready_without_every_component_ready(story in story()) {
        let mut seen = Story::begin();
        for one in &story {
            seen.tell(one);
            let ready = seen.state.status() == DeploymentStatus::Ready;
            prop_assert_eq!(ready, log_shows_ready(&seen.log) && seen.state.kit.is_some());
            if ready {
                prop_assert!(seen.state.infrastructure.outputs.is_some());
                prop_assert_eq!(seen.state.healthy_count(), NAMES.len());
            }
        }
    }

    #[test]
    fn a3_running_out_of_time_is_never_ready(story in story()) {
        let mut seen = Story::begin();
        for one in &story {
            let before = seen.state.status();
            if seen.tell(one) && matches!(one, Told::Late | Told::NeverCame | Told::Fail(_)) {
                let after = seen.state.status();
                let newly = after == DeploymentStatus::Ready && before != after;
                prop_assert!(!newly, "{:?} made it ready", one);
            }
        }
    }

    #[test]
    fn a4_the_post_may_come_at_any_moment_of_the_apply(
        turns in prop::collection::vec(any::<bool>(), 24)
    ) {
        let mut seen = Story::begin();
        for one in woven(&turns) {
            prop_assert!(seen.tell(&one), "{:?} is in order", one);
        }
        prop_assert_eq!(seen.state.status(), DeploymentStatus::Ready);
        let stored = matches!(seen.state.kubeconfig, KubeconfigState::Stored { .. });
        prop_assert!(stored && seen.state.infrastructure.outputs.is_some());
    }

    #[test]
    fn a5_what_is_known_once_is_not_forgotten_and_the_bearer_is_good_once(story in story()) {
        let mut seen = Story::begin();
        for one in &story {
            let before = seen.state.clone();
            let taken = seen.tell(one);
            let after = &seen.state;
            if matches!(before.kubeconfig, KubeconfigState::Stored { .. }) {
                prop_assert_eq!(&before.kubeconfig, &after.kubeconfig);
                prop_assert!(!(taken && matches!(one, Told::Stored(_))), "a second post");
            }
            prop_assert!(before.infrastructure.outputs.is_none()
                || after.infrastructure.outputs.is_some());
            prop_assert!(before.attached_at.is_none() || before.attached_at == after.attached_at);
            prop_assert!(before.first_ready_at.is_none()
                || before.first_ready_at == after.first_ready_at);
            prop_assert!(before.kit.is_none() || after.kit.is_some());
            prop_assert!(after.infrastructure.attempt >= before.infrastructure.attempt);
        }
    }

    #[test]
    fn a6_c1_a_restart_after_any_event_is_the_replay_of_the_log(story in story()) {
        let mut seen = Story::begin();
        let mut checkpoints = vec![seen.state.clone()];
        for one in &story {
            if seen.tell(one) {
                checkpoints.push(seen.state.clone());
            }
        }
        // The log as it comes from the disk.
        let text = serde_json::to_string(&seen.log).unwrap();
        let log: Vec<Recorded<DeploymentEvent>> = serde_json::from_str(&text).unwrap();
        let mut again = Deployment::open(&log[0]).unwrap();
        for (i, one) in log.iter().enumerate().skip(1) {
            prop_assert_eq!(&again, &checkpoints[i - 1]);
            again.apply(one).unwrap();
        }
        prop_assert_eq!(&again, &seen.state);
        // A restart from a checkpoint, and another right after it, come to the same.
        let middle = checkpoints.len() / 2;
        for _ in 0..2 {
            let kept = serde_json::to_string(&checkpoints[middle]).unwrap();
            let mut restored: Deployment = serde_json::from_str(&kept).unwrap();
            for one in &log[middle + 1..] {
                restored.apply(one).unwrap();
            }
            prop_assert_eq!(&restored, &seen.state);
        }
    }

    #[test]
    fn a9_a_component_is_what_was_seen_of_it_and_nothing_else(story in story()) {
        let mut seen = Story::begin();
        for one in &story {
            seen.tell(one);
            for component in &seen.state.components {
                if !last_shown(&seen.log).contains_key(component.name.as_str()) {
                    prop_assert_eq!(component.state, ComponentState::Pending);
                }
            }
        }
    }

    #[test]
    fn b2_b4_an_event_twice_or_an_older_one_is_refused_and_changes_nothing(
        story in story(), which in any::<prop::sample::Index>()
    ) {
        let mut seen = Story::begin();
        for one in &story {
            seen.tell(one);
        }
        let before = seen.state.clone();
        let old = seen.log[which.index(seen.log.len())].clone();
        prop_assert!(seen.state.apply(&old).is_err());
        let ahead = Recorded { seq: Seq(seen.state.seq.0 + 2), ..old };
        prop_assert!(seen.state.apply(&ahead).is_err());
        prop_assert_eq!(seen.state, before);
    }
}

#[test]
fn a4_a5_the_post_before_during_and_after_the_apply_comes_to_the_same() {
    let mut ends = Vec::new();
    let steps = provisioner();
    for moment in 0..=steps.len() {
        let mut all = steps.clone();
        all.insert(moment, Told::Stored(1));
        all.extend(cluster().into_iter().skip(1));
        let mut seen = Story::begin();
        for one in &all {
            assert!(seen.tell(one), "{one:?} with the post at {moment}");
            let early = seen.state.infrastructure.progress != Progress::Done;
            assert!(!early || !seen.state.status().is_settled(), "settled early at {moment}");
        }
        assert_eq!(seen.state.status(), DeploymentStatus::Ready, "the post at {moment}");
        let of = |d: &Deployment| (d.infrastructure.outputs.clone(), d.components.len(), d.seq);
        ends.push(of(&seen.state));
    }
    assert!(ends.iter().all(|end| *end == ends[0]));
}

#[test]
fn a3_what_ran_out_of_time_is_waited_for_anew_when_somebody_asks() {
    let again = |seen: &mut Story, phase| {
        let seq = seen.state.seq.next();
        let event = DeploymentEvent::TriedAgain { phase };
        seen.state.apply(&Recorded { seq, time: at(seq.0), event })
    };
    let refused = |phase| Err(Refused::NothingToTryAgain(phase));
    let mut seen = Story::begin();
    provisioner().iter().for_each(|one| assert!(seen.tell(one)));
    assert_eq!(again(&mut seen, PhaseId::Kubeconfig), refused(PhaseId::Kubeconfig));
    assert!(seen.tell(&Told::NeverCame));
    assert_eq!(seen.state.status(), DeploymentStatus::TimedOut);
    assert_eq!(again(&mut seen, PhaseId::Kubeconfig), Ok(()));
    assert_eq!(seen.state.status(), DeploymentStatus::AwaitingKubeconfig);
    assert_eq!(seen.state.waits_since, Some(seen.state.updated_at));
    assert!(seen.tell(&Told::Stored(1)) && seen.tell(&Told::Late));
    assert_eq!(seen.state.status(), DeploymentStatus::TimedOut, "nobody could look at Flux");
    assert!(seen.tell(&Told::Attached));
    assert_eq!(seen.state.status(), DeploymentStatus::FluxNotReconciling);
    assert_eq!(again(&mut seen, PhaseId::Kit), refused(PhaseId::Kit));
    assert_eq!(again(&mut seen, PhaseId::Flux), Ok(()));
    assert_eq!(seen.state.status(), DeploymentStatus::Phase1Watching);
    assert!(seen.tell(&Told::Frozen(0)) && seen.tell(&Told::Seen(0, Shown::Working)));
    assert!(seen.tell(&Told::Late));
    assert_eq!(again(&mut seen, PhaseId::Kit), Ok(()));
    assert_eq!(seen.state.status(), DeploymentStatus::Phase1Watching);
    assert_eq!(again(&mut seen, PhaseId::Ready), refused(PhaseId::Ready));
}

#[test]
fn d6_a_retry_begins_at_the_first_step_and_keeps_what_the_sovereign_is() {
    let mut seen = Story::begin();
    for one in &provisioner()[..6] {
        seen.tell(one);
    }
    let was = (seen.state.id.clone(), seen.state.bearer_hash.clone(), seen.state.placement.clone());
    let at = ProvisionStep::Plan;
    assert!(seen.tell(&Told::Start(at, false)) && seen.tell(&Told::Fail(at)));
    assert!(!seen.tell(&Told::Start(at, true)), "not from the middle");
    assert!(seen.tell(&Told::Start(ProvisionStep::Prepare, true)));
    assert!(seen.state.infrastructure.finished_steps.is_empty());
    let is = (seen.state.id.clone(), seen.state.bearer_hash.clone(), seen.state.placement.clone());
    assert_eq!(was, is, "nothing that a node was made with has changed");
}
