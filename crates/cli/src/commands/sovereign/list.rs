//! `catalyst sovereign list`.

use jiff::Timestamp;

use super::Context;
use crate::output::table;
use crate::tree::duration;

pub(crate) async fn run(context: &Context<'_>) -> anyhow::Result<()> {
    let list = context.client()?.sovereigns().await?;
    let now = Timestamp::now();
    context.output.value(&list, || {
        if list.deployments.is_empty() {
            return "no Sovereigns yet; make one: catalyst sovereign create sov1".to_owned();
        }
        let row = |item: &crate::api::wire::Sovereign| {
            let ready = item.kit.as_ref().map(|kit| format!("{}/{}", kit.ready, kit.total));
            let age = item.started_at.map(|at| duration(now.duration_since(at).as_secs()));
            vec![
                item.name.clone(),
                item.fqdn.clone(),
                item.status.clone(),
                ready.unwrap_or_else(|| "-".to_owned()),
                age.unwrap_or_else(|| "-".to_owned()),
                item.answer.headline.clone(),
            ]
        };
        let rows: Vec<_> = list.deployments.iter().map(row).collect();
        table(&["NAME", "DOMAIN", "STATE", "READY", "AGE", "ANSWER"], &rows)
    })
}
