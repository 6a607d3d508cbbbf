//! Rebuilds when the console was built anew. The folder is made when it is missing, for Cargo would
//! otherwise run this on every build.

use std::path::Path;

fn main() {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../console/dist");
    // A read-only checkout builds all the same, only more often.
    let _ = std::fs::create_dir_all(&dist);
    let mut out = std::io::stdout().lock();
    let line = format!("cargo::rerun-if-changed={}\n", dist.display());
    std::io::Write::write_all(&mut out, line.as_bytes())
        .expect("cargo reads what a build script writes");
}
