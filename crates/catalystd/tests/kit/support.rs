//! Where things are, and how the real programs are run.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The checkout.
pub(crate) fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().expect("the checkout exists")
}

/// The charts' folders, in order.
pub(crate) fn charts() -> Vec<PathBuf> {
    let mut charts = files(&root().join("charts"));
    charts.retain(|path| path.join("Chart.yaml").exists());
    assert!(!charts.is_empty(), "there are charts");
    charts
}

/// A chart's own name without `bp-`: the release's name.
pub(crate) fn component(chart: &Path) -> String {
    let name = chart.file_name().and_then(|name| name.to_str()).expect("a chart has a name");
    name.strip_prefix("bp-").expect("a chart's name begins with bp-").to_owned()
}

/// What is in a folder, in order.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a readable entry").path()).collect();
    files.sort();
    files
}

/// A file's text.
pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// All documents of a YAML text; empty ones are left out.
pub(crate) fn documents(text: &str) -> Vec<Value> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text)
        .unwrap_or_else(|e| panic!("no YAML: {e}\n{}", text.chars().take(500).collect::<String>()));
    documents.into_iter().filter(|document| !document.is_null()).collect()
}

/// A text at a JSON pointer.
pub(crate) fn text<'a>(document: &'a Value, pointer: &str) -> &'a str {
    document
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("no text at {pointer} of {document:#}"))
}

/// A program out of the tool cache, if it was built.
pub(crate) fn tool(folder: &str, program: &str) -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let cache = variable("CATALYST_CACHE")
        .or_else(|| Some(variable("XDG_CACHE_HOME")?.join("catalyst")))
        .or_else(|| Some(variable("HOME")?.join(".cache/catalyst")))?;
    let folder = cache.join("tools").join(folder);
    let built = std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let found = built.filter(|path| path.join("complete").exists()).max();
    let found = found.map(|path| path.join("bin").join(program)).filter(|path| path.exists());
    if found.is_none() && std::env::var_os("CATALYST_REQUIRE_TOOLS").is_some() {
        panic!("`{program}` is not in the tool cache");
    }
    found
}

/// Runs a program; its output, or its complaint.
pub(crate) fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().expect("the program can be started");
    let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output.status.success() {
        true => Ok(words(&output.stdout)),
        false => Err(words(&output.stdout) + &words(&output.stderr)),
    }
}

/// The values a chart cannot do without, if there are such.
fn least_values(chart: &Path) -> Option<PathBuf> {
    Some(chart.join("golden/default.values.yaml")).filter(|path| path.exists())
}

/// Renders a chart as the release of its component, with the values it cannot do without.
pub(crate) fn helm(program: &Path, chart: &Path, arguments: &[&str]) -> Result<String, String> {
    let home = tempfile::tempdir().expect("a folder for helm");
    let component = component(chart);
    run(Command::new(program)
        .args(["template", &component])
        .arg(chart)
        .args(["--namespace", &component, "--kube-version", "1.34.4"])
        .args(least_values(chart).iter().flat_map(|path| [Path::new("--values"), path.as_path()]))
        .args(arguments)
        .env("HELM_CACHE_HOME", home.path())
        .env("HELM_CONFIG_HOME", home.path())
        .env("HELM_DATA_HOME", home.path())
        .env_remove("KUBECONFIG"))
}

/// Builds a folder with kustomize.
pub(crate) fn kustomize(program: &Path, folder: &Path) -> Vec<Value> {
    let built = run(Command::new(program).arg("build").arg(folder));
    documents(&built.unwrap_or_else(|e| panic!("{}: {e}", folder.display())))
}

/// The program, or a word about the test that does not run.
macro_rules! tool_or_skip {
    ($folder:literal, $program:literal) => {
        match crate::support::tool($folder, $program) {
            Some(program) => program,
            None => {
                eprintln!("SKIPPED: {} is not in the tool cache", $program);
                return;
            }
        }
    };
}
pub(crate) use tool_or_skip;
