//! Puts everything a Sovereign pulls into the registries of the outside, under its real name.
//!
//! [`Publisher::push`] takes artefacts (images, charts) as manifests and blobs, skips what a
//! registry has already, and tells what it does. Content is addressed by its digest, so a second run
//! sends nothing and an interrupted one is simply repeated. Git content is pushed by
//! [`Outside::publish_tree`](crate::outside::Outside::publish_tree).

mod artefact;
mod registry;

use crate::outside::{Outside, Ports};
use crate::problem::{Code, Result};

pub use artefact::{Artefact, Blob, Content, Name, Visibility};

/// An artefact could not be pushed.
pub const PUBLISH: Code = Code::new(
    3170,
    "an image or chart could not be put into the outside's registry",
    "Check with `catalyst sandbox outside status` that the registries run, then repeat the command: it goes on where it stopped.",
);
/// An artefact on disk is damaged.
pub const ARTEFACT: Code = Code::new(
    3171,
    "an image or chart on disk cannot be used",
    "Remove the named folder from the cache; it is made again.",
);

/// The codes of publishing.
pub const CODES: &[&Code] = &[&PUBLISH, &ARTEFACT];

/// What happens to one artefact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// The registry has it.
    Present {
        /// Its full name.
        name: String,
    },
    /// What the registry lacks is on its way.
    Pushing {
        /// Its full name.
        name: String,
        /// Bytes of all its blobs.
        bytes: u64,
    },
    /// The registry has it now.
    Pushed {
        /// Its full name.
        name: String,
    },
}

/// Pushes to the registries of one outside.
#[derive(Debug)]
pub struct Publisher {
    public: registry::Registry,
    private: registry::Registry,
}

impl Publisher {
    /// For the outside as it is configured; it must be up when something is pushed.
    ///
    /// # Errors
    /// CAT-3152 when the credentials cannot be read.
    pub fn new(outside: &Outside) -> Result<Self> {
        let Ports { public, private, .. } = outside.config().ports;
        Ok(Self {
            public: registry::Registry::new(Ports::local(public), None)?,
            private: registry::Registry::new(
                Ports::local(private),
                Some(outside.pull_credentials()?),
            )?,
        })
    }

    /// Pushes what is missing of `artefacts`, one after another, and returns how many were pushed.
    ///
    /// # Errors
    /// CAT-3170 when a registry refuses, CAT-3171 when a file is missing.
    pub async fn push(
        &self,
        artefacts: &[Artefact],
        report: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<usize> {
        let mut pushed = 0;
        for artefact in artefacts {
            let registry = match artefact.name.visibility() {
                Visibility::Public => &self.public,
                Visibility::Private => &self.private,
            };
            let name = artefact.name.to_string();
            if registry.has_manifest(artefact).await? {
                report(Progress::Present { name });
                continue;
            }
            let bytes = artefact.blobs.iter().map(|blob| blob.size_bytes).sum();
            report(Progress::Pushing { name: name.clone(), bytes });
            for blob in &artefact.blobs {
                registry.push_blob(artefact, blob).await?;
            }
            registry.push_manifest(artefact).await?;
            pushed += 1;
            report(Progress::Pushed { name });
        }
        Ok(pushed)
    }
}
