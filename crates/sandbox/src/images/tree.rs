//! What an image will hold: every path once, with explicit owner and mode, parents included.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Debian's packages put files into these folders, a merged system has them below `usr`.
const MERGED: &[&str] = &["bin", "lib", "lib64", "sbin"];

/// Where a file's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// In a file.
    Path(PathBuf),
    /// Here.
    Bytes(Vec<u8>),
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Dir { mode: u32, uid: u32, gid: u32 },
    File { source: Source, mode: u32 },
    Link { to: String },
}

/// Why something cannot be in an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// Not an absolute path of ordinary segments.
    #[error("`{0}` is not a plain absolute path")]
    Path(String),
    /// Two different things at one path.
    #[error("`{0}` is there twice")]
    Twice(String),
}

/// Paths without a leading slash, in the order of the layer.
#[derive(Debug, Clone, Default)]
pub(super) struct Tree {
    nodes: BTreeMap<String, Node>,
}

impl Tree {
    /// A file owned by root.
    pub(super) fn file(&mut self, path: &str, source: Source, mode: u32) -> Result<(), Refused> {
        self.put(path, Node::File { source, mode })
    }

    /// A symbolic link owned by root.
    pub(super) fn link(&mut self, path: &str, to: &str) -> Result<(), Refused> {
        self.put(path, Node::Link { to: to.to_owned() })
    }

    /// A folder; one that came into being as a parent takes the stated mode and owner.
    pub(super) fn dir(&mut self, path: &str, mode: u32, uid: u32, gid: u32) -> Result<(), Refused> {
        let path = self.place(path)?;
        match self.nodes.get(&path) {
            None | Some(Node::Dir { .. }) => {
                self.nodes.insert(path, Node::Dir { mode, uid, gid });
                Ok(())
            }
            Some(_) => Err(Refused::Twice(path)),
        }
    }

    /// All nodes, each parent before what it holds.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.nodes.iter().map(|(path, node)| (path.as_str(), node))
    }

    fn put(&mut self, path: &str, node: Node) -> Result<(), Refused> {
        let path = self.place(path)?;
        match self.nodes.get(&path) {
            None => {
                self.nodes.insert(path, node);
                Ok(())
            }
            Some(known) if *known == node => Ok(()),
            Some(_) => Err(Refused::Twice(path)),
        }
    }

    /// Checks a path, moves it to its merged place, and makes its parents.
    fn place(&mut self, path: &str) -> Result<String, Refused> {
        let plain = path.strip_prefix('/').filter(|rest| {
            rest.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
        });
        let plain = plain.ok_or_else(|| Refused::Path(path.to_owned()))?;
        let first = plain.split('/').next().unwrap_or_default();
        if let Some(&folder) = MERGED.iter().find(|&&folder| folder == first) {
            let link = Node::Link { to: format!("usr/{folder}") };
            self.nodes.entry(folder.to_owned()).or_insert(link);
            let merged = format!("usr/{plain}");
            self.parents(&merged);
            return Ok(merged);
        }
        self.parents(plain);
        Ok(plain.to_owned())
    }

    fn parents(&mut self, path: &str) {
        for (end, _) in path.match_indices('/') {
            let parent = Node::Dir { mode: 0o755, uid: 0, gid: 0 };
            self.nodes.entry(path[..end].to_owned()).or_insert(parent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Source {
        Source::Bytes(text.as_bytes().to_vec())
    }

    #[test]
    fn parents_come_before_their_files_and_old_folders_are_merged_below_usr() {
        let mut tree = Tree::default();
        tree.file("/bin/bash", text("b"), 0o755).unwrap();
        tree.file("/etc/a/b", text("c"), 0o644).unwrap();
        tree.dir("/etc/a", 0o700, 7, 7).unwrap();
        let paths: Vec<_> = tree.iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["bin", "etc", "etc/a", "etc/a/b", "usr", "usr/bin", "usr/bin/bash"]);
        let nodes: BTreeMap<_, _> = tree.iter().collect();
        assert_eq!(nodes["bin"], &Node::Link { to: "usr/bin".into() });
        assert_eq!(nodes["etc/a"], &Node::Dir { mode: 0o700, uid: 7, gid: 7 });
    }

    #[test]
    fn paths_that_climb_and_two_things_at_one_path_are_refused() {
        let mut tree = Tree::default();
        for bad in ["etc/passwd", "/", "/a/../b", "/a//b", "/a/./b"] {
            assert!(matches!(tree.link(bad, "x"), Err(Refused::Path(_))), "{bad}");
        }
        tree.file("/a", text("1"), 0o644).unwrap();
        tree.file("/a", text("1"), 0o644).unwrap();
        assert_eq!(tree.file("/a", text("2"), 0o644), Err(Refused::Twice("a".into())));
        assert_eq!(tree.dir("/a", 0o755, 0, 0), Err(Refused::Twice("a".into())));
    }
}
