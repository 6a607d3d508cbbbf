//! Writes a secret so that nobody else on the machine can read it, not even for a moment.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use anyhow::{Context, Result};
use secrecy::{ExposeSecret as _, SecretString};

/// Replaces `file` with the secret, mode 0600, in a folder that is made 0700 when missing.
///
/// # Errors
/// The folder or the file cannot be written.
pub(crate) fn write(file: &Path, secret: &SecretString) -> Result<()> {
    let place = || format!("write {}", file.display());
    if let Some(folder) = file.parent().filter(|folder| !folder.exists()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(place)?;
    }
    let mut name = file.as_os_str().to_owned();
    name.push(".partial");
    let partial = Path::new(&name);
    // A leftover of a crash would keep its own mode.
    if partial.exists() {
        fs::remove_file(partial).with_context(place)?;
    }
    let mut open = OpenOptions::new();
    let mut out =
        open.write(true).create_new(true).mode(0o600).open(partial).with_context(place)?;
    out.write_all(secret.expose_secret().as_bytes()).with_context(place)?;
    out.write_all(b"\n").with_context(place)?;
    out.sync_all().with_context(place)?;
    fs::rename(partial, file).with_context(place)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn only_the_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deep/secret");
        for text in ["first", "second"] {
            write(&file, &SecretString::from(text)).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap().trim_end(), text);
        }
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&file), 0o600);
        assert_eq!(mode(file.parent().unwrap()), 0o700);
    }
}
