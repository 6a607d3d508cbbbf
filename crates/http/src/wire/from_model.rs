//! From the model to the wire, written out: a field that the model gains is not promised to anybody
//! until it is named here.

use catalyst_model as model;

use super::{
    Answer, Cause, Component, ComponentState, CreateDeployment, Event, Evidence, Failure, Kit,
    Level, Outputs, Phase, PhaseId, PhaseState, Provider, Reach, Region, Resource, ResourceState,
    State, Status, Tier, Workload, Workloads,
};

impl State {
    /// The state as readers see it. `num_events` is the same as the state's `seq`: a log begins
    /// with 1 and has no holes.
    pub(crate) fn of(deployment: &model::Deployment) -> Self {
        let spec = &deployment.spec;
        let components: Vec<Component> = deployment.components.iter().map(component).collect();
        let states = components.iter().map(|c| (c.component.clone(), c.state));
        Self {
            id: deployment.id.to_string(),
            name: spec.name.to_string(),
            provider: spec.provider.into(),
            status: deployment.status().into(),
            sovereign_fqdn: spec.fqdn.to_string(),
            region: spec.region.clone(),
            org_name: spec.org_name.clone(),
            started_at: deployment.created_at,
            finished_at: deployment.finished_at(),
            seq: deployment.seq.0,
            num_events: deployment.seq.0,
            answer: deployment.answer().into(),
            causes: deployment.causes().into_iter().map(Cause::from).collect(),
            error: deployment.failure().map(Failure::from),
            result: outputs(deployment),
            phases: deployment.phases().into_iter().map(Phase::from).collect(),
            resources: deployment.infrastructure.resources.iter().map(resource).collect(),
            kit: kit(deployment),
            component_states: states.collect(),
            components,
            phase1_finished_at: deployment.kit.as_ref().and_then(|_| deployment.finished_at()),
            phase1_outcome: outcome(deployment).map(str::to_owned),
        }
    }
}

fn outputs(deployment: &model::Deployment) -> Option<Outputs> {
    let outputs = deployment.infrastructure.outputs.as_ref()?;
    let host = outputs.console_url.split_once("://").map_or("", |(_, rest)| rest);
    let host = host.split([':', '/']).next().unwrap_or_default();
    let reach = if host.ends_with(".svc.cluster.local") { Reach::Cluster } else { Reach::Public };
    Some(Outputs {
        sovereign_fqdn: deployment.spec.fqdn.to_string(),
        control_plane_ip: outputs.control_plane_ip.to_string(),
        load_balancer_ip: outputs.load_balancer_ip.to_string(),
        console_url: outputs.console_url.clone(),
        gitops_repo_url: outputs.gitops_repo_url.clone(),
        reach,
    })
}

fn kit(deployment: &model::Deployment) -> Option<Kit> {
    let kit = deployment.kit.as_ref()?;
    Some(Kit {
        commit: kit.frozen.commit().to_owned(),
        frozen_at: kit.frozen_at,
        total: count(deployment.components.len()),
        ready: count(deployment.healthy_count()),
    })
}

/// The words older clients know for how the watch over the kit ended.
fn outcome(deployment: &model::Deployment) -> Option<&'static str> {
    let begun = deployment.attached_at.is_some();
    match deployment.status() {
        model::DeploymentStatus::Ready => Some("ready"),
        model::DeploymentStatus::FluxNotReconciling => Some("flux-not-reconciling"),
        model::DeploymentStatus::TimedOut if begun => Some("timeout"),
        model::DeploymentStatus::Failed | model::DeploymentStatus::Degraded if begun => {
            Some("failed")
        }
        _ => None,
    }
}

fn resource(resource: &model::Resource) -> Resource {
    Resource {
        address: resource.address.clone(),
        kind: resource.type_name().to_owned(),
        name: resource.short_name().to_owned(),
        state: resource.state.into(),
        started_at: resource.started_at,
        finished_at: resource.finished_at,
        message: resource.message.clone(),
    }
}

fn component(component: &model::Component) -> Component {
    Component {
        name: component.name.to_string(),
        component: component.name.component().to_owned(),
        slot: component.slot.clone(),
        version: component.version.clone(),
        depends_on: component.depends_on.iter().map(ToString::to_string).collect(),
        state: component.state.into(),
        since: component.since,
        started_at: component.started_at,
        ready_at: component.ready_at,
        message: component.message.clone(),
        helm_ready: component.helm_ready,
        attempts: (component.attempts > 0).then_some(component.attempts),
        workloads: workloads(component.inventory.as_ref()),
    }
}

fn workloads(inventory: Option<&model::Inventory>) -> Workloads {
    let facts = inventory.map_or(&[][..], |inventory| &inventory.workloads);
    let items = facts.iter().map(|fact| Workload {
        kind: fact.kind.clone(),
        namespace: fact.namespace.clone(),
        name: fact.name.clone(),
        ready: fact.ready,
        desired: fact.desired,
        message: fact.message.clone(),
    });
    let ready = facts.iter().filter(|fact| fact.available).count();
    Workloads { ready: count(ready), total: count(facts.len()), items: items.collect() }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl From<model::Answer> for Answer {
    fn from(answer: model::Answer) -> Self {
        let model::Answer { headline, cause, fix, code, since } = answer;
        Self { headline, cause, fix, since, code: code.map(|code| code.to_string()) }
    }
}

impl From<model::Cause> for Cause {
    fn from(cause: model::Cause) -> Self {
        let model::Cause { kind, subject, headline, evidence, fix, since, releases, waiting } =
            cause;
        let names = |all: Vec<model::ReleaseName>| all.iter().map(ToString::to_string).collect();
        Self {
            kind: kind.as_str().to_owned(),
            code: kind.problem().code.to_string(),
            subject,
            headline,
            evidence: evidence.into_iter().map(Evidence::from).collect(),
            fix,
            since,
            releases: names(releases),
            waiting: names(waiting),
        }
    }
}

impl From<model::Evidence> for Evidence {
    fn from(evidence: model::Evidence) -> Self {
        let model::Evidence { source, at, text } = evidence;
        Self { source, at, text }
    }
}

impl From<model::Failure> for Failure {
    fn from(failure: model::Failure) -> Self {
        let model::Failure { code, title, cause, fix } = failure;
        Self { code: code.to_string(), title, cause, fix }
    }
}

impl From<model::Phase> for Phase {
    fn from(phase: model::Phase) -> Self {
        let model::Phase { id, state, started_at, finished_at, detail } = phase;
        let title = id.title().to_owned();
        Self { id: id.into(), title, state: state.into(), started_at, finished_at, detail }
    }
}

impl From<&model::Recorded<model::DeploymentEvent>> for Event {
    fn from(recorded: &model::Recorded<model::DeploymentEvent>) -> Self {
        let line = recorded.event.line();
        Self {
            seq: recorded.seq.0,
            time: recorded.time,
            phase: line.phase.to_owned(),
            level: line.level.into(),
            message: line.message,
            component: line.component,
            state: line.state.map(str::to_owned),
            kind: recorded.event.kind().to_owned(),
            data: recorded.event.public_data(),
        }
    }
}

impl From<CreateDeployment> for model::CreateRequest {
    fn from(body: CreateDeployment) -> Self {
        Self {
            provider: body.provider,
            name: body.name,
            org_name: body.org_name,
            org_email: body.org_email,
            sovereign_fqdn: body.sovereign_fqdn,
            sovereign_domain_mode: body.sovereign_domain_mode,
            sovereign_pool_domain: body.sovereign_pool_domain,
            sovereign_subdomain: body.sovereign_subdomain,
            hetzner_token: body.hetzner_token,
            hetzner_project_id: body.hetzner_project_id,
            region: body.region,
            control_plane_size: body.control_plane_size,
            worker_size: body.worker_size,
            worker_count: body.worker_count,
            ha_enabled: body.ha_enabled,
            regions: body.regions.into_iter().map(model::RegionRequest::from).collect(),
            ssh_public_key: body.ssh_public_key,
        }
    }
}

impl From<Region> for model::RegionRequest {
    fn from(region: Region) -> Self {
        Self {
            provider: region.provider,
            cloud_region: region.cloud_region,
            control_plane_size: region.control_plane_size,
            worker_size: region.worker_size.unwrap_or_default(),
            worker_count: region.worker_count,
        }
    }
}

/// Two enums with the same words on either side.
macro_rules! same_words {
    ($($from:ty => $to:ident { $($word:ident),* $(,)? })*) => { $(
        impl From<$from> for $to {
            fn from(from: $from) -> Self {
                match from { $(<$from>::$word => Self::$word,)* }
            }
        }
    )* };
}

same_words! {
    model::Provider => Provider { Sandbox, Existing, Hetzner }
    model::DeploymentStatus => Status {
        Provisioning, TofuApplying, AwaitingKubeconfig, Phase1Watching, Ready, Degraded, Failed,
        TimedOut, FluxNotReconciling,
    }
    model::ComponentState => ComponentState {
        Pending, Installing, Installed, Degraded, Failed, Missing,
    }
    model::ResourceState => ResourceState {
        Planned, Creating, Created, Failed, Destroying, Destroyed,
    }
    model::PhaseId => PhaseId { Infrastructure, Kubeconfig, Flux, Kit, Ready }
    model::PhaseState => PhaseState { Waiting, Working, Done, Failed }
    model::Level => Level { Info, Warn, Error }
    model::Tier => Tier { Viewer, Developer, Operator, Admin, Owner }
}

impl From<Tier> for model::Tier {
    fn from(tier: Tier) -> Self {
        match tier {
            Tier::Viewer => Self::Viewer,
            Tier::Developer => Self::Developer,
            Tier::Operator => Self::Operator,
            Tier::Admin => Self::Admin,
            Tier::Owner => Self::Owner,
        }
    }
}
