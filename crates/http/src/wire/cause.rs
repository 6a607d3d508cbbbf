//! The named causes of a deployment's trouble.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// Something that was read and shows a cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// Where it was read.
    pub source: String,
    /// When it happened, if the source says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub at: Option<Timestamp>,
    /// What it says, in its own words.
    pub text: String,
}

/// One reason why a Sovereign is not well; it names what is wrong and never who waits for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    /// The stable word for what kind of cause it is, such as `image-not-found`.
    pub kind: String,
    /// Its code, `CAT-nnnn`.
    pub code: String,
    /// What it is about; with `kind` it says whether two causes are the same.
    pub subject: String,
    /// The cause in one line.
    pub headline: String,
    /// What was read, the most telling first.
    pub evidence: Vec<Evidence>,
    /// What to do.
    pub fix: String,
    /// Since when, as far as the evidence says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub since: Option<Timestamp>,
    /// The releases that have it.
    pub releases: Vec<String>,
    /// The releases that are not ready and come after those.
    pub waiting: Vec<String>,
}
