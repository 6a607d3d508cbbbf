//! Everything that can go wrong, said once: code, title, cause and fix.
//!
//! [`Problem`] is an entry of the catalogue, [`Trouble`] one occurrence of it with its own detail.
//! The entries themselves are in `problem/catalogue.rs`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::Malformed;

mod catalogue;

/// A stable problem code, written `CAT-nnnn`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProblemCode(pub u16);

impl fmt::Display for ProblemCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CAT-{:04}", self.0)
    }
}

impl FromStr for ProblemCode {
    type Err = Malformed;

    fn from_str(s: &str) -> Result<Self, Malformed> {
        s.strip_prefix("CAT-")
            .filter(|d| d.len() == 4)
            .and_then(|d| d.parse().ok())
            .map(Self)
            .ok_or_else(|| Malformed::new(s, "a problem code (`CAT-` and four digits)"))
    }
}

impl TryFrom<String> for ProblemCode {
    type Error = Malformed;

    fn try_from(s: String) -> Result<Self, Malformed> {
        s.parse()
    }
}

impl From<ProblemCode> for String {
    fn from(c: ProblemCode) -> String {
        c.to_string()
    }
}

/// What kind of answer a problem is; each door turns it into its own code (HTTP status, exit code).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProblemClass {
    /// The request does not say what it must.
    Invalid,
    /// The request is well formed and asks for something that cannot be had.
    Unprocessable,
    /// The request is larger than allowed.
    TooLarge,
    /// The request's content type is not understood.
    UnsupportedMedia,
    /// Nobody in particular is asking.
    Unauthenticated,
    /// Whoever asks may not.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// The path is known, the method is not.
    MethodNotAllowed,
    /// It contradicts what is already there.
    Conflict,
    /// It is planned and not built yet.
    NotImplemented,
    /// It cannot be done now; the same request may work later.
    Unavailable,
    /// The work itself failed, outside any request.
    Failed,
    /// Our own fault.
    Internal,
}

/// One entry of the catalogue.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    /// The stable code.
    pub code: ProblemCode,
    /// What kind of answer it is.
    pub class: ProblemClass,
    /// The machine's word in the error body's member `error`.
    pub slug: &'static str,
    /// One line: what happened.
    pub title: &'static str,
    /// Why it usually happens.
    pub cause: &'static str,
    /// What to do.
    pub fix: &'static str,
}

impl Problem {
    /// Every problem, in the order of the codes.
    pub fn all() -> &'static [&'static Problem] {
        catalogue::ALL
    }

    /// The entry of a code.
    pub fn by_code(code: ProblemCode) -> Option<&'static Problem> {
        Self::all().iter().copied().find(|p| p.code == code)
    }

    /// One occurrence of this problem with its particular circumstances.
    pub fn with(&'static self, detail: impl Into<String>) -> Trouble {
        Trouble { problem: self, detail: Some(detail.into()) }
    }

    /// One occurrence of this problem about which nothing more can be said.
    pub fn plain(&'static self) -> Trouble {
        Trouble { problem: self, detail: None }
    }
}

/// One occurrence of a problem. Its detail is shown to people: never put a secret into it.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} {}{}", problem.code, problem.title, DetailSuffix(detail.as_deref()))]
pub struct Trouble {
    /// The catalogue's entry.
    pub problem: &'static Problem,
    /// What is particular about this occurrence.
    pub detail: Option<String>,
}

impl fmt::Debug for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

struct DetailSuffix<'a>(Option<&'a str>);

impl fmt::Display for DetailSuffix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |d| write!(f, ": {d}"))
    }
}

/// A trouble as it is kept in a record: whole, so that an old record reads the same for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The stable code.
    pub code: ProblemCode,
    /// What happened.
    pub title: String,
    /// Why: the occurrence's own detail, else the catalogue's usual cause.
    pub cause: String,
    /// What to do.
    pub fix: String,
}

impl From<&Trouble> for Failure {
    fn from(t: &Trouble) -> Self {
        Self {
            code: t.problem.code,
            title: t.problem.title.to_owned(),
            cause: t.detail.clone().unwrap_or_else(|| t.problem.cause.to_owned()),
            fix: t.problem.fix.to_owned(),
        }
    }
}

impl From<Trouble> for Failure {
    fn from(t: Trouble) -> Self {
        Self::from(&t)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_ascending_and_complete() {
        let codes: Vec<_> = Problem::all().iter().map(|p| p.code).collect();
        assert!(codes.windows(2).all(|w| w[0] < w[1]), "{codes:?}");
        for p in Problem::all() {
            for text in [p.slug, p.title, p.cause, p.fix] {
                assert!(!text.trim().is_empty(), "{}", p.code);
            }
            assert!(p.slug.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", p.slug);
        }
    }

    #[test]
    fn slugs_name_one_problem_each() {
        let mut seen = BTreeSet::new();
        for p in Problem::all() {
            assert!(seen.insert(p.slug), "slug `{}` twice", p.slug);
        }
    }

    #[test]
    fn a_code_reads_back() {
        assert_eq!("CAT-1004".parse(), Ok(ProblemCode(1004)));
        assert!("CAT-10045".parse::<ProblemCode>().is_err());
        assert_eq!(Problem::by_code(ProblemCode(1004)), Some(&Problem::FQDN_MALFORMED));
    }
}
