//! Why an operation did not do what it was asked, by meaning.

use catalyst_model::{Problem, ProblemClass, Trouble};

/// A refused or broken operation.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request cannot be honoured; the trouble says why and what to do.
    #[error("{0}")]
    Refused(Trouble),
    /// Something under the operation broke; the source is for the log only.
    #[error("{trouble}")]
    Broken {
        /// What may be shown.
        trouble: Trouble,
        /// What broke.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// What may be shown to whoever asked.
    pub fn trouble(&self) -> &Trouble {
        match self {
            Self::Refused(trouble) | Self::Broken { trouble, .. } => trouble,
        }
    }

    /// What kind of answer it is.
    pub fn class(&self) -> ProblemClass {
        self.trouble().problem.class
    }

    /// Something broke in a way nobody outside can mend.
    pub(crate) fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Broken { trouble: Problem::INTERNAL.plain(), source: source.into() }
    }
}

impl From<Trouble> for Error {
    fn from(t: Trouble) -> Self {
        Self::Refused(t)
    }
}

/// A failure of the records, as people are told of it, with its source for the log.
pub(crate) fn from_store(error: catalyst_store::Error) -> Error {
    Error::Broken { trouble: error.trouble(), source: Box::new(error) }
}
