//! Names people give: a Sovereign's domain, its short name, an e-mail address.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::Malformed;

macro_rules! text_newtype {
    ($name:ident) => {
        impl $name {
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl TryFrom<String> for $name {
            type Error = Malformed;
            fn try_from(s: String) -> Result<Self, Malformed> {
                s.parse()
            }
        }
        impl From<$name> for String {
            fn from(v: $name) -> String {
                v.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// A fully qualified domain name, lower case: at least two labels, each beginning with a letter
/// (the rule of the infrastructure modules), 253 characters at most.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fqdn(String);
text_newtype!(Fqdn);

impl Fqdn {
    /// The part before the first dot.
    pub fn first_label(&self) -> &str {
        self.0.split('.').next().unwrap_or_default()
    }
}

impl FromStr for Fqdn {
    type Err = Malformed;

    fn from_str(s: &str) -> Result<Self, Malformed> {
        let lower = s.trim().to_ascii_lowercase();
        let labels: Vec<&str> = lower.split('.').collect();
        if lower.len() <= 253 && labels.len() >= 2 && labels.iter().all(|l| label_is_good(l)) {
            Ok(Self(lower))
        } else {
            Err(Malformed::new(
                s,
                "a domain name: labels of letters, digits and `-`, each beginning with a letter, \
                 joined by dots",
            ))
        }
    }
}

fn label_is_good(label: &str) -> bool {
    let b = label.as_bytes();
    (1..=63).contains(&b.len())
        && b[0].is_ascii_lowercase()
        && b[b.len() - 1] != b'-'
        && b.iter().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == b'-')
}

/// The short name of a Sovereign, at most 15 characters (it names a network link on a machine).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SovereignName(String);
text_newtype!(SovereignName);

impl FromStr for SovereignName {
    type Err = Malformed;

    fn from_str(s: &str) -> Result<Self, Malformed> {
        if s.len() <= 15 && label_is_good(s) {
            Ok(Self(s.to_owned()))
        } else {
            Err(Malformed::new(
                s,
                "a Sovereign's name: a letter, then at most 14 letters, digits or `-`, \
                 all lower case, not ending in `-`",
            ))
        }
    }
}

/// An e-mail address, checked only for its shape.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email(String);
text_newtype!(Email);

impl FromStr for Email {
    type Err = Malformed;

    fn from_str(s: &str) -> Result<Self, Malformed> {
        let s = s.trim();
        let shaped = s.split_once('@').is_some_and(|(user, host)| {
            !user.is_empty()
                && !host.contains('@')
                && host.split('.').count() >= 2
                && host.split('.').all(|l| !l.is_empty())
        });
        let plain = s.chars().all(|c| !c.is_whitespace() && !c.is_control());
        if shaped && plain && s.len() <= 254 {
            Ok(Self(s.to_owned()))
        } else {
            Err(Malformed::new(s, "an e-mail address such as `ops@example.org`"))
        }
    }
}

/// The name of a HelmRelease of the kit, such as `bp-gitea`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReleaseName(String);
text_newtype!(ReleaseName);

impl ReleaseName {
    /// The component's own name: the release's without its `bp-`.
    pub fn component(&self) -> &str {
        self.0.strip_prefix("bp-").unwrap_or(&self.0)
    }
}

impl FromStr for ReleaseName {
    type Err = Malformed;

    fn from_str(s: &str) -> Result<Self, Malformed> {
        let good = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'.';
        if (1..=253).contains(&s.len()) && s.bytes().all(good) {
            Ok(Self(s.to_owned()))
        } else {
            Err(Malformed::new(s, "the name of a Kubernetes object"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domain_names_are_lowered_and_checked() {
        assert_eq!("Sov1.Example.ORG".parse::<Fqdn>().unwrap().as_str(), "sov1.example.org");
        for bad in ["", "sov1", "1sov.example.org", "a..b", "a-.b", "a_b.c", "a.b/c", "a.b\n"] {
            let parsed = bad.parse::<Fqdn>();
            assert!(parsed.is_err() || bad.ends_with('\n'), "{bad:?} gave {parsed:?}");
        }
    }

    #[test]
    fn sovereign_names_fit_a_link_name() {
        assert!("sov1".parse::<SovereignName>().is_ok());
        for bad in ["", "1a", "Sov", "a-", "a/b", "abcdefghijklmnop"] {
            assert!(bad.parse::<SovereignName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn component_is_the_release_without_its_prefix() {
        assert_eq!("bp-gitea".parse::<ReleaseName>().unwrap().component(), "gitea");
    }
}
