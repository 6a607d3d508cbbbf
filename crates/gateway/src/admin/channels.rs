//! Channels, in new-api's dialect and in the flat one that seeds post.

use hyper::{Method, Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    AdminPort, Asked, Caller, Denied, Done, MAX_PAGE, Query, denied, done, invalid, read, reply,
    unknown,
};
use crate::{
    ask::Dialect,
    book::{Added, NewChannel},
    channel::{Attestation, Attested, ChannelKind, ChannelRow, Definition, OnDisconnect},
    directory::CHANNEL_KEY,
    id::ChannelId,
    reply::Reply,
};

/// How long an answer is read on for a customer who has left, where the upstream bills anyway.
const DRAIN_MS: u64 = 30_000;

/// A body of either dialect.
#[derive(Deserialize)]
#[serde(untagged)]
enum Posted {
    Wrapped { channel: Box<Flat> },
    Flat(Box<Flat>),
}

/// A channel as it is posted; what new-api's clients send beside this is not read.
#[derive(Deserialize)]
struct Flat {
    name: String,
    #[serde(rename = "type")]
    kind: Value,
    #[serde(default)]
    base_url: Option<String>,
    #[serde(default)]
    key: Option<SecretString>,
    #[serde(default)]
    models: List,
    #[serde(default, alias = "group")]
    groups: List,
    #[serde(default)]
    status: Option<i64>,
    #[serde(default)]
    attestation: Option<Value>,
    #[serde(default)]
    model_mapping: Option<Value>,
    #[serde(default)]
    priority: Option<i64>,
    #[serde(default)]
    weight: Option<u32>,
    #[serde(default)]
    dialects: Option<Vec<Dialect>>,
    #[serde(default)]
    on_disconnect: Option<OnDisconnect>,
    #[serde(default)]
    attachment_tokens: Option<u64>,
}

/// Names in a list, or parted by commas.
#[derive(Deserialize)]
#[serde(untagged)]
enum List {
    Text(String),
    Items(Vec<String>),
    Nothing(()),
}

impl Default for List {
    fn default() -> Self {
        Self::Nothing(())
    }
}

impl List {
    fn names(&self) -> Vec<String> {
        let parts: Vec<&str> = match self {
            Self::Text(text) => text.split(',').collect(),
            Self::Items(items) => items.iter().map(String::as_str).collect(),
            Self::Nothing(()) => Vec::new(),
        };
        let named = parts.into_iter().map(str::trim).filter(|name| !name.is_empty());
        named.map(str::to_owned).collect()
    }
}

#[derive(Deserialize)]
struct Change {
    id: u64,
    status: i64,
}

impl AdminPort {
    pub(super) async fn channel(&self, asked: Asked<'_>) -> Done {
        let Asked { caller, method, rest, query, request } = asked;
        match (&method, rest) {
            (&Method::GET, [] | ["search"]) => self.list(query),
            (&Method::POST, []) => self.add(caller, read(request).await?).await,
            (&Method::PUT, []) => self.switch(caller, read(request).await?).await,
            (&Method::GET, [id]) => Ok(done(&shown(&self.find(id)?))),
            (&Method::DELETE, [id]) => self.remove(caller, id).await,
            _ => Err(unknown()),
        }
    }

    fn list(&self, query: &Query) -> Done {
        let keyword = query.text("keyword").unwrap_or("");
        let page = query.number::<usize>("p")?.unwrap_or(1).max(1);
        let size = query.number::<usize>("page_size")?.unwrap_or(20).clamp(1, MAX_PAGE);
        let channels = self.gateway.directory().channels();
        let fits = |row: &&ChannelRow| {
            row.definition.name.contains(keyword) || row.id.to_string() == keyword
        };
        let found: Vec<_> = channels.iter().map(|channel| &channel.row).filter(fits).collect();
        let from = (page - 1).saturating_mul(size);
        let items: Vec<_> = found.iter().skip(from).take(size).map(|row| shown(row)).collect();
        let total = found.len();
        Ok(done(&json!({"items": items, "total": total, "page": page, "page_size": size})))
    }

    fn find(&self, id: &str) -> Result<ChannelRow, Denied> {
        let channels = self.gateway.directory().channels();
        let found = channels.iter().find(|channel| channel.row.id.to_string() == id);
        let none = || denied(StatusCode::NOT_FOUND, "not_found", "There is no such channel.");
        found.map(|channel| channel.row.clone()).ok_or_else(none)
    }

    async fn add(&self, caller: Caller, posted: Posted) -> Done {
        let (Posted::Wrapped { channel: flat } | Posted::Flat(flat)) = posted;
        let channel = self.sound(*flat)?;
        let note = self.note(caller, "channel.add", channel.definition.name.clone());
        let (enabled, reason) = (channel.enabled, channel.reason.clone());
        let added = self.change(note, move |book| book.registry()?.add_channel(&channel)).await?;
        let told = |status: StatusCode, id: ChannelId| -> Response<Reply> {
            let state = if enabled { 1 } else { 2 };
            let data = json!({"id": id, "status": state, "reason": reason});
            reply(status, &json!({"success": true, "message": reason, "data": data}))
        };
        match added {
            Added::Now(id) => Ok(told(StatusCode::CREATED, id)),
            Added::Before(id) => Ok(told(StatusCode::OK, id)),
            Added::Other(id) => {
                let text = "Another channel has this name.";
                let denied = denied(StatusCode::CONFLICT, "channel_exists", text);
                Err(Denied { more: json!({"data": {"id": id}}), ..denied })
            }
        }
    }

    /// What is posted as a channel; enabled only if it is asked for and nothing stands against it.
    fn sound(&self, flat: Flat) -> Result<NewChannel, Denied> {
        let attestation = attested(flat.attestation.as_ref())?;
        let definition = definition(&flat, attestation.as_ref())?;
        definition.check().map_err(|error| invalid(error.to_string()))?;
        let secret = flat.key.filter(|key| !key.expose_secret().trim().is_empty());
        let asked = flat.status.unwrap_or(1) == 1;
        let obstacle = definition.obstacle(attestation.as_ref(), secret.is_some());
        let reason = match (asked, obstacle) {
            (true, Some(obstacle)) => obstacle,
            (false, _) => "it was not asked to be enabled",
            (true, None) => "",
        };
        let known = json!({"definition": definition, "attestation": attestation, "on": asked});
        let mut digest = Sha256::new();
        digest.update(known.to_string());
        digest.update(secret.as_ref().map_or("", |secret| secret.expose_secret()));
        // A key that must not be kept is not, not even of a channel that stays disabled.
        let byok = attestation.as_ref().is_some_and(|attested| attested.by == Attestation::Byok);
        let seal = |secret: &SecretString| self.gateway.vault().seal(CHANNEL_KEY, secret);
        let sealed = secret.as_ref().filter(|_| !byok).map(seal).transpose();
        let sealed = sealed.map_err(|error| invalid(error.to_string()))?;
        Ok(NewChannel {
            definition,
            sealed,
            digest: digest.finalize().into(),
            attestation,
            enabled: reason.is_empty(),
            reason: reason.to_owned(),
        })
    }

    async fn switch(&self, caller: Caller, change: Change) -> Done {
        let row = self.find(&change.id.to_string())?;
        let enable = change.status == 1;
        let obstacle = row.definition.obstacle(row.attestation.as_ref(), row.sealed.is_some());
        if let Some(obstacle) = obstacle.filter(|_| enable) {
            let denied = denied(StatusCode::CONFLICT, "not_attested", obstacle);
            return Err(Denied { more: json!({"data": {"id": row.id}}), ..denied });
        }
        let (action, reason) =
            if enable { ("channel.enable", "") } else { ("channel.disable", "by an operator") };
        let note = self.note(caller, action, row.definition.name);
        self.change(note, move |book| book.registry()?.enable_channel(row.id, enable, reason))
            .await?;
        Ok(done(&json!({"id": change.id, "status": if enable { 1 } else { 2 }})))
    }

    async fn remove(&self, caller: Caller, id: &str) -> Done {
        let row = self.find(id)?;
        let note = self.note(caller, "channel.remove", row.definition.name);
        self.change(note, move |book| book.registry()?.remove_channel(row.id)).await?;
        Ok(done(&Value::Null))
    }
}

fn attested(posted: Option<&Value>) -> Result<Option<Attested>, Denied> {
    let Some(value) = posted.filter(|value| !value.is_null()) else { return Ok(None) };
    Attested::deserialize(value).map(Some).map_err(|_| {
        let text = "`attestation` is of kind in-cluster (owner), commercial-contract (accountId, \
                    contractRef) or byok; no other kind exists.";
        denied(StatusCode::BAD_REQUEST, "attestation_invalid", text)
    })
}

fn definition(flat: &Flat, attested: Option<&Attested>) -> Result<Definition, Denied> {
    let kind = match &flat.kind {
        Value::Number(number) => number.as_u64().and_then(ChannelKind::of_number),
        text => ChannelKind::deserialize(text).ok(),
    };
    let kind = kind.ok_or_else(|| {
        invalid("`type` is openai, openai-compatible, vllm, anthropic or byok-passthrough.")
    })?;
    let url = flat.base_url.as_deref().map(str::trim).filter(|url| !url.is_empty());
    let url = match (url, kind) {
        (Some(url), _) => url,
        (None, ChannelKind::Openai) => "https://api.openai.com",
        (None, ChannelKind::Anthropic) => "https://api.anthropic.com",
        (None, _) => return Err(invalid("`base_url` is missing.")),
    };
    let mapping = match &flat.model_mapping {
        None | Some(Value::Null) => Some(Default::default()),
        Some(Value::String(text)) if text.trim().is_empty() => Some(Default::default()),
        Some(Value::String(text)) => serde_json::from_str(text).ok(),
        Some(value) => Deserialize::deserialize(value).ok(),
    };
    let mut groups = flat.groups.names();
    if groups.is_empty() {
        groups.push("default".to_owned());
    }
    let ours = matches!(attested.map(|a| &a.by), Some(Attestation::InCluster { .. }));
    let leave = if ours { OnDisconnect::Cancel } else { OnDisconnect::Drain { max_ms: DRAIN_MS } };
    Ok(Definition {
        name: flat.name.clone(),
        kind,
        base_url: url.to_owned(),
        models: flat.models.names(),
        groups,
        mapping: mapping.ok_or_else(|| invalid("`model_mapping` is no object of texts."))?,
        priority: flat.priority.unwrap_or(0),
        weight: flat.weight.unwrap_or(0),
        dialects: flat.dialects.clone().unwrap_or_else(|| kind.dialects().to_vec()),
        on_disconnect: flat.on_disconnect.unwrap_or(leave),
        attachment_tokens: flat.attachment_tokens.unwrap_or(16_384),
    })
}

/// A channel as new-api shows it, and what ours has beside that. The key is never shown.
fn shown(row: &ChannelRow) -> Value {
    let of = &row.definition;
    json!({
        "id": row.id,
        "type": of.kind.number(),
        "kind": of.kind,
        "key": "",
        "name": of.name,
        "status": if row.enabled { 1 } else { 2 },
        "reason": row.reason,
        "base_url": of.base_url,
        "models": of.models.join(","),
        "group": of.groups.join(","),
        "model_mapping": of.mapping,
        "priority": of.priority,
        "weight": of.weight,
        "dialects": of.dialects,
        "on_disconnect": of.on_disconnect,
        "attestation": row.attestation,
    })
}
