//! What a request used, in tokens: subsets are subsets, and an explicit zero is a zero.

use serde::{Deserialize, Serialize};

/// Tokens of one request. `cached_input` and `cache_write` are parts of `input`, `reasoning` is a
/// part of `output`; none is an addition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Usage {
    /// All input tokens.
    pub input: u64,
    /// Input tokens the upstream read from its cache.
    pub cached_input: u64,
    /// Input tokens the upstream wrote to its cache.
    pub cache_write: u64,
    /// All output tokens.
    pub output: u64,
    /// Output tokens the model thought and did not say.
    pub reasoning: u64,
}

/// A part that is larger than its whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the parts of the {of} tokens are more than the whole")]
pub struct PartsExceedWhole {
    /// `input` or `output`.
    pub of: &'static str,
}

impl Usage {
    /// Checks that no part is larger than its whole.
    ///
    /// # Errors
    /// One is: the upstream's numbers cannot be billed as they are.
    pub fn check(&self) -> Result<(), PartsExceedWhole> {
        let parts = self.cached_input.checked_add(self.cache_write);
        if parts.is_none_or(|parts| parts > self.input) {
            return Err(PartsExceedWhole { of: "input" });
        }
        if self.reasoning > self.output {
            return Err(PartsExceedWhole { of: "output" });
        }
        Ok(())
    }
}

/// Where the numbers of a settlement come from; kept with each row and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UsageSource {
    /// The upstream said them.
    Reported,
    /// The gateway counted what it forwarded.
    Counted,
    /// The gateway estimated them from bytes.
    Estimated,
    /// The gateway ended with the request open: input and last progress were charged.
    Unresolved,
}

impl UsageSource {
    /// The source's name, as in the book.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::Counted => "counted",
            Self::Estimated => "estimated",
            Self::Unresolved => "unresolved",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_larger_than_its_whole_is_refused() {
        let table = [
            (Usage { input: 1, cached_input: 2, ..Usage::default() }, "input"),
            (Usage { input: 3, cached_input: 2, cache_write: 2, ..Usage::default() }, "input"),
            (
                Usage { input: 3, cached_input: u64::MAX, cache_write: 1, ..Usage::default() },
                "input",
            ),
            (Usage { output: 1, reasoning: 2, ..Usage::default() }, "output"),
        ];
        for (usage, of) in table {
            assert_eq!(usage.check(), Err(PartsExceedWhole { of }), "{usage:?}");
        }
        let whole = Usage { input: 3, cached_input: 2, cache_write: 1, output: 2, reasoning: 2 };
        assert_eq!(whole.check(), Ok(()));
    }
}
