//! The only door to an effect: operations, workflows, reconcilers.
