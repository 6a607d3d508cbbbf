//! What can go wrong on this machine, said so that a person can act: code, title, cause, fix.
//!
//! Each module keeps its own [`Code`] constants beside the code that raises them and lists them in
//! a `CODES` slice; [`catalogue`] joins them for the pages in `docs/errors/`. Ranges: 3000–3099
//! machine and doctor, 3100–3199 tools, images and outside, 3200–3299 nodes.

use std::error::Error as StdError;
use std::fmt;

/// What nearly every function of this crate returns.
pub type Result<T, E = Problem> = std::result::Result<T, E>;

/// One entry of the error catalogue: what is always true of a code.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    /// The number in `CAT-nnnn`; never reused.
    pub number: u16,
    /// One lowercase phrase, the same every time.
    pub title: &'static str,
    /// What it means and what usually helps: the text of its page in `docs/errors/`.
    pub about: &'static str,
}

impl Code {
    /// A catalogue entry, for the `const` tables of the modules.
    pub const fn new(number: u16, title: &'static str, about: &'static str) -> Self {
        Self { number, title, about }
    }

    /// Begins a problem of this code with the cause of this one occurrence.
    pub fn because(&'static self, cause: impl Into<String>) -> Problem {
        Problem { code: self, cause: cause.into(), fix: String::new(), source: None }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "CAT-{:04}", self.number)
    }
}

/// One thing that went wrong, once. Its `Display` is code, title and cause on one line; the fix and
/// the source are printed by the edge that shows it.
#[derive(Debug)]
pub struct Problem {
    code: &'static Code,
    cause: String,
    fix: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Problem {
    /// Adds what the person should do; a sentence, may name a command.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = fix.into();
        self
    }

    /// Keeps the underlying error for the chain printed at the edge.
    #[must_use]
    pub fn source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The catalogue entry.
    pub fn code(&self) -> &'static Code {
        self.code
    }

    /// The phrase that is the same for every problem of this code.
    pub fn title(&self) -> &'static str {
        self.code.title
    }

    /// Why it happened this time.
    pub fn cause(&self) -> &str {
        &self.cause
    }

    /// What to do about it: this occurrence's own advice, else the catalogue's.
    pub fn remedy(&self) -> &str {
        if self.fix.is_empty() { self.code.about } else { &self.fix }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}: {}", self.code, self.code.title, self.cause)
    }
}

impl StdError for Problem {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// Reading or writing one of our own files or folders failed.
pub const FILE: Code = Code::new(
    3000,
    "a file of the sandbox could not be read or written",
    "Check that the folder exists, belongs to the user who runs `catalyst`, and that the disk is not full.",
);
/// A name given for a Sovereign cannot be used.
pub const NAME: Code = Code::new(
    3001,
    "the Sovereign's name cannot be used",
    "Use 1 to 15 lowercase letters, digits and hyphens, beginning with a letter.",
);
/// A helper command could not be started, failed, or took too long.
pub const COMMAND: Code = Code::new(
    3002,
    "a command failed",
    "The cause names the command and its last words. `catalyst doctor` says whether something is missing.",
);
/// There is no checkout to take charts, images and clusters from.
pub const NO_CHECKOUT: Code = Code::new(
    3003,
    "the checkout of Catalyst was not found",
    "Run the command inside the checkout, or name it with `--source` or CATALYST_SOURCE.",
);

/// The codes of the shared pieces.
pub const CODES: &[&Code] = &[&FILE, &NAME, &COMMAND, &NO_CHECKOUT];

/// Every code of this crate, by number.
pub fn catalogue() -> Vec<&'static Code> {
    let tables: &[&[&'static Code]] = &[
        CODES,
        crate::installation::settings::CODES,
        crate::tools::CODES,
        crate::debian::CODES,
        crate::images::CODES,
        crate::oci::CODES,
        crate::charts::CODES,
        crate::doctor::CODES,
        crate::supervisor::CODES,
        crate::outside::CODES,
        crate::front::CODES,
        crate::firewall::CODES,
        crate::mothership::CODES,
        crate::node::CODES,
        crate::lifecycle::CODES,
        crate::cgroup::CODES,
        crate::pki::CODES,
        crate::netns::CODES,
        crate::link::CODES,
        crate::init::CODES,
        crate::first_boot::CODES,
    ];
    let mut all: Vec<_> = tables.iter().flat_map(|table| table.iter().copied()).collect();
    all.sort_by_key(|code| code.number);
    all
}

/// Turns an I/O error on `path` into a problem that names the operation and the path.
pub fn file(doing: &str, path: &std::path::Path, error: std::io::Error) -> Problem {
    FILE.because(format!("cannot {doing} `{}`: {error}", path.display())).source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_unique_in_range_and_says_what_to_do() {
        let all = catalogue();
        assert!(all.windows(2).all(|pair| pair[0].number < pair[1].number));
        for code in all {
            assert!((3000..3300).contains(&code.number), "{code}");
            assert!(!code.about.is_empty(), "{code}");
            assert!(code.title.chars().next().is_some_and(char::is_lowercase), "{code}");
        }
    }

    #[test]
    fn a_problem_falls_back_on_the_advice_of_its_code() {
        let problem = NAME.because("`X` is not a name");
        assert_eq!(problem.remedy(), NAME.about);
        assert_eq!(problem.fix("call it `x`").remedy(), "call it `x`");
    }
}
