//! What is wanted: name, number and network of a Sovereign, in `sovereign.json` of its folder.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{RECORD, UNKNOWN, Wish};
use crate::link::{LINKS, Link, TAKEN};
use crate::netns::Netns;
use crate::node::Layout;
use crate::paths::{Home, NodeName, private_dir, write_public};
use crate::problem::{Result, file};

/// One Sovereign of this machine, running or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Its name.
    pub name: String,
    /// The link's number.
    pub index: u8,
    /// The base of the links' addresses.
    pub prefix: String,
    /// The deployment at the mothership, when it was made through one.
    pub deployment_id: Option<String>,
    /// When it was recorded first.
    pub created: Timestamp,
}

impl Record {
    /// Reads the record of `name`.
    ///
    /// # Errors
    /// CAT-3205 when there is none, CAT-3207 when it is damaged.
    pub fn read(home: &Home, name: &NodeName) -> Result<Self> {
        let path = place(home, name);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(UNKNOWN.because(format!("`{name}` was never made here")));
            }
            other => other.map_err(|error| file("read", &path, error))?,
        };
        serde_json::from_slice(&text)
            .map_err(|error| RECORD.because(format!("`{}`: {error}", path.display())).source(error))
    }

    /// The names of all Sovereigns recorded here, in order.
    pub fn names(home: &Home) -> Vec<NodeName> {
        let entries = fs::read_dir(home.sovereigns()).into_iter().flatten();
        let mut names: Vec<NodeName> = entries
            .filter_map(|entry| NodeName::new(entry.ok()?.file_name().to_str()?).ok())
            .filter(|name| place(home, name).exists())
            .collect();
        names.sort();
        names
    }

    /// The link it has or will have.
    ///
    /// # Errors
    /// CAT-3231 or CAT-3232 when the record was written for other rules.
    pub fn link(&self) -> Result<Link> {
        Link::new(&self.prefix, self.index)
    }
}

/// The record of `wish`, written when there is none yet. Call it with the lock on all numbers held.
pub(super) fn settle(home: &Home, wish: &Wish) -> Result<Record> {
    let others: Vec<Record> = Record::names(home)
        .iter()
        .filter(|name| **name != wish.name)
        .filter_map(|name| Record::read(home, name).ok())
        .collect();
    match Record::read(home, &wish.name) {
        Ok(known) => {
            let same = wish.index.is_none_or(|index| index == known.index);
            return if same {
                Ok(known)
            } else {
                let cause = format!("`{}` has number {} already", wish.name, known.index);
                Err(TAKEN.because(cause).fix(format!(
                    "Leave `--index` out, or remove the Sovereign first: `catalyst sandbox down {} --purge`.",
                    wish.name
                )))
            };
        }
        Err(problem) if problem.code() == &UNKNOWN => {}
        Err(problem) => return Err(problem),
    }
    // Our own link may stand while the record is gone: it is ours to take again.
    let own = Netns::of(&Layout::at(home.sovereign(&wish.name))).exists();
    let index = choose(wish, &others, &|link: &Link| link.exists() && !own)?;
    let record = Record {
        name: wish.name.to_string(),
        index,
        prefix: wish.prefix.clone(),
        deployment_id: wish.boot.deployment_id.clone(),
        created: Timestamp::now(),
    };
    private_dir(&home.sovereign(&wish.name))?;
    let mut text = serde_json::to_vec_pretty(&record)
        .map_err(|error| RECORD.because(error.to_string()).source(error))?;
    text.push(b'\n');
    write_public(&place(home, &wish.name), &text).inspect_err(|_| {
        // A full disk leaves no folder of a Sovereign that never was; one with data in it stays.
        let _ = fs::remove_dir(home.sovereign(&wish.name));
    })?;
    Ok(record)
}

/// The wanted number if it is free, else the first free one; `foreign` knows links that stand here
/// and are nobody's we know.
fn choose(wish: &Wish, others: &[Record], foreign: &dyn Fn(&Link) -> bool) -> Result<u8> {
    let holder =
        |link: &Link| others.iter().find(|other| other.link().is_ok_and(|one| one == *link));
    if let Some(index) = wish.index {
        let link = Link::new(&wish.prefix, index)?;
        if let Some(other) = holder(&link) {
            let cause = format!("number {index} belongs to Sovereign `{}`", other.name);
            return Err(TAKEN.because(cause));
        }
        if foreign(&link) {
            let cause = format!("there is a link `{}` that is not ours", link.interface());
            return Err(TAKEN.because(cause));
        }
        return Ok(index);
    }
    for index in 0..LINKS {
        let link = Link::new(&wish.prefix, index)?;
        if holder(&link).is_none() && !foreign(&link) {
            return Ok(index);
        }
    }
    Err(TAKEN.because("all sixteen numbers are taken"))
}

pub(super) fn place(home: &Home, name: &NodeName) -> PathBuf {
    home.sovereign(name).join("sovereign.json")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Boot;

    fn wish(name: &str, index: Option<u8>) -> Wish {
        let name = NodeName::new(name).unwrap();
        Wish { name, index, prefix: "10.210.0".into(), boot: Boot::default() }
    }

    #[test]
    fn a_recorded_sovereign_keeps_its_number_and_another_gets_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        let first = settle(&home, &wish("one", Some(14))).unwrap();
        assert_eq!(settle(&home, &wish("one", None)).unwrap(), first);
        let taken = settle(&home, &wish("two", Some(14))).unwrap_err();
        assert_eq!(taken.code().number, 3231);
        assert!(taken.cause().contains("`one`"), "{taken}");
        let moved = settle(&home, &wish("one", Some(13))).unwrap_err();
        assert_eq!(moved.code().number, 3231);
        assert_ne!(settle(&home, &wish("two", None)).unwrap().index, 14);
        assert_eq!(Record::names(&home).len(), 2);
    }

    #[test]
    fn a_link_that_nobody_recorded_is_not_taken_over() {
        let stand = |numbers: &'static [u8]| move |link: &Link| numbers.contains(&link.index());
        let wanted = choose(&wish("x", Some(3)), &[], &stand(&[3])).unwrap_err();
        assert!(wanted.cause().contains("sv3"), "{wanted}");
        assert_eq!(choose(&wish("x", None), &[], &stand(&[0, 1, 3])).unwrap(), 2);
        let none = choose(&wish("x", None), &[], &|_: &Link| true).unwrap_err();
        assert_eq!(none.code().number, 3231);
    }

    #[test]
    fn the_same_number_over_another_base_is_another_link() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        settle(&home, &wish("one", Some(14))).unwrap();
        let elsewhere = Wish { prefix: "10.226.0".into(), ..wish("two", Some(14)) };
        let second = settle(&home, &elsewhere).unwrap();
        assert_eq!(second.link().unwrap().node_ip().to_string(), "10.240.0.2");
    }

    #[test]
    fn a_damaged_record_is_one_clear_problem_and_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        settle(&home, &wish("one", Some(14))).unwrap();
        let path = place(&home, &NodeName::new("one").unwrap());
        fs::write(&path, "{").unwrap();
        assert_eq!(settle(&home, &wish("one", None)).unwrap_err().code().number, 3207);
        assert_eq!(fs::read(&path).unwrap(), b"{");
    }
}
