//! `infra/sandbox`, driven by the real tofu with a program that only notes how it was called.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{documents, files, read, root, run, tool_or_skip};

/// A working folder with the module, its variables, and a stand-in for `catalyst`.
struct Work {
    tofu: PathBuf,
    folder: tempfile::TempDir,
    variables: Value,
}

/// Notes its arguments, whether it got a spec, and fails at the step whose name is in file `failing`.
const STAND_IN: &str = r#"#!/bin/sh
folder=$(dirname "$0")
spec=; [ -n "$CATALYST_SPEC_JSON" ] && spec=' +spec' && echo "$CATALYST_SPEC_JSON" > "$folder/spec"
echo "$*$spec" >> "$folder/calls"
for word in "$@"; do [ "$word" = "$(cat "$folder/failing" 2>/dev/null)" ] && exit 3; done
exit 0
"#;

impl Work {
    fn new(tofu: PathBuf) -> Self {
        // A blank in the path: nothing here goes through a shell.
        let folder = tempfile::Builder::new().prefix("a module ").tempdir();
        let folder = folder.expect("a folder to work in");
        for file in files(&root().join("infra/sandbox")) {
            if file.extension().is_some_and(|extension| extension == "tf") {
                let name = file.file_name().expect("a file has a name");
                std::fs::copy(&file, folder.path().join(name)).expect("the module can be copied");
            }
        }
        let program = folder.path().join("stand-in");
        std::fs::write(&program, STAND_IN).expect("the stand-in can be written");
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&program, executable).expect("the stand-in can be executable");
        let variables = json!({
            "deployment_id": "0123456789abcdef", "sovereign_name": "sov1",
            "sovereign_fqdn": "sov1.example.test", "org_name": "Example \"&\" Sons",
            "org_email": "ops@example.test", "sandbox_index": 0, "network_prefix": "10.210.0",
            "gitops_repo_url": "https://github.com/openova-io/openova", "gitops_branch": "main",
            "catalyst_api_url": "https://console.openova.io/sovereign",
            "kubeconfig_bearer_file": "/nowhere/bearer",
            "ghcr_pull_credentials_file": "/nowhere/pull.json",
            "catalyst_bin": program, "catalyst_home": "/nowhere/home",
            "catalyst_cache": "/nowhere/cache",
        });
        let work = Self { tofu, folder, variables };
        work.tofu(&["init"]).expect("a module without providers");
        work
    }

    fn tofu(&self, arguments: &[&str]) -> Result<String, String> {
        let variables = self.folder.path().join("tofu.auto.tfvars.json");
        std::fs::write(variables, self.variables.to_string()).expect("variables can be written");
        run(Command::new(&self.tofu)
            .args(arguments)
            .arg("-no-color")
            .current_dir(self.folder.path())
            .env("TF_INPUT", "0")
            .env("TF_IN_AUTOMATION", "1")
            .env("CHECKPOINT_DISABLE", "1")
            .env_remove("TF_CLI_CONFIG_FILE"))
    }

    fn apply(&self) -> Result<String, String> {
        self.tofu(&["apply", "-auto-approve"])
    }

    /// The calls since the last look.
    fn calls(&self) -> Vec<String> {
        let path = self.folder.path().join("calls");
        let calls = read_if_there(&path).lines().map(str::to_owned).collect();
        std::fs::write(path, "").expect("the calls can be forgotten");
        calls
    }

    fn fail_at(&self, step: &str) {
        std::fs::write(self.folder.path().join("failing"), step).expect("a word can be written");
    }
}

fn read_if_there(path: &Path) -> String {
    if path.exists() { read(path) } else { String::new() }
}

fn step(name: &str) -> String {
    format!("sandbox step --name sov1 --index 0 {name} +spec")
}

#[test]
fn steps_run_in_order_and_one_destroy_takes_all_down() {
    let mut work = Work::new(tool_or_skip!("opentofu", "tofu"));
    work.tofu(&["validate"]).unwrap();
    work.apply().unwrap();
    assert_eq!(work.calls(), ["host", "link", "node", "control-plane"].map(step));
    let spec: Value = serde_json::from_str(&read(&work.folder.path().join("spec"))).unwrap();
    assert_eq!(spec["org_name"], "Example \"&\" Sons");
    let outputs: Value = serde_json::from_str(&work.tofu(&["output", "-json"]).unwrap()).unwrap();
    assert_eq!(outputs["control_plane_ip"]["value"], "10.210.0.2");
    assert_eq!(outputs["load_balancer_ip"]["value"], "10.210.0.2");
    assert_eq!(outputs["api_server"]["value"], "https://10.210.0.2:6443");
    for (output, chart, namespace) in [
        ("console_url", "catalyst-platform", "catalyst-system"),
        ("gitops_repo_url", "gitea", "gitea"),
    ] {
        let url = outputs[output]["value"].as_str().unwrap();
        assert_eq!(url, service_address(chart, namespace), "{output} names what the kit makes");
    }

    work.variables["sovereign_fqdn"] = json!("other.example.test");
    work.variables["gitops_branch"] = json!("next");
    work.apply().unwrap();
    assert!(work.calls().is_empty(), "a changed variable touches no running node");

    work.tofu(&["destroy", "-auto-approve"]).unwrap();
    assert_eq!(work.calls(), ["sandbox down sov1"]);
}

/// The address of the one HTTP Service that a chart makes.
fn service_address(chart: &str, namespace: &str) -> String {
    let golden = read(&root().join(format!("charts/bp-{chart}/golden/default.yaml")));
    let service = documents(&golden).into_iter().find(|object| object["kind"] == "Service");
    let service = service.expect("a Service");
    let (name, port) = (&service["metadata"]["name"], &service["spec"]["ports"][0]["port"]);
    format!(
        "http://{}.{namespace}.svc.cluster.local:{port}",
        name.as_str().expect("a Service has a name")
    )
}

#[test]
fn a_node_that_failed_is_taken_down() {
    let work = Work::new(tool_or_skip!("opentofu", "tofu"));
    work.fail_at("node");
    let complaint = work.apply().expect_err("the node's step fails");
    assert!(complaint.contains("terraform_data.node"), "{complaint}");
    work.calls();
    work.tofu(&["destroy", "-auto-approve"]).unwrap();
    assert_eq!(work.calls(), ["sandbox down sov1"]);
}

#[test]
fn the_host_cannot_be_tainted() {
    let work = Work::new(tool_or_skip!("opentofu", "tofu"));
    work.fail_at("host");
    work.tofu(&["apply", "-auto-approve", "-target=terraform_data.host"]).unwrap();
    work.tofu(&["destroy", "-auto-approve"]).unwrap();
    assert_eq!(work.calls(), [step("host"), "sandbox down sov1".to_owned()]);
}

#[test]
fn bad_variables_stop_the_plan() {
    let mut work = Work::new(tool_or_skip!("opentofu", "tofu"));
    let bad = [
        ("deployment_id", json!("../../etc")),
        ("sovereign_name", json!("-rf")),
        ("sovereign_name", json!("a-name-of-16-char")),
        ("sovereign_fqdn", json!("nodots")),
        ("sovereign_fqdn", json!("Upper.example.test")),
        ("sandbox_index", json!(16)),
        ("sandbox_index", json!(0.5)),
        ("network_prefix", json!("8.8.8")),
        ("network_prefix", json!("10.210")),
        ("network_prefix", json!("10.300.0")),
        ("gitops_repo_url", json!("http://github.com/x")),
        ("gitops_repo_url", json!("https://user:pw@github.com/x")),
        ("gitops_branch", json!("--upload-pack=x")),
        ("kubeconfig_bearer_file", json!("relative")),
        ("catalyst_bin", json!("catalyst")),
    ];
    for (name, value) in bad {
        let good = std::mem::replace(&mut work.variables[name], value.clone());
        let complaint = work.tofu(&["plan"]).expect_err(&format!("{name} = {value}"));
        assert!(complaint.contains(&format!("{name} must")), "{name} = {value}: {complaint}");
        work.variables[name] = good;
    }
    assert!(work.calls().is_empty());
}
