//! `catalyst login` and `logout`: a one-time link becomes a kept bearer token, or is made.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use anyhow::Context as _;
use jiff::Timestamp;
use reqwest::Method;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;

use super::Context;
use crate::api::{ApiProblem, Client, Link};
use crate::problem::Explained;

/// Sign in with a one-time link and keep a token for later commands.
///
/// `catalyst up` prints a link; so does --link, on the machine that runs the mothership. A link
/// works once. It is asked for without showing it, or read from standard input or a file: what
/// stands on a command line is seen by every process and kept in the shell's history.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  catalyst login                       asks for the link
  catalyst login --link-file link.txt
  catalyst login --link                prints a fresh link, to sign in elsewhere")]
pub(crate) struct Args {
    /// Print a fresh one-time link instead of signing in.
    #[arg(long)]
    link: bool,
    /// Read the link from this file.
    #[arg(long, value_name = "FILE", conflicts_with = "link")]
    link_file: Option<PathBuf>,
}

/// Forget the kept token and revoke it.
///
/// On the machine that runs the mothership, commands go on with the token its tools have.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  catalyst logout")]
pub(crate) struct LogoutArgs {}

#[derive(Deserialize)]
struct Minted {
    token: SecretString,
    #[serde(rename = "expiresAt")]
    expires_at: Option<Timestamp>,
}

pub(crate) async fn login(args: Args, context: &Context<'_>) -> anyhow::Result<()> {
    if args.link {
        return link(context).await;
    }
    let link = match &args.link_file {
        Some(file) => std::fs::read_to_string(file)
            .with_context(|| format!("read the link in `{}`", file.display()))?,
        None => ask(context).await?,
    };
    let token = one_time_token(link.trim())?;
    let api = context.api()?;
    let client = Client::new(&api, None)?;
    let body = json!({ "token": token.expose_secret(), "kind": "bearer" });
    let minted: Minted = client.call(Method::POST, "/api/v1/auth/login", &body).await?;
    context.sessions.keep(&api, &minted.token)?;
    context.output.say(&format!("signed in to {api}"));
    context.output.data(&json!({ "api": api, "expiresAt": minted.expires_at }))
}

/// Prints a fresh link, for whoever this machine or the kept token speaks for.
async fn link(context: &Context<'_>) -> anyhow::Result<()> {
    let Link { link, expires_at } = context.client()?.login_link().await?;
    let link = link.expose_secret();
    context.output.value(&json!({ "link": link, "expiresAt": expires_at }), || link.to_owned())
}

pub(crate) async fn logout(context: &Context<'_>) -> anyhow::Result<()> {
    let api = context.api()?;
    let Some(token) = context.sessions.token(&api)? else {
        context.output.say(&format!("nobody was signed in to {api}"));
        return context.output.data(&json!({ "api": api, "revoked": false }));
    };
    let revoked = revoke(&api, token).await;
    context.sessions.forget(&api)?;
    let revoked = revoked.map_err(|error| still_good(&api, &error))?;
    context.output.say(&format!("signed out of {api}"));
    context.output.data(&json!({ "api": api, "revoked": revoked }))
}

/// Whether the server took the token back; one it does not know any more needs no revoking.
async fn revoke(api: &str, token: SecretString) -> anyhow::Result<bool> {
    let told = Client::new(api, Some(token))?.tell(Method::POST, "/api/v1/auth/logout").await;
    match told {
        Err(error) if error.downcast_ref().is_some_and(|it: &ApiProblem| it.status == 401) => {
            Ok(false)
        }
        told => told.map(|()| true),
    }
}

fn still_good(api: &str, error: &anyhow::Error) -> anyhow::Error {
    let mut failure = Explained::new(
        "the token was forgotten here and could not be revoked",
        "Revoke it from elsewhere: `catalyst token list`, then `catalyst token revoke ID`.",
    );
    failure.cause = Some(format!("{api}: {error}"));
    failure.into()
}

/// Asks for the link; on a terminal without showing it.
async fn ask(context: &Context<'_>) -> anyhow::Result<String> {
    if !std::io::stdin().is_terminal() {
        return read_line();
    }
    context.output.say("Paste the one-time link (it is not shown), then Enter:");
    let shown = tcgetattr(std::io::stdin()).context("ask the terminal for its settings")?;
    let mut hidden = shown.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    let set = |modes: &Termios| {
        tcsetattr(std::io::stdin(), OptionalActions::Flush, modes).context("set the terminal")
    };
    set(&hidden)?;
    let line = tokio::select! {
        line = tokio::task::spawn_blocking(read_line) => line.context("read the link"),
        _ = tokio::signal::ctrl_c() => {
            set(&shown)?;
            // The reader cannot be called back, and a shell expects this code.
            std::process::exit(130);
        }
    };
    set(&shown)?;
    line?
}

fn read_line() -> anyhow::Result<String> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).context("read the link")?;
    Ok(line)
}

/// The token in a link such as `http://127.0.0.1:7080/auth/login?token=…`, or the text itself.
fn one_time_token(link: &str) -> anyhow::Result<SecretString> {
    let token = match link.split_once("token=") {
        Some((_, rest)) => rest.split(['&', '#']).next().unwrap_or_default(),
        None => link,
    };
    let fine = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if token.is_empty() || !token.chars().all(fine) {
        let fix = "copy the whole line that `catalyst up` printed";
        return Err(Explained::new("this is not a one-time link", fix).into());
    }
    Ok(SecretString::from(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_taken_from_the_link_or_as_it_is() {
        for link in ["http://127.0.0.1:7080/auth/login?token=ab_c-1&x=2", "ab_c-1"] {
            assert_eq!(one_time_token(link).unwrap().expose_secret(), "ab_c-1");
        }
        assert!(one_time_token("http://127.0.0.1/").is_err());
        assert!(one_time_token("").is_err());
    }
}
