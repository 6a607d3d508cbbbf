//! Places in files that hold an old tag.

use std::collections::BTreeSet;

use super::edit::Edit;
use super::mention::{Mentions, is_tag};
use crate::facts::{Facts, is_yaml};
use crate::finding::Spot;
use crate::object::{Owner, Source};
use crate::tree::SourceFile;
use crate::yaml::{Node, ScalarKind, Style, load};

/// Folders of a chart that Helm does not render from.
const NOT_RENDERED: [&str; 4] = ["golden", "tests", "ci", "crds"];

/// Edits that may give a group its new tag.
#[derive(Default)]
pub(super) struct Places {
    /// References to images of the group, as they are.
    pub(super) sure: Vec<Edit>,
    /// Values that may be the tag of the group, of another image, or something else.
    pub(super) maybe: Vec<Edit>,
    /// Lines that hold the old tag in a form that is not changed.
    pub(super) odd: Vec<(Spot, &'static str)>,
}

impl Places {
    /// The places of `from` in the files that the group's owners are made of.
    pub(super) fn of(facts: &Facts, mentions: &Mentions, from: &str, to: &str) -> Self {
        let mut places = Self::default();
        let names: BTreeSet<&str> =
            mentions.group.iter().filter_map(|one| one.repository.rsplit('/').next()).collect();
        let charts: BTreeSet<&str> = facts
            .releases
            .iter()
            .flat_map(|release| release.chart.iter().flat_map(|chart| &chart.files))
            .map(String::as_str)
            .collect();
        for path in files(facts, mentions) {
            let Ok(file) = facts.tree.file(&path) else { continue };
            if !file.text().contains(from) {
                continue;
            }
            let search = Search { file: &file, names: &names, from, to };
            let is_template = !is_yaml(&path) || path.split('/').any(|part| part == "templates");
            if is_template && charts.contains(path.as_str()) {
                search.template(&mut places);
            } else {
                search.yaml(&mut places);
            }
        }
        places
    }
}

/// Files of charts, manifests and kustomizations that the group's owners are made of.
fn files(facts: &Facts, mentions: &Mentions) -> BTreeSet<String> {
    let mut files: BTreeSet<String> = facts.manifests().map(str::to_owned).collect();
    for object in facts.applied().filter(|object| !object.from_crds) {
        match &object.source {
            Source::File(file) | Source::Built { file, .. } => {
                files.insert(file.path.to_string());
            }
            Source::Template { .. } => {}
        }
    }
    files.extend(facts.builds.iter().flat_map(|build| build.kustomizations.clone()));
    for one in &mentions.group {
        let Owner::Release(at) = one.owner else { continue };
        let Some(chart) = &facts.releases[at].chart else { continue };
        let folder = chart.folder.as_deref().unwrap_or_default();
        let rendered = chart.files.iter().filter(|path| {
            let below = path.strip_prefix(folder).unwrap_or(path).trim_start_matches('/');
            !NOT_RENDERED.contains(&below.split('/').next().unwrap_or_default())
        });
        files.extend(rendered.cloned());
    }
    files
}

struct Search<'a> {
    file: &'a SourceFile,
    /// Last segments of the group's repositories.
    names: &'a BTreeSet<&'a str>,
    from: &'a str,
    to: &'a str,
}

impl Search<'_> {
    /// Scalars of a file that is YAML as it stands.
    fn yaml(&self, places: &mut Places) {
        for doc in &self.file.yaml().documents {
            self.below(&doc.root, places);
        }
    }

    fn below(&self, node: &Node, places: &mut Places) {
        let inner = node.entries().iter().map(|entry| &entry.value).chain(node.items());
        inner.for_each(|below| self.below(below, places));
        let Some(scalar) = node.scalar().filter(|scalar| scalar.text.contains(self.from)) else {
            return;
        };
        if scalar.style == Style::Block {
            for line in node.span.line..=node.span.end_line {
                self.line(line, places);
            }
            return;
        }
        let spot = Spot::span(self.file.path.clone(), node.span);
        let whole = *scalar.text == *self.from;
        let found = self.within(node);
        match found.as_slice() {
            _ if node.span.line != node.span.end_line => {
                places.odd.push((spot, "the value goes over several lines"));
            }
            [] if whole => places.odd.push((spot, "the value is not written out here")),
            [] => {}
            [_, _, ..] => places.odd.push((spot, "the old tag is there more than once")),
            [at] if whole && scalar.style == Style::Plain => {
                if scalar.kind != ScalarKind::Str {
                    places.odd.push((
                        spot,
                        "the value is a number or another word of YAML's; put it in quotes",
                    ));
                    return;
                }
                let new =
                    if is_text(self.to) { self.to.to_owned() } else { format!("\"{}\"", self.to) };
                places.maybe.push(self.edit(node.span.line, *at, new));
            }
            [at] => self.take(node.span.line, *at, places),
        }
    }

    /// Bytes before each place of the old tag within a scalar of one line.
    fn within(&self, node: &Node) -> Vec<usize> {
        let Some(line) = self.file.line(node.span.line) else { return Vec::new() };
        let offset = |column: u32| {
            let at = usize::try_from(column).unwrap_or(1).saturating_sub(1);
            line.char_indices().nth(at).map_or(line.len(), |(at, _)| at)
        };
        let (from, to) = (offset(node.span.column), offset(node.span.end_column));
        words(&line, self.from).into_iter().filter(|at| (from..to.max(from)).contains(at)).collect()
    }

    /// Every line of a template.
    fn template(&self, places: &mut Places) {
        let count = self.file.text().lines().count();
        for line in 1..=u32::try_from(count).unwrap_or(u32::MAX) {
            self.line(line, places);
        }
    }

    /// One line of a template or of a block of text.
    fn line(&self, number: u32, places: &mut Places) {
        let Some(line) = self.file.line(number) else { return };
        if line.trim_start().starts_with('#') {
            return;
        }
        for at in words(&line, self.from) {
            let before = line[..at].trim_end_matches(['"', '\'']);
            if before.ends_with([':', '@']) || before.ends_with(": ") || before.len() < at {
                self.take(number, at, places);
            } else {
                let spot = Spot::line(self.file.path.clone(), number);
                places.odd.push((spot, "the old tag is neither a value nor the end of an image"));
            }
        }
    }

    /// A place whose neighbours say whether it belongs to an image of the group.
    fn take(&self, number: u32, at: usize, places: &mut Places) {
        let line = self.file.line(number).unwrap_or_default();
        let edit = self.edit(number, at, self.to.to_owned());
        let Some(before) = line[..at].strip_suffix(':') else {
            places.maybe.push(edit);
            return;
        };
        let name = before.rsplit(|c: char| !is_tag(c)).next().unwrap_or_default();
        if name.is_empty() {
            places.maybe.push(edit);
        } else if self.names.contains(name) {
            places.sure.push(edit);
        }
    }

    fn edit(&self, line: u32, at: usize, new: String) -> Edit {
        Edit { file: self.file.path.to_string(), line, at, old: self.from.to_owned(), new }
    }
}

/// Bytes before each place of a word.
fn words(line: &str, word: &str) -> Vec<usize> {
    let found = line.match_indices(word).map(|(at, _)| at);
    found
        .filter(|at| !line[..*at].ends_with(is_tag) && !line[at + word.len()..].starts_with(is_tag))
        .collect()
}

/// Whether YAML reads a word without quotes as text.
fn is_text(word: &str) -> bool {
    let loaded = load(format!("a: {word}\n").as_bytes());
    let value = loaded.documents.first().and_then(|doc| doc.root.get("a"));
    value.and_then(Node::str) == Some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_ends_where_a_tag_would() {
        assert_eq!(words("x:0.1.0 0.1.0-rc 10.1.0 \"0.1.0\"", "0.1.0"), [2, 25]);
    }

    #[test]
    fn a_tag_that_yaml_takes_for_a_number_needs_quotes() {
        let told = ["1234567", "1e10", "0.1", "yes", "0755", "0.1.0", "abc1234"].map(is_text);
        assert_eq!(told, [false, false, false, false, false, true, true]);
    }
}
