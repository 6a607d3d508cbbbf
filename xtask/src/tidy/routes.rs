//! Routes live in one table, from which the router, the OpenAPI document and the authorisation test
//! are made: a `.route(` anywhere else would escape all three.

use super::{Finding, SourceFile};

const TABLE: &str = "crates/http/src/routes.rs";

pub(crate) fn check(files: &[SourceFile]) -> Vec<Finding> {
    let elsewhere = |file: &&SourceFile| {
        file.path.starts_with("crates") && file.path != *TABLE && !file.is_test()
    };
    let mut findings = Vec::new();
    for file in files.iter().filter(elsewhere) {
        for (number, line) in file.text.lines().enumerate() {
            if line.contains(".route(") {
                findings.push(Finding {
                    place: format!("{}:{}", file.path.display(), number + 1),
                    message: format!("a route outside the table in {TABLE}"),
                });
            }
        }
    }
    findings
}
