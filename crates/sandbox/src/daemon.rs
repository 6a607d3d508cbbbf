//! The hidden verbs of our own program: what it runs as when it is started by itself.
//!
//! [`run`] is the whole of such a process. It makes its own runtime, so it must be called before
//! the program has made another.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::problem::Result;
use crate::supervisor::{self, START};

/// What to run as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    /// `supervise DIR`: the supervisor of a folder.
    Supervise {
        /// The folder with `spec.json`.
        dir: PathBuf,
    },
    /// `enter FILE [-- ARGS…]`: become a confined program.
    Enter {
        /// What to become.
        file: PathBuf,
        /// More arguments for it.
        args: Vec<OsString>,
    },
    /// `front FILE`: the TLS process of a link's front.
    Front {
        /// Its settings.
        file: PathBuf,
    },
}

/// Runs until told to end. `enter` returns only if it fails.
///
/// # Errors
/// Those of the verb: CAT-3141 and CAT-3144, CAT-3145, CAT-3160.
pub fn run(verb: Verb) -> Result<()> {
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|error| START.because("cannot start the runtime").source(error))
    };
    match verb {
        Verb::Supervise { dir } => runtime()?.block_on(supervisor::daemon::run(&dir)),
        Verb::Enter { file, args } => Err(supervisor::enter(&file, &args)),
        Verb::Front { file } => runtime()?.block_on(crate::front::serve::run(&file)),
    }
}
