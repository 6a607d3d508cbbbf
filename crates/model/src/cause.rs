//! Why a Sovereign is not well: named causes, each with its evidence, its fix and its reach.
//!
//! A [`Cause`] names what is wrong and never who waits for it. [`CauseKind`] is the stable list;
//! every kind has its entry in the catalogue of problems, and with it a code and a page.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    ClusterLink, ComponentState, Deployment, KubeconfigState, Problem, Progress, ReleaseName,
    ResourceState,
};

macro_rules! kinds {
    ($( $(#[$doc:meta])* $kind:ident $word:literal $problem:ident; )*) => {
        /// What kind of cause it is, in the order in which causes are told: what stands under
        /// everything comes first.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(rename_all = "kebab-case")]
        pub enum CauseKind {
            $( $(#[$doc])* $kind, )*
        }

        impl CauseKind {
            /// Every kind, in the order in which they are told.
            pub const ALL: &[Self] = &[ $( Self::$kind ),* ];

            /// The word used on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $( Self::$kind => $word, )* }
            }

            /// Its entry in the catalogue.
            pub fn problem(self) -> &'static Problem {
                match self { $( Self::$kind => &Problem::$problem, )* }
            }
        }
    };
}

kinds! {
    /// OpenTofu failed at a resource.
    ResourceFailed "resource-failed" TOFU_APPLY_FAILED;
    /// The node never posted its kubeconfig.
    NodeNeverReported "node-never-reported" KUBECONFIG_NEVER_CAME;
    /// The API server does not answer, so that nothing of the cluster can be read.
    ClusterUnreachable "cluster-unreachable" CLUSTER_UNREACHABLE;
    /// The API server does not let us in.
    ClusterRefuses "cluster-refuses" CLUSTER_REFUSES;
    /// A node is not Ready.
    NodeNotReady "node-not-ready" NODE_NOT_READY;
    /// One of Flux's controllers is missing or does not run.
    ControllerDown "controller-down" CONTROLLER_DOWN;
    /// A source cannot be fetched.
    SourceUnavailable "source-unavailable" SOURCE_UNAVAILABLE;
    /// A substitution variable has no value.
    VariableUndefined "variable-undefined" VARIABLE_UNDEFINED;
    /// A Kustomization does not build or does not apply.
    KustomizationFailed "kustomization-failed" KUSTOMIZATION_FAILED;
    /// A release waits for one that does not exist.
    DependencyMissing "dependency-missing" DEPENDENCY_MISSING;
    /// Releases wait for each other.
    DependencyCycle "dependency-cycle" DEPENDENCY_CYCLE;
    /// A Helm release was left half-way.
    ReleaseStuck "release-stuck" RELEASE_STUCK;
    /// A chart version is not in its registry.
    ChartNotFound "chart-not-found" CHART_NOT_FOUND;
    /// The registry does not hand a chart out.
    ChartRefused "chart-refused" CHART_REFUSED;
    /// The chart's registry does not answer.
    ChartUnreachable "chart-unreachable" CHART_UNREACHABLE;
    /// A chart's template does not render.
    ChartTemplateError "chart-template-error" CHART_TEMPLATE_ERROR;
    /// A chart's schema refuses the values.
    ChartValuesRefused "chart-values-refused" CHART_VALUES_REFUSED;
    /// An object's kind is not known to the API server.
    KindUnknown "kind-unknown" KIND_UNKNOWN;
    /// A hook may not do what it tries.
    HookForbidden "hook-forbidden" HOOK_FORBIDDEN;
    /// A hook ended with an error.
    HookFailed "hook-failed" HOOK_FAILED;
    /// A registry cannot be reached from the node.
    RegistryUnreachable "registry-unreachable" REGISTRY_UNREACHABLE;
    /// The registry does not hand an image out.
    ImageRefused "image-refused" IMAGE_REFUSED;
    /// An image or its tag does not exist.
    ImageNotFound "image-not-found" IMAGE_NOT_FOUND;
    /// A claim for storage is not bound.
    ClaimPending "claim-pending" CLAIM_PENDING;
    /// No node takes a Pod.
    PodUnschedulable "pod-unschedulable" POD_UNSCHEDULABLE;
    /// Pods are not made at all.
    PodsRefused "pods-refused" PODS_REFUSED;
    /// A Secret or ConfigMap that a Pod needs does not exist, or a key of it.
    ReferenceMissing "reference-missing" REFERENCE_MISSING;
    /// A container ends again and again.
    ContainerCrashes "container-crashes" CONTAINER_CRASHES;
    /// A hook waits for something.
    HookWaits "hook-waits" HOOK_WAITS;
    /// A container runs and its probe fails.
    ProbeFails "probe-fails" PROBE_FAILS;
    /// The Helm controller cannot install a release, for a reason that has no name of its own.
    ReleaseFailed "release-failed" RELEASE_FAILED;
    /// Something that would have to be read for an answer cannot be read.
    EvidenceUnreadable "evidence-unreadable" EVIDENCE_UNREADABLE;
}

impl CauseKind {}

/// Something that was read and shows a cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// Where it was read, such as `Event Failed of Pod gitea/gitea-0`.
    pub source: String,
    /// When it happened, if the source says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// What it says, in its own words.
    pub text: String,
}

/// One reason why a Sovereign is not well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    /// What kind of cause.
    pub kind: CauseKind,
    /// What it is about, such as `image ghcr.io/a/b:1 in namespace gitea`; with the kind it says
    /// whether two causes are the same.
    pub subject: String,
    /// The cause in one line.
    pub headline: String,
    /// What was read, the most telling first.
    pub evidence: Vec<Evidence>,
    /// What to do.
    pub fix: String,
    /// Since when, as far as the evidence says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The releases that have it.
    pub releases: Vec<ReleaseName>,
    /// The releases that are not ready and come after those, by what the kit declares.
    pub waiting: Vec<ReleaseName>,
}

impl Cause {
    /// What makes it the same cause at a later time, whatever else is known of it by then.
    pub fn identity(&self) -> (CauseKind, &str) {
        (self.kind, &self.subject)
    }

    /// Whether it says the same as `other`, when the times of the evidence are left out, which move
    /// with every repetition, and the lines of logs: a hook that waits counts its tries in them.
    pub fn says_as(&self, other: &Self) -> bool {
        let said = |cause: &Self| {
            let Self { kind, subject, headline, fix, releases, waiting, .. } = cause.clone();
            let headline = match kind {
                CauseKind::HookWaits => without_digits(&headline),
                _ => headline,
            };
            (kind, subject, headline, fix, releases, waiting)
        };
        let texts = |cause: &Self| -> Vec<String> {
            let is_log = |evidence: &&Evidence| evidence.source.starts_with("Log of ");
            let lasting = cause.evidence.iter().filter(|evidence| !is_log(evidence));
            lasting.map(|evidence| without_digits(&evidence.text)).collect()
        };
        let logs = |cause: &Self| cause.evidence.len() - texts(cause).len();
        said(self) == said(other) && texts(self) == texts(other) && logs(self) == logs(other)
    }
}

fn without_digits(text: &str) -> String {
    text.chars().filter(|c| !c.is_ascii_digit()).collect()
}

impl Deployment {
    /// Every cause of trouble, the one to look at first in front: what the deployment's own log
    /// tells while there is no cluster to ask, then what the cluster shows.
    pub fn causes(&self) -> Vec<Cause> {
        let own = self.infrastructure_cause().or_else(|| self.silence_cause());
        match own.or_else(|| self.link_cause()) {
            Some(cause) => vec![cause],
            None => self.cluster_causes.clone(),
        }
    }

    fn infrastructure_cause(&self) -> Option<Cause> {
        let Progress::Failed { step, failure } = &self.infrastructure.progress else { return None };
        let resources = &self.infrastructure.resources;
        let resource = resources.iter().find(|r| r.state == ResourceState::Failed);
        let said = resource.and_then(|r| r.message.as_deref()).unwrap_or(&failure.cause);
        let headline = match resource {
            Some(r) => format!("resource {} failed: {}", r.short_name(), first_line(said)),
            None => format!("{} failed: {}", step.title(), first_line(&failure.cause)),
        };
        let evidence = Evidence {
            source: format!("OpenTofu, {}", step.title()),
            at: resource.and_then(|r| r.finished_at).or(self.infrastructure.finished_at),
            text: failure.cause.clone(),
        };
        let subject = resource.map_or_else(|| step.as_str().to_owned(), |r| r.address.clone());
        let kind = CauseKind::ResourceFailed;
        Some(self.own_cause(kind, subject, headline, evidence, &failure.fix))
    }

    fn silence_cause(&self) -> Option<Cause> {
        let KubeconfigState::TimedOut { at, failure } = &self.kubeconfig else { return None };
        let waited = self.infrastructure.finished_at.map(|since| at.duration_since(since));
        let waited = waited.map(|w| format!(" after {} s", w.as_secs())).unwrap_or_default();
        let headline = format!("no kubeconfig from {}'s node{waited}", self.spec.name);
        let source = "The deployment's log".to_owned();
        let evidence = Evidence { source, at: Some(*at), text: failure.cause.clone() };
        let kind = CauseKind::NodeNeverReported;
        Some(self.own_cause(kind, "kubeconfig".to_owned(), headline, evidence, &failure.fix))
    }

    /// While the cluster does not answer, what it showed last says nothing of now.
    fn link_cause(&self) -> Option<Cause> {
        let ClusterLink::Lost { since, message } = &self.cluster else { return None };
        let (kind, word) = match self.cluster_refusal {
            Some(_) => (CauseKind::ClusterRefuses, "does not let us in"),
            None => (CauseKind::ClusterUnreachable, "does not answer"),
        };
        let headline = format!("{}'s cluster {word}: {}", self.spec.name, first_line(message));
        let (source, text) = ("Its API server".to_owned(), message.clone());
        let evidence = Evidence { source, at: Some(*since), text };
        let fix = kind.problem().fix;
        Some(self.own_cause(kind, "API server".to_owned(), headline, evidence, fix))
    }

    fn own_cause(
        &self,
        kind: CauseKind,
        subject: String,
        headline: String,
        evidence: Evidence,
        fix: &str,
    ) -> Cause {
        let unwell = self.components.iter().filter(|c| c.state != ComponentState::Installed);
        Cause {
            kind,
            subject,
            headline,
            since: evidence.at,
            evidence: vec![evidence],
            fix: fix.to_owned(),
            releases: Vec::new(),
            waiting: unwell.map(|component| component.name.clone()).collect(),
        }
    }
}

/// The first line of a program's words that says something.
fn first_line(text: &str) -> &str {
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn waits(line: &str) -> Cause {
        let source = "Log of Job a/b".to_owned();
        Cause {
            kind: CauseKind::HookWaits,
            subject: "hook Job a/b".to_owned(),
            headline: format!("hook b waits: {line}"),
            evidence: vec![Evidence { source, at: None, text: line.to_owned() }],
            fix: String::new(),
            since: None,
            releases: Vec::new(),
            waiting: Vec::new(),
        }
    }

    #[test]
    fn a_hook_that_counts_its_tries_is_no_news_and_another_wait_is() {
        assert!(waits("waiting for S, try 9").says_as(&waits("waiting for S, try 10")));
        assert!(!waits("waiting for S").says_as(&waits("waiting for T")));
        let silent = Cause { evidence: Vec::new(), ..waits("waiting for S") };
        assert!(!waits("waiting for S").says_as(&silent), "its log has come");
    }

    #[test]
    fn a_kind_is_stored_as_the_word_on_the_wire() {
        for kind in CauseKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }

    #[test]
    fn every_kind_has_an_entry_of_its_own_in_the_catalogue() {
        let codes: BTreeSet<_> = CauseKind::ALL.iter().map(|kind| kind.problem().code).collect();
        assert_eq!(codes.len(), CauseKind::ALL.len());
        assert!(codes.iter().all(|code| Problem::by_code(*code).is_some()));
    }
}
