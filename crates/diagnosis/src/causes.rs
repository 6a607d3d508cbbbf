//! Where causes are found, a file for each place.

mod charts;
mod claims;
mod graph;
mod helm;
mod hooks;
mod images;
mod platform;
mod pods;
mod running;
mod scheduling;
mod sources;
mod unreadable;

use crate::Observed;
use crate::finding::Finding;

/// Everything that is found, in no order.
pub(crate) fn all(observed: &Observed<'_>) -> Vec<Finding> {
    let mut found = platform::nodes(observed);
    found.extend(platform::controllers(observed));
    found.extend(sources::sources(observed));
    found.extend(sources::kustomizations(observed));
    found.extend(graph::missing(observed));
    found.extend(graph::cycles(observed));
    found.extend(charts::charts(observed));
    found.extend(pods::pods(observed));
    found.extend(pods::refused(observed));
    found.extend(claims::claims(observed));
    found.extend(hooks::hooks(observed));
    found.extend(helm::stuck(observed));
    let explained = found.iter().flat_map(|finding| finding.releases.iter().cloned()).collect();
    found.extend(helm::releases(observed, &explained));
    found.extend(unreadable::kinds(observed));
    found
}
