//! Edits within lines: everything else of a file stays as it is, byte by byte.

use std::collections::BTreeMap;

use super::Refused;
use crate::finding::Spot;
use crate::tree::Tree;

/// Lines shown around a change.
const CONTEXT: usize = 3;

/// One text in place of another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Edit {
    /// The file, relative to the tree.
    pub(super) file: String,
    /// Its line, counted from 1.
    pub(super) line: u32,
    /// Bytes of the line before it.
    pub(super) at: usize,
    pub(super) old: String,
    pub(super) new: String,
}

impl Edit {
    /// The edit of `old` at a place of a line; refused if something else stands there.
    pub(super) fn at(spot: &Spot, line: &str, old: &str, new: &str) -> Result<Self, Refused> {
        let column = usize::try_from(spot.column).unwrap_or(1).saturating_sub(1);
        let from = line.char_indices().nth(column).map_or(line.len(), |(at, _)| at);
        let quotes = line[from..].len() - line[from..].trim_start_matches(['"', '\'']).len();
        let at = from + quotes;
        if old.is_empty() || !line[at..].starts_with(old) {
            return Err(Refused::Shape {
                spot: spot.clone(),
                why: "the value is not written out here",
            });
        }
        let (old, new) = (old.to_owned(), new.to_owned());
        Ok(Self { file: spot.file.to_string(), line: spot.line, at, old, new })
    }

    /// Where it is.
    pub(super) fn spot(&self) -> Spot {
        Spot::line(self.file.as_str(), self.line)
    }
}

/// A file before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The file, relative to the tree.
    pub path: String,
    /// What it holds.
    pub before: String,
    /// What it is to hold.
    pub after: String,
}

/// The files that edits change.
pub(super) fn changed(tree: &Tree, edits: &[Edit]) -> Result<Vec<Changed>, Refused> {
    let mut by_file: BTreeMap<&str, Vec<&Edit>> = BTreeMap::new();
    for edit in edits {
        by_file.entry(&edit.file).or_default().push(edit);
    }
    let mut all = Vec::new();
    for (path, edits) in by_file {
        let before = tree.file(path)?.text().into_owned();
        let after = apply(&before, &edits).ok_or_else(|| Refused::Shape {
            spot: edits.first().map_or_else(|| Spot::file(path), |edit| edit.spot()),
            why: "two edits meet here",
        })?;
        all.push(Changed { path: path.to_owned(), before, after });
    }
    Ok(all)
}

/// The text with every edit; nothing if a line is not as an edit expects.
fn apply(text: &str, edits: &[&Edit]) -> Option<String> {
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    let mut order: Vec<&Edit> = edits.to_vec();
    order.sort_by_key(|edit| std::cmp::Reverse((edit.line, edit.at)));
    for (number, edit) in order.iter().enumerate() {
        let end = edit.at + edit.old.len();
        let follows = number.checked_sub(1).map(|at| order[at]);
        if follows.is_some_and(|next| next.line == edit.line && next.at < end) {
            return None;
        }
        let line = lines.get_mut(usize::try_from(edit.line).ok()?.checked_sub(1)?)?;
        if line.get(edit.at..end) != Some(edit.old.as_str()) {
            return None;
        }
        line.replace_range(edit.at..end, &edit.new);
    }
    Some(lines.concat())
}

impl Changed {
    /// The change in unified form. Edits stay within lines, so that line numbers stay equal.
    pub fn diff(&self) -> String {
        let before: Vec<&str> = self.before.lines().collect();
        let after: Vec<&str> = self.after.lines().collect();
        let differs: Vec<usize> =
            (0..before.len()).filter(|at| before.get(*at) != after.get(*at)).collect();
        let mut out = format!("--- a/{0}\n+++ b/{0}\n", self.path);
        let mut at = 0;
        while let Some(first) = differs.get(at) {
            let mut last = *first;
            while let Some(next) = differs.get(at).filter(|next| **next <= last + 2 * CONTEXT) {
                last = *next;
                at += 1;
            }
            let (from, to) = (first.saturating_sub(CONTEXT), before.len().min(last + CONTEXT + 1));
            let (line, count) = (from + 1, to - from);
            out.push_str(&format!("@@ -{line},{count} +{line},{count} @@\n"));
            hunk(&before[from..to], &after[from..to], &mut out);
        }
        out
    }
}

/// Lines of a hunk: of neighbours that differ, first all old ones and then all new ones.
fn hunk(before: &[&str], after: &[&str], out: &mut String) {
    let mut added = String::new();
    for (old, new) in before.iter().zip(after) {
        if old == new {
            out.push_str(&std::mem::take(&mut added));
            out.push_str(&format!(" {old}\n"));
        } else {
            out.push_str(&format!("-{old}\n"));
            added.push_str(&format!("+{new}\n"));
        }
    }
    out.push_str(&added);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(line: u32, at: usize, old: &str, new: &str) -> Edit {
        Edit { file: "a".into(), line, at, old: old.into(), new: new.into() }
    }

    #[test]
    fn an_edit_changes_its_bytes_and_nothing_else() {
        let text = "a: 1 # one\r\nb: 1, 1\n";
        let (first, second) = (edit(2, 3, "1", "22"), edit(2, 6, "1", "3"));
        let edits = [&edit(1, 3, "1", "x"), &first, &second];
        assert_eq!(apply(text, &edits).as_deref(), Some("a: x # one\r\nb: 22, 3\n"));
    }

    #[test]
    fn an_edit_of_something_else_is_refused() {
        for edits in [
            vec![edit(1, 3, "2", "x")],
            vec![edit(3, 0, "a", "x")],
            vec![edit(1, 0, "a: 1", "x"), edit(1, 3, "1", "y")],
        ] {
            let edits: Vec<&Edit> = edits.iter().collect();
            assert_eq!(apply("a: 1\n", &edits), None, "{edits:?}");
        }
    }

    #[test]
    fn a_diff_shows_three_lines_around_and_joins_near_changes() {
        let before: String = (1..=20).map(|n| format!("l{n}\n")).collect();
        let after =
            before.replace("l4\n", "x4\n").replace("l9\n", "x9\n").replace("l18\n", "x18\n");
        let diff = Changed { path: "f".into(), before, after }.diff();
        let heads: Vec<&str> = diff.lines().filter(|line| line.starts_with("@@")).collect();
        assert_eq!(heads, ["@@ -1,12 +1,12 @@", "@@ -15,6 +15,6 @@"]);
        assert!(diff.contains(" l3\n-l4\n+x4\n l5\n"), "{diff}");
    }
}
