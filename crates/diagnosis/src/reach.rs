//! Who waits for a cause: the releases that are not ready and come after those that have it.

use std::collections::BTreeSet;

use catalyst_model::{Cause, ReleaseName};

use crate::Observed;
use crate::finding::Finding;

/// The finding as it is told.
pub(crate) fn told(observed: &Observed<'_>, finding: Finding) -> Cause {
    let waiting = waiting(observed, &finding);
    let Finding { kind, subject, headline, evidence, fix, since, releases, .. } = finding;
    let releases = releases.into_iter().collect();
    Cause { kind, subject, headline, evidence, fix, since, releases, waiting }
}

fn waiting(observed: &Observed<'_>, finding: &Finding) -> Vec<ReleaseName> {
    let mut behind: BTreeSet<&ReleaseName> = BTreeSet::new();
    if finding.concerns_all {
        behind.extend(observed.kit.iter().map(|release| &release.name));
    } else {
        let mut edge: Vec<&ReleaseName> = finding.releases.iter().collect();
        while let Some(first) = edge.pop() {
            for release in observed.kit {
                if release.depends_on.contains(first) && behind.insert(&release.name) {
                    edge.push(&release.name);
                }
            }
        }
    }
    let waits =
        |name: &&ReleaseName| !observed.well.contains(name) && !finding.releases.contains(name);
    behind.into_iter().filter(waits).cloned().collect()
}
