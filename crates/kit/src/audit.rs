//! Holds three things against each other: the lock file, the edges that slot files declare, and the
//! edges that rendered objects ask for.
//!
//! Entry point: [`audit`]. Everything is counted from the files. Each difference is a finding that
//! names the one line to write.

mod lock;

use std::collections::{BTreeMap, BTreeSet};

use petgraph::graph::{DiGraph, NodeIndex};
use serde_json::{Value as Json, json};

use crate::facts::Facts;
use crate::finding::{Finding, Severity, Spot};
use crate::flux::{HELM, SLOT_LABEL, slot_of_file};
use crate::graph::{DerivedEdge, DerivedGraph, Fix, cycles};
use crate::lint::Outcome;
use crate::yaml::Node;

pub use lock::{Expected, LOCK_NAME, Lock};

/// The name under which differences are told.
pub const AUDIT: &str = "audit";
/// The form of JSON output; it changes when the form does.
const JSON_VERSION: u32 = 1;

/// What an audit found.
#[derive(Debug)]
pub struct Audit {
    /// The lock's path in the tree.
    pub lock: String,
    /// Releases of the lock.
    pub declared: usize,
    /// Releases of the lock that have a slot file.
    pub present: usize,
    /// Releases of the lock that have none and need none yet: slot, name and wave.
    pub deferred: Vec<(String, String, String)>,
    /// Where lock and slot files differ.
    pub drift: Vec<Finding>,
    /// Circles of the lock itself, and of what is declared or needed.
    pub cycles: Vec<Finding>,
    /// Edges that objects ask for and nothing declares, and edges that lead nowhere.
    pub edges: Vec<Finding>,
    /// What could not be read or rendered.
    pub problems: Vec<Finding>,
}

/// Why there is nothing to audit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// There is no lock file.
    #[error("no `{LOCK_NAME}` in `{0}`, above it, or in a folder `scripts` there")]
    NoLock(String),
    /// The lock file that was named cannot be read.
    #[error("the lock file cannot be read")]
    Unreadable(#[from] crate::tree::TreeError),
}

/// Audits a kit against the lock at `path`, or against the one nearest to the kit.
///
/// # Errors
/// [`AuditError`]; every difference is part of the result.
pub fn audit(facts: &Facts, path: Option<&str>) -> Result<Audit, AuditError> {
    let found = path.map(str::to_owned).or_else(|| Lock::find(facts));
    let shown = if facts.target.is_empty() { "." } else { &facts.target };
    let path = found.ok_or_else(|| AuditError::NoLock(shown.to_owned()))?;
    let mut problems = facts.problems.clone();
    let file = facts.tree.file(&path)?;
    let lock = Lock::read(&file, &mut problems);
    let slots = slot_files(facts, &mut problems);
    let has_file = |entry: &&Expected| slots.iter().any(|slot| slot.name == entry.name);
    let absent = lock.entries.iter().filter(|entry| !has_file(entry) && !entry.is_due());
    let graph = DerivedGraph::of(facts);
    Ok(Audit {
        declared: lock.entries.len(),
        present: lock.entries.iter().filter(has_file).count(),
        deferred: absent
            .map(|entry| (entry.slot.clone(), entry.name.clone(), entry.wave.clone()))
            .collect(),
        drift: Comparison { lock: &lock, slots: &slots }.drift(),
        cycles: circles(&lock, &graph),
        edges: edges(facts, &lock, &graph),
        problems,
        lock: lock.path,
    })
}

impl Audit {
    /// How many of what, in one line.
    pub fn summary(&self) -> String {
        let mark = if self.is_clean() { "✓" } else { "✕" };
        let counts = [
            (self.declared, "declared"),
            (self.present, "present"),
            (self.deferred.len(), "deferred"),
            (self.drift.len(), "drift"),
            (self.cycles.len(), "cycles"),
            (self.edges.len(), "missing edges"),
        ];
        let words: Vec<String> = counts.iter().map(|(n, word)| format!("{n} {word}")).collect();
        let mut text = format!("{mark} {}", words.join(", "));
        if !self.problems.is_empty() {
            text.push_str("; something could not be read or rendered, so this is not all");
        }
        text
    }

    /// Whether lock, slot files and objects agree, and all of them could be read.
    pub fn is_clean(&self) -> bool {
        self.outcome().findings.is_empty()
    }

    /// Everything that is to be mended, in the form of the rules' findings.
    pub fn outcome(&self) -> Outcome {
        let parts = [&self.problems, &self.drift, &self.cycles, &self.edges];
        let mut findings: Vec<Finding> = parts.into_iter().flatten().cloned().collect();
        findings.sort_by(|a, b| (&a.spot, &a.message).cmp(&(&b.spot, &b.message)));
        findings.dedup();
        Outcome { findings, ..Outcome::default() }
    }

    /// For terminals, below the findings: the lock, what is deferred, and the counts.
    pub fn legend(&self) -> String {
        let mut out = format!("lock: {}\n", self.lock);
        let mut waves: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (slot, name, wave) in &self.deferred {
            waves.entry(wave).or_default().push(format!("{slot} {name}"));
        }
        for (wave, names) in waves {
            out.push_str(&format!("deferred ({wave}): {}\n", names.join(", ")));
        }
        out + &self.summary()
    }

    /// One JSON document.
    pub fn json(&self) -> Json {
        let deferred: Vec<Json> = self
            .deferred
            .iter()
            .map(|(slot, name, wave)| json!({ "slot": slot, "name": name, "wave": wave }))
            .collect();
        json!({
            "version": JSON_VERSION,
            "lock": self.lock,
            "declared": self.declared,
            "present": self.present,
            "deferred": deferred,
            "drift": self.drift,
            "cycles": self.cycles,
            "missingEdges": self.edges,
            "problems": self.problems,
            "partial": !self.problems.is_empty(),
        })
    }
}

/// One HelmRelease as its slot file has it, before any build.
struct SlotFile {
    name: String,
    slot: String,
    depends_on: Vec<(String, Spot)>,
    spot: Spot,
    /// The key `dependsOn`, where there is one.
    list: Option<Spot>,
}

/// The releases of all slot files, in the order of the files.
fn slot_files(facts: &Facts, problems: &mut Vec<Finding>) -> Vec<SlotFile> {
    let mut all = Vec::new();
    for path in facts.manifests() {
        // What cannot be opened at all was told when the tree was read.
        let Ok(file) = facts.tree.file(path) else { continue };
        let number = slot_of_file(path);
        if number.is_some() {
            lock::faults(&file, problems);
        }
        for doc in &file.yaml().documents {
            let root = &doc.root;
            let group = root.str_at("apiVersion").unwrap_or_default();
            if root.str_at("kind") != Some("HelmRelease") || !group.starts_with(HELM) {
                continue;
            }
            let label = root.at("metadata/labels").and_then(|labels| labels.get(SLOT_LABEL));
            let Some(slot) = label.and_then(Node::text).map(str::to_owned).or(number.clone())
            else {
                continue;
            };
            let place = |node: &Node| Spot::span(file.path.clone(), node.span);
            let name = root.at("metadata/name");
            let key = root.get("spec").and_then(|spec| spec.entry("dependsOn"));
            let names = root.items_at("spec/dependsOn").iter().filter_map(|edge| edge.get("name"));
            all.push(SlotFile {
                name: name.and_then(Node::text).unwrap_or_default().to_owned(),
                slot: lock::plain_slot(&slot),
                depends_on: names
                    .filter_map(|node| Some((node.text()?.to_owned(), place(node))))
                    .collect(),
                spot: place(name.unwrap_or(root)),
                list: key.map(|entry| place(&entry.key)),
            });
        }
    }
    all
}

fn finding(spot: Spot, message: String, cause: &str, fix: String) -> Finding {
    Finding {
        rule: AUDIT,
        severity: Severity::Error,
        spot,
        message,
        cause: cause.to_owned(),
        fix,
        link: "docs/rules/README.md".to_owned(),
        related: Vec::new(),
    }
}

/// Lock and slot files beside each other.
struct Comparison<'a> {
    lock: &'a Lock,
    slots: &'a [SlotFile],
}

impl Comparison<'_> {
    fn drift(&self) -> Vec<Finding> {
        let mut drift = Vec::new();
        self.lock_itself(&mut drift);
        let mut seen = BTreeMap::new();
        for slot in self.slots {
            if let Some(first) = seen.insert(&slot.name, slot) {
                let message = format!("`{}` has two slot files", slot.name);
                let cause = "the later one overwrites the earlier one, or the build fails";
                let fix = format!("keep one of {} and {}", slot.spot, first.spot);
                drift.push(finding(slot.spot.clone(), message, cause, fix));
                continue;
            }
            match self.lock.get(&slot.name) {
                Some(entry) => self.compare(slot, entry, &mut drift),
                None => drift.push(self.undeclared(slot)),
            }
        }
        for entry in self.lock.entries.iter().filter(|entry| entry.is_due()) {
            if !self.slots.iter().any(|slot| slot.name == entry.name) {
                let message =
                    format!("`{}` is declared as present and has no slot file", entry.name);
                let cause = "a release that was lost would otherwise count as one that is to come";
                let fix = format!(
                    "bring its slot file back, or change `wave` or take the entry away in {}",
                    entry.spot
                );
                drift.push(finding(entry.spot.clone(), message, cause, fix));
            }
        }
        drift
    }

    /// Names and slots that the lock has twice, and edges to names it does not have.
    fn lock_itself(&self, drift: &mut Vec<Finding>) {
        let (mut names, mut slots) = (BTreeMap::new(), BTreeMap::new());
        for entry in &self.lock.entries {
            let again = [
                (names.insert(&entry.name, &entry.spot), format!("`{}`", entry.name)),
                (slots.insert(&entry.slot, &entry.spot), format!("slot {}", entry.slot)),
            ];
            for (first, what) in again {
                let Some(first) = first else { continue };
                let message = format!("{what} is declared twice");
                let fix = format!("keep one of {} and {first}", entry.spot);
                drift.push(finding(entry.spot.clone(), message, "one of the two is wrong", fix));
            }
            for (name, spot) in entry.depends_on.iter().filter(|(n, _)| self.lock.get(n).is_none())
            {
                let message = format!("`{}` waits for `{name}`, which is not declared", entry.name);
                let cause = "a release that waits for one outside of the kit waits without end";
                let known = self.lock.entries.iter().map(|entry| entry.name.as_str());
                let fix = match crate::graph::nearest_name(name, known) {
                    Some(near) => format!("write `{near}` in {spot}"),
                    None => format!("declare `{name}`, or take it away in {spot}"),
                };
                drift.push(finding(spot.clone(), message, cause, fix));
            }
        }
    }

    fn undeclared(&self, slot: &SlotFile) -> Finding {
        let names: Vec<&str> = slot.depends_on.iter().map(|(name, _)| name.as_str()).collect();
        let message = format!("`{}` has a slot file and is not declared", slot.name);
        let cause = "what nobody declared is held against nothing, and blocks who comes next";
        let fix = format!(
            "add `- {{slot: {}, name: {}, depends_on: [{}], wave: present}}` to `slots` in {}",
            slot.slot,
            slot.name,
            names.join(", "),
            self.lock.path
        );
        finding(slot.spot.clone(), message, cause, fix)
    }

    fn compare(&self, slot: &SlotFile, entry: &Expected, drift: &mut Vec<Finding>) {
        if slot.slot != entry.slot {
            let message = format!(
                "`{}` is in slot {}, and is declared for slot {}",
                slot.name, slot.slot, entry.slot
            );
            let cause = "two streams of work that take one slot overwrite each other";
            let fix = format!("write `slot: {}` in {}", slot.slot, entry.spot);
            drift.push(
                finding(slot.spot.clone(), message, cause, fix)
                    .related(entry.spot.clone(), "declared here"),
            );
        }
        let has = |list: &[(String, Spot)], name: &str| list.iter().any(|(one, _)| one == name);
        for (name, spot) in slot.depends_on.iter().filter(|(n, _)| !has(&entry.depends_on, n)) {
            let message = format!("`{}` waits for `{name}`, which is not declared", slot.name);
            let cause = "the expected graph lags behind the slot file";
            let fix = format!("add `{name}` to `depends_on` of `{}` in {}", slot.name, entry.list);
            drift.push(
                finding(spot.clone(), message, cause, fix)
                    .related(entry.list.clone(), "the expected edges"),
            );
        }
        for (name, spot) in entry.depends_on.iter().filter(|(n, _)| !has(&slot.depends_on, n)) {
            let message =
                format!("`{}` does not wait for `{name}`, as it is declared to", slot.name);
            let cause = "the slot file lost an edge, or the expected graph has one too many";
            let at = slot.list.as_ref().unwrap_or(&slot.spot);
            let fix =
                format!("add `- name: {name}` to `dependsOn` in {at}, or take it away in {spot}");
            drift.push(
                finding(at.clone(), message, cause, fix).related(spot.clone(), "the expected edge"),
            );
        }
    }
}

/// Circles of the lock, and those of the built kit.
fn circles(lock: &Lock, graph: &DerivedGraph) -> Vec<Finding> {
    let cause = "none of them is ever installed";
    let fix = || "take away the edge that is not needed".to_owned();
    let mut expected = DiGraph::<usize, ()>::new();
    let nodes: Vec<NodeIndex> = (0..lock.entries.len()).map(|at| expected.add_node(at)).collect();
    for (from, entry) in lock.entries.iter().enumerate() {
        for (name, _) in &entry.depends_on {
            if let Some(to) = lock.entries.iter().position(|other| other.name == *name) {
                expected.update_edge(nodes[from], nodes[to], ());
            }
        }
    }
    let mut found: Vec<Finding> = cycles(&expected)
        .into_iter()
        .map(|path| {
            let names: Vec<&str> = path.iter().map(|at| lock.entries[*at].name.as_str()).collect();
            let message = format!("declared releases wait in a circle: {}", names.join(" → "));
            finding(lock.entries[path[0]].list.clone(), message, cause, fix())
        })
        .collect();
    found.extend(graph.cycles.iter().map(|cycle| {
        let spot = graph.releases[cycle.path[0]].spot.clone();
        finding(spot, graph.circle(cycle), cause, fix())
    }));
    found
}

/// Edges that are asked for and not declared, and edges that lead nowhere.
fn edges(facts: &Facts, lock: &Lock, graph: &DerivedGraph) -> Vec<Finding> {
    let mut found: Vec<Finding> =
        graph.missing().map(|(edge, fix)| missing(facts, lock, graph, edge, fix)).collect();
    for edge in graph.reversed() {
        let (from, to) = (&graph.releases[edge.from], &graph.releases[edge.to]);
        let message = format!("`{}` needs `{}`, which waits for it", from.name, to.name);
        let cause = "what is needed is made only after the release that needs it";
        let fix = "move what is needed, or take that wait away".to_owned();
        found.push(with_evidence(finding(from.spot.clone(), message, cause, fix), edge));
    }
    for edge in &graph.unknown {
        let from = &graph.releases[edge.from].name;
        let is_deferred = lock.get(&edge.name).is_some();
        let which = if is_deferred { "is deferred" } else { "is not in the kit" };
        let message = format!("`{from}` waits for `{}`, which {which}", edge.name);
        let cause = "Flux waits for it without an end and without an error";
        let fix = match &edge.nearest {
            Some(near) if !is_deferred => format!("write `- name: {near}` in {}", edge.spot),
            _ => format!("take `- name: {}` away in {}", edge.name, edge.spot),
        };
        found.push(finding(edge.spot.clone(), message, cause, fix));
    }
    found
}

fn missing(
    facts: &Facts,
    lock: &Lock,
    graph: &DerivedGraph,
    edge: &DerivedEdge,
    fix: &Fix,
) -> Finding {
    let (from, to) = (&graph.releases[edge.from].name, &graph.releases[edge.to].name);
    let what = edge.evidence.first().map(|one| one.what.as_str()).unwrap_or_default();
    let message = format!("`{from}` needs {what} of `{to}` and does not wait for it");
    let cause =
        "a lock and a slot file that leave out the same edge agree, and the install still fails";
    let own = |at: usize| facts.releases[at].declared.name.as_str();
    let mut words = fix.to_string();
    if let Some(entry) = lock.get(own(edge.from))
        && !entry.depends_on.iter().any(|(name, _)| name == own(edge.to))
    {
        words.push_str(&format!(", and `{}` to `depends_on` in {}", own(edge.to), entry.list));
    }
    with_evidence(finding(fix.spot.clone(), message, cause, words), edge)
}

fn with_evidence(finding: Finding, edge: &DerivedEdge) -> Finding {
    let mut told = BTreeSet::new();
    edge.evidence.iter().filter(|one| told.insert(&one.what)).take(3).fold(
        finding,
        |finding, one| {
            finding
                .related(one.consumer.clone(), format!("{} is asked for here", one.what))
                .related(one.provider.clone(), format!("{} is made here", one.what))
        },
    )
}
