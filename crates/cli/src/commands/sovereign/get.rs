//! `catalyst sovereign get`.

use jiff::Timestamp;

use super::{Context, find};
use crate::tree;

/// Wide enough for a message, narrow enough for a terminal beside another.
const WIDTH: usize = 110;

pub(crate) async fn run(wanted: &str, context: &Context<'_>) -> anyhow::Result<()> {
    let found = find(&context.client()?, wanted).await?;
    context
        .output
        .value(&found, || tree::lines(&found, Timestamp::now(), WIDTH, context.output).join("\n"))
}
