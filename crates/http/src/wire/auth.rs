//! Who asks: logins, sessions and tokens.

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a person or a program may do; each tier may do all that the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// Looks.
    Viewer,
    /// Works on applications.
    Developer,
    /// Provisions and operates Sovereigns.
    Operator,
    /// Hands out access.
    Admin,
    /// Owns the installation.
    Owner,
}

/// A one-time login token, handed in for a session.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The token of the printed login link.
    #[schema(value_type = String, write_only)]
    pub token: SecretString,
    /// What to get for it; a cookie when left out.
    #[serde(default)]
    #[schema(required = false)]
    pub kind: LoginKind,
}

/// What a login gives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LoginKind {
    /// A session's cookie, for a browser.
    #[default]
    Cookie,
    /// A bearer token, for the command line.
    Bearer,
}

/// Who the caller is and until when.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// The caller's name.
    pub subject: String,
    /// What the caller may do.
    pub tier: Tier,
    /// When the session or token ends.
    pub expires_at: Timestamp,
    /// The bearer token, shown this once, after a login that asked for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub token: Option<String>,
}

/// Asks for a bearer token.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenRequest {
    /// What the token may do; not more than the caller may.
    pub tier: Tier,
    /// How long it lives, in seconds: one minute to 366 days. One made with a bearer token ends
    /// no later than that; the answer says when.
    pub ttl_seconds: u64,
    /// What it is for, in the maker's words; `token` when left out.
    #[schema(nullable = false)]
    pub note: Option<String>,
}

/// A bearer token, shown this once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    /// `cat_…`, for `Authorization: Bearer`.
    pub token: String,
    /// Its public id.
    pub id: String,
    /// What it is for.
    pub note: String,
    /// What it may do.
    pub tier: Tier,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Bearer tokens that are good now.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tokens {
    /// The caller's own and, from `admin` on, everybody's; the oldest first.
    pub tokens: Vec<TokenRow>,
}

/// What is known of a bearer token; its text is not.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenRow {
    /// Its public id.
    pub id: String,
    /// What it is for, in its maker's words.
    pub note: String,
    /// Whose it is.
    pub subject: String,
    /// What it may do.
    pub tier: Tier,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// It is the one this request came with.
    pub current: bool,
}

/// Asks for a one-time login link.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LinkRequest {
    /// What the session may do; the caller's own tier when left out, and not more than that.
    #[schema(nullable = false)]
    pub tier: Option<Tier>,
}

/// A one-time login link, shown this once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// What to open at the console's address: `/auth/login?token=…`.
    pub path: String,
    /// When it ends.
    pub expires_at: Timestamp,
}
