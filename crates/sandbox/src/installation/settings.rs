//! What a person chose for an installation: where its API listens and which links it may use. Kept
//! in the state folder, so that every later command finds what `catalyst up` was told once.
//!
//! Two installations can stand on one machine when their ports and links differ: the suites' own
//! stands beside the one of the person who runs them.

use serde::{Deserialize, Serialize};

use crate::lifecycle::Record;
use crate::link::{LINKS, Link};
use crate::paths::{Home, NodeName, private_dir, record, recorded};
use crate::problem::{Code, Result};

/// A setting is out of its range.
pub const SETTING: Code = Code::new(
    3004,
    "a setting of this installation cannot be used",
    "Give a number in the range that `catalyst up --help` names.",
);

/// The codes of this module.
pub const CODES: &[&Code] = &[&SETTING];

/// The settings of one installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The port of API and console on 127.0.0.1.
    pub api_port: u16,
    /// The second part of the links' addresses: 210 gives link 0 the network 10.210.0.0/24.
    pub network_base: u8,
    /// The first link this installation uses; 0 to 15.
    pub first_link: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self { api_port: 7080, network_base: 210, first_link: 0 }
    }
}

impl Settings {
    /// The settings that were recorded last; the defaults before that.
    ///
    /// # Errors
    /// CAT-3000 when the record cannot be read.
    pub fn recorded(home: &Home) -> Result<Self> {
        recorded(&home.settings())
    }

    /// Records them.
    ///
    /// # Errors
    /// CAT-3004 when no link would have an address, CAT-3000 when they cannot be written.
    pub fn record(self, home: &Home) -> Result<()> {
        self.check()?;
        private_dir(home.root())?;
        record(&self, &home.settings())
    }

    /// The base of its links' addresses, `10.<b>.0`.
    pub fn prefix(self) -> String {
        format!("10.{}.0", self.network_base)
    }

    /// The links of an installation: those of its recorded Sovereigns with their names, else the one
    /// its first Sovereign would get.
    ///
    /// # Errors
    /// CAT-3231 and CAT-3232 for numbers that make no link.
    pub fn links(self, home: &Home) -> Result<Vec<(Link, Option<NodeName>)>> {
        let mut links = Vec::new();
        for name in Record::names(home) {
            // A damaged record is told when its Sovereign is used.
            if let Ok(record) = Record::read(home, &name) {
                links.push((record.link()?, Some(name)));
            }
        }
        if links.is_empty() {
            links.push((Link::new(&self.prefix(), self.first_link)?, None));
        }
        Ok(links)
    }

    /// Whether there can be an installation with these settings.
    ///
    /// # Errors
    /// CAT-3004 when no link would have an address.
    pub fn check(self) -> Result<()> {
        if self.first_link >= LINKS {
            let why = format!("there is no link {}: 0 to {}", self.first_link, LINKS - 1);
            return Err(SETTING.because(why));
        }
        if self.network_base.checked_add(LINKS - 1).is_none() {
            let (base, most) = (self.network_base, u8::MAX - (LINKS - 1));
            let why =
                format!("above 10.{base}.0.0 there is no room for {LINKS} links: 0 to {most}");
            return Err(SETTING.because(why));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_recorded_is_found_again_and_the_defaults_before_that() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path().join("state"));
        assert_eq!(Settings::recorded(&home).unwrap(), Settings::default());
        let chosen = Settings { api_port: 7180, network_base: 190, first_link: 8 };
        chosen.record(&home).unwrap();
        assert_eq!(Settings::recorded(&home).unwrap(), chosen);
        assert_eq!(chosen.prefix(), "10.190.0");
    }

    #[test]
    fn settings_that_leave_no_link_an_address_are_refused_and_not_recorded() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        for bad in [
            Settings { first_link: 16, ..Settings::default() },
            Settings { network_base: 241, ..Settings::default() },
        ] {
            assert_eq!(bad.record(&home).unwrap_err().code(), &SETTING, "{bad:?}");
        }
        assert!(!home.settings().exists());
    }
}
