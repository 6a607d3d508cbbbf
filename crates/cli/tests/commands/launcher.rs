//! `./catalyst` in the checkout: what a person types after `make up`.

use std::path::Path;
use std::process::{Command, Output};

fn checkout() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn launch(target: &Path, args: &[&str]) -> Output {
    let mut launcher = Command::new("./catalyst");
    launcher.args(args).current_dir(checkout()).env("CARGO_TARGET_DIR", target);
    launcher.env("CATALYST_HOME", target.join("nothing-here")).output().unwrap()
}

#[test]
fn it_runs_what_was_built_and_is_what_texts_tell_to_type() {
    let built = Path::new(env!("CARGO_BIN_EXE_catalyst"));
    let target = built.ancestors().nth(3).unwrap();
    let output = launch(target, &["sovereign", "list", "--api", "http://127.0.0.1:1"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("`./catalyst up`"), "{said}");
}

#[test]
fn without_a_build_it_says_what_to_do() {
    let empty = tempfile::tempdir().unwrap();
    let output = launch(empty.path(), &["--version"]);
    assert_eq!(output.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&output.stderr).contains("make build"));
}
