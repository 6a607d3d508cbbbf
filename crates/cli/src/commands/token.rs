//! `catalyst token`: bearer tokens for programs.

use clap::{Subcommand, ValueEnum};
use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::Context;

/// Make bearer tokens for programs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a token; it is printed once and kept nowhere in clear.
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

#[derive(Deserialize, Serialize)]
struct Minted {
    token: String,
    #[serde(rename = "expiresAt")]
    expires_at: Option<jiff::Timestamp>,
}

pub(crate) async fn run(command: Command, context: &Context<'_>) -> anyhow::Result<()> {
    let Command::Create { tier, ttl, note } = command;
    let body = serde_json::json!({ "tier": tier, "ttlSeconds": ttl, "note": note });
    let minted: Minted = context.client()?.call(Method::POST, "/api/v1/auth/tokens", &body).await?;
    context.output.value(&minted, || minted.token.clone())
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
