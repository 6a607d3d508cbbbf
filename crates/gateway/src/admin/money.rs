//! Credits, prices, entries and notes: what only the master key may touch.

use hyper::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{AdminPort, Asked, Caller, Denied, Done, Query, done, invalid, read, unknown};
use crate::{
    book::{Book, Credited},
    id::AccountId,
    money::Nano,
    price::{PriceBook, PriceLine, PriceVersion},
};

/// Rows of one answer.
const ROWS: u32 = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credit {
    /// Units with at most nine decimals.
    amount: String,
    reference: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Prices {
    lines: Vec<Line>,
}

/// A model's prices: units for a million tokens.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    model: String,
    input: String,
    output: String,
    cached_input: Option<String>,
    cache_write: Option<String>,
    reasoning: Option<String>,
    request: Option<String>,
}

impl Line {
    fn priced(self) -> Result<PriceLine, Denied> {
        let amount = |text: &str| {
            let bad = || invalid(format!("A price of `{}` is no amount.", self.model));
            text.parse::<Nano>().ok().filter(|price| !price.is_negative()).ok_or_else(bad)
        };
        let or = |text: &Option<String>, other: &str| amount(text.as_deref().unwrap_or(other));
        Ok(PriceLine {
            input: amount(&self.input)?,
            cached_input: or(&self.cached_input, &self.input)?,
            cache_write: or(&self.cache_write, &self.input)?,
            output: amount(&self.output)?,
            reasoning: or(&self.reasoning, &self.output)?,
            request: or(&self.request, "0")?,
            model: self.model,
        })
    }
}

impl AdminPort {
    pub(super) async fn money(&self, asked: Asked<'_>) -> Done {
        let Asked { caller, method, rest, query, request } = asked;
        match (&method, rest) {
            (&Method::POST, ["accounts", id, "credits"]) => {
                self.credit(caller, account(id)?, read(request).await?).await
            }
            (&Method::GET, ["accounts", id]) => self.statement(account(id)?).await,
            (&Method::GET, ["accounts", id, "entries"]) => self.entries(account(id)?, query).await,
            (&Method::POST | &Method::PUT, ["prices"]) => {
                self.set_prices(caller, read(request).await?).await
            }
            (&Method::GET, ["audit"]) => self.notes(query).await,
            _ => Err(unknown()),
        }
    }

    async fn credit(&self, caller: Caller, account: AccountId, credit: Credit) -> Done {
        let bad = |_| invalid("`amount` is a text such as \"12.50\".");
        let amount: Nano = credit.amount.parse().map_err(bad)?;
        if !(1..=200).contains(&credit.reference.len()) {
            return Err(invalid("`reference` has 1 to 200 bytes."));
        }
        let now = self.gateway.clock().wall();
        let note = self.note(caller, "account.credit", format!("{account}: {amount}"));
        let credited = self
            .change(note, move |book| book.credit(account, amount, &credit.reference, now))
            .await?;
        Ok(done(&json!({"added": credited == Credited::Added, "amount": amount.to_string()})))
    }

    async fn statement(&self, account: AccountId) -> Done {
        let ask = move |book: &mut dyn Book| book.statement(account);
        let of = self.gateway.ledger().with_book(ask).await?;
        Ok(done(&json!({
            "account_id": account,
            "currency": of.currency,
            "credited": of.credited.to_string(),
            "available": of.available.to_string(),
            "leased": of.leased.to_string(),
            "settled": of.settled.to_string(),
            "last_entry": of.last_entry,
        })))
    }

    async fn entries(&self, account: AccountId, query: &Query) -> Done {
        let after = query.number("after")?.unwrap_or(0);
        let ask = move |book: &mut dyn Book| book.entries(account, after, ROWS);
        let entries = self.gateway.ledger().with_book(ask).await?;
        let rows: Vec<_> = entries
            .iter()
            .map(|entry| {
                json!({
                    "number": entry.number,
                    "request_id": entry.request.to_string(),
                    "key": entry.key,
                    "amount_nano": entry.amount,
                    "loss_nano": entry.loss,
                    "usage": entry.usage,
                    "usage_source": entry.source,
                    "price_version": entry.price.version,
                    "price_line": entry.price.line,
                    "channel": entry.channel,
                    "at": entry.at,
                })
            })
            .collect();
        Ok(done(&Value::Array(rows)))
    }

    /// Makes the next version of the price book: all lines, signed.
    async fn set_prices(&self, caller: Caller, prices: Prices) -> Done {
        let lines = prices.lines.into_iter().map(Line::priced).collect::<Result<Vec<_>, _>>()?;
        let mut shelf = (*self.gateway.directory().prices()).clone();
        let version = PriceVersion(shelf.current().map_or(0, |book| book.version.0) + 1);
        let book = PriceBook {
            version,
            previous: shelf.last_digest().to_owned(),
            currency: self.gateway.settings().currency,
            made_at: self.gateway.clock().wall(),
            lines,
        };
        let signed = self.gateway.signer().sign(&book).map_err(|e| invalid(e.to_string()))?;
        // What the shelf would not take is never kept.
        shelf.take(&signed).map_err(|error| invalid(error.to_string()))?;
        let note = self.note(caller, "prices.set", version.0.to_string());
        self.change(note, move |book| book.add_prices(version, &signed)).await?;
        Ok(done(&json!({"version": version})))
    }

    pub(super) async fn prices(&self) -> Done {
        let books = self.gateway.ledger().with_book(|book| book.prices()).await?;
        let key = hex::encode(self.gateway.signer().public_key());
        Ok(done(&json!({"public_key": key, "versions": books})))
    }

    async fn notes(&self, query: &Query) -> Done {
        let after = query.number("after")?.unwrap_or(0);
        let ask = move |book: &mut dyn Book| book.registry()?.notes(after, ROWS);
        Ok(done(&json!(self.gateway.ledger().with_book(ask).await?)))
    }
}

fn account(id: &str) -> Result<AccountId, Denied> {
    let bad = |_| invalid("An account's id is a number.");
    id.parse().map(AccountId).map_err(bad)
}
