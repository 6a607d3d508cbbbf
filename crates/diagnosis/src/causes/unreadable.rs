//! What cannot be read: said as such, for it must not pass for health.

use catalyst_model::CauseKind;

use crate::Observed;
use crate::finding::Finding;

pub(super) fn kinds(observed: &Observed<'_>) -> Vec<Finding> {
    let of = |(kind, why): &(&'static str, &str)| {
        let headline = format!("{kind} objects cannot be read: {why}");
        Finding::new(CauseKind::EvidenceUnreadable, *kind, &headline).evidence(
            format!("Listing of {kind}"),
            None,
            why,
        )
    };
    observed.unreadable.iter().map(of).collect()
}
