//! Gitea as the outside's `github.com`: its settings, its process, and its first user.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::{Config, GITEA, ORGANISATION, Ports, REPOSITORY, own, owned_dir, random_secret};
use crate::paths::{private_dir, write_private};
use crate::problem::{self, Problem, Result};
use crate::process::{Failure, Invocation};
use crate::supervisor::{Bind, Child, Confine, Confined, Ready};

/// The administrator that pushes the kit.
const ADMIN: &str = "catalyst";
/// Its settings, as it sees them.
const SETTINGS: &str = "/mnt/data/app.ini";
/// One question to Gitea's API.
const API_TIMEOUT: Duration = Duration::from_secs(20);
/// One run of its command line.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);

fn data(config: &Config) -> PathBuf {
    config.dir.join("gitea")
}

fn user(config: &Config) -> u32 {
    config.first_user + 2
}

fn token_file(config: &Config) -> PathBuf {
    config.dir.join("credentials").join("gitea-token")
}

fn confine(config: &Config) -> Confine {
    let programs = &config.programs.gitea;
    Confine {
        user: user(config),
        capabilities: Vec::new(),
        binds: vec![
            Bind::read(programs.join("bin"), "bin"),
            Bind::read(programs.join("static"), "static"),
            Bind::write(data(config), "data"),
        ],
    }
}

fn env() -> BTreeMap<String, String> {
    // The user has no entry in /etc/passwd: Gitea then believes `USER`.
    [
        ("USER", "git"),
        ("HOME", "/mnt/data/home"),
        ("GITEA_WORK_DIR", "/mnt/data"),
        ("TMPDIR", "/mnt/data/tmp"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("LC_ALL", "C.UTF-8"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}

/// Writes Gitea's files and describes its process.
pub(super) fn child(config: &Config) -> Result<Child> {
    let (data, user) = (data(config), user(config));
    owned_dir(&data, user)?;
    owned_dir(&data.join("home"), user)?;
    owned_dir(&data.join("tmp"), user)?;
    let ini = data.join("app.ini");
    let secrets = Secrets::open_or_create(&data.join("secrets.json"))?;
    write_private(&ini, settings(config.ports, &secrets).as_bytes())?;
    own(&ini, user)?;
    Ok(Child {
        name: "gitea".into(),
        program: "/mnt/bin/gitea".into(),
        args: ["web", "--config", SETTINGS].map(String::from).to_vec(),
        env: env(),
        cwd: PathBuf::from("/mnt/data"),
        confine: Some(confine(config)),
        ready: Ready::Http {
            address: Ports::local(config.ports.gitea),
            path: "/api/healthz".into(),
        },
        stop_within: Duration::from_secs(8),
    })
}

/// Makes administrator, organisation and repository where they are missing.
pub(super) async fn set_up(config: &Config) -> Result<()> {
    let api = Api::open(config).await?;
    let organisation = json!({ "username": ORGANISATION, "visibility": "public" });
    api.ensure(&format!("orgs/{ORGANISATION}"), "orgs", &organisation).await?;
    let repository = json!({ "name": REPOSITORY, "private": false, "default_branch": "main", "auto_init": false });
    api.ensure(
        &format!("repos/{ORGANISATION}/{REPOSITORY}"),
        &format!("orgs/{ORGANISATION}/repos"),
        &repository,
    )
    .await
}

/// The administrator's token, for pushes.
pub(super) fn token(config: &Config) -> Result<SecretString> {
    let path = token_file(config);
    let text = fs::read_to_string(&path).map_err(|error| problem::file("read", &path, error))?;
    Ok(text.into())
}

/// Gitea's API as the administrator.
struct Api {
    client: reqwest::Client,
    base: String,
    token: SecretString,
}

impl Api {
    /// Uses the kept token if Gitea still takes it; otherwise makes the user, if need be, and a new
    /// token.
    async fn open(config: &Config) -> Result<Self> {
        let client = reqwest::Client::builder().timeout(API_TIMEOUT).no_proxy().build();
        let client = client.map_err(|error| GITEA.because("cannot make a client").source(error))?;
        let base = format!("http://{}/api/v1", Ports::local(config.ports.gitea));
        if let Ok(token) = token(config) {
            let api = Self { client: client.clone(), base: base.clone(), token };
            if api.call(Method::GET, "user", None).await?.0.is_success() {
                return Ok(api);
            }
        }
        let token = mint(config).await?;
        private_dir(&config.dir.join("credentials"))?;
        write_private(&token_file(config), token.expose_secret().as_bytes())?;
        Ok(Self { client, base, token })
    }

    async fn ensure(&self, at: &str, make: &str, what: &Value) -> Result<()> {
        if self.call(Method::GET, at, None).await?.0.is_success() {
            return Ok(());
        }
        let (status, answer) = self.call(Method::POST, make, Some(what)).await?;
        // 409 and 422: another `up` was faster.
        if status.is_success() || self.call(Method::GET, at, None).await?.0.is_success() {
            return Ok(());
        }
        Err(GITEA.because(format!("`POST {make}` answered {status}: {answer}")))
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, String)> {
        let mut request = self
            .client
            .request(method, format!("{}/{path}", self.base))
            .header("Authorization", format!("token {}", self.token.expose_secret()));
        if let Some(body) = body {
            request = request.json(body);
        }
        let fail = |error: reqwest::Error| {
            GITEA.because(format!("`{path}` was not answered: {error}")).source(error)
        };
        let response = request.send().await.map_err(fail)?;
        let status = response.status();
        Ok((status, response.text().await.map_err(fail)?))
    }
}

/// Makes the administrator, with a password nobody keeps, and a token for it.
async fn mint(config: &Config) -> Result<SecretString> {
    let email = format!("{ADMIN}@openova.invalid");
    let make = ["user", "create", "--username", ADMIN, "--email", &email, "--admin"];
    let make = [&make[..], &["--random-password", "--must-change-password=false"]].concat();
    match admin(config, &make).await {
        Err(failure) if !failure.tail().iter().any(|line| line.contains("already exists")) => {
            return Err(admin_failed(failure));
        }
        _ => {}
    }
    // A token that was minted and then lost keeps its name.
    let name = format!("outside-{}", &random_secret()?[..8]);
    let scopes = "write:admin,write:organization,write:repository,write:user";
    let mint = ["user", "generate-access-token", "--username", ADMIN, "--token-name", &name];
    let mint = [&mint[..], &["--scopes", scopes, "--raw"]].concat();
    let output = admin(config, &mint).await.map_err(admin_failed)?;
    match output.lines().last().map(str::trim) {
        Some(token) if token.len() >= 40 => Ok(token.to_owned().into()),
        _ => Err(GITEA.because("it printed no token")),
    }
}

fn admin_failed(failure: Failure) -> Problem {
    GITEA.because(failure.to_string()).source(failure)
}

/// Runs `gitea admin` confined as the server is.
async fn admin(config: &Config, args: &[&str]) -> Result<String, Failure> {
    let file = config.dir.join("gitea-admin.json");
    let confined = Confined {
        confine: confine(config),
        program: "/mnt/bin/gitea".into(),
        args: ["--config", SETTINGS, "admin"].map(String::from).to_vec(),
        cwd: PathBuf::from("/mnt/data"),
    };
    let start = |error: std::io::Error| Failure::Start { command: "gitea admin".into(), error };
    let bytes = serde_json::to_vec_pretty(&confined).map_err(|error| start(error.into()))?;
    write_private(&file, &bytes).map_err(|problem| start(std::io::Error::other(problem)))?;
    let (program, args) = Confined::command(&config.launcher, &file, args);
    let mut invocation = Invocation::new(program).args(args).timeout(COMMAND_TIMEOUT);
    for (name, value) in env() {
        invocation = invocation.env(name, value);
    }
    Ok(invocation.run().await?.text())
}

/// Secrets of Gitea's own, kept so that its settings stay the same from start to start.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Secrets {
    secret_key: SecretString,
    internal_token: SecretString,
    jwt: SecretString,
}

impl Secrets {
    fn open_or_create(path: &Path) -> Result<Self> {
        if !path.exists() {
            let made = json!({
                "secret_key": random_secret()?,
                "internal_token": random_secret()?,
                "jwt": random_secret()?,
            });
            write_private(path, made.to_string().as_bytes())?;
        }
        let bytes = fs::read(path).map_err(|error| problem::file("read", path, error))?;
        serde_json::from_slice(&bytes)
            .map_err(|_| GITEA.because(format!("cannot read `{}`", path.display())))
    }
}

fn settings(ports: Ports, secrets: &Secrets) -> String {
    let Ports { gitea: port, .. } = ports;
    let Secrets { secret_key, internal_token, jwt } = secrets;
    let sections = [
        (
            "",
            vec![
                ("APP_NAME", "openova-io"),
                ("RUN_USER", "git"),
                ("RUN_MODE", "prod"),
                ("WORK_PATH", "/mnt/data"),
            ],
        ),
        (
            "server",
            vec![
                ("PROTOCOL", "http"),
                ("HTTP_ADDR", "127.0.0.1"),
                ("DOMAIN", "github.com"),
                ("ROOT_URL", "https://github.com/"),
                ("STATIC_ROOT_PATH", "/mnt/static"),
                ("APP_DATA_PATH", "/mnt/data/data"),
                ("OFFLINE_MODE", "true"),
                ("DISABLE_SSH", "true"),
                ("START_SSH_SERVER", "false"),
                ("LFS_START_SERVER", "false"),
                ("LANDING_PAGE", "login"),
            ],
        ),
        (
            "database",
            vec![
                ("DB_TYPE", "sqlite3"),
                ("PATH", "/mnt/data/gitea.db"),
                ("SQLITE_JOURNAL_MODE", "WAL"),
            ],
        ),
        ("repository", vec![("ROOT", "/mnt/data/repositories"), ("DEFAULT_BRANCH", "main")]),
        (
            "security",
            vec![
                ("INSTALL_LOCK", "true"),
                ("SECRET_KEY", secret_key.expose_secret()),
                ("INTERNAL_TOKEN", internal_token.expose_secret()),
            ],
        ),
        ("oauth2", vec![("ENABLED", "false"), ("JWT_SECRET", jwt.expose_secret())]),
        ("service", vec![("DISABLE_REGISTRATION", "true"), ("ENABLE_CAPTCHA", "false")]),
        ("openid", vec![("ENABLE_OPENID_SIGNIN", "false"), ("ENABLE_OPENID_SIGNUP", "false")]),
        ("session", vec![("PROVIDER", "memory")]),
        ("indexer", vec![("ISSUE_INDEXER_TYPE", "db"), ("REPO_INDEXER_ENABLED", "false")]),
        ("actions", vec![("ENABLED", "false")]),
        ("packages", vec![("ENABLED", "false")]),
        ("mailer", vec![("ENABLED", "false")]),
        ("migrations", vec![("ALLOWED_DOMAINS", "localhost.invalid")]),
        ("cron.update_checker", vec![("ENABLED", "false")]),
        ("log", vec![("MODE", "console"), ("LEVEL", "Warn"), ("ROOT_PATH", "/mnt/data/log")]),
    ];
    let mut text = String::new();
    for (section, values) in sections {
        if !section.is_empty() {
            text.push_str(&format!("\n[{section}]\n"));
        }
        for (name, value) in values {
            text.push_str(&format!("{name} = {value}\n"));
        }
        if section == "server" {
            text.push_str(&format!(
                "HTTP_PORT = {port}\nLOCAL_ROOT_URL = http://127.0.0.1:{port}/\n"
            ));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_listen_on_loopback_and_are_stable() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secrets.json");
        let first = settings(Ports::default(), &Secrets::open_or_create(&path).unwrap());
        let again = settings(Ports::default(), &Secrets::open_or_create(&path).unwrap());
        assert_eq!(first, again);
        assert!(first.contains("HTTP_ADDR = 127.0.0.1\n"));
        assert!(first.contains("HTTP_PORT = 7082\n"));
        assert!(first.contains("INSTALL_LOCK = true\n"));
        assert!(!first.contains("0.0.0.0"));
    }
}
