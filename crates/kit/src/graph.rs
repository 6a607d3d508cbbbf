//! What waits for what.
//!
//! Two entry points. [`Graph::of`] makes the graph of a built kit's `dependsOn` edges; a graph is
//! always made, and what is wrong with it is a list of [`GraphProblem`]s, each with the names and the
//! place a person needs. [`DerivedGraph::of`] compares the declared order with what the rendered
//! objects need of each other, and [`draw`] shows it.

mod derived;
pub mod draw;
mod edges;
mod finder;
mod makers;
mod needs;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use catalyst_model::ReleaseName;
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};

pub use derived::DerivedGraph;
pub use edges::{
    CriticalPath, Cycle, DeclaredEdge, DerivedEdge, EdgeState, Evidence, EvidenceKind, Fix,
    ReleaseNode, UnknownEdge, When,
};

use crate::document::Place;
use crate::release::Release;

/// The releases of a kit and their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    /// Releases by depth: those of a layer wait only for earlier layers. Members of a cycle, and
    /// what waits for one, are in no layer.
    pub layers: Vec<Vec<ReleaseName>>,
    /// What keeps the graph from being carried out.
    pub problems: Vec<GraphProblem>,
}

/// A dependency that can never be satisfied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphProblem {
    /// A release waits for one that the kit does not hold.
    #[error("{place}: `{from}` waits for `{to}`, which is not in the kit{}", .nearest.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default())]
    Unknown {
        /// The release that waits.
        from: ReleaseName,
        /// What it waits for.
        to: ReleaseName,
        /// The most similar name of the kit.
        nearest: Option<ReleaseName>,
        /// Where the waiting release is declared.
        place: Place,
    },
    /// Releases wait for each other.
    #[error("dependency cycle: {}", .path.iter().map(ReleaseName::as_str).collect::<Vec<_>>().join(" → "))]
    Cycle {
        /// The cycle; its first name is repeated at its end.
        path: Vec<ReleaseName>,
    },
}

impl Graph {
    /// Builds the graph of `releases`.
    pub fn of(releases: &[Release]) -> Self {
        let mut graph = DiGraph::<&ReleaseName, ()>::new();
        let nodes: BTreeMap<&ReleaseName, NodeIndex> =
            releases.iter().map(|r| (&r.name, graph.add_node(&r.name))).collect();
        let mut problems = Vec::new();
        for release in releases {
            for edge in &release.depends_on {
                match nodes.get(&edge.name) {
                    Some(to) => {
                        graph.update_edge(nodes[&release.name], *to, ());
                    }
                    None => problems.push(GraphProblem::Unknown {
                        from: release.name.clone(),
                        to: edge.name.clone(),
                        nearest: nearest_name(
                            edge.name.as_str(),
                            nodes.keys().map(|name| name.as_str()),
                        )
                        .and_then(|name| name.parse().ok()),
                        place: release.place.clone(),
                    }),
                }
            }
        }
        problems.extend(cycles(&graph).into_iter().map(|path| {
            let path = path.into_iter().cloned().collect();
            GraphProblem::Cycle { path }
        }));
        Self { layers: layers(&graph), problems }
    }
}

fn layers(graph: &DiGraph<&ReleaseName, ()>) -> Vec<Vec<ReleaseName>> {
    let mut placed = BTreeSet::new();
    let mut layers = Vec::new();
    loop {
        let next: Vec<NodeIndex> = graph
            .node_indices()
            .filter(|n| !placed.contains(n) && graph.neighbors(*n).all(|to| placed.contains(&to)))
            .collect();
        if next.is_empty() {
            return layers;
        }
        let mut names: Vec<ReleaseName> = next.iter().map(|n| graph[*n].clone()).collect();
        names.sort();
        layers.push(names);
        placed.extend(next);
    }
}

/// A cycle of every strongly connected part, each with its first member repeated at its end.
pub(crate) fn cycles<N: Ord + Copy>(graph: &DiGraph<N, ()>) -> Vec<Vec<N>> {
    let mut cycles: Vec<_> =
        tarjan_scc(graph).iter().filter_map(|part| cycle_in(graph, part)).collect();
    cycles.sort();
    cycles
}

/// A shortest cycle through the smallest member of a strongly connected part.
fn cycle_in<N: Ord + Copy>(graph: &DiGraph<N, ()>, part: &[NodeIndex]) -> Option<Vec<N>> {
    let start = *part.iter().min_by_key(|n| graph[**n])?;
    if part.len() == 1 && graph.find_edge(start, start).is_none() {
        return None;
    }
    let members: BTreeSet<_> = part.iter().copied().collect();
    let mut came_from = BTreeMap::new();
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        let mut next: Vec<_> = graph.neighbors(at).filter(|n| members.contains(n)).collect();
        next.sort_by_key(|n| graph[*n]);
        for to in next {
            if to == start {
                return Some(walk_back(graph, &came_from, start, at));
            }
            if let Entry::Vacant(unseen) = came_from.entry(to) {
                unseen.insert(at);
                queue.push_back(to);
            }
        }
    }
    None
}

fn walk_back<N: Copy>(
    graph: &DiGraph<N, ()>,
    came_from: &BTreeMap<NodeIndex, NodeIndex>,
    start: NodeIndex,
    last: NodeIndex,
) -> Vec<N> {
    let mut path = vec![graph[start]];
    let mut at = last;
    while at != start {
        path.push(graph[at]);
        at = came_from[&at];
    }
    path.push(graph[start]);
    path.reverse();
    path
}

/// The most similar name, if it is similar enough to be a slip of the pen.
pub(crate) fn nearest_name<'a>(name: &str, all: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    all.map(|candidate| (distance(name, candidate), candidate))
        .filter(|(steps, _)| *steps <= 3)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edits (insert, delete, replace) that turn one text into the other.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = corner + usize::from(from != *to);
            corner = row[j + 1];
            row[j + 1] = replaced.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::Dependency;

    fn release(name: &str, depends_on: &[&str]) -> Release {
        let edge = |to: &&str| Dependency { namespace: "f".into(), name: to.parse().unwrap() };
        Release {
            name: name.parse().unwrap(),
            namespace: "f".into(),
            slot: None,
            release_name: name.into(),
            target_namespace: "f".into(),
            storage_namespace: "f".into(),
            chart: name.into(),
            version: "1".into(),
            depends_on: depends_on.iter().map(edge).collect(),
            place: Place { file: format!("{name}.yaml"), line: 1 },
        }
    }

    #[test]
    fn a_layer_waits_only_for_earlier_ones() {
        let graph =
            Graph::of(&[release("c", &["a", "b"]), release("b", &["a"]), release("a", &[])]);
        let layers: Vec<Vec<&str>> =
            graph.layers.iter().map(|l| l.iter().map(|n| n.as_str()).collect()).collect();
        assert_eq!(layers, [["a"], ["b"], ["c"]]);
        assert_eq!(graph.problems, []);
    }

    #[test]
    fn a_cycle_is_told_with_its_path_and_leaves_the_layers() {
        let graph = Graph::of(&[
            release("a", &["b"]),
            release("b", &["c"]),
            release("c", &["a"]),
            release("d", &["a"]),
            release("e", &["e"]),
            release("free", &[]),
        ]);
        let told: Vec<String> = graph.problems.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["dependency cycle: a → b → c → a", "dependency cycle: e → e"]);
        assert_eq!(graph.layers, [["free".parse::<ReleaseName>().unwrap()]]);
    }

    #[test]
    fn an_edge_to_nowhere_names_the_nearest_release() {
        let graph = Graph::of(&[release("bp-gitea", &["bp-keyclok"]), release("bp-keycloak", &[])]);
        assert_eq!(
            graph.problems[0].to_string(),
            "bp-gitea.yaml:1: `bp-gitea` waits for `bp-keyclok`, which is not in the kit; did you mean `bp-keycloak`?"
        );
    }
}
