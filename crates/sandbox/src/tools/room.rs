//! How much disk the builds need, said before they begin.

use std::path::Path;

use super::{Entry, NO_ROOM};
use crate::problem::{self, Result};

/// The high-water mark of building every tool, measured.
const ALL_TOOLS_BYTES: u64 = 25 << 30;
/// Kept free beside it.
const MARGIN_BYTES: u64 = 3 << 30;

/// Free bytes for an ordinary user on the disk that holds `path` or its nearest existing parent.
///
/// # Errors
/// CAT-3000.
pub fn free_bytes(path: &Path) -> Result<u64> {
    let existing = path.ancestors().find(|parent| parent.exists()).unwrap_or(Path::new("/"));
    let stat = rustix::fs::statvfs(existing)
        .map_err(|error| problem::file("measure the disk of", existing, error.into()))?;
    Ok(stat.f_bavail * stat.f_frsize)
}

/// What building `missing` out of `all` needs: a share of the whole by pinned time, and a margin.
pub(super) fn needed_bytes(all: &[Entry], missing: &[&Entry]) -> u64 {
    let total: u64 = all.iter().map(|entry| entry.pin.seconds).sum();
    let ahead: u64 = missing.iter().map(|entry| entry.pin.seconds).sum();
    if ahead == 0 {
        return 0;
    }
    // Products of gigabytes and seconds do not fit 64 bits comfortably; megabytes do.
    (((ALL_TOOLS_BYTES >> 20) * ahead / total.max(1)) << 20) + MARGIN_BYTES
}

/// Refuses to begin a build that would fill the disk. What an interrupted build left counts as room.
pub(super) fn check(cache: &Path, leftover_bytes: u64, needed: u64) -> Result<()> {
    let free = free_bytes(cache)?;
    if free + leftover_bytes >= needed {
        return Ok(());
    }
    Err(NO_ROOM.because(format!(
        "building the missing tools needs {} GiB in `{}`, {} GiB are free",
        needed.div_ceil(1 << 30),
        cache.display(),
        free >> 30,
    )))
}

/// The bytes of all files under `path`; 0 when it is not there.
pub(super) fn used_bytes(path: &Path) -> u64 {
    let sizes =
        walkdir::WalkDir::new(path).into_iter().filter_map(|entry| entry.ok()?.metadata().ok());
    sizes.filter(|meta| meta.is_file()).map(|meta| meta.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::super::{Pins, Tools};
    use super::*;
    use crate::paths::Cache;

    #[test]
    fn all_tools_need_twenty_five_gigabytes_and_margin_one_small_tool_far_less_none_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let tools = Tools::at(&Cache::new(dir.path()), Pins::embedded().unwrap(), "go1");
        let all = tools.entries();
        assert_eq!(needed_bytes(all, &tools.missing()), ALL_TOOLS_BYTES + MARGIN_BYTES);
        let small: Vec<_> = all.iter().filter(|e| e.pin.name == "kustomize").collect();
        assert!(needed_bytes(all, &small) < 4 << 30);
        assert_eq!(needed_bytes(all, &[]), 0);
    }

    #[test]
    fn too_little_room_is_refused_before_anything_is_built() {
        let dir = tempfile::tempdir().unwrap();
        let problem = check(dir.path(), 0, u64::MAX).unwrap_err();
        assert_eq!(problem.code(), &NO_ROOM);
        check(&dir.path().join("not/yet/there"), 0, 1).unwrap();
    }
}
