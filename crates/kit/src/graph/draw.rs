//! Pictures of a graph: a tree for terminals, DOT, Mermaid, JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::derived::DerivedGraph;
use super::edges::{DerivedEdge, EdgeState, Evidence, ReleaseNode};

/// The form of JSON output; it changes when the form does.
const JSON_VERSION: u32 = 1;
/// Pieces of evidence that are shown of one edge.
const SHOWN: usize = 3;

/// A tree for terminals: each release once, below the one it waits for longest, then what is wrong.
pub fn text(graph: &DerivedGraph) -> String {
    let mut out = Lines::default();
    let tree = Tree::of(graph);
    for root in &tree.roots {
        tree.write(graph, *root, "", "", &mut out);
    }
    critical(graph, &mut out);
    wrong(graph, &mut out);
    unproved(graph, &mut out);
    out.line("");
    out.line(&summary(graph));
    out.0
}

/// How many of what, in one line.
pub fn summary(graph: &DerivedGraph) -> String {
    let mark = if graph.is_clean() && !graph.is_partial { "✓" } else { "✕" };
    let mut text = format!(
        "{mark} {}, {}, {} from evidence, {} missing, {}",
        plural(graph.releases.len(), "release"),
        plural(graph.declared.len() + graph.unknown.len(), "declared edge"),
        graph.derived.len(),
        graph.missing().count(),
        plural(graph.cycles.len(), "cycle"),
    );
    if graph.is_partial {
        text.push_str("; something could not be read or rendered, so this is not all");
    }
    text
}

fn plural(n: usize, word: &str) -> String {
    format!("{n} {word}{}", if n == 1 { "" } else { "s" })
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    fn line(&mut self, text: &str) {
        self.0.push_str(text.trim_end());
        self.0.push('\n');
    }
}

/// Each release below one of those it waits for.
struct Tree {
    roots: Vec<usize>,
    children: BTreeMap<usize, Vec<usize>>,
    width: usize,
}

impl Tree {
    fn of(graph: &DerivedGraph) -> Self {
        let depths = depths(graph);
        let mut tree = Self { roots: Vec::new(), children: BTreeMap::new(), width: 0 };
        for at in 0..graph.releases.len() {
            let ends = graph.declared.iter().filter(|edge| edge.from == at).map(|edge| edge.to);
            // Members of a cycle have no depth and stand at the root.
            let parent = ends.max_by_key(|end| (depths[*end], usize::MAX - end));
            match parent.filter(|_| depths[at].is_some()) {
                Some(parent) => tree.children.entry(parent).or_default().push(at),
                None => tree.roots.push(at),
            }
            let indent = 3 * depths[at].unwrap_or(0);
            tree.width = tree.width.max(indent + label(&graph.releases[at]).chars().count());
        }
        tree
    }

    fn write(&self, graph: &DerivedGraph, at: usize, lead: &str, below: &str, out: &mut Lines) {
        let name = format!("{lead}{}", label(&graph.releases[at]));
        let mut also: Vec<String> = graph
            .declared
            .iter()
            .filter(|edge| edge.from == at)
            .filter(|edge| !self.children.get(&edge.to).is_some_and(|c| c.contains(&at)))
            .map(|edge| graph.releases[edge.to].name.clone())
            .collect();
        let unknown = graph.unknown.iter().filter(|edge| edge.from == at);
        also.extend(unknown.map(|edge| format!("{} (not in the kit)", edge.name)));
        let also =
            if also.is_empty() { String::new() } else { format!("also {}", also.join(", ")) };
        let time = span(graph.releases[at].timeout);
        out.line(&format!("{name:<width$}  {time:>5}  {also}", width = self.width));
        let children = self.children.get(&at).map(Vec::as_slice).unwrap_or_default();
        for (number, child) in children.iter().enumerate() {
            let is_last = number + 1 == children.len();
            let (branch, bar) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            self.write(graph, *child, &format!("{below}{branch}"), &format!("{below}{bar}"), out);
        }
    }
}

/// For each release how many others come one after the other before it; nothing in or behind a cycle.
fn depths(graph: &DerivedGraph) -> Vec<Option<usize>> {
    let mut depths: Vec<Option<usize>> = vec![None; graph.releases.len()];
    for depth in 0..graph.releases.len() {
        let settled = depths.clone();
        let ready = |at: &usize| {
            let mut edges = graph.declared.iter().filter(|edge| edge.from == *at);
            settled[*at].is_none() && edges.all(|edge| settled[edge.to].is_some())
        };
        for at in (0..depths.len()).filter(ready) {
            depths[at] = Some(depth);
        }
    }
    depths
}

fn label(node: &ReleaseNode) -> String {
    match &node.slot {
        Some(slot) => format!("{slot} {}", node.name),
        None => node.name.clone(),
    }
}

/// Hours, minutes and seconds, without what is nought.
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let text: String =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    if text.is_empty() { "0s".to_owned() } else { text }
}

fn critical(graph: &DerivedGraph, out: &mut Lines) {
    let path = &graph.critical;
    if path.path.is_empty() {
        return;
    }
    let retries = match path.with_retries {
        Some(time) if time == path.timeout => String::new(),
        Some(time) => format!(", {} with every retry", span(time)),
        None => ", without end where a release retries without end".to_owned(),
    };
    out.line("");
    out.line(&format!("longest chain: {}", graph.names(&path.path)));
    out.line(&format!("  may take {}{retries}", span(path.timeout)));
}

fn wrong(graph: &DerivedGraph, out: &mut Lines) {
    for edge in &graph.unknown {
        let from = &graph.releases[edge.from].name;
        let near = edge.nearest.as_ref().map(|n| format!("; did you mean {n}?"));
        out.line("");
        out.line(&format!(
            "✕ {from} waits for {}, which is not in the kit{}",
            edge.name,
            near.unwrap_or_default()
        ));
        out.line(&format!("  at {}", edge.spot));
    }
    for (edge, fix) in graph.missing() {
        out.line("");
        out.line(&headline(graph, edge, "does not wait for"));
        proof(&edge.evidence, out);
        out.line(&format!("  fix: {fix}"));
    }
    for edge in graph.reversed() {
        out.line("");
        out.line(&headline(graph, edge, "needs, and is waited for by,"));
        proof(&edge.evidence, out);
        out.line("  fix: one of the two must go: move what is needed, or take that wait away");
    }
    for cycle in &graph.cycles {
        out.line("");
        out.line(&format!("✕ {}", graph.circle(cycle)));
    }
}

fn headline(graph: &DerivedGraph, edge: &DerivedEdge, verb: &str) -> String {
    format!("✕ {} {verb} {}", graph.releases[edge.from].name, graph.releases[edge.to].name)
}

fn proof(evidence: &[Evidence], out: &mut Lines) {
    for one in evidence.iter().take(SHOWN) {
        out.line(&format!("  {} needs {}", one.by.replace('`', ""), one.what));
        out.line(&format!("    asked for at {}, made at {}", one.consumer, one.provider));
    }
    if evidence.len() > SHOWN {
        out.line(&format!("  and {} more", evidence.len() - SHOWN));
    }
}

/// Edges for which no evidence was found: information, nothing more.
fn unproved(graph: &DerivedGraph, out: &mut Lines) {
    let edges: Vec<String> = graph
        .declared
        .iter()
        .filter(|edge| !edge.has_evidence)
        .map(|edge| graph.names(&[edge.from, edge.to]))
        .collect();
    if !edges.is_empty() {
        out.line("");
        out.line("declared, and no object asks for it (it may be right all the same):");
        edges.iter().for_each(|edge| out.line(&format!("  {edge}")));
    }
}

/// What one edge of a picture is.
struct Arrow {
    from: usize,
    to: usize,
    is_missing: bool,
    has_evidence: bool,
    label: String,
}

/// The declared edges and those that are missing or reversed.
fn arrows(graph: &DerivedGraph) -> Vec<Arrow> {
    let mut all: Vec<Arrow> = graph
        .declared
        .iter()
        .map(|edge| Arrow {
            from: edge.from,
            to: edge.to,
            is_missing: false,
            has_evidence: edge.has_evidence,
            label: String::new(),
        })
        .collect();
    let wrong = graph
        .derived
        .iter()
        .filter(|edge| matches!(edge.state, EdgeState::Missing(_) | EdgeState::Reversed));
    all.extend(wrong.map(|edge| Arrow {
        from: edge.from,
        to: edge.to,
        is_missing: true,
        has_evidence: true,
        label: edge.evidence.first().map(|one| one.what.clone()).unwrap_or_default(),
    }));
    all
}

/// Graphviz' language. Arrows go from what is installed first to what waits for it; a missing edge is
/// red, one without evidence dashed.
pub fn dot(graph: &DerivedGraph) -> String {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let mut out = Lines::default();
    out.line("digraph kit {");
    out.line("  rankdir=LR;");
    out.line("  node [shape=box, fontname=\"sans-serif\"];");
    for (at, node) in graph.releases.iter().enumerate() {
        let text = quoted(&label(node));
        out.line(&format!("  n{at} [label=\"{text}\\n{}\"];", span(node.timeout)));
    }
    for arrow in arrows(graph) {
        let style = match (arrow.is_missing, arrow.has_evidence) {
            (true, _) => format!(" [color=red, penwidth=2, label=\"{}\"]", quoted(&arrow.label)),
            (false, true) => String::new(),
            (false, false) => " [style=dashed]".to_owned(),
        };
        out.line(&format!("  n{} -> n{}{style};", arrow.to, arrow.from));
    }
    out.line("}");
    out.0
}

/// Mermaid's language, with the same arrows.
pub fn mermaid(graph: &DerivedGraph) -> String {
    let quoted = |text: &str| text.replace('"', "#quot;");
    let mut out = Lines::default();
    out.line("flowchart LR");
    for (at, node) in graph.releases.iter().enumerate() {
        out.line(&format!("  n{at}[\"{}\"]", quoted(&label(node))));
    }
    let arrows = arrows(graph);
    for arrow in &arrows {
        let line = match (arrow.is_missing, arrow.has_evidence) {
            (true, _) => format!("==>|\"{}\"|", quoted(&arrow.label)),
            (false, true) => "-->".to_owned(),
            (false, false) => "-.->".to_owned(),
        };
        out.line(&format!("  n{} {line} n{}", arrow.to, arrow.from));
    }
    for (at, _) in arrows.iter().enumerate().filter(|(_, arrow)| arrow.is_missing) {
        out.line(&format!("  linkStyle {at} stroke:red"));
    }
    out.0
}

/// One JSON document; releases by name, times in seconds.
pub fn json(graph: &DerivedGraph) -> Json {
    let name = |at: usize| graph.releases[at].name.as_str();
    let path = |path: &[usize]| path.iter().map(|at| name(*at)).collect::<Vec<_>>();
    let releases: Vec<Json> = graph
        .releases
        .iter()
        .map(|node| {
            json!({
                "name": node.name, "slot": node.slot, "at": node.spot,
                "timeoutSeconds": node.timeout.as_secs(), "retries": node.retries,
            })
        })
        .collect();
    let declared: Vec<Json> = graph
        .declared
        .iter()
        .map(|edge| {
            json!({
                "from": name(edge.from), "to": name(edge.to), "at": edge.spot,
                "waitsFor": if edge.applied_only { "applied" } else { "ready" },
                "hasEvidence": edge.has_evidence,
            })
        })
        .collect();
    let derived: Vec<Json> = graph.derived.iter().map(|edge| derived(graph, edge)).collect();
    let unknown: Vec<Json> = graph
        .unknown
        .iter()
        .map(|edge| {
            json!({
                "from": name(edge.from), "to": edge.name, "at": edge.spot, "nearest": edge.nearest,
            })
        })
        .collect();
    let cycles: Vec<Json> = graph
        .cycles
        .iter()
        .map(|cycle| json!({ "path": path(&cycle.path), "declared": cycle.is_declared }))
        .collect();
    json!({
        "version": JSON_VERSION,
        "releases": releases,
        "declared": declared,
        "derived": derived,
        "unknown": unknown,
        "cycles": cycles,
        "criticalPath": {
            "releases": path(&graph.critical.path),
            "seconds": graph.critical.timeout.as_secs(),
            "secondsWithRetries": graph.critical.with_retries.map(|time| time.as_secs()),
        },
        "partial": graph.is_partial,
    })
}

fn derived(graph: &DerivedGraph, edge: &DerivedEdge) -> Json {
    let name = |at: usize| graph.releases[at].name.as_str();
    let mut one = json!({
        "from": name(edge.from), "to": name(edge.to), "evidence": edge.evidence,
    });
    let state = match &edge.state {
        EdgeState::Declared => "declared",
        EdgeState::Missing(fix) => {
            one["fix"] = json!(fix);
            "missing"
        }
        EdgeState::ComesWith(carrier) => {
            one["comesWith"] = json!(name(*carrier));
            "comes-with"
        }
        EdgeState::Reversed => "reversed",
        EdgeState::Mutual => "mutual",
    };
    one["state"] = json!(state);
    one
}
