//! What the index lends to the diagnosis, and which logs it wants read.

use std::collections::{BTreeMap, BTreeSet};

use catalyst_diagnosis::{Controller, Made, Observed as Shown, Pending, State, diagnose};
use catalyst_model::{Cause, ComponentState, FrozenKit, KitRelease, Past, ReleaseName, assess};
use jiff::Timestamp;

use super::{Index, PodsByOwner};
use crate::flux::{CONTROLLERS, NAMESPACE};
use crate::log::{Reading, Wanted};
use crate::observe::{Key, Kind, Observed};
use crate::record::{ItemKind, Record};
use crate::view::ClusterView;

impl Index {
    /// The causes of trouble that the latest facts show.
    pub fn causes(&self, view: &ClusterView, now: Timestamp) -> Vec<Cause> {
        let pods = self.pods_by_owner();
        let kit = self.kit.as_deref().map(FrozenKit::releases).unwrap_or_default();
        let records: Vec<(&ReleaseName, &Record)> = kit
            .iter()
            .filter_map(|release| Some((&release.name, self.record_of(release)?)))
            .collect();
        let is_well = |fact: &&catalyst_model::ComponentFact| {
            assess(fact, Past::Seen).state == ComponentState::Installed
        };
        diagnose(&Shown {
            kit,
            well: view.components.iter().filter(is_well).map(|fact| &fact.name).collect(),
            releases: self.told(Kind::HelmRelease, |observed| match observed {
                Observed::HelmRelease(release) => Some(&release.told),
                _ => None,
            }),
            owners: owners(&records),
            pending: pending(&records),
            charts: self.toolkit(Kind::HelmChart),
            sources: self.sources(),
            kustomizations: self.toolkit(Kind::Kustomization),
            pods: self.told(Kind::Pod, |observed| match observed {
                Observed::Pod(pod) => Some(&pod.told),
                _ => None,
            }),
            jobs: self.told(Kind::Job, |observed| match observed {
                Observed::Workload(live) => live.told.as_ref(),
                _ => None,
            }),
            claims: self.told(Kind::Claim, |observed| match observed {
                Observed::Claim(claim) => claim.as_ref(),
                _ => None,
            }),
            classes: self.classes(),
            nodes: self.told(Kind::Node, |observed| match observed {
                Observed::Node(node) => Some(&node.told),
                _ => None,
            }),
            events: self.events().collect(),
            controllers: self.controllers(&pods),
            logs: self.logs.iter().map(|(pod, name, tail)| ((pod, name), tail)).collect(),
            unreadable: self.unreadable_kinds(),
            now,
        })
    }

    fn told<'a, T>(
        &'a self,
        kind: Kind,
        told: impl Fn(&'a Observed) -> Option<&'a T>,
    ) -> BTreeMap<&'a Key, &'a T> {
        self.of(kind).filter_map(|(key, observed)| Some((key, told(observed)?))).collect()
    }

    fn toolkit(&self, kind: Kind) -> BTreeMap<&Key, &catalyst_diagnosis::Toolkit> {
        self.told(kind, |observed| match observed {
            Observed::Toolkit(object) => Some(&**object),
            Observed::FluxObject(object) => Some(&object.told),
            _ => None,
        })
    }

    fn sources(&self) -> Vec<(&'static str, &Key, &catalyst_diagnosis::Toolkit)> {
        let kinds = [Kind::GitRepository, Kind::HelmRepository, Kind::OciRepository];
        let of = |kind: Kind| {
            self.toolkit(kind).into_iter().map(move |(key, object)| (kind.as_str(), key, object))
        };
        kinds.into_iter().flat_map(of).collect()
    }

    fn classes(&self) -> Option<BTreeMap<&str, bool>> {
        let classes = self.objects.get(&Kind::StorageClass)?.iter();
        let classes = classes.filter_map(|(key, observed)| match observed {
            Observed::StorageClass(class) => Some((key.name.as_str(), class.is_default)),
            _ => None,
        });
        Some(classes.collect())
    }

    fn events(&self) -> impl Iterator<Item = &catalyst_diagnosis::Event> {
        self.of(Kind::Event).filter_map(|(_, observed)| match observed {
            Observed::Event(event) => Some(&**event),
            _ => None,
        })
    }

    /// The newest record of a release: while an install runs, the status knows of none.
    fn record_of(&self, release: &KitRelease) -> Option<&Record> {
        let key = Key::new(&release.namespace, release.name.as_str());
        let Some(Observed::HelmRelease(helm)) = self.get(Kind::HelmRelease, &key) else {
            return None;
        };
        let records = self.records(helm).map(|(_, record)| record);
        records.max_by_key(|record| record.version)
    }

    /// Flux's controllers, once there is something for them to do.
    fn controllers(&self, pods: &PodsByOwner<'_>) -> Vec<Controller> {
        let has_work = [Kind::GitRepository, Kind::Kustomization, Kind::HelmRelease]
            .into_iter()
            .any(|kind| self.of(kind).next().is_some());
        if !has_work
            || !self.synced.contains(&Kind::Deployment)
            || !self.synced.contains(&Kind::Pod)
        {
            return Vec::new();
        }
        let of = |name: &str| {
            let live = self.live("Deployment", &Key::new(NAMESPACE, name));
            let own = pods.get(&(NAMESPACE, "Deployment", name)).map(Vec::as_slice);
            let started = own.unwrap_or_default().iter().filter(|pod| pod.ready);
            Controller {
                name: name.to_owned(),
                running_since: started.filter_map(|pod| pod.containers_started_at).max(),
                exists: live.is_some(),
                desired: live.map_or(0, |live| live.desired),
            }
        };
        CONTROLLERS.map(of).to_vec()
    }

    /// Kinds without which an answer would be a guess. Before there is a kit the API server may
    /// not know Flux's kinds yet.
    fn unreadable_kinds(&self) -> Vec<(&'static str, &str)> {
        // A cluster without a kind that only explains has nothing to explain with it.
        let is_absent = |kind: &Kind, reason: &str| {
            !Kind::FOR_COMPONENTS.contains(kind) && reason.contains("404")
        };
        let is_told = |(kind, reason): &(&Kind, &String)| {
            self.kit.is_some() && !self.synced.contains(*kind) && !is_absent(kind, reason)
        };
        let troubles = self.troubles.iter().filter(is_told);
        troubles.map(|(kind, reason)| (kind.as_str(), reason.as_str())).collect()
    }

    /// Whether a Pod is not ready, so that time alone may change what is told.
    pub(crate) fn is_restless(&self) -> bool {
        self.of(Kind::Pod).any(
            |(_, observed)| matches!(observed, Observed::Pod(pod) if pod.told.unready.is_some()),
        )
    }

    /// The containers whose last lines would name a cause.
    pub(crate) fn wanted_logs(&self) -> BTreeSet<Wanted> {
        let mut wanted = BTreeSet::new();
        for (key, observed) in self.of(Kind::Pod) {
            let Observed::Pod(pod) = observed else { continue };
            let is_job = pod.owner.0 == "Job";
            let Some(unready) = pod.told.unready.as_deref() else { continue };
            for container in &unready.containers {
                let reading = match (&container.state, &container.last) {
                    (State::Running { .. }, _) if is_job => Reading::Follow,
                    (State::Ended(exit), _) if exit.code != 0 => Reading::Now,
                    (State::Waiting { .. }, Some(exit)) if exit.code != 0 => Reading::Previous,
                    (State::Running { .. }, Some(exit)) if exit.code != 0 => Reading::Previous,
                    _ => continue,
                };
                wanted.insert(Wanted {
                    pod: key.clone(),
                    container: container.name.clone(),
                    owner: pod.owner.clone(),
                    reading,
                    restarts: container.restarts,
                });
            }
        }
        wanted
    }
}

/// Which release made which workload, by what its record says.
fn owners<'a>(
    records: &[(&'a ReleaseName, &'a Record)],
) -> BTreeMap<(&'a str, &'a str, &'a str), Made<'a>> {
    let mut owners = BTreeMap::new();
    for (release, record) in records {
        for item in &record.items {
            let hook = match &item.part {
                ItemKind::Hook { event, .. } => Some(event.as_str()),
                ItemKind::Manifest { .. } => None,
            };
            let key = (item.namespace.as_str(), item.kind.as_str(), item.name.as_str());
            owners.insert(key, Made { release, hook });
        }
    }
    owners
}

fn pending<'a>(records: &[(&'a ReleaseName, &'a Record)]) -> Vec<Pending<'a>> {
    let is_pending = |(_, record): &&(&ReleaseName, &Record)| record.status.starts_with("pending-");
    let pending = records.iter().filter(is_pending);
    pending
        .map(|(release, record)| Pending { release, status: &record.status, since: record.since })
        .collect()
}
