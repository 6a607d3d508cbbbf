//! Outputs that people or programs rely on, kept as files: whoever changes one reads the difference.

use std::path::Path;

/// Holds `actual` against the file; `UPDATE_GOLDENS=1` writes the file anew.
///
/// # Panics
/// They differ, or the file cannot be read or written.
#[track_caller]
pub fn hold(path: &Path, actual: &str) {
    let shown = path.display();
    if std::env::var_os("UPDATE_GOLDENS").is_some()
        && let Err(error) = std::fs::write(path, actual)
    {
        panic!("cannot write `{shown}`: {error}");
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    let same = kept.lines().zip(actual.lines()).take_while(|(old, new)| old == new).count();
    let (old, new) = (kept.lines().nth(same), actual.lines().nth(same));
    assert!(
        kept == actual,
        "`{shown}` differs from line {}: {old:?} became {new:?}; UPDATE_GOLDENS=1 writes it anew: \
         read the difference",
        same + 1
    );
}
