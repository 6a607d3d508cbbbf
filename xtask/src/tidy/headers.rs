//! Every file says on its first line what it is for.

use super::{Finding, SourceFile};

pub(crate) fn check(files: &[SourceFile]) -> Vec<Finding> {
    files
        .iter()
        .filter(|file| !file.is_test() && !file.text.starts_with("//!"))
        .map(|file| Finding {
            place: format!("{}:1", file.path.display()),
            message: "starts without a `//!` line that says what the file is for".to_owned(),
        })
        .collect()
}
