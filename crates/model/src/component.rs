//! How a component is: one pure judgement over the facts a cluster showed.

use serde::{Deserialize, Serialize};

use crate::{ComponentFact, ConditionStatus, HelmFact, Inventory};

/// The state of one component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ComponentState {
    /// Waiting for its turn.
    Pending,
    /// Being installed or upgraded, or its workloads are starting.
    Installing,
    /// Ready at its current generation and everything it runs is available.
    Installed,
    /// It was installed and is not well now, or holds nothing at all.
    Degraded,
    /// The controller has given up on it.
    Failed,
    /// It was there and is gone.
    Missing,
}

impl ComponentState {
    /// The word used on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Installing => "installing",
            Self::Installed => "installed",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
            Self::Missing => "missing",
        }
    }
}

/// What was known of a component before a fact came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Past {
    /// It was never seen on the cluster.
    NeverSeen,
    /// It was seen but never installed.
    Seen,
    /// It was installed once.
    InstalledOnce,
}

/// The judgement over one fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    /// The state.
    pub state: ComponentState,
    /// The sentence beside it.
    pub message: String,
    /// Whether the HelmRelease alone is ready at its current generation.
    pub helm_ready: bool,
}

impl Assessment {
    /// The judgement when `version` of the chart was asked for: another one that is well is not
    /// the one that is waited for. A version that is left open or is a range says nothing.
    pub(crate) fn at_version(self, version: &str, fact: &ComponentFact, past: Past) -> Self {
        let applied = fact.helm.as_ref().and_then(|helm| helm.applied_version.as_deref());
        if self.state != ComponentState::Installed || !is_one_version(version) {
            return self;
        }
        // What follows a `+` says how a chart was packed, such as the digest Flux adds.
        let plain = |v: &str| v.split('+').next().unwrap_or(v).trim_start_matches('v').to_owned();
        match applied {
            Some(applied) if plain(applied) == plain(version) => self,
            Some(applied) => {
                let text = format!("chart {applied} is installed, the kit asks for {version}");
                said(unwell(past), &text, true)
            }
            None => said(unwell(past), "nobody has said which chart is installed", true),
        }
    }
}

/// Whether it is one version, `1.2.3` or `1.2.3-rc.1+build`, and not a range of them.
fn is_one_version(text: &str) -> bool {
    let core = text.trim_start_matches('v').split(['-', '+']).next().unwrap_or_default();
    let parts: Vec<&str> = core.split('.').collect();
    let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    parts.len() == 3 && parts.iter().all(is_number) && !text.contains(' ')
}

/// Judges `fact`; only a release that is ready at its current generation, holds objects and whose
/// every workload is available counts as installed.
pub fn assess(fact: &ComponentFact, past: Past) -> Assessment {
    let Some(helm) = &fact.helm else {
        return match past {
            Past::NeverSeen => said(ComponentState::Pending, "not on the cluster yet", false),
            Past::Seen | Past::InstalledOnce => {
                said(ComponentState::Missing, "its HelmRelease is gone from the cluster", false)
            }
        };
    };
    if helm.suspended {
        let state = unwell(past);
        return said(state, "its HelmRelease is suspended", false);
    }
    match helm_word(helm) {
        HelmWord::Ready => assess_inventory(fact.inventory.as_ref(), past),
        HelmWord::NotReady(state, message) => Assessment { state, message, helm_ready: false },
    }
}

enum HelmWord {
    Ready,
    NotReady(ComponentState, String),
}

fn helm_word(helm: &HelmFact) -> HelmWord {
    use ComponentState::{Degraded, Failed, Installing, Pending};
    let Some(ready) = &helm.ready else {
        return HelmWord::NotReady(Pending, "waiting for the Helm controller".to_owned());
    };
    let speaks_of_now = helm.observed_generation == Some(helm.generation)
        && ready.observed_generation.is_none_or(|g| g == helm.generation);
    if !speaks_of_now {
        let text = "the Helm controller has not looked at the newest version yet".to_owned();
        // A release that has not been reconciled once has observed generation -1 or none.
        let waiting = is_dependency_wait(&ready.reason, &ready.message);
        return match (ready.status, waiting) {
            (ConditionStatus::False, true) => HelmWord::NotReady(Pending, ready.message.clone()),
            (ConditionStatus::Unknown, _) => HelmWord::NotReady(Installing, ready.message.clone()),
            _ => HelmWord::NotReady(Installing, text),
        };
    }
    if helm.stalled.as_ref().is_some_and(|s| s.status == ConditionStatus::True) {
        return HelmWord::NotReady(Failed, ready.message.clone());
    }
    match ready.status {
        ConditionStatus::True => HelmWord::Ready,
        ConditionStatus::Unknown => HelmWord::NotReady(Installing, ready.message.clone()),
        ConditionStatus::False if is_dependency_wait(&ready.reason, &ready.message) => {
            HelmWord::NotReady(Pending, ready.message.clone())
        }
        ConditionStatus::False => match ready.reason.as_str() {
            "InstallFailed" | "UpgradeFailed" | "RollbackSucceeded" | "UninstallSucceeded"
            | "TestFailed" => HelmWord::NotReady(Installing, retrying(helm, &ready.message)),
            "Progressing" | "ReconcileStarted" | "SourceNotReady" | "ArtifactFailed"
            | "ChartPullError" | "ChartLoadError" => {
                HelmWord::NotReady(Installing, ready.message.clone())
            }
            _ => HelmWord::NotReady(Degraded, ready.message.clone()),
        },
    }
}

fn is_dependency_wait(reason: &str, message: &str) -> bool {
    let lower = message.to_ascii_lowercase();
    reason == "DependencyNotReady"
        || (lower.contains("dependency '") && lower.contains("is not ready"))
}

fn retrying(helm: &HelmFact, message: &str) -> String {
    match helm.failures {
        0 => message.to_owned(),
        n => format!("attempt {n} failed, trying again: {message}"),
    }
}

fn assess_inventory(inventory: Option<&Inventory>, past: Past) -> Assessment {
    let Some(inventory) = inventory else {
        return said(unwell(past), "reading what the release installed", true);
    };
    if inventory.objects == 0 {
        return said(ComponentState::Degraded, "the release installed nothing at all", true);
    }
    let Some(w) = inventory.workloads.iter().find(|w| !w.available) else {
        return said(ComponentState::Installed, "installed and available", true);
    };
    let mut text =
        format!("{} {}/{}: {} of {} ready", w.kind, w.namespace, w.name, w.ready, w.desired);
    if let Some(why) = &w.message {
        text.push_str(" (");
        text.push_str(why);
        text.push(')');
    }
    said(unwell(past), &text, true)
}

fn unwell(past: Past) -> ComponentState {
    match past {
        Past::InstalledOnce => ComponentState::Degraded,
        Past::NeverSeen | Past::Seen => ComponentState::Installing,
    }
}

fn said(state: ComponentState, message: &str, helm_ready: bool) -> Assessment {
    Assessment { state, message: message.to_owned(), helm_ready }
}

#[cfg(test)]
mod tests;
