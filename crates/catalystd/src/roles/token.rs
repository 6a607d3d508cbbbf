//! `catalystd token`: access for people and programs, asked of the daemon that runs here.
//!
//! The records have one writer. This is a client of it: it holds the token that the daemon wrote
//! for this machine's own tools, and whoever can read that file owns the machine anyway.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use catalyst_model::Tier;
use clap::{Args as ClapArgs, Subcommand};
use serde_json::{Value, json};

const DEADLINE: Duration = Duration::from_secs(10);

/// What to ask, and of whom.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Where the daemon's API is; when not given, where the daemon of this environment listens:
    /// CATALYST_LISTEN, which every Pod of the platform's chart has, else 127.0.0.1:7080.
    #[arg(long, env = "CATALYST_SERVER", global = true)]
    server: Option<String>,
    /// Where the daemon listens.
    #[arg(long, env = "CATALYST_LISTEN", hide = true, global = true)]
    listen: Option<SocketAddr>,
    /// The token the daemon wrote at its start.
    #[arg(
        long,
        env = "CATALYST_TOKEN_FILE",
        default_value = "/var/lib/catalyst/auth/local.token",
        global = true
    )]
    token_file: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prints a new bearer token.
    Create {
        /// What it may do: viewer, developer, operator, admin or owner.
        #[arg(long)]
        tier: Tier,
        /// How long it lives, such as `12h`.
        #[arg(long, default_value = "12h")]
        ttl: jiff::SignedDuration,
        /// What it is for.
        #[arg(long, default_value = "catalystd token create")]
        note: String,
    },
    /// Prints a new one-time login link.
    Link {
        /// What the session may do; everything when not given.
        #[arg(long)]
        tier: Option<Tier>,
    },
}

impl Args {
    /// The API's address without a slash at the end.
    fn server(&self) -> String {
        let given = self.server.as_deref().filter(|server| !server.is_empty());
        match (given, self.listen) {
            (Some(server), _) => server.trim_end_matches('/').to_owned(),
            (None, Some(address)) => format!("http://{address}"),
            (None, None) => "http://127.0.0.1:7080".to_owned(),
        }
    }
}

/// Asks and prints the answer's one secret on standard output.
///
/// # Errors
/// The daemon does not run, or refuses.
pub(crate) async fn run(args: Args) -> Result<()> {
    let server = args.server();
    let Args { token_file, command, .. } = args;
    let token = std::fs::read_to_string(&token_file).with_context(|| {
        format!("read {}; `catalystd api` writes it when it starts", token_file.display())
    })?;
    let (path, body) = match command {
        Command::Create { tier, ttl, note } => {
            let body = json!({"tier": tier, "ttlSeconds": ttl.as_secs().max(0), "note": note});
            ("tokens", body)
        }
        Command::Link { tier: Some(tier) } => ("links", json!({"tier": tier})),
        Command::Link { tier: None } => ("links", json!({})),
    };
    let client = reqwest::Client::builder().timeout(DEADLINE).build()?;
    let request = client.post(format!("{server}/api/v1/auth/{path}")).bearer_auth(token.trim());
    let response = request.json(&body).send().await.map_err(reqwest::Error::without_url);
    let response = response.with_context(|| format!("no daemon answers at {server}"))?;
    let refused = !response.status().is_success();
    let answer: Value = response.json().await.map_err(reqwest::Error::without_url)?;
    let text = |member: &str| answer[member].as_str().unwrap_or_default();
    if refused {
        bail!("{} {}: {}; {}", text("code"), text("title"), text("detail"), text("fix"));
    }
    match path {
        "links" => print(&format!("{server}{}", text("path"))),
        _ => print(text("token")),
    }
}

fn print(line: &str) -> Result<()> {
    use std::io::Write as _;
    writeln!(std::io::stdout(), "{line}").context("write to standard output")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Alone {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn it_asks_the_listener_that_this_environment_has() {
        let server = |given: &[&str]| {
            let all = ["token"].iter().chain(given).chain(&["link"]).copied();
            Alone::try_parse_from(all).unwrap().args.server()
        };
        assert_eq!(server(&[]), "http://127.0.0.1:7080");
        assert_eq!(server(&["--listen=10.244.0.7:8080"]), "http://10.244.0.7:8080");
        let both = ["--listen=10.244.0.7:8080", "--server=https://console.example.org/"];
        assert_eq!(server(&both), "https://console.example.org");
    }
}
