//! `catalyst login` and `logout`: a one-time link becomes a kept bearer token.

use reqwest::Method;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::Context;
use crate::api::Client;
use crate::problem::Explained;

/// Sign in with a one-time link and keep a token for later commands.
///
/// The link is printed by `catalyst up`, or by `catalystd api` when it starts. It works once. It is
/// read from standard input when it is not given, so that it stays out of the shell's history.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The link, or the token in it.
    link: Option<String>,
}

#[derive(Deserialize)]
struct Minted {
    token: String,
}

pub(crate) async fn login(args: Args, context: &Context<'_>) -> anyhow::Result<()> {
    let link = match args.link {
        Some(link) => link,
        None => {
            context.output.say("Paste the one-time link:");
            let mut line = String::new();
            std::io::stdin().read_line(&mut line)?;
            line
        }
    };
    let token = one_time_token(link.trim())?;
    let api = context.api()?;
    let client = Client::new(&api, None)?;
    let body = serde_json::json!({ "token": token.expose_secret(), "kind": "bearer" });
    let minted: Minted = client.call(Method::POST, "/api/v1/auth/login", &body).await?;
    context.sessions.keep(&api, &SecretString::from(minted.token))?;
    context.output.say(&format!("signed in to {api}"));
    Ok(())
}

pub(crate) async fn logout(context: &Context<'_>) -> anyhow::Result<()> {
    let api = context.api()?;
    let told = context.client()?.tell(Method::POST, "/api/v1/auth/logout").await;
    context.sessions.forget(&api)?;
    told?;
    context.output.say(&format!("signed out of {api}"));
    Ok(())
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
