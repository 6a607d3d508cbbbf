//! What provisioning needs of this machine, looked at whenever somebody asks whether the process is
//! ready. Where nothing is provisioned nothing is needed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use catalyst_control::{Provisioning, ProvisioningConfig};
use catalyst_model::{Problem, Trouble};

/// State, plan and provider of one more Sovereign fit in this.
const ROOM_BYTES: u64 = 256 * 1024 * 1024;

/// Returns what is missing, or nothing.
pub(crate) fn missing(provisioning: &Provisioning) -> Vec<Trouble> {
    match provisioning {
        Provisioning::Disabled => Vec::new(),
        Provisioning::Enabled(config) => {
            let ProvisioningConfig { tofu_bin, tofu_dir, modules, .. } = config.as_ref();
            let modules = modules.values().filter_map(|module| lacks_module(module));
            lacks_program(tofu_bin).into_iter().chain(modules).chain(lacks_room(tofu_dir)).collect()
        }
    }
}

fn lacks_program(program: &Path) -> Option<Trouble> {
    let runnable = fs::metadata(program)
        .is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0);
    (!runnable).then(|| Problem::TOFU_MISSING.with(format!("`{}`", program.display())))
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

    fn codes(provisioning: &Provisioning) -> Vec<u16> {
        missing(provisioning).iter().map(|trouble| trouble.problem.code.0).collect()
    }

    #[test]
    fn each_missing_thing_is_named_and_nothing_once_all_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let enabled = Provisioning::Enabled(Box::new(config(folder.path())));
        assert_eq!(codes(&enabled), [2000, 2001]);
        let tofu = folder.path().join("tofu");
        fs::write(&tofu, "").unwrap();
        assert_eq!(codes(&enabled), [2000, 2001], "a file is not a program");
        fs::set_permissions(&tofu, fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(folder.path().join("module")).unwrap();
        assert_eq!(codes(&enabled), [2001], "a folder is not a module");
        fs::write(folder.path().join("module/main.tf"), "").unwrap();
        assert!(codes(&enabled).is_empty());
    }

    #[test]
    fn where_nothing_is_provisioned_nothing_is_missing() {
        assert!(codes(&Provisioning::Disabled).is_empty());
    }
}
