//! Files of at most 800 lines and functions of at most 100: the tail is what makes a tree ugly.

use proc_macro2::Span;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

use super::{Finding, SourceFile};

const FILE_LINES: usize = 800;
const FUNCTION_LINES: usize = 100;

pub(crate) fn check(files: &[SourceFile]) -> Vec<Finding> {
    files.iter().flat_map(check_file).collect()
}

fn check_file(file: &SourceFile) -> Vec<Finding> {
    let place = file.path.display().to_string();
    let mut findings = Vec::new();
    let lines = file.text.lines().count();
    if lines > FILE_LINES {
        let message = format!("{lines} lines; the budget is {FILE_LINES}: split it by noun");
        findings.push(Finding { place: place.clone(), message });
    }
    let mut functions = LongFunctions::default();
    functions.visit_file(&file.syntax);
    findings.extend(functions.found.into_iter().map(|(name, line, length)| Finding {
        place: format!("{place}:{line}"),
        message: format!("`{name}` has {length} lines; the budget is {FUNCTION_LINES}"),
    }));
    findings
}

#[derive(Default)]
struct LongFunctions {
    found: Vec<(String, usize, usize)>,
}

impl LongFunctions {
    fn measure(&mut self, name: &syn::Ident, span: Span) {
        let length = span.end().line + 1 - span.start().line;
        if length > FUNCTION_LINES {
            self.found.push((name.to_string(), span.start().line, length));
        }
    }
}

impl<'ast> Visit<'ast> for LongFunctions {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.measure(&item.sig.ident, item.block.span());
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.measure(&item.sig.ident, item.block.span());
        visit::visit_impl_item_fn(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> SourceFile {
        let syntax = syn::parse_file(text).unwrap();
        SourceFile { path: "crates/x/src/x.rs".into(), text: text.to_owned(), syntax }
    }

    #[test]
    fn a_function_one_line_over_its_budget_is_found_with_its_name() {
        let body = "    let _ = 1;\n".repeat(FUNCTION_LINES - 2);
        assert!(check_file(&file(&format!("fn fits() {{\n{body}}}\n"))).is_empty());
        let findings = check_file(&file(&format!("fn long() {{\n    ();\n{body}}}\n")));
        assert_eq!(findings.len(), 1);
        assert!(findings[0].message.contains("`long`"));
    }

    #[test]
    fn a_file_over_its_budget_is_found() {
        assert_eq!(check_file(&file(&"const _: () = ();\n".repeat(FILE_LINES + 1))).len(), 1);
    }
}
