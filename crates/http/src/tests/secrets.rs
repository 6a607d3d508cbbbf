//! Secrets that went in come out nowhere: not in answers, not in records, not in the log.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use catalyst_model::{DeploymentStatus, Provider, Tier};
use catalyst_testkit::kubeconfig::credentials;
use http::Method;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use super::house::{House, ask, files, kubeconfig, login_form, spec, write_program};

/// Found nowhere but where it was put.
const CANARY: &str = "c4n4ry0f5ecret5";

/// The same as a kubeconfig carries it.
const CANARY_DATA: &str = "YzRuNHJ5MGY1ZWNyZXQ1";

/// Everything that is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn a_canary_is_seen_nowhere() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let house = House::new().await;
    let owner = house.token(Tier::Owner).await;
    let mut answers = Vec::new();

    let mut wrong_place = spec("sov1");
    wrong_place["workerCount"] = json!(CANARY);
    answers.push(house.post("/api/v1/deployments", &owner, &wrong_place).await);
    let mut not_ours = spec("sov1");
    not_ours["hetznerToken"] = json!(CANARY);
    answers.push(house.post("/api/v1/deployments", &owner, &not_ours).await);
    let login = json!({"token": CANARY});
    answers.push(house.post("/api/v1/auth/login", &owner, &login).await);
    answers.push(house.send(login_form(CANARY)).await);
    answers.push(house.get("/api/v1/deployments", &format!("cat_{CANARY}")).await);

    let id = house.create("sov1").await;
    house.reaches(&id, DeploymentStatus::AwaitingKubeconfig).await;
    let bearer = house.bearer(&id);
    answers.push(house.put(&id, Some(CANARY), kubeconfig("https://10.210.0.2:6443")).await);
    let hostile = kubeconfig(&format!("https://{CANARY}@10.210.0.2:6443"));
    answers.push(house.put(&id, Some(&bearer), hostile).await);
    let (good, parts) = (kubeconfig("https://10.210.0.2:6443"), credentials());
    let pair = format!(
        "client-certificate-data: {}\n    client-key-data: {}",
        parts.certificate, parts.key
    );
    assert!(good.contains(&pair));
    answers.push(house.put(&id, Some(&bearer), good.replace(&parts.key, CANARY_DATA)).await);
    let good = good.replace(&pair, &format!("token: {CANARY}"));
    let put = house.put(&id, Some(&bearer), good).await;
    assert_eq!(put.status.as_u16(), 204, "{}", put.text);
    answers.push(put);
    for path in ["", "/events"] {
        let path = format!("/api/v1/deployments/{id}{path}");
        answers.push(house.send(ask(Method::GET, &path, Some(&owner), Body::empty())).await);
    }

    let secrets = [CANARY.to_owned(), CANARY_DATA.to_owned(), bearer, owner];
    let check = |place: &str, text: &str| {
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "a secret is in {place}");
        }
    };
    for answer in &answers {
        check("an answer", &format!("{:?} {}", answer.headers, answer.text));
    }
    check("the log", &String::from_utf8_lossy(&log.0.lock().unwrap()));
    for folder in ["deployments", "auth"] {
        for file in files(&house.folder.path().join(folder)) {
            let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
            check(&file.display().to_string(), &text);
        }
    }
}

/// The real tofu out of the tool cache, if it was built.
fn real_tofu() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let cache = variable("CATALYST_CACHE")
        .or_else(|| Some(variable("XDG_CACHE_HOME")?.join("catalyst")))
        .or_else(|| Some(variable("HOME")?.join(".cache/catalyst")))?;
    let built = std::fs::read_dir(cache.join("tools/opentofu")).ok()?;
    let built = built.filter_map(|entry| Some(entry.ok()?.path()));
    let found = built.filter(|path| path.join("complete").exists()).max()?;
    Some(found.join("bin/tofu")).filter(|path| path.exists())
}

/// Everything the real tofu leaves of a run of the real module: variables, state, lock, and the plan,
/// which is an archive and so is asked for by its own program.
#[tokio::test]
async fn a_run_of_the_real_tofu_leaves_no_secret_behind() {
    let Some(tofu) = real_tofu() else {
        assert!(std::env::var_os("CATALYST_REQUIRE_TOOLS").is_none(), "tofu is not built");
        eprintln!("SKIPPED: tofu is not in the tool cache");
        return;
    };
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let aside = tempfile::tempdir().unwrap();
    let credentials = aside.path().join("ghcr-pull.json");
    std::fs::write(&credentials, json!({"username": "u", "password": CANARY}).to_string()).unwrap();
    let stand_in = aside.path().join("catalyst");
    write_program(&stand_in, "#!/bin/sh\nexit 0\n");
    let house = House::with(|provisioning| {
        provisioning.tofu_bin = tofu.clone();
        let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/sandbox");
        provisioning.modules.insert(Provider::Sandbox, module.canonicalize().unwrap());
        provisioning.catalyst_bin = stand_in;
        provisioning.ghcr_credentials_file = Some(credentials);
    })
    .await;
    let owner = house.token(Tier::Owner).await;
    let local = house.control.renew_local_token(Duration::from_secs(60)).await.unwrap();
    let id = house.create("sov1").await;
    house.reaches(&id, DeploymentStatus::AwaitingKubeconfig).await;
    let bearer = house.bearer(&id);
    let good = kubeconfig("https://10.210.0.2:6443").replace("S0VZ", CANARY_DATA);
    let put = house.put(&id, Some(&bearer), good).await;
    assert_eq!(put.status.as_u16(), 204, "{}", put.text);

    let local = local.secret.expose_secret().to_owned();
    let secrets = [CANARY.to_owned(), CANARY_DATA.to_owned(), bearer, owner.clone(), local];
    let check = |place: &str, text: &str| {
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "a secret is in {place}");
        }
    };
    let (mut state, mut plan) = (false, false);
    for file in files(&house.folder.path().join("tofu")) {
        let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
        check(&file.display().to_string(), &text);
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        state |= name == "terraform.tfstate" && text.contains("terraform_data");
        if name.contains("tfplan") {
            let folder = file.parent().unwrap();
            let mut show = std::process::Command::new(&tofu);
            show.args(["show", "-json"]).arg(&file).current_dir(folder).env("HOME", folder);
            let shown = String::from_utf8(show.output().unwrap().stdout).unwrap();
            assert!(shown.contains("terraform_data"), "the plan was not read");
            check("the plan", &shown);
            plan = true;
        }
    }
    assert!(state && plan, "state and plan were looked at");
    for file in files(&house.folder.path().join("deployments")) {
        let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
        check(&file.display().to_string(), &text);
    }
    for path in ["", "/events"] {
        let answer = house.get(&format!("/api/v1/deployments/{id}{path}"), &owner).await;
        check(path, &answer.text);
    }
    check("the log", &String::from_utf8_lossy(&log.0.lock().unwrap()));
}

#[tokio::test]
async fn whoever_changes_something_leaves_a_line_without_secrets() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().json().with_writer(log.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let house = House::new().await;
    let owner = house.token(Tier::Owner).await;
    let id = house.create("sov1").await;
    let body = json!({"tier": "viewer", "ttlSeconds": 60, "note": CANARY});
    let made = house.post("/api/v1/auth/tokens", &owner, &body).await.json();
    let (viewer, token) = (made["token"].as_str().unwrap(), made["id"].as_str().unwrap());
    house.get(&format!("/api/v1/deployments/{id}/kubeconfig"), viewer).await;
    house.get(&format!("/api/v1/deployments/{id}"), viewer).await;
    let revoke = format!("/api/v1/auth/tokens/{token}");
    house.send(ask(Method::DELETE, &revoke, Some(&owner), Body::empty())).await;
    house.send(ask(Method::DELETE, &revoke, None, Body::empty())).await;

    let text = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    for secret in [CANARY, viewer, &owner] {
        assert!(!text.contains(secret), "a secret is in the log");
    }
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let lines: Vec<_> = lines.filter(|line| line["target"] == "audit").collect();
    let seen: Vec<_> = lines
        .iter()
        .map(|line| {
            let field = |name: &str| line["fields"][name].as_str().unwrap().to_owned();
            (field("action"), field("who"), field("made"), field("code"))
        })
        .collect();
    let row = |action: &str, who: &str, made: &str, code: &str| {
        (action.to_owned(), who.to_owned(), made.to_owned(), code.to_owned())
    };
    assert_eq!(
        seen,
        [
            row("createDeployment", "test", &id, "-"),
            row("createToken", "test", token, "-"),
            row("getKubeconfig", "test", "-", "CAT-1101"),
            row("revokeToken", "test", "-", "-"),
            row("revokeToken", "-", "-", "CAT-1100"),
        ]
    );
    assert!(lines[1]["fields"]["proof"].as_str().unwrap().starts_with("token "));
}
