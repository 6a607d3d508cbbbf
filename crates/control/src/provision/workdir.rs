//! The folder of one deployment's infrastructure: module, variables, the bearer's file, state.

use std::{
    fs::{self, DirBuilder, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use catalyst_model::{Deployment, DeploymentId, KubeconfigState, Problem, Trouble};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::Value;

use crate::ProvisioningConfig;

const STATE: &str = "terraform.tfstate";
/// Where a torn state lies while what it knew of is taken away.
const TORN: &str = "terraform.tfstate.torn";
const VARIABLES: &str = "tofu.auto.tfvars.json";
const BEARER: &str = "kubeconfig.bearer";

/// The variables of the sandbox's module.
#[derive(Serialize)]
struct Variables<'a> {
    deployment_id: &'a str,
    sovereign_name: &'a str,
    sovereign_fqdn: &'a str,
    org_name: &'a str,
    org_email: &'a str,
    sandbox_index: u8,
    network_prefix: &'a str,
    gitops_repo_url: &'a str,
    gitops_branch: &'a str,
    catalyst_api_url: &'a str,
    kubeconfig_bearer_file: &'a Path,
    ghcr_pull_credentials_file: &'a Path,
    catalyst_bin: &'a Path,
    catalyst_home: &'a Path,
    catalyst_cache: &'a Path,
}

/// The whole environment of the programs that are run for a deployment.
pub(crate) fn environment(settings: &ProvisioningConfig, dir: &Path) -> Vec<(String, String)> {
    let text = |p: &Path| p.to_string_lossy().into_owned();
    let pairs = [
        ("PATH", settings.child_path.clone()),
        ("HOME", text(dir)),
        ("LANG", "C.UTF-8".to_owned()),
        ("TF_IN_AUTOMATION", "1".to_owned()),
        ("TF_INPUT", "0".to_owned()),
        ("CHECKPOINT_DISABLE", "1".to_owned()),
        ("CATALYST_HOME", text(&settings.catalyst_home)),
        ("CATALYST_CACHE", text(&settings.catalyst_cache)),
    ];
    pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
}

/// Makes the folder and puts the bearer's text into it, durable when this is done. When it fails
/// nothing of the folder is left.
pub(crate) async fn keep_bearer(
    tofu_dir: &Path,
    id: &DeploymentId,
    bearer: SecretString,
) -> Result<(), Trouble> {
    let dir = tofu_dir.join(id.as_str());
    let kept = aside(move || {
        private_dir(&dir)?;
        write_private(&dir.join(BEARER), bearer.expose_secret().as_bytes())
    })
    .await;
    if kept.is_err() {
        discard(tofu_dir, id).await;
    }
    kept
}

/// Removes the folder of a deployment that never came to be: nothing but its bearer is in it yet.
pub(crate) async fn discard(tofu_dir: &Path, id: &DeploymentId) {
    let dir = tofu_dir.join(id.as_str());
    let removed = aside(move || match fs::remove_dir_all(&dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    })
    .await;
    if let Err(trouble) = removed {
        tracing::warn!(%id, %trouble, "a folder of no deployment is left");
    }
}

/// Whether the provider's module is there.
pub(crate) fn check_module(module: Option<&PathBuf>) -> Result<&PathBuf, Trouble> {
    let module = module.ok_or_else(|| Problem::MODULE_MISSING.plain())?;
    let any = fs::read_dir(module)
        .is_ok_and(|all| all.flatten().any(|e| is_module_file(&e.file_name().to_string_lossy())));
    if any { Ok(module) } else { Err(Problem::MODULE_MISSING.plain()) }
}

fn is_module_file(name: &str) -> bool {
    !name.starts_with('.') && [".tf", ".tftpl", ".tofu"].iter().any(|end| name.ends_with(end))
}

/// Copies the module, writes the variables, and checks that the bearer is there.
pub(crate) async fn lay_out(
    deployment: &Deployment,
    settings: &ProvisioningConfig,
    dir: &Path,
) -> Result<(), Trouble> {
    let module = check_module(settings.modules.get(&deployment.spec.provider))?.clone();
    let credentials = settings.ghcr_credentials_file.clone().unwrap_or_default();
    let bearer = dir.join(BEARER);
    let variables = Variables {
        deployment_id: deployment.id.as_str(),
        sovereign_name: deployment.spec.name.as_str(),
        sovereign_fqdn: deployment.spec.fqdn.as_str(),
        org_name: &deployment.spec.org_name,
        org_email: deployment.spec.org_email.as_str(),
        sandbox_index: deployment.placement.sandbox_index,
        network_prefix: &deployment.placement.network_prefix,
        gitops_repo_url: &settings.gitops_repo_url,
        gitops_branch: &settings.gitops_branch,
        catalyst_api_url: &settings.public_url,
        kubeconfig_bearer_file: &bearer,
        ghcr_pull_credentials_file: &credentials,
        catalyst_bin: &settings.catalyst_bin,
        catalyst_home: &settings.catalyst_home,
        catalyst_cache: &settings.catalyst_cache,
    };
    let variables =
        serde_json::to_vec_pretty(&variables).map_err(|e| Problem::INTERNAL.with(e.to_string()))?;
    let dir = dir.to_owned();
    let waits_for_post = !matches!(deployment.kubeconfig, KubeconfigState::Stored { .. });
    let lost = aside(move || {
        private_dir(&dir)?;
        copy_module(&module, &dir)?;
        write_private(&dir.join(VARIABLES), &variables)?;
        Ok(waits_for_post && !dir.join(BEARER).exists())
    })
    .await?;
    if lost { Err(Problem::BEARER_LOST.plain()) } else { Ok(()) }
}

/// Removes the bearer's file once the bearer is used up.
pub(crate) async fn forget_bearer(tofu_dir: &Path, id: &DeploymentId) -> Result<(), Trouble> {
    remove(&tofu_dir.join(id.as_str()), BEARER).await
}

/// Makes `dir` hold exactly the module's files, and leaves everything else in it alone.
fn copy_module(module: &Path, dir: &Path) -> io::Result<()> {
    let mut names = Vec::new();
    for entry in fs::read_dir(module)? {
        let entry = entry?;
        let name = entry.file_name();
        if is_module_file(&name.to_string_lossy()) && entry.path().is_file() {
            write_private(&dir.join(&name), &fs::read(entry.path())?)?;
            names.push(name);
        }
    }
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if is_module_file(&name.to_string_lossy()) && !names.contains(&name) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// The state as the last run left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StateFile {
    /// There is none.
    Absent,
    /// It can be read.
    Whole,
    /// An apply was killed while it wrote: how that shows.
    Torn(String),
}

/// Looks at the state.
pub(crate) async fn state_file(dir: &Path) -> StateFile {
    if exists(dir, TORN).await {
        return StateFile::Torn("its recovery was cut off".to_owned());
    }
    match tokio::fs::read(dir.join(STATE)).await {
        Ok(bytes) => state_of(&bytes),
        Err(e) if e.kind() == io::ErrorKind::NotFound => StateFile::Absent,
        Err(e) => StateFile::Torn(e.kind().to_string()),
    }
}

fn state_of(bytes: &[u8]) -> StateFile {
    let long = bytes.len();
    let is_state =
        |v: &Value| v["version"].is_u64() && v["lineage"].is_string() && v["resources"].is_array();
    match serde_json::from_slice::<Value>(bytes) {
        Ok(value) if is_state(&value) => StateFile::Whole,
        Ok(_) => StateFile::Torn("it is not a state's text".to_owned()),
        Err(_) if bytes.iter().all(|b| *b == 0) => StateFile::Torn(format!("{long} empty bytes")),
        Err(e) if e.is_eof() => StateFile::Torn(format!("it breaks off after {long} bytes")),
        Err(_) => StateFile::Torn("it is not a state's text".to_owned()),
    }
}

/// Puts a torn state where tofu does not look.
pub(crate) async fn set_state_aside(dir: &Path) -> Result<(), Trouble> {
    if !exists(dir, TORN).await {
        return rename(dir, STATE, TORN).await;
    }
    // What lies there now was written while the torn one was recovered from, and may be torn too:
    // then it knows of nothing that the recovery would not find.
    match tokio::fs::read(dir.join(STATE)).await.map(|bytes| state_of(&bytes)) {
        Ok(StateFile::Torn(_)) => remove(dir, STATE).await,
        Ok(StateFile::Whole | StateFile::Absent) | Err(_) => Ok(()),
    }
}

/// Keeps a torn state for whoever wants to know, under a name that means nothing any more.
pub(crate) async fn state_is_mended(dir: &Path) -> Result<(), Trouble> {
    rename(dir, TORN, "terraform.tfstate.lost").await
}

/// Makes what tofu wrote readable by us alone.
pub(crate) async fn close_files(dir: &Path) {
    for name in [STATE, TORN, "terraform.tfstate.backup", "tfplan", "tfplan.new", "tfplan.used"] {
        // A file that is not there needs no closing.
        tokio::fs::set_permissions(dir.join(name), Permissions::from_mode(0o600)).await.ok();
    }
}

pub(crate) async fn exists(dir: &Path, name: &str) -> bool {
    tokio::fs::try_exists(dir.join(name)).await.unwrap_or(false)
}

pub(crate) async fn rename(dir: &Path, from: &str, to: &str) -> Result<(), Trouble> {
    let (dir, from, to) = (dir.to_owned(), dir.join(from), dir.join(to));
    aside(move || {
        fs::rename(from, to)?;
        sync_dir(&dir)
    })
    .await
}

pub(crate) async fn remove(dir: &Path, name: &str) -> Result<(), Trouble> {
    let path = dir.join(name);
    aside(move || match fs::remove_file(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    })
    .await
}

/// Makes a folder and the parents it lacks, each with a name that survives a crash.
fn private_dir(dir: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = dir.ancestors().take_while(|d| !d.exists()).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    fs::set_permissions(dir, Permissions::from_mode(0o700))?;
    missing.iter().filter_map(|made| made.parent()).try_for_each(|parent| match parent {
        here if here.as_os_str().is_empty() => sync_dir(Path::new(".")),
        parent => sync_dir(parent),
    })
}

/// Replaces a file as a whole, durable when this is done; only we can read it.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.tmp"));
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true).mode(0o600);
    let written = options.open(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    });
    if let Err(error) = written {
        // Half a file is of no use to anybody, and its room may be.
        fs::remove_file(&temporary).ok();
        return Err(error);
    }
    sync_dir(path.parent().unwrap_or(Path::new(".")))
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    fs::File::open(dir)?.sync_all()
}

async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Trouble> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.map_err(|_| Problem::INTERNAL.with("the work on a folder was cut off"))?;
    done.map_err(|e| match e.kind() {
        io::ErrorKind::StorageFull => Problem::STORE_FULL.plain(),
        kind => Problem::WORKDIR_UNWRITABLE.with(kind.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c3_a_state_that_was_torn_is_told_by_how_it_shows() {
        let whole = r#"{"version":4,"serial":7,"lineage":"a","outputs":{},"resources":[{"a":1}]}"#;
        assert_eq!(state_of(whole.as_bytes()), StateFile::Whole);
        let torn = |bytes: &[u8], how: &str| {
            assert_eq!(state_of(bytes), StateFile::Torn(how.to_owned()), "{bytes:?}");
        };
        torn(b"", "0 empty bytes");
        torn(&[0; 512], "512 empty bytes");
        torn(&whole.as_bytes()[..40], "it breaks off after 40 bytes");
        torn(b"{}", "it is not a state's text");
        torn(b"no state\n", "it is not a state's text");
    }
}
