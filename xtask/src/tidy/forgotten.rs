//! A `.rs` file that no `mod` line names is never compiled: its tests pass by not existing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

use super::{Finding, SourceFile};

pub(crate) fn check(root: &Path, files: &[SourceFile]) -> Vec<Finding> {
    let mut named = BTreeSet::new();
    for file in files {
        let folder = file.path.parent().unwrap_or(Path::new("")).to_owned();
        let inside = children_folder(&file.path);
        let mut modules = Modules { folder, inside, named: &mut named };
        modules.visit_file(&file.syntax);
    }
    let forgotten = |file: &&SourceFile| !is_root(root, &file.path) && !named.contains(&file.path);
    files
        .iter()
        .filter(forgotten)
        .map(|file| Finding {
            place: file.path.display().to_string(),
            message: "no `mod` line names this file, so it is never compiled".to_owned(),
        })
        .collect()
}

/// Crate roots: what cargo compiles without a `mod` line.
fn is_root(root: &Path, path: &Path) -> bool {
    let parts: Vec<_> = path.iter().filter_map(|part| part.to_str()).collect();
    let start = if parts.first() == Some(&"crates") { 2 } else { 1 };
    match &parts[start.min(parts.len())..] {
        ["build.rs"] | ["src", "main.rs" | "lib.rs"] => true,
        ["src", "bin", ..] | ["tests" | "benches" | "examples", _] => true,
        ["tests", folder, "main.rs"] => root.join(path).exists() && !folder.is_empty(),
        _ => false,
    }
}

/// The folder in which the modules a file declares are looked for.
fn children_folder(path: &Path) -> PathBuf {
    let parent = path.parent().unwrap_or(Path::new("")).to_owned();
    match path.file_stem().and_then(|stem| stem.to_str()) {
        Some("lib" | "main" | "mod") => parent,
        _ if is_test_root(path) => parent,
        Some(stem) => parent.join(stem),
        None => parent,
    }
}

fn is_test_root(path: &Path) -> bool {
    path.parent().and_then(Path::file_name).is_some_and(|name| name == "tests" || name == "bin")
}

/// The file that `#[path = "…"]` names.
fn stated_path(attributes: &[syn::Attribute]) -> Option<String> {
    let attribute = attributes.iter().find(|attribute| attribute.path().is_ident("path"))?;
    let syn::Meta::NameValue(pair) = &attribute.meta else { return None };
    match &pair.value {
        syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    }
}

struct Modules<'a> {
    /// The folder the file lies in: what a `#[path]` is relative to.
    folder: PathBuf,
    inside: PathBuf,
    named: &'a mut BTreeSet<PathBuf>,
}

impl<'ast> Visit<'ast> for Modules<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let name = item.ident.to_string();
        if let Some(path) = stated_path(&item.attrs) {
            self.named.insert(self.folder.join(path));
            return;
        }
        if item.content.is_none() {
            self.named.insert(self.inside.join(format!("{name}.rs")));
            self.named.insert(self.inside.join(&name).join("mod.rs"));
            return;
        }
        self.inside.push(&name);
        visit::visit_item_mod(self, item);
        self.inside.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> SourceFile {
        let syntax = syn::parse_file(text).unwrap();
        SourceFile { path: path.into(), text: text.to_owned(), syntax }
    }

    #[test]
    fn a_file_without_a_mod_line_is_found() {
        let files = [
            file("crates/x/src/lib.rs", "mod a;"),
            file("crates/x/src/a.rs", "mod b;"),
            file("crates/x/src/a/b.rs", ""),
            file("crates/x/src/a/orphan.rs", ""),
        ];
        let findings = check(Path::new("/"), &files);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].place.ends_with("orphan.rs"));
    }
}
