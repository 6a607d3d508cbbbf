//! An RFC 9457 problem as every failed request answers it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One problem: what happened, why, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Where the code is explained: a path of the documentation.
    #[serde(rename = "type")]
    pub kind: String,
    /// What happened, the same for every occurrence of the code.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time.
    pub detail: String,
    /// The stable code, `CAT-nnnn`.
    pub code: String,
    /// Why it happens.
    pub cause: String,
    /// What to do about it.
    pub fix: String,
    /// The short word that older clients match on, such as `already-set`.
    pub error: String,
}
