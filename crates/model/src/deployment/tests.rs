//! Facts about the fold.

use super::*;
use crate::{
    CauseKind, ConditionFact, ConditionStatus, Evidence, HelmFact, KitRelease, Outputs, Problem,
    Provider, WorkloadFact,
};

/// A deployment and the number of its next event.
struct Story(Deployment);

impl Story {
    fn begun() -> Self {
        let event = DeploymentEvent::Created {
            id: DeploymentId::from_random([1; 8]),
            spec: CreateSpec {
                provider: Provider::Sandbox,
                name: "sov1".parse().unwrap(),
                fqdn: "sov1.example.org".parse().unwrap(),
                org_name: "E".into(),
                org_email: "a@b.c".parse().unwrap(),
                region: "local".into(),
            },
            placement: Placement {
                sandbox_index: 0,
                network_prefix: "10.210.0".into(),
                expected_api: "https://10.210.0.2:6443".into(),
            },
            bearer_hash: SecretHash("00".into()),
            bearer_expires_at: at(9_999),
            idempotency: None,
            by: None,
        };
        Self(Deployment::open(&Recorded { seq: Seq(1), time: at(1), event }).unwrap())
    }

    /// The infrastructure stands, the node reported in, the cluster answers.
    fn attached() -> Self {
        let mut story = Self::begun();
        for step in ProvisionStep::ALL {
            story.tell(DeploymentEvent::StepStarted { step, attempt: 1 });
            if step == ProvisionStep::Outputs {
                story.tell(DeploymentEvent::OutputsRead { outputs: outputs() });
            }
            story.tell(DeploymentEvent::StepFinished { step });
        }
        story.tell(DeploymentEvent::KubeconfigStored { sha256: "00".into(), size_bytes: 1 });
        story.tell(DeploymentEvent::ClusterAttached);
        story
    }

    /// The kit of two is known.
    fn frozen() -> Self {
        let mut story = Self::attached();
        let release = |name: &str| KitRelease {
            name: name.parse().unwrap(),
            namespace: "flux-system".into(),
            slot: "10".into(),
            version: "1".into(),
            depends_on: vec![],
        };
        let releases = vec![release("bp-one"), release("bp-two")];
        let kit = FrozenKit::new("main@sha1:00".into(), releases).unwrap();
        story.tell(DeploymentEvent::KitFrozen { kit });
        story
    }

    fn tell(&mut self, event: DeploymentEvent) {
        self.try_tell(event).unwrap();
    }

    fn try_tell(&mut self, event: DeploymentEvent) -> Result<(), Refused> {
        let seq = self.0.seq.next();
        self.0.apply(&Recorded { seq, time: at(seq.0), event })
    }

    fn see(&mut self, fact: PlatformFact) -> bool {
        let news = self.0.platform_news(fact);
        news.into_iter().map(|event| self.tell(event)).count() == 1
    }
}

fn at(second: u64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + i64::try_from(second).unwrap()).unwrap()
}

fn outputs() -> Outputs {
    Outputs {
        control_plane_ip: "10.210.0.2".parse().unwrap(),
        load_balancer_ip: "10.210.0.2".parse().unwrap(),
        console_url: "https://console.sov1.example.org".into(),
        gitops_repo_url: "https://gitea.sov1.example.org".into(),
        api_server: "https://10.210.0.2:6443".into(),
    }
}

fn observed(name: &str, healthy: bool) -> DeploymentEvent {
    let status = if healthy { ConditionStatus::True } else { ConditionStatus::False };
    let ready = ConditionFact {
        status,
        reason: "R".into(),
        message: "m".into(),
        observed_generation: Some(1),
    };
    let helm = HelmFact {
        generation: 1,
        observed_generation: Some(1),
        ready: Some(ready),
        ..HelmFact::default()
    };
    let workload = WorkloadFact {
        kind: "Deployment".into(),
        namespace: "n".into(),
        name: "w".into(),
        available: healthy,
        ready: u32::from(healthy),
        desired: 1,
        message: None,
    };
    let inventory = Some(Inventory { objects: 1, workloads: vec![workload] });
    let name = name.parse().unwrap();
    DeploymentEvent::ComponentObserved { fact: ComponentFact { name, helm: Some(helm), inventory } }
}

fn platform(well: Option<bool>, message: &str) -> PlatformFact {
    PlatformFact { subject: "GitRepository openova".into(), well, message: message.into() }
}

#[test]
fn ready_is_every_expected_component_and_can_be_lost_and_won_back() {
    let mut story = Story::frozen();
    story.tell(observed("bp-one", true));
    assert_eq!(story.0.status(), DeploymentStatus::Phase1Watching);
    story.tell(observed("bp-two", true));
    assert_eq!(story.0.status(), DeploymentStatus::Ready);
    story.tell(observed("bp-one", false));
    assert_eq!(story.0.status(), DeploymentStatus::Degraded);
    assert!(!story.0.is_final(), "it may be ready again");
    story.tell(observed("bp-one", true));
    assert_eq!(story.0.status(), DeploymentStatus::Ready);
    story.tell(DeploymentEvent::ClusterLost { message: "gone".into() });
    assert_eq!(story.0.status(), DeploymentStatus::Degraded, "what cannot be read is not healthy");
}

#[test]
fn no_deadline_ends_in_ready_and_none_ends_the_watching() {
    let late = || DeploymentEvent::KitTimedOut { failure: Problem::KIT_TIMED_OUT.plain().into() };
    let mut without_kit = Story::attached();
    without_kit.tell(late());
    assert_eq!(without_kit.0.status(), DeploymentStatus::FluxNotReconciling);
    let mut story = Story::frozen();
    story.tell(observed("bp-one", true));
    story.tell(late());
    assert_eq!(story.0.status(), DeploymentStatus::TimedOut);
    assert!(!story.0.is_final() && !without_kit.0.is_final());
    story.tell(observed("bp-two", true));
    assert_eq!(story.0.status(), DeploymentStatus::Ready);
}

#[test]
fn only_an_infrastructure_that_failed_is_at_its_end_until_it_is_tried_again() {
    let mut story = Story::begun();
    let (step, failure) = (ProvisionStep::Prepare, Problem::TOFU_MISSING.plain().into());
    story.tell(DeploymentEvent::StepStarted { step, attempt: 1 });
    assert!(!story.0.is_final());
    story.tell(DeploymentEvent::StepFailed { step, failure });
    assert!(story.0.is_final());
    story.tell(DeploymentEvent::StepStarted { step, attempt: 2 });
    assert!(!story.0.is_final());
}

#[test]
fn a_refused_event_changes_nothing() {
    let mut story = Story::attached();
    let before = story.0.clone();
    let stored = DeploymentEvent::KubeconfigStored { sha256: "11".into(), size_bytes: 2 };
    assert_eq!(story.try_tell(stored), Err(Refused::KubeconfigAlreadyStored));
    assert!(matches!(story.try_tell(observed("bp-one", true)), Err(Refused::NotOfTheKit(_))));
    let late = Recorded { seq: Seq(1), time: at(1), event: DeploymentEvent::ClusterAttached };
    assert!(matches!(story.0.apply(&late), Err(Refused::OutOfOrder { .. })));
    assert_eq!(story.0, before);
}

#[test]
fn what_flux_waits_for_is_the_first_line_until_the_kit_is_there() {
    let mut story = Story::attached();
    let message = "GitRepository `openova` is not fetched: no route to host".to_owned();
    story.tell(DeploymentEvent::KitAwaited { message: message.clone() });
    assert_eq!(story.0.answer().cause, Some(message.clone()));
    assert_eq!(story.0.phases()[2].detail, Some(message));
    let failure = Problem::KIT_UNREADABLE.plain().into();
    story.tell(DeploymentEvent::KitRefused { failure });
    assert_eq!(story.0.answer().code, Some(Problem::KIT_UNREADABLE.code));
    story.tell(DeploymentEvent::KitAwaited { message: "x".into() });
    assert_eq!(story.0.answer().code, None, "the last try counts");
    assert!(Story::frozen().0.kit_awaited.is_none());
    let mut frozen = Story::frozen();
    let awaited = DeploymentEvent::KitAwaited { message: "x".into() };
    assert_eq!(frozen.try_tell(awaited), Err(Refused::KitAlreadyFrozen));
}

#[test]
fn the_platform_is_told_when_it_changes_and_not_when_it_is_looked_at() {
    let mut story = Story::attached();
    assert!(story.see(platform(None, "no artifact yet")));
    assert!(!story.see(platform(None, "no artifact yet")), "the same is told once");
    assert!(story.see(platform(Some(false), "no artifact yet: no route to host")));
    assert!(story.see(platform(Some(true), "at main@sha1:00")));
    assert!(!story.see(platform(None, "looking again")), "what is well is only looked at");
    assert!(!story.see(platform(Some(true), "at main@sha1:00")));
    let event = story.0.platform_news(platform(Some(false), "gone")).unwrap();
    assert_eq!(event.line().level, crate::Level::Warn, "it had been well");
    assert!(story.see(platform(Some(true), "at main@sha1:11")));
    assert_eq!(story.0.platform.len(), 1);
}

#[test]
fn a_record_from_before_the_platform_was_kept_still_reads() {
    let mut old = serde_json::to_value(Story::frozen().0).unwrap();
    for field in ["platform", "kitAwaited", "idempotency"] {
        old.as_object_mut().unwrap().remove(field);
    }
    assert_eq!(serde_json::from_value::<Deployment>(old).unwrap(), Story::frozen().0);
}

fn cause(kind: CauseKind, headline: &str) -> Cause {
    let text = format!("{headline}, in the cluster's words");
    Cause {
        kind,
        subject: headline.into(),
        headline: headline.into(),
        evidence: vec![Evidence { source: "Event".into(), at: None, text }],
        fix: "Mend it.".into(),
        since: Some(at(3)),
        releases: vec!["bp-one".parse().unwrap()],
        waiting: vec!["bp-two".parse().unwrap()],
    }
}

#[test]
fn the_headline_names_the_cause_and_the_other_one_too() {
    let mut story = Story::frozen();
    let first = cause(CauseKind::ImageNotFound, "image a:1 not found");
    story.tell(DeploymentEvent::CausesObserved { causes: vec![first.clone()] });
    let answer = story.0.answer();
    assert_eq!(answer.headline, "image a:1 not found");
    assert_eq!(answer.cause.as_deref(), Some("image a:1 not found, in the cluster's words"));
    assert_eq!(answer.code, Some(Problem::IMAGE_NOT_FOUND.code));
    assert_eq!(answer.since, at(3));
    let second = cause(CauseKind::HookFailed, "hook j failed");
    story.tell(DeploymentEvent::CausesObserved { causes: vec![first, second] });
    assert_eq!(story.0.answer().headline, "image a:1 not found; also: hook j failed");
    story.tell(DeploymentEvent::CausesObserved { causes: Vec::new() });
    assert!(story.0.answer().headline.starts_with("Installing the kit"));
}

#[test]
fn what_was_ready_and_fell_back_is_told_by_its_cause() {
    let mut story = Story::frozen();
    story.tell(observed("bp-one", true));
    story.tell(observed("bp-two", true));
    let causes = vec![cause(CauseKind::ContainerCrashes, "container c exits with 3")];
    story.tell(DeploymentEvent::CausesObserved { causes });
    assert_eq!(story.0.answer().headline, "sov1 is ready, but container c exits with 3");
    assert!(story.0.failure().is_none(), "what is ready has not failed");
    story.tell(observed("bp-one", false));
    assert_eq!(story.0.answer().headline, "container c exits with 3");
    assert_eq!(story.0.failure().unwrap().code, Problem::CONTAINER_CRASHES.code);
}

#[test]
fn what_a_cluster_showed_is_not_told_while_it_does_not_answer() {
    let mut story = Story::frozen();
    let causes = vec![cause(CauseKind::ImageNotFound, "image a:1 not found")];
    story.tell(DeploymentEvent::CausesObserved { causes });
    story.tell(DeploymentEvent::ClusterLost { message: "no route to host".into() });
    let kinds: Vec<_> = story.0.causes().iter().map(|cause| cause.kind).collect();
    assert_eq!(kinds, [CauseKind::ClusterUnreachable]);
    assert!(story.0.answer().headline.contains("no route to host"));
}

#[test]
fn row_23_a_node_that_never_reports_is_told_with_how_long() {
    let mut story = Story::begun();
    for step in ProvisionStep::ALL {
        story.tell(DeploymentEvent::StepStarted { step, attempt: 1 });
        if step == ProvisionStep::Outputs {
            story.tell(DeploymentEvent::OutputsRead { outputs: outputs() });
        }
        story.tell(DeploymentEvent::StepFinished { step });
    }
    let failure = Problem::KUBECONFIG_NEVER_CAME.with("not within 600 s").into();
    story.tell(DeploymentEvent::KubeconfigTimedOut { failure });
    let causes = story.0.causes();
    assert_eq!(causes[0].kind, CauseKind::NodeNeverReported);
    let answer = story.0.answer();
    assert_eq!(answer.headline, "no kubeconfig from sov1's node after 1 s");
    assert!(answer.fix.is_some_and(|fix| fix.contains("node's log")));
}

#[test]
fn row_24_a_resource_that_fails_is_named_with_its_error() {
    let mut story = Story::begun();
    let step = ProvisionStep::Apply;
    for step in [ProvisionStep::Prepare, ProvisionStep::Init, ProvisionStep::Host] {
        story.tell(DeploymentEvent::StepStarted { step, attempt: 1 });
        story.tell(DeploymentEvent::StepFinished { step });
    }
    story.tell(DeploymentEvent::StepStarted { step: ProvisionStep::Plan, attempt: 1 });
    story.tell(DeploymentEvent::StepFinished { step: ProvisionStep::Plan });
    story.tell(DeploymentEvent::StepStarted { step, attempt: 1 });
    story.tell(DeploymentEvent::ResourceChanged {
        address: "terraform_data.node".into(),
        state: ResourceState::Failed,
        message: Some("cgroup path is busy".into()),
    });
    let failure = Problem::TOFU_APPLY_FAILED.with("local-exec: cgroup path is busy").into();
    story.tell(DeploymentEvent::StepFailed { step, failure });
    let cause = &story.0.causes()[0];
    assert_eq!(cause.kind, CauseKind::ResourceFailed);
    assert_eq!(cause.headline, "resource node failed: cgroup path is busy");
    assert_eq!(story.0.answer().headline, cause.headline);
    assert!(cause.fix.contains("what stands is kept"), "{}", cause.fix);
}
