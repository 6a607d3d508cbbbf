//! From what a cluster shows to the named causes of its trouble. Pure: no I/O, and the time is given.
//!
//! Entry point: [`diagnose`]. It names what is wrong and not who waits for it: a release whose
//! dependency is not ready has no cause of its own, a Pod without a volume is the claim's fault, a
//! claim without a class the class's. Each file in `causes` finds the causes of one place; none
//! knows of the others. What could not be read is told as such, so that silence is never health.
//!
//! Objects come in reduced: [`Pod::read`] and its like keep the few members that can name a cause.

mod causes;
mod finding;
pub mod member;
mod objects;
mod observed;
mod pod;
mod quantity;
mod reach;
pub mod words;

pub use objects::{Claim, Condition, Event, Job, Node, Release, Toolkit};
pub use observed::{Controller, Key, Made, Observed, Pending, Tail};
pub use pod::{Container, Exit, Pod, Reference, State, Unready};
pub use quantity::Amount;

use catalyst_model::Cause;

/// More causes than this at once say no more than the first ones.
const MOST: usize = 32;

/// Names the causes that `observed` shows, the one to look at first in front.
///
/// What stands under everything comes first, then what more releases wait for, then what is older.
pub fn diagnose(observed: &Observed<'_>) -> Vec<Cause> {
    let findings = finding::merged(causes::all(observed));
    let mut causes: Vec<Cause> =
        findings.into_iter().map(|finding| reach::told(observed, finding)).collect();
    let is_evidence_only =
        |cause: &Cause| cause.kind == catalyst_model::CauseKind::EvidenceUnreadable;
    causes.sort_by(|a, b| {
        let place = |c: &Cause| (is_evidence_only(c), layer(c), std::cmp::Reverse(c.waiting.len()));
        place(a).cmp(&place(b)).then_with(|| {
            let since = |c: &Cause| (c.since.is_none(), c.since);
            since(a).cmp(&since(b)).then_with(|| a.identity().cmp(&b.identity()))
        })
    });
    causes.truncate(MOST);
    causes
}

/// What stands under the releases, the releases themselves, and what may yet come right by itself.
fn layer(cause: &Cause) -> u8 {
    use catalyst_model::CauseKind as K;
    match cause.kind {
        K::ResourceFailed | K::NodeNeverReported | K::ClusterUnreachable | K::ClusterRefuses => 0,
        K::NodeNotReady => 1,
        K::ControllerDown => 2,
        K::SourceUnavailable | K::VariableUndefined | K::KustomizationFailed => 3,
        K::HookWaits | K::ProbeFails | K::ReleaseFailed => 5,
        _ => 4,
    }
}

#[cfg(test)]
mod tests;
