//! What provisioning needs of this machine, looked at whenever somebody asks whether the process is
//! ready. Where nothing is provisioned nothing is needed.
//!
//! Entry point: [`Needs`]. Looking is cheap; which OpenTofu there is costs a process, so that is
//! asked once, beside the start, by [`Needs::ask_tofu`].

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use catalyst_control::{Provisioning, ProvisioningConfig};
use catalyst_model::{Problem, Trouble};
use serde::Deserialize;

/// State, plan and provider of one more Sovereign fit in this.
const ROOM_BYTES: u64 = 256 * 1024 * 1024;
/// The oldest OpenTofu that the modules are written for, as in their `required_version`.
const OLDEST_TOFU: (u64, u64) = (1, 10);
/// Telling its version takes a program a tenth of a second.
const TELL_LIMIT: Duration = Duration::from_secs(10);

/// What provisioning needs. Clones share what was asked once.
#[derive(Debug, Clone)]
pub(crate) struct Needs {
    config: Option<Arc<ProvisioningConfig>>,
    kustomize: PathBuf,
    /// What is wrong with the OpenTofu there is, once it was asked.
    tofu: Arc<OnceLock<Option<Trouble>>>,
}

impl Needs {
    /// The needs of these settings; `kustomize` builds the kit.
    pub(crate) fn of(provisioning: &Provisioning, kustomize: &Path) -> Self {
        let config = match provisioning {
            Provisioning::Disabled => None,
            Provisioning::Enabled(config) => Some(Arc::new((**config).clone())),
        };
        Self { config, kustomize: kustomize.to_owned(), tofu: Arc::default() }
    }

    /// Returns what is missing, or nothing.
    pub(crate) fn missing(&self) -> Vec<Trouble> {
        let Some(config) = &self.config else { return Vec::new() };
        let ProvisioningConfig { tofu_bin, tofu_dir, modules, catalyst_bin, .. } = config.as_ref();
        let modules = modules.values().filter_map(|module| lacks_module(module));
        lacks_program(&Problem::TOFU_MISSING, tofu_bin)
            .or_else(|| self.tofu.get().cloned().flatten())
            .into_iter()
            .chain(modules)
            .chain(lacks_program(&Problem::KUSTOMIZE_MISSING, &self.kustomize))
            .chain(lacks_program(&Problem::CATALYST_MISSING, catalyst_bin))
            .chain(config.ghcr_credentials_file.as_deref().and_then(lacks_credentials))
            .chain(lacks_room(tofu_dir))
            .collect()
    }

    /// Asks OpenTofu which one it is; the answer counts from then on.
    pub(crate) async fn ask_tofu(&self) {
        let Some(config) = &self.config else { return };
        if lacks_program(&Problem::TOFU_MISSING, &config.tofu_bin).is_some() {
            return;
        }
        let trouble = unfit(&config.tofu_bin).await;
        if let Some(trouble) = &trouble {
            tracing::warn!(%trouble, "not ready");
        }
        // It is asked once.
        self.tofu.set(trouble).ok();
    }
}

/// What is wrong with this OpenTofu.
async fn unfit(tofu: &Path) -> Option<Trouble> {
    #[derive(Deserialize)]
    struct Told {
        terraform_version: String,
    }
    let shown = tofu.display();
    let unstarted = |why: String| Some(Problem::TOFU_NOT_STARTED.with(format!("`{shown}`: {why}")));
    let told = tokio::process::Command::new(tofu)
        .args(["version", "-json"])
        .env_clear()
        .env("CHECKPOINT_DISABLE", "1")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let told = match tokio::time::timeout(TELL_LIMIT, told).await {
        Err(_) => return unstarted(format!("no version within {} s", TELL_LIMIT.as_secs())),
        Ok(Err(error)) => return unstarted(error.kind().to_string()),
        Ok(Ok(told)) => told,
    };
    let Ok(told) = serde_json::from_slice::<Told>(&told.stdout) else {
        return unstarted(format!("it tells no version and ends with {}", told.status));
    };
    let mut parts = told.terraform_version.split(['.', '-']).map_while(|part| part.parse().ok());
    let version: (u64, u64) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    let (major, minor) = OLDEST_TOFU;
    let detail =
        format!("`{shown}` is {}, at least {major}.{minor} is needed", told.terraform_version);
    (version < OLDEST_TOFU).then(|| Problem::TOFU_TOO_OLD.with(detail))
}

fn lacks_program(problem: &'static Problem, program: &Path) -> Option<Trouble> {
    let runnable = fs::metadata(program)
        .is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0);
    (!runnable).then(|| problem.with(format!("`{}`", program.display())))
}

fn lacks_credentials(file: &Path) -> Option<Trouble> {
    let read = fs::read(file);
    let parsed = read.as_deref().map(serde_json::from_slice::<serde_json::Value>);
    let why = match parsed {
        Ok(Ok(value)) => {
            let lacks = ["registry", "username", "password"].into_iter().find(|part| {
                value.get(part).and_then(|text| text.as_str()).is_none_or(str::is_empty)
            })?;
            format!("it has no `{lacks}`")
        }
        Ok(Err(_)) => "it is not JSON".to_owned(),
        Err(error) => error.kind().to_string(),
    };
    Some(Problem::CREDENTIALS_MISSING.with(format!("`{}`: {why}", file.display())))
}

fn lacks_module(module: &Path) -> Option<Trouble> {
    let is_tofu = |name: &Path| name.extension().is_some_and(|extension| extension == "tf");
    let holds = fs::read_dir(module)
        .is_ok_and(|entries| entries.flatten().any(|entry| is_tofu(&entry.path())));
    (!holds).then(|| Problem::MODULE_MISSING.with(format!("`{}`", module.display())))
}

fn lacks_room(folder: &Path) -> Option<Trouble> {
    let shown = folder.display();
    // The folder is made with the first deployment; until then its parent counts.
    let Some(there) = folder.ancestors().find(|folder| folder.is_dir()) else {
        return Some(Problem::WORKDIR_UNWRITABLE.with(format!("`{shown}` has no parent")));
    };
    match rustix::fs::statvfs(there) {
        Ok(facts) if facts.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY) => {
            Some(Problem::WORKDIR_UNWRITABLE.with(format!("`{shown}` is on a read-only system")))
        }
        Ok(facts) if facts.f_bavail.saturating_mul(facts.f_frsize) < ROOM_BYTES => {
            Some(Problem::STORE_FULL.with(format!("`{shown}` has less than 256 MiB left")))
        }
        Ok(_) => None,
        Err(error) => Some(Problem::WORKDIR_UNWRITABLE.with(format!("`{shown}`: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use catalyst_model::Provider;

    use super::*;

    fn config(folder: &Path) -> ProvisioningConfig {
        ProvisioningConfig {
            tofu_bin: folder.join("tofu"),
            tofu_dir: folder.join("work"),
            modules: BTreeMap::from([(Provider::Sandbox, folder.join("module"))]),
            catalyst_bin: folder.join("catalyst"),
            catalyst_home: folder.to_owned(),
            catalyst_cache: folder.to_owned(),
            child_path: String::new(),
            gitops_repo_url: String::new(),
            gitops_branch: String::new(),
            public_url: String::new(),
            ghcr_credentials_file: None,
            network_base: 210,
            first_link: 0,
        }
    }

    fn codes(needs: &Needs) -> Vec<u16> {
        needs.missing().iter().map(|trouble| trouble.problem.code.0).collect()
    }

    fn program(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn d1_each_missing_thing_is_named_and_nothing_once_all_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let mut config = config(folder.path());
        config.ghcr_credentials_file = Some(at("ghcr.json"));
        let enabled = Provisioning::Enabled(Box::new(config));
        let needs = Needs::of(&enabled, &at("kustomize"));
        assert_eq!(codes(&needs), [2000, 2001, 2014, 2015, 2016]);
        fs::write(at("tofu"), "").unwrap();
        assert_eq!(codes(&needs)[0], 2000, "a file is not a program");
        program(&at("tofu"), "");
        fs::create_dir(at("module")).unwrap();
        assert_eq!(codes(&needs)[0], 2001, "a folder is not a module");
        fs::write(at("module/main.tf"), "").unwrap();
        program(&at("kustomize"), "");
        program(&at("catalyst"), "");
        fs::write(at("ghcr.json"), r#"{"registry":"ghcr.io","username":"a","password":""}"#)
            .unwrap();
        assert_eq!(codes(&needs), [2016], "a credential that is empty is none");
        let whole = r#"{"registry":"ghcr.io","username":"a","password":"b"}"#;
        fs::write(at("ghcr.json"), whole).unwrap();
        assert!(codes(&needs).is_empty());
    }

    #[tokio::test]
    async fn d1_another_tofu_than_the_modules_need_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for (version, expected) in
            [("1.10.10-dev", None), ("1.11.6", None), ("2.0.0", None), ("1.9.4", Some(2013))]
        {
            let tofu = folder.path().join(version);
            program(&tofu, &format!("#!/bin/sh\necho '{{\"terraform_version\":\"{version}\"}}'\n"));
            let found = unfit_when_free(&tofu).await.map(|trouble| trouble.problem.code.0);
            assert_eq!(found, expected, "{version}");
        }
        let silent = folder.path().join("silent");
        program(&silent, "#!/bin/sh\nexit 3\n");
        assert_eq!(unfit_when_free(&silent).await.unwrap().problem, &Problem::TOFU_NOT_STARTED);
    }

    /// A file that was just written may not be run while another test forks.
    async fn unfit_when_free(tofu: &Path) -> Option<Trouble> {
        for _ in 0..50 {
            match unfit(tofu).await {
                Some(trouble) if format!("{trouble}").contains("busy") => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                found => return found,
            }
        }
        unfit(tofu).await
    }

    #[test]
    fn where_nothing_is_provisioned_nothing_is_missing() {
        assert!(codes(&Needs::of(&Provisioning::Disabled, Path::new("/nowhere"))).is_empty());
    }
}
