//! The lock file: what a kit is expected to hold and wait for, written down beside it.
//!
//! ```yaml
//! slots:
//!   - {slot: 13, name: bp-catalyst-platform, depends_on: [bp-gitea], wave: present}
//! ```

use crate::facts::Facts;
use crate::finding::{Finding, Spot};
use crate::tree::{SourceFile, join};
use crate::yaml::Node;

/// The file's name.
pub const LOCK_NAME: &str = "expected-bootstrap-deps.yaml";
/// The folder it is kept in, of the kit or of one above it.
const FOLDER: &str = "scripts";

/// The expected graph.
#[derive(Debug, Clone, Default)]
pub struct Lock {
    /// Its path in the tree.
    pub path: String,
    /// Every release, in the file's order.
    pub entries: Vec<Expected>,
}

/// One release as it is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Slot, without leading noughts.
    pub slot: String,
    /// Name of the release.
    pub name: String,
    /// What it waits for, with the places.
    pub depends_on: Vec<(String, Spot)>,
    /// `present`, or the wave it is to come with.
    pub wave: String,
    /// Where it stands.
    pub spot: Spot,
    /// Where the list of what it waits for stands.
    pub list: Spot,
}

impl Expected {
    /// Whether it must be in the kit today.
    pub fn is_due(&self) -> bool {
        self.wave == "present"
    }
}

impl Lock {
    /// Finds the lock of the judged folder: in it, in a folder above, or in their `scripts`.
    pub fn find(facts: &Facts) -> Option<String> {
        let mut folder = facts.target.as_str();
        loop {
            let places = [join(folder, LOCK_NAME), join(&join(folder, FOLDER), LOCK_NAME)];
            if let Some(found) = places.into_iter().find(|path| facts.tree.has(path)) {
                return Some(found);
            }
            if folder.is_empty() {
                return None;
            }
            folder = folder.rsplit_once('/').map_or("", |(above, _)| above);
        }
    }

    /// Reads it; what cannot be read is a finding.
    pub(super) fn read(file: &SourceFile, findings: &mut Vec<Finding>) -> Self {
        let mut lock = Self { path: file.path.to_string(), entries: Vec::new() };
        faults(file, findings);
        let root = file.yaml().documents.first().map(|doc| &doc.root);
        let Some(slots) = root.and_then(|root| root.get("slots")).filter(|s| !s.items().is_empty())
        else {
            let spot = Spot::line(file.path.clone(), 1);
            let fix = "write `slots:` with `{slot, name, depends_on, wave}` for each release";
            findings.push(Finding::load(spot, "the lock file has no list `slots`", fix));
            return lock;
        };
        for item in slots.items() {
            match Expected::read(item, file) {
                Ok(entry) => lock.entries.push(entry),
                Err(member) => {
                    let spot = Spot::span(file.path.clone(), item.span);
                    let message = format!("this entry has no usable `{member}`");
                    let fix = "write `{slot: 13, name: bp-x, depends_on: [], wave: present}`";
                    findings.push(Finding::load(spot, message, fix));
                }
            }
        }
        lock
    }

    /// The entry of a name.
    pub fn get(&self, name: &str) -> Option<&Expected> {
        self.entries.iter().find(|entry| entry.name == name)
    }
}

impl Expected {
    fn read(item: &Node, file: &SourceFile) -> Result<Self, &'static str> {
        let text = |key| item.get(key).and_then(Node::text).filter(|text| !text.is_empty());
        let place = |node: &Node| Spot::span(file.path.clone(), node.span);
        let list = item.get("depends_on").ok_or("depends_on")?;
        let depends_on = list.items().iter().map(|one| Some((one.text()?.to_owned(), place(one))));
        Ok(Self {
            slot: plain_slot(text("slot").ok_or("slot")?),
            name: text("name").ok_or("name")?.to_owned(),
            depends_on: depends_on.collect::<Option<_>>().ok_or("depends_on")?,
            wave: text("wave").ok_or("wave")?.to_owned(),
            spot: item.get("name").map_or_else(|| place(item), place),
            list: item.entry("depends_on").map_or_else(|| place(item), |entry| place(&entry.key)),
        })
    }
}

/// The faults of a file's YAML as findings.
pub(super) fn faults(file: &SourceFile, findings: &mut Vec<Finding>) {
    for fault in &file.yaml().faults {
        findings.push(Finding::fault(file, fault, "mend the file"));
    }
}

/// A slot without leading noughts: `05a` is `5a`.
pub(super) fn plain_slot(slot: &str) -> String {
    let plain = slot.trim_start_matches('0');
    if plain.starts_with(|c: char| c.is_ascii_digit()) {
        plain.to_owned()
    } else {
        format!("0{plain}")
    }
}
