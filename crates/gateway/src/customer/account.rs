//! What a key's holder may see of the account that pays: balance, limits, and each request's cost.

use std::{sync::Arc, time::Duration};

use hyper::Response;
use serde_json::json;

use crate::{
    book::{BookError, Statement},
    directory::Key,
    fault::{Fault, Kind},
    gateway::Gateway,
    id::RequestId,
    money::{NANO_PER_QUOTA_UNIT, NANO_PER_UNIT, Nano},
    reply::Reply,
};

use super::answer;

/// How long a request that has just ended is waited for to be in the book.
const SHIPPING: Duration = Duration::from_secs(2);
/// How often it is looked for meanwhile.
const LOOK: Duration = Duration::from_millis(100);

fn away(_: BookError) -> Fault {
    Fault::new(&Kind::LEDGER_AWAY, "The ledger cannot be reached.").after(Duration::from_secs(1))
}

async fn statement(gateway: &Gateway, key: &Key) -> Result<Statement, Fault> {
    let account = key.account;
    gateway.ledger().with_book(move |book| book.statement(account)).await.map_err(away)
}

/// new-api's view of a key: its quota units.
pub(super) async fn token(gateway: &Arc<Gateway>, key: &Key) -> Result<Response<Reply>, Fault> {
    let statement = statement(gateway, key).await?;
    let units = |amount: Nano| amount.get() / NANO_PER_QUOTA_UNIT;
    let left = statement.available.get().saturating_add(statement.leased.get());
    let models: serde_json::Map<_, _> =
        key.rules.models.iter().map(|model| (model.clone(), json!(true))).collect();
    Ok(answer(&json!({"code": true, "message": "ok", "data": {
        "object": "token_usage",
        "name": key.name,
        "total_granted": units(statement.credited),
        "total_used": units(statement.settled),
        "total_available": units(Nano::new(left)),
        "unlimited_quota": false,
        "model_limits": models,
        "model_limits_enabled": !key.rules.models.is_empty(),
        "expires_at": key.expires_at.map_or(0, |at| at.0 / 1_000),
    }})))
}

/// Units with so many decimals as a JSON number has: for showing, never for counting.
fn shown(amount: Nano) -> f64 {
    amount.get() as f64 / NANO_PER_UNIT as f64
}

/// OpenAI's view of what may be spent.
pub(super) async fn subscription(
    gateway: &Arc<Gateway>,
    key: &Key,
) -> Result<Response<Reply>, Fault> {
    let limit = shown(statement(gateway, key).await?.credited);
    Ok(answer(&json!({
        "object": "billing_subscription",
        "has_payment_method": true,
        "soft_limit_usd": limit,
        "hard_limit_usd": limit,
        "system_hard_limit_usd": limit,
        "access_until": key.expires_at.map_or(0, |at| at.0 / 1_000),
    })))
}

/// OpenAI's view of what was spent, in hundredths.
pub(super) async fn usage(gateway: &Arc<Gateway>, key: &Key) -> Result<Response<Reply>, Fault> {
    let spent = shown(statement(gateway, key).await?.settled) * 100.0;
    Ok(answer(&json!({"object": "list", "total_usage": spent})))
}

/// What one request was charged: quantities, their source, and the price by which anyone can
/// recompute it.
pub(super) async fn entry(
    gateway: &Arc<Gateway>,
    key: &Key,
    request: &str,
) -> Result<Response<Reply>, Fault> {
    let none = || Fault::new(&Kind::NO_USAGE, "No charge of that request is known, yet.");
    let request: RequestId = request.parse().map_err(|_| none())?;
    let look = async {
        loop {
            let found = gateway
                .ledger()
                .with_book(move |book| book.registry()?.entry_of(request))
                .await
                .map_err(away)?;
            if let Some((account, entry)) = found {
                return Ok::<_, Fault>((account, entry));
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let (account, entry) = tokio::time::timeout(SHIPPING, look).await.map_err(|_| none())??;
    // Somebody else's request is as unknown as one that never was.
    if account != key.account {
        return Err(none());
    }
    let line = gateway.directory().prices().line(entry.price).cloned();
    let channel =
        gateway.directory().channels().iter().find(|c| c.row.id == entry.channel).cloned();
    let attestation = channel.as_ref().and_then(|channel| channel.row.attestation.clone());
    Ok(answer(&json!({
        "object": "usage",
        "request_id": request.to_string(),
        "number": entry.number,
        "amount": entry.amount.to_string(),
        "amount_nano": entry.amount,
        "currency": gateway.settings().currency,
        "usage": entry.usage,
        "usage_source": entry.source,
        "price_version": entry.price.version,
        "price_line": entry.price.line,
        "price": line,
        "channel": channel.map(|channel| channel.row.definition.name.clone()),
        "attestation": attestation.map(|attested| attested.by.kind()),
        "at": entry.at,
    })))
}
