//! The order that a kit's objects ask for, beside the order that its `dependsOn` declare.
//!
//! Entry point: [`DerivedGraph::of`]. Every derived edge has its evidence: who needs what, and who
//! makes it. What nobody of the kit makes is no edge; rules tell of that.

use std::collections::BTreeSet;
use std::time::Duration;

use petgraph::graph::{DiGraph, NodeIndex};

use super::edges::{
    CriticalPath, Cycle, DeclaredEdge, DerivedEdge, EdgeState, Evidence, Fix, ReleaseNode,
    UnknownEdge, When,
};
use super::finder::{Finder, is_visible};
use super::{cycles, nearest_name};
use crate::facts::{Facts, Release};
use crate::object::Owner;
use crate::order::comes_before;

/// The declared and the derived order of a kit's releases. Releases are named by their place in
/// `releases`, which is that of [`Facts::releases`].
#[derive(Debug, Clone)]
pub struct DerivedGraph {
    /// Every release.
    pub releases: Vec<ReleaseNode>,
    /// Every `dependsOn` that names a release of the kit.
    pub declared: Vec<DeclaredEdge>,
    /// Every `dependsOn` that names none.
    pub unknown: Vec<UnknownEdge>,
    /// Everything that objects ask for, one edge for two releases.
    pub derived: Vec<DerivedEdge>,
    /// Releases that wait for each other.
    pub cycles: Vec<Cycle>,
    /// The chain of declared edges with the greatest sum of time-outs.
    pub critical: CriticalPath,
    /// Whether something could not be read or rendered, so that edges may be unseen.
    pub is_partial: bool,
}

impl DerivedGraph {
    /// Compares what is declared with what is rendered.
    pub fn of(facts: &Facts) -> Self {
        let (declared, unknown) = declared(facts);
        let before = Order::of(facts.releases.len(), &declared);
        let mut graph = Self {
            releases: nodes(facts),
            declared,
            unknown,
            derived: Vec::new(),
            cycles: Vec::new(),
            critical: CriticalPath::default(),
            is_partial: !facts.problems.is_empty(),
        };
        let found = Finder::of(facts, &before.closure).edges();
        graph.derived = found
            .into_iter()
            .map(|((from, to), evidence)| {
                let evidence: Vec<Evidence> = evidence.into_iter().collect();
                let state = EdgeState::Declared;
                DerivedEdge { from, to, evidence, state }
            })
            .collect();
        graph.judge(facts, &before);
        graph.find_evidence(&before);
        graph.cycles = graph.find_cycles();
        graph.critical = graph.critical_path();
        graph
    }

    /// The derived edges that must be declared and are not, in the order of releases.
    pub fn missing(&self) -> impl Iterator<Item = (&DerivedEdge, &Fix)> {
        self.derived.iter().filter_map(|edge| match &edge.state {
            EdgeState::Missing(fix) => Some((edge, fix)),
            _ => None,
        })
    }

    /// The derived edges that the declared order contradicts, to the releases' harm.
    pub fn reversed(&self) -> impl Iterator<Item = &DerivedEdge> {
        self.derived.iter().filter(|edge| edge.state == EdgeState::Reversed)
    }

    /// Whether nothing is to be mended.
    pub fn is_clean(&self) -> bool {
        self.unknown.is_empty()
            && self.cycles.is_empty()
            && self.missing().next().is_none()
            && self.reversed().next().is_none()
    }

    /// A cycle as a person says it, with its whole way.
    pub fn circle(&self, cycle: &Cycle) -> String {
        let why = if cycle.is_declared { "wait" } else { "wait for or need each other" };
        format!("releases {why} in a circle: {}", self.names(&cycle.path))
    }

    /// The names of releases, one after the other.
    pub(super) fn names(&self, path: &[usize]) -> String {
        let names: Vec<&str> = path.iter().map(|at| self.releases[*at].name.as_str()).collect();
        names.join(" → ")
    }

    fn judge(&mut self, facts: &Facts, before: &Order) {
        for edge in &mut self.derived {
            let (from, to) = (edge.from, edge.to);
            edge.state = if before.is_before(facts, to, from) {
                EdgeState::Declared
            } else if before.closure[to].contains(&from) {
                let is_soft = edge.evidence.iter().all(|one| one.when == When::Run);
                if is_soft { EdgeState::Mutual } else { EdgeState::Reversed }
            } else {
                EdgeState::Missing(fix(facts, from, to))
            };
        }
        let missing: BTreeSet<(usize, usize)> =
            self.missing().map(|(edge, _)| (edge.from, edge.to)).collect();
        for edge in self.derived.iter_mut().filter(|e| missing.contains(&(e.from, e.to))) {
            let carrier = missing.iter().find(|(from, to)| {
                let is_circle = before.closure[edge.to].contains(to);
                *from == edge.from && before.closure[*to].contains(&edge.to) && !is_circle
            });
            if let Some((_, carrier)) = carrier {
                edge.state = EdgeState::ComesWith(*carrier);
            }
        }
    }

    /// An edge has evidence if something is needed of its end, or of what only it leads to.
    fn find_evidence(&mut self, before: &Order) {
        let ends: BTreeSet<(usize, usize)> = self.derived.iter().map(|e| (e.from, e.to)).collect();
        let direct: Vec<(usize, usize)> = self.declared.iter().map(|e| (e.from, e.to)).collect();
        for edge in &mut self.declared {
            let others: Vec<usize> = direct
                .iter()
                .filter(|(f, t)| *f == edge.from && *t != edge.to)
                .map(|e| e.1)
                .collect();
            let only_here = |end: usize| {
                !others.iter().any(|other| *other == end || before.closure[*other].contains(&end))
            };
            edge.has_evidence = ends.contains(&(edge.from, edge.to))
                || ends.iter().any(|(from, end)| {
                    *from == edge.from && before.closure[edge.to].contains(end) && only_here(*end)
                });
        }
    }

    fn find_cycles(&self) -> Vec<Cycle> {
        let edges = |with_needs: bool| {
            let mut graph = DiGraph::<usize, ()>::new();
            let nodes: Vec<NodeIndex> =
                (0..self.releases.len()).map(|at| graph.add_node(at)).collect();
            for edge in &self.declared {
                graph.update_edge(nodes[edge.from], nodes[edge.to], ());
            }
            let hard = |edge: &&DerivedEdge| edge.evidence.iter().any(|one| one.when != When::Run);
            for edge in self.derived.iter().filter(hard).filter(|_| with_needs) {
                graph.update_edge(nodes[edge.from], nodes[edge.to], ());
            }
            cycles(&graph)
        };
        let mut all: Vec<Cycle> =
            edges(false).into_iter().map(|path| Cycle { path, is_declared: true }).collect();
        let told: BTreeSet<usize> = all.iter().flat_map(|one| one.path.iter().copied()).collect();
        let more = edges(true).into_iter().filter(|path| !path.iter().any(|at| told.contains(at)));
        all.extend(more.map(|path| Cycle { path, is_declared: false }));
        all
    }

    fn critical_path(&self) -> CriticalPath {
        let mut ends = vec![Vec::new(); self.releases.len()];
        self.declared.iter().for_each(|edge| ends[edge.from].push(edge.to));
        let mut best: Vec<Option<(Duration, Option<usize>)>> = vec![None; ends.len()];
        // Each round settles the releases whose dependencies are settled; those in a cycle never are.
        loop {
            let ready = |at: &usize| {
                best[*at].is_none() && ends[*at].iter().all(|end| best[*end].is_some())
            };
            let round: Vec<usize> = (0..ends.len()).filter(ready).collect();
            if round.is_empty() {
                break;
            }
            for at in round {
                let longest = ends[at].iter().filter_map(|end| Some((best[*end]?.0, *end))).max();
                let own = self.releases[at].timeout;
                best[at] = Some(match longest {
                    Some((sum, end)) => (sum.saturating_add(own), Some(end)),
                    None => (own, None),
                });
            }
        }
        let ends = best.iter().enumerate().filter_map(|(at, one)| Some((one.as_ref()?.0, at)));
        let Some((timeout, last)) = ends.max_by_key(|(sum, at)| (*sum, usize::MAX - at)) else {
            return CriticalPath::default();
        };
        let mut path = vec![last];
        let mut at = last;
        while let Some((_, Some(next))) = best[at] {
            path.push(next);
            at = next;
        }
        path.reverse();
        let with_retries = path.iter().try_fold(Duration::ZERO, |sum, at| {
            let ReleaseNode { timeout, retries, .. } = &self.releases[*at];
            let tries = u32::try_from(retries.checked_add(1)?).ok().filter(|tries| *tries > 0)?;
            sum.checked_add(timeout.checked_mul(tries)?)
        });
        CriticalPath { path, timeout, with_retries }
    }
}

/// What is before what, by `dependsOn`.
struct Order {
    /// For each release, all that must be Ready before it.
    closure: Vec<BTreeSet<usize>>,
}

impl Order {
    fn of(count: usize, declared: &[DeclaredEdge]) -> Self {
        let mut next = vec![Vec::new(); count];
        declared.iter().for_each(|edge| next[edge.from].push(edge.to));
        let closure = (0..count)
            .map(|start| {
                let mut seen = BTreeSet::new();
                let mut open = vec![start];
                while let Some(at) = open.pop() {
                    open.extend(next[at].iter().copied().filter(|end| seen.insert(*end)));
                }
                seen
            })
            .collect();
        Self { closure }
    }

    /// Whether a release is Ready before another begins, also by the order of what applies them.
    fn is_before(&self, facts: &Facts, before: usize, after: usize) -> bool {
        let home = facts.declaration(&facts.releases[after]).owner;
        self.closure[after].contains(&before)
            || matches!(home, Owner::Build(_)) && comes_before(facts, Owner::Release(before), home)
    }
}

/// The release that an entry of `dependsOn` names, in the sight of the one that has it.
fn named(facts: &Facts, from: usize, namespace: &str, name: &str) -> Option<usize> {
    (0..facts.releases.len()).find(|at| {
        let declared = &facts.releases[*at].declared;
        declared.name == name
            && declared.namespace == namespace
            && is_visible(facts, Owner::Release(*at), Owner::Release(from))
    })
}

fn declared(facts: &Facts) -> (Vec<DeclaredEdge>, Vec<UnknownEdge>) {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for (from, release) in facts.releases.iter().enumerate() {
        for (at, edge) in release.declared.depends_on.iter().enumerate() {
            let spot = facts.release_spot(release, &format!("spec/dependsOn/{at}/name"));
            match named(facts, from, &edge.namespace, &edge.name) {
                Some(to) => {
                    let end = &facts.releases[to].declared;
                    let applied_only = end.install.disable_wait && !edge.has_ready_expr;
                    let has_evidence = false;
                    known.push(DeclaredEdge { from, to, spot, applied_only, has_evidence });
                }
                None => {
                    let names = facts.releases.iter().map(|one| one.declared.name.as_str());
                    let nearest = nearest_name(&edge.name, names).map(str::to_owned);
                    unknown.push(UnknownEdge { from, name: edge.name.clone(), nearest, spot });
                }
            }
        }
    }
    (known, unknown)
}

fn nodes(facts: &Facts) -> Vec<ReleaseNode> {
    let count = |fits: &dyn Fn(&Release) -> bool| facts.releases.iter().filter(|r| fits(r)).count();
    let name = |release: &Release| {
        let one = &release.declared;
        let same = |other: &Release| other.declared.name == one.name;
        let whole = |other: &Release| same(other) && other.declared.namespace == one.namespace;
        let home = facts.declaration(release).place().file;
        match (count(&same), count(&whole)) {
            (1, _) => one.name.clone(),
            (_, 1) => format!("{}/{}", one.namespace, one.name),
            _ => format!("{}/{} ({home})", one.namespace, one.name),
        }
    };
    let node = |release: &Release| ReleaseNode {
        name: name(release),
        slot: release.declared.slot.clone(),
        spot: facts.release_spot(release, "metadata/name"),
        timeout: release.declared.install.timeout,
        retries: release.declared.install.retries,
        disable_wait: release.declared.install.disable_wait,
    };
    facts.releases.iter().map(node).collect()
}

fn fix(facts: &Facts, from: usize, to: usize) -> Fix {
    let release = &facts.releases[from];
    let object = facts.declaration(release);
    let end = &facts.releases[to].declared;
    let namespace = if end.namespace == release.declared.namespace {
        String::new()
    } else {
        format!(", namespace: {}", end.namespace)
    };
    let add = if namespace.is_empty() {
        format!("- name: {}", end.name)
    } else {
        format!("- {{name: {}{namespace}}}", end.name)
    };
    let key = object.node.get("spec").and_then(|spec| spec.entry("dependsOn"));
    let spot = key.map_or_else(|| object.place(), |entry| object.spot(&entry.key));
    Fix { spot, add, has_list: key.is_some() }
}
