//! What stands under a kit, as facts for the record: nodes, Flux's controllers, sources,
//! Kustomizations. Pure; told at each change and never twice in a row.

use std::collections::BTreeMap;

use catalyst_fleet::{ClusterView, Connection, Kind};
use catalyst_model::{ConditionFact, ConditionStatus, PlatformFact};

/// What the last reader has been told.
#[derive(Debug, Default)]
pub(crate) struct Milestones {
    told: BTreeMap<String, PlatformFact>,
}

impl Milestones {
    /// Returns what is new in `view`. A view that is not current says nothing.
    pub(crate) fn step(&mut self, view: &ClusterView) -> Vec<PlatformFact> {
        if view.connection != Connection::Live {
            return Vec::new();
        }
        let mut news = seen(view);
        news.retain(|fact| self.told.get(&fact.subject) != Some(fact));
        for fact in &news {
            self.told.insert(fact.subject.clone(), fact.clone());
        }
        news
    }
}

/// Everything that `view` shows; nothing of a kind that was not listed yet.
fn seen(view: &ClusterView) -> Vec<PlatformFact> {
    let platform = &view.platform;
    let mut facts = Vec::new();
    if view.synced.contains(&Kind::Node) {
        facts.extend(platform.nodes.iter().map(|node| PlatformFact {
            subject: format!("node {}", node.name),
            well: Some(node.ready),
            message: match (node.ready, &node.message) {
                (true, _) => format!("ready ({})", node.version),
                (false, Some(message)) => format!("not ready: {message}"),
                (false, None) => "not ready".to_owned(),
            },
        }));
    }
    // Pods count once their node's kubelet was asked; until then nothing can be said of them.
    if [Kind::Node, Kind::Deployment, Kind::Pod].iter().all(|kind| view.synced.contains(kind)) {
        facts.extend(platform.controllers.iter().map(|controller| PlatformFact {
            subject: controller.name.clone(),
            well: Some(controller.available),
            message: match (controller.available, &controller.message) {
                (true, _) => "available".to_owned(),
                (false, Some(message)) => format!("not available: {message}"),
                (false, None) => "not available".to_owned(),
            },
        }));
    }
    for source in &platform.sources {
        let subject = format!("GitRepository {}", source.name);
        let none = "no artifact yet";
        facts.push(of_flux(subject, source.ready.as_ref(), source.revision.as_ref(), none));
    }
    for kustomization in &platform.kustomizations {
        let subject = format!("Kustomization {}", kustomization.name);
        let (ready, revision) = (kustomization.ready.as_ref(), kustomization.revision.as_ref());
        facts.push(of_flux(subject, ready, revision, "not applied yet"));
    }
    facts
}

/// How one of Flux's objects is: its revision once it is ready, else what it says of itself.
fn of_flux(
    subject: String,
    ready: Option<&ConditionFact>,
    revision: Option<&String>,
    none: &str,
) -> PlatformFact {
    let well = ready.and_then(|condition| match condition.status {
        ConditionStatus::True => Some(true),
        ConditionStatus::False => Some(false),
        ConditionStatus::Unknown => None,
    });
    let said = ready.map(|condition| condition.message.as_str()).filter(|m| !m.is_empty());
    let message = match (well, revision, said) {
        (Some(true), Some(revision), _) => format!("at {revision}"),
        (Some(true), None, said) => said.unwrap_or("ready").to_owned(),
        (Some(false) | None, None, Some(said)) => format!("{none}: {said}"),
        (Some(false) | None, Some(_), Some(said)) => said.to_owned(),
        (Some(false) | None, _, None) => none.to_owned(),
    };
    PlatformFact { subject, well, message }
}

#[cfg(test)]
mod tests {
    use catalyst_fleet::{NodeView, SourceView};

    use super::*;

    fn condition(status: ConditionStatus, message: &str) -> Option<ConditionFact> {
        let (reason, message) = ("Reason".to_owned(), message.to_owned());
        Some(ConditionFact { status, reason, message, observed_generation: Some(1) })
    }

    fn view(
        node_ready: bool,
        source: Option<ConditionFact>,
        revision: Option<&str>,
    ) -> ClusterView {
        let mut view = ClusterView { connection: Connection::Live, ..ClusterView::default() };
        view.synced.extend([Kind::Node, Kind::GitRepository]);
        view.platform.nodes = vec![NodeView {
            name: "sov1".to_owned(),
            ready: node_ready,
            version: "v1.34.4".to_owned(),
            since: None,
            message: (!node_ready).then(|| "cni plugin not initialized".to_owned()),
            confirmed: true,
        }];
        view.platform.sources = vec![SourceView {
            name: "openova".to_owned(),
            ready: source,
            since: None,
            revision: revision.map(str::to_owned),
        }];
        view
    }

    fn lines(facts: Vec<PlatformFact>) -> Vec<String> {
        facts.into_iter().map(|f| format!("{}: {}", f.subject, f.message)).collect()
    }

    #[test]
    fn what_is_waited_for_is_named_and_told_once() {
        let mut milestones = Milestones::default();
        let failing = condition(ConditionStatus::False, "failed to checkout: no route to host");
        let first = view(false, failing.clone(), None);
        assert_eq!(
            lines(milestones.step(&first)),
            [
                "node sov1: not ready: cni plugin not initialized",
                "GitRepository openova: no artifact yet: failed to checkout: no route to host",
            ]
        );
        assert!(milestones.step(&first).is_empty());
        let ready = view(true, failing, None);
        assert_eq!(lines(milestones.step(&ready)), ["node sov1: ready (v1.34.4)"]);
        let fetched = view(true, condition(ConditionStatus::True, "stored"), Some("main@sha1:0a"));
        assert_eq!(lines(milestones.step(&fetched)), ["GitRepository openova: at main@sha1:0a"]);
    }

    #[test]
    fn a_lost_cluster_and_kinds_not_listed_say_nothing() {
        let mut lost = view(true, None, None);
        lost.connection = Connection::Connecting;
        assert!(Milestones::default().step(&lost).is_empty());
        let mut early = view(true, None, None);
        early.synced.clear();
        early.platform.sources.clear();
        assert!(Milestones::default().step(&early).is_empty());
    }
}
