//! `catalyst token`: bearer tokens for programs.

use clap::{Subcommand, ValueEnum};
use jiff::Timestamp;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Context;
use crate::output::table;
use crate::problem::Explained;
use crate::tree::clip;

/// Make, list and revoke bearer tokens for programs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a token; it is printed once and kept nowhere in clear.
    #[command(
        after_help = "Example:\n  catalyst token create --tier operator --ttl 90d --note 'the nightly job'"
    )]
    Create {
        /// What the token may do; each tier includes the ones before it.
        #[arg(long, value_enum)]
        tier: Tier,
        /// How long it works, for example 30m, 12h or 90d.
        #[arg(long, default_value = "12h", value_parser = ttl_seconds)]
        ttl: u64,
        /// What it is for; shown in lists.
        #[arg(long, default_value = "catalyst token create")]
        note: String,
    },
    /// List the tokens that are good now: your own and, from admin on, all.
    #[command(visible_alias = "ls", after_help = "Example:\n  catalyst token list")]
    List,
    /// Revoke a token: from then on it opens nothing.
    #[command(after_help = "Example:\n  catalyst token revoke 4f1c9a0b")]
    Revoke {
        /// Its id, from `catalyst token list`.
        id: String,
    },
}

/// The tiers, from least to most.
#[derive(Debug, Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Tier {
    Viewer,
    Developer,
    Operator,
    Admin,
    Owner,
}

/// Printed as it came, the token included: that is what was asked for.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Minted {
    token: String,
    id: String,
    tier: String,
    note: String,
    expires_at: Option<Timestamp>,
}

#[derive(Deserialize, Serialize)]
struct Tokens {
    tokens: Vec<Row>,
}

/// What is known of a token; its text is not.
#[derive(Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
struct Row {
    id: String,
    note: String,
    subject: String,
    tier: String,
    created_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Timestamp>,
    current: bool,
}

pub(crate) async fn run(command: Command, context: &Context<'_>) -> anyhow::Result<()> {
    match command {
        Command::Create { tier, ttl, note } => {
            let body = json!({ "tier": tier, "ttlSeconds": ttl, "note": note });
            let client = context.client()?;
            let minted: Minted = client.call(Method::POST, "/api/v1/auth/tokens", &body).await?;
            context.output.value(&minted, || minted.token.clone())
        }
        Command::List => {
            let list: Tokens = context.client()?.get("/api/v1/auth/tokens").await?;
            context.output.value(&list, || shown(&list.tokens))
        }
        Command::Revoke { id } => {
            let path = format!("/api/v1/auth/tokens/{}", one_segment(&id)?);
            context.client()?.tell(Method::DELETE, &path).await?;
            context.output.say(&format!("revoked {id}"));
            context.output.data(&json!({ "id": id, "revoked": true }))
        }
    }
}

fn shown(tokens: &[Row]) -> String {
    if tokens.is_empty() {
        return "no tokens; make one: catalyst token create --tier viewer".to_owned();
    }
    let time = |at: Option<Timestamp>| match at {
        Some(at) => at.strftime("%Y-%m-%d %H:%M").to_string(),
        None => "-".to_owned(),
    };
    let row = |token: &Row| {
        let note =
            if token.current { format!("{} (this one)", token.note) } else { token.note.clone() };
        let (made, until) = (time(token.created_at), time(token.expires_at));
        vec![
            token.id.clone(),
            token.tier.clone(),
            token.subject.clone(),
            made,
            until,
            clip(&note, 60),
        ]
    };
    let rows: Vec<_> = tokens.iter().map(row).collect();
    table(&["ID", "TIER", "WHOSE", "MADE", "UNTIL", "NOTE"], &rows)
}

/// An id is one part of a path; anything else would ask for something else.
fn one_segment(id: &str) -> anyhow::Result<&str> {
    let fine = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if id.is_empty() || !id.chars().all(fine) {
        let fix = "Take the id from `catalyst token list`.";
        return Err(
            Explained::new(format!("`{}` is no token's id", id.escape_default()), fix).into()
        );
    }
    Ok(id)
}

fn ttl_seconds(text: &str) -> Result<u64, String> {
    let (number, unit) =
        text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let factor = match unit {
        "s" | "" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err("use a number and s, m, h or d, for example 12h".to_owned()),
    };
    let number: u64 =
        number.parse().map_err(|_| "begin with a number, for example 12h".to_owned())?;
    number.checked_mul(factor).filter(|n| *n > 0).ok_or_else(|| "must be more than 0".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_live_is_a_number_with_a_unit() {
        assert_eq!(ttl_seconds("90d"), Ok(7_776_000));
        assert_eq!(ttl_seconds("30m"), Ok(1_800));
        for bad in ["0s", "h", "3 weeks", "-1h", ""] {
            assert!(ttl_seconds(bad).is_err(), "{bad}");
        }
    }
}
