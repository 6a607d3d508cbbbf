//! OCI layouts, pushes to a registry on loopback, and importable archives.

mod layout;
mod push;

use crate::problem::Code;

pub(crate) use layout::{Blob, write_artefact, write_layout};
pub use layout::{archive, digest_of};
pub use push::{Login, Pushed, Registry};

/// A registry refused a push or did not answer.
pub const PUSH_FAILED: Code = Code::new(
    3125,
    "an image or chart could not be pushed",
    "Check with `catalyst sandbox status` that the outside world runs, then try again.",
);
/// A layout in the cache is damaged.
pub const BAD_LAYOUT: Code = Code::new(
    3126,
    "an image in the cache cannot be read",
    "Remove the named folder: it is made again.",
);

/// The codes of this module.
pub const CODES: &[&Code] = &[&PUSH_FAILED, &BAD_LAYOUT];
