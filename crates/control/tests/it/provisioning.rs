//! Making the infrastructure when it cannot be made: with the real tofu wherever it matters.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use catalyst_model::{
    Deployment, DeploymentStatus, PhaseId, Problem, ProblemCode, Resource, ResourceState,
};

use crate::house::{House, by, spec};

/// A module like the sandbox's: one resource after the other, and the third one fails as long as
/// there is no file `remedy`.
const MODULE: &str = r#"
variable "catalyst_home" { type = string }

resource "terraform_data" "host" {}

resource "terraform_data" "link" {
  depends_on = [terraform_data.host]
}

resource "terraform_data" "node" {
  depends_on = [terraform_data.link]
  provisioner "local-exec" {
    command = <<-EOT
      echo "starting etcd"
      if [ ! -e "${var.catalyst_home}/remedy" ]; then
        echo "CAT-3204 the node did not start: etcd found no room" >&2
        exit 3
      fi
    EOT
  }
}

resource "terraform_data" "control_plane" {
  depends_on = [terraform_data.node]
}

output "control_plane_ip" { value = "10.210.0.2" }
output "load_balancer_ip" { value = "10.210.0.2" }
output "console_url" { value = "https://console.sov1.example.org" }
output "gitops_repo_url" { value = "https://gitea.sov1.example.org" }
output "api_server" { value = "https://10.210.0.2:6443" }
"#;

/// The real `tofu` out of the tool cache, if it was built.
fn tofu() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let cache = variable("CATALYST_CACHE")
        .or_else(|| Some(variable("XDG_CACHE_HOME")?.join("catalyst")))
        .or_else(|| Some(variable("HOME")?.join(".cache/catalyst")))?;
    let built = std::fs::read_dir(cache.join("tools/opentofu")).ok()?;
    let built = built.filter_map(|entry| Some(entry.ok()?.path()));
    let found = built.filter(|path| path.join("complete").exists()).max();
    let found = found.map(|path| path.join("bin/tofu")).filter(|path| path.exists());
    if found.is_none() && std::env::var_os("CATALYST_REQUIRE_TOOLS").is_some() {
        panic!("`tofu` is not in the tool cache");
    }
    found
}

fn resource<'d>(deployment: &'d Deployment, name: &str) -> &'d Resource {
    let all = &deployment.infrastructure.resources;
    all.iter().find(|r| r.short_name() == name).unwrap_or_else(|| panic!("no {name} in {all:?}"))
}

fn code(deployment: &Deployment) -> Option<ProblemCode> {
    deployment.failure().map(|failure| failure.code)
}

#[tokio::test]
async fn tofu_failing_in_mid_apply_names_the_resource_and_its_cause_and_keeps_what_stands() {
    let Some(tofu) = tofu() else {
        eprintln!("SKIPPED: tofu is not in the tool cache");
        return;
    };
    let mut house = House::new().await;
    house.close().await;
    house.provisioning().tofu_bin = tofu;
    std::fs::write(house.at("module").join("main.tf"), MODULE).unwrap();
    std::fs::create_dir_all(house.at("home")).unwrap();
    house.open().await;
    let id = house.create("sov1").await;
    let failed = house.until(&id, "the failure", |d| d.status() == DeploymentStatus::Failed).await;
    assert_eq!(code(&failed), Some(Problem::TOFU_APPLY_FAILED.code));
    let cause = failed.failure().unwrap().cause;
    assert!(cause.contains("terraform_data.node"), "{cause}");
    assert!(cause.contains("CAT-3204 the node did not start: etcd found no room"), "{cause}");
    assert_eq!(failed.answer().cause.as_deref(), Some(cause.as_str()));
    assert_eq!(resource(&failed, "host").state, ResourceState::Created);
    assert_eq!(resource(&failed, "link").state, ResourceState::Created);
    assert_eq!(resource(&failed, "node").state, ResourceState::Failed);
    assert_eq!(resource(&failed, "control_plane").state, ResourceState::Planned);

    let folder = house.at("tofu").join(id.as_str());
    let state = std::fs::read_to_string(folder.join("terraform.tfstate")).unwrap();
    std::fs::write(house.at("home").join("remedy"), "").unwrap();
    house.control().retry(&id, PhaseId::Infrastructure).await.unwrap();
    let stands = house.stands(&id).await;
    assert_eq!((code(&stands), stands.infrastructure.attempt), (None, 2));
    let after = std::fs::read_to_string(folder.join("terraform.tfstate")).unwrap();
    let id_of = |state: &str, name: &str| -> String {
        let state: serde_json::Value = serde_json::from_str(state).unwrap();
        let of = |r: &&serde_json::Value| r["name"] == name;
        let found = state["resources"].as_array().unwrap().iter().find(of).unwrap();
        found["instances"][0]["attributes"]["id"].as_str().unwrap().to_owned()
    };
    assert_eq!(id_of(&state, "host"), id_of(&after, "host"), "what stood was kept");
    assert_eq!(id_of(&state, "link"), id_of(&after, "link"), "what stood was kept");
    house.close().await;
}

#[tokio::test]
async fn without_tofu_a_request_is_refused_and_leaves_nothing() {
    let house = House::new().await;
    let program = house.at("tofu-bin");
    let aside = house.at("tofu-bin.aside");
    std::fs::rename(&program, &aside).unwrap();
    for there in [false, true] {
        if there {
            std::fs::write(&program, "not a program").unwrap();
        }
        let refused = house.control().create(&spec("sov1"), None, &by()).await.unwrap_err();
        assert_eq!(refused.trouble().problem, &Problem::TOFU_MISSING);
    }
    assert!(house.control().list().is_empty());
    assert!(!house.at("tofu").exists(), "no folder was laid out");
    std::fs::rename(&aside, &program).unwrap();
    house.create("sov1").await;
}

#[tokio::test]
async fn a_tofu_that_cannot_be_run_is_told_in_the_record() {
    let mut house = House::new().await;
    // It is there and may be run, and its interpreter is not there.
    std::fs::remove_file(house.at("tofu-bin")).unwrap();
    std::fs::write(house.at("tofu-bin"), "#!/nowhere/interpreter\n").unwrap();
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(house.at("tofu-bin"), executable).unwrap();
    let id = house.create("sov1").await;
    let failed = house.until(&id, "the failure", |d| d.status() == DeploymentStatus::Failed).await;
    assert_eq!(code(&failed), Some(Problem::TOFU_NOT_STARTED.code));
    house.close().await;
}

#[tokio::test]
async fn without_its_module_a_request_is_refused_and_leaves_nothing() {
    let house = House::new().await;
    std::fs::remove_file(house.at("module").join("main.tf")).unwrap();
    let refused = house.control().create(&spec("sov1"), None, &by()).await.unwrap_err();
    assert_eq!(refused.trouble().problem, &Problem::MODULE_MISSING);
    assert!(house.control().list().is_empty() && !house.at("tofu").exists());
}

#[tokio::test]
async fn a_step_that_takes_too_long_is_ended_and_told() {
    let mut house = House::new().await;
    house.close().await;
    house.config.deadlines.tofu_step = std::time::Duration::from_secs(2);
    std::fs::write(house.at("hang"), "").unwrap();
    house.open().await;
    let id = house.create("sov1").await;
    let failed = house.until(&id, "the failure", |d| d.status() == DeploymentStatus::Failed).await;
    assert_eq!(code(&failed), Some(Problem::TOFU_TIMED_OUT.code));
    let pid = std::fs::read_to_string(house.at("tofu").join(id.as_str()).join("pid")).unwrap();
    let running = PathBuf::from(format!("/proc/{}", pid.trim())).exists();
    assert!(!running, "nothing of it is left");
    house.close().await;
}
