//! The only door to processes.
//!
//! Two programs are run. [`Renderer`] is a long-lived helper with Helm's and kustomize's own
//! libraries, for judging a tree. [`kustomize_build`] runs the pinned `kustomize` once over a folder
//! of an unpacked source, for the set of releases a Sovereign is expected to hold. The folder is wrapped in a build of our own that adds what a
//! Flux Kustomization adds (patches, prefixes, namespace, components) and asks for the origin of
//! every object, so that faults and slots can be told by file. The process gets an empty
//! environment, hence no `PATH` and no way to run `git` or `helm`; [`bounds`] refuses references
//! that would lead out of the source, for the build itself is not confined.

pub mod bounds;
mod helper;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

pub use bounds::OutOfBounds;
pub use helper::{Cache, HelperError, Limits, Renderer, source_hash, wire};

/// Folder added to the source for the wrapping build.
const WRAPPER: &str = ".catalyst-build";
/// A kit of 60 slots renders to some 400 KiB; CRDs may add a few MiB.
const OUTPUT_LIMIT: u64 = 64 << 20;
/// Enough of an error to name file and line.
const ERROR_LIMIT: u64 = 64 << 10;
/// Names under which kustomize looks for its file.
pub(crate) const FILE_NAMES: [&str; 3] =
    ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// What a Flux Kustomization adds to the folder it names; all empty by default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Additions {
    /// `spec.targetNamespace`.
    pub target_namespace: Option<String>,
    /// `spec.namePrefix`.
    pub name_prefix: Option<String>,
    /// `spec.nameSuffix`.
    pub name_suffix: Option<String>,
    /// `spec.patches`, a list as kustomize takes it.
    pub patches: Vec<Value>,
    /// `spec.images`, a list as kustomize takes it.
    pub images: Vec<Value>,
    /// `spec.components`, relative to the folder.
    pub components: Vec<String>,
}

/// Why a folder could not be built.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The folder is not in the source.
    #[error("the source has no folder `{0}`")]
    NoFolder(String),
    /// The folder refers to something outside the source.
    #[error(transparent)]
    OutOfBounds(#[from] OutOfBounds),
    /// A file of the build cannot be read or written.
    #[error("cannot use `{path}`")]
    File {
        /// The file, relative to the source.
        path: String,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// The program is not there or cannot be run.
    #[error("cannot run `{program}`")]
    Spawn {
        /// The program.
        program: PathBuf,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// The build says that the folder is wrong.
    #[error("the folder does not build: {0}")]
    Failed(String),
    /// The build did not end in time and was killed.
    #[error("the build did not end within {0:?}")]
    TimedOut(Duration),
    /// The build wrote more than is accepted, or something that is not UTF-8.
    #[error("the build's output is longer than {OUTPUT_LIMIT} bytes or not UTF-8")]
    Output,
}

/// Builds folder `path` of the source unpacked at `root`, and returns the YAML stream.
///
/// Writes a wrapping folder into `root`, and a `kustomization.yaml` into a folder without one (as
/// Flux does). Dropping the future kills the process.
///
/// # Errors
/// See [`RenderError`].
pub async fn kustomize_build(
    kustomize: &Path,
    root: &Path,
    path: &str,
    additions: &Additions,
    timeout: Duration,
) -> Result<String, RenderError> {
    let folder = bounds::normal("", path)
        .filter(|folder| root.join(folder).is_dir())
        .ok_or_else(|| RenderError::NoFolder(path.to_owned()))?;
    generate_if_absent(root, &folder)?;
    bounds::check(root, &folder)?;
    for component in &additions.components {
        let at = bounds::local(&folder, component, "the Kustomization's components")?;
        bounds::check(root, &at)?;
    }
    let wrapper = write_wrapper(root, &folder, additions)?;
    let mut command = Command::new(kustomize);
    command
        .args(["build", "--load-restrictor=LoadRestrictionsNone"])
        .arg(&wrapper)
        .current_dir(&wrapper)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let run = run(command, kustomize);
    let (succeeded, output, errors) =
        tokio::time::timeout(timeout, run).await.map_err(|_| RenderError::TimedOut(timeout))??;
    if !succeeded {
        return Err(RenderError::Failed(readable(&errors, root)));
    }
    if output.len() as u64 > OUTPUT_LIMIT {
        return Err(RenderError::Output);
    }
    String::from_utf8(output).map_err(|_| RenderError::Output)
}

async fn run(
    mut command: Command,
    program: &Path,
) -> Result<(bool, Vec<u8>, Vec<u8>), RenderError> {
    let spawn = |source| RenderError::Spawn { program: program.to_owned(), source };
    let mut child = command.spawn().map_err(spawn)?;
    let output = read(child.stdout.take(), OUTPUT_LIMIT + 1);
    let errors = read(child.stderr.take(), ERROR_LIMIT);
    let (output, errors) = tokio::join!(output, errors);
    let status = child.wait().await.map_err(spawn)?;
    Ok((status.success(), output.map_err(spawn)?, errors.map_err(spawn)?))
}

/// Reads at most `limit` bytes and then lets go of the pipe.
async fn read(pipe: Option<impl AsyncRead + Unpin>, limit: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(limit).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

/// The program's words without this machine's temporary folder.
fn readable(errors: &[u8], root: &Path) -> String {
    let text = String::from_utf8_lossy(errors);
    let root = format!("{}/", root.display());
    let text = text.trim().trim_start_matches("Error: ").replace(&root, "");
    let mut short: String = text.chars().take(2000).collect();
    if short.is_empty() {
        short.push_str("it ended with an error and said nothing");
    }
    short
}

fn write_wrapper(root: &Path, folder: &str, additions: &Additions) -> Result<PathBuf, RenderError> {
    let Additions { target_namespace, name_prefix, name_suffix, patches, images, components } =
        additions;
    let resource = if folder.is_empty() { "..".to_owned() } else { format!("../{folder}") };
    let components: Vec<String> =
        components.iter().map(|component| format!("{resource}/{component}")).collect();
    let mut wrapper = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "buildMetadata": ["originAnnotations"],
        "resources": [resource],
    });
    let optional = [
        ("namespace", json!(target_namespace)),
        ("namePrefix", json!(name_prefix)),
        ("nameSuffix", json!(name_suffix)),
        ("patches", json!(patches)),
        ("images", json!(images)),
        ("components", json!(components)),
    ];
    for (key, value) in optional {
        if !value.is_null() && value != json!([]) {
            wrapper[key] = value;
        }
    }
    let at = root.join(WRAPPER);
    let file = |source| RenderError::File { path: WRAPPER.to_owned(), source };
    std::fs::create_dir_all(&at).map_err(file)?;
    std::fs::write(at.join(FILE_NAMES[0]), wrapper.to_string()).map_err(file)?;
    Ok(at)
}

/// Writes the file that lists every manifest under a folder that has none, as Flux does.
fn generate_if_absent(root: &Path, folder: &str) -> Result<(), RenderError> {
    let at = root.join(folder);
    if FILE_NAMES.iter().any(|name| at.join(name).is_file()) {
        return Ok(());
    }
    let file = |source| RenderError::File { path: folder.to_owned(), source };
    let mut resources = Vec::new();
    list_manifests(&at, "", &mut resources).map_err(file)?;
    resources.sort();
    let content = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": resources,
    });
    std::fs::write(at.join(FILE_NAMES[0]), content.to_string()).map_err(file)
}

fn list_manifests(base: &Path, below: &str, found: &mut Vec<String>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(base.join(below))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        if entry.file_type()?.is_dir() {
            if FILE_NAMES.iter().any(|file| entry.path().join(file).is_file()) {
                found.push(path);
            } else {
                list_manifests(base, &path, found)?;
            }
        } else if name.ends_with(".yaml") || name.ends_with(".yml") {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
