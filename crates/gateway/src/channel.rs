//! A channel: an upstream that may be used only while somebody answers for it.
//!
//! The attestation says on what ground: it runs in this cluster, there is a contract, or the
//! customer brings their own key. Without one a channel is kept but never enabled; the book has
//! the same rule as a constraint.

use std::collections::BTreeMap;

use hyper::Uri;
use serde::{Deserialize, Serialize};

use crate::{ask::Dialect, clock::WallMillis, id::ChannelId};

/// On what ground a channel may be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Attestation {
    /// It runs in this cluster.
    InCluster {
        /// Who runs it.
        owner: String,
    },
    /// There is a contract with whoever runs it.
    CommercialContract {
        /// The account there.
        account_id: String,
        /// Where the contract is found.
        contract_ref: String,
    },
    /// The customer's own key goes up, from the request alone; it is never kept.
    Byok,
}

impl Attestation {
    /// The kind's name.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::InCluster { .. } => "in-cluster",
            Self::CommercialContract { .. } => "commercial-contract",
            Self::Byok => "byok",
        }
    }

    /// Who answers for it and with what; empty where the kind needs none.
    pub(crate) fn parts(&self) -> (&str, &str) {
        match self {
            Self::InCluster { owner } => (owner, ""),
            Self::CommercialContract { account_id, contract_ref } => (account_id, contract_ref),
            Self::Byok => ("", ""),
        }
    }

    /// The attestation of a kind and its parts; `None` for a kind nobody knows.
    pub(crate) fn of(kind: &str, by: String, reference: String) -> Option<Self> {
        Some(match kind {
            "in-cluster" => Self::InCluster { owner: by },
            "commercial-contract" => {
                Self::CommercialContract { account_id: by, contract_ref: reference }
            }
            "byok" => Self::Byok,
            _ => return None,
        })
    }

    /// Whether it names all that its kind needs.
    pub fn is_complete(&self) -> bool {
        let said = |text: &str| !text.trim().is_empty();
        match self {
            Self::InCluster { owner } => said(owner),
            Self::CommercialContract { account_id, contract_ref } => {
                said(account_id) && said(contract_ref)
            }
            Self::Byok => true,
        }
    }
}

/// An attestation and until when it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attested {
    /// The ground.
    #[serde(flatten)]
    pub by: Attestation,
    /// From when on it no longer holds.
    #[serde(rename = "expiresAt", default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<WallMillis>,
}

/// What kind of upstream a channel leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelKind {
    /// OpenAI itself.
    Openai,
    /// Whatever speaks as OpenAI does.
    OpenaiCompatible,
    /// vLLM.
    Vllm,
    /// Anthropic itself, or what speaks as it does.
    Anthropic,
    /// Whatever speaks as OpenAI does, with the customer's own key.
    ByokPassthrough,
}

impl ChannelKind {
    /// The kind's number in new-api's dialect.
    pub fn number(self) -> u32 {
        match self {
            Self::Openai => 1,
            Self::Anthropic => 14,
            Self::OpenaiCompatible | Self::Vllm | Self::ByokPassthrough => 8,
        }
    }

    /// The kind of a number of new-api's dialect.
    pub fn of_number(number: u64) -> Option<Self> {
        Some(match number {
            1 => Self::Openai,
            8 => Self::OpenaiCompatible,
            14 => Self::Anthropic,
            _ => return None,
        })
    }

    /// What it speaks when nothing else is said.
    pub fn dialects(self) -> &'static [Dialect] {
        match self {
            Self::Openai => {
                &[Dialect::Chat, Dialect::Completions, Dialect::Embeddings, Dialect::Responses]
            }
            Self::OpenaiCompatible | Self::Vllm | Self::ByokPassthrough => {
                &[Dialect::Chat, Dialect::Completions, Dialect::Embeddings]
            }
            Self::Anthropic => &[Dialect::Messages],
        }
    }
}

/// What is done when the customer leaves before the answer is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnDisconnect {
    /// The upstream is told by closing; input and the output so far are charged.
    Cancel,
    /// The answer is read on for so many milliseconds at most, and charged as it ends.
    Drain {
        /// How long.
        max_ms: u64,
    },
}

/// A channel without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// Its name; no two channels share one.
    pub name: String,
    /// What it leads to.
    pub kind: ChannelKind,
    /// The upstream's address without the `/v1` of its paths.
    pub base_url: String,
    /// The models it serves, as customers name them.
    pub models: Vec<String>,
    /// The groups that may use it.
    pub groups: Vec<String>,
    /// What the upstream calls a model, where that is another name.
    #[serde(default)]
    pub mapping: BTreeMap<String, String>,
    /// Channels of a higher priority are tried first.
    #[serde(default)]
    pub priority: i64,
    /// Its share among channels of the same priority.
    #[serde(default)]
    pub weight: u32,
    /// What it speaks.
    pub dialects: Vec<Dialect>,
    /// What is done when the customer leaves.
    pub on_disconnect: OnDisconnect,
    /// Tokens that a picture, sound or file can be at most.
    #[serde(default = "attachment_tokens")]
    pub attachment_tokens: u64,
}

fn attachment_tokens() -> u64 {
    16_384
}

/// A channel as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelRow {
    /// Its id.
    pub id: ChannelId,
    /// What it is.
    pub definition: Definition,
    /// The upstream's key, encrypted; absent where there is none.
    pub sealed: Option<Vec<u8>>,
    /// Who answers for it.
    pub attestation: Option<Attested>,
    /// Whether it may be used.
    pub enabled: bool,
    /// Why not.
    pub reason: String,
}

impl ChannelRow {
    /// Whether requests may go there at `now`: enabled, attested, and the attestation holds.
    pub fn serves_at(&self, now: WallMillis) -> bool {
        let holds = |attested: &Attested| attested.expires_at.is_none_or(|end| now < end);
        self.enabled && self.attestation.as_ref().is_some_and(holds)
    }

    /// What the upstream calls `model`; `None` when it does not serve it.
    pub fn upstream_model<'m>(&'m self, model: &'m str) -> Option<&'m str> {
        let serves = self.definition.models.iter().any(|own| own == model);
        serves.then(|| self.definition.mapping.get(model).map_or(model, String::as_str))
    }

    /// Whether the upstream may have a private address: only one that runs in this cluster.
    pub fn is_in_cluster(&self) -> bool {
        let by = self.attestation.as_ref().map(|attested| &attested.by);
        matches!(by, Some(Attestation::InCluster { .. }))
    }
}

/// Why a channel is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadChannel {
    #[error("`{0}` must have 1 to {1} bytes and no control characters")]
    Text(&'static str, usize),
    #[error("`base_url` must be an https or http address without user, query or fragment")]
    BaseUrl,
    #[error("there must be a model")]
    NoModel,
}

impl Definition {
    /// Checks what every channel must be, whether it is enabled or not.
    pub(crate) fn check(&self) -> Result<(), BadChannel> {
        let text = |name, text: &str, most: usize| {
            let fits = (1..=most).contains(&text.len()) && !text.chars().any(char::is_control);
            if fits { Ok(()) } else { Err(BadChannel::Text(name, most)) }
        };
        text("name", &self.name, 128)?;
        if self.models.is_empty() {
            return Err(BadChannel::NoModel);
        }
        let renamed = self.mapping.values();
        self.models.iter().chain(renamed).try_for_each(|model| text("models", model, 255))?;
        self.groups.iter().try_for_each(|group| text("groups", group, 64))?;
        base(&self.base_url).map(drop)
    }

    /// Why the channel cannot be enabled with this attestation and key; `None` when it can.
    pub(crate) fn obstacle(
        &self,
        attested: Option<&Attested>,
        has_key: bool,
    ) -> Option<&'static str> {
        let Some(Attested { by, .. }) = attested else {
            return Some("there is no attestation: say in-cluster, commercial-contract or byok");
        };
        if !by.is_complete() {
            return Some("the attestation lacks its owner, accountId or contractRef");
        }
        let plain = self.base_url.starts_with("http://");
        match by {
            Attestation::InCluster { .. } => None,
            _ if plain => Some("only an in-cluster channel may be reached without TLS"),
            Attestation::Byok if has_key => Some("a byok channel keeps no key"),
            Attestation::CommercialContract { .. } if !has_key => Some("there is no key"),
            _ => None,
        }
    }

    /// The address of `path` at the upstream.
    pub(crate) fn address(&self, path: &str) -> Option<Uri> {
        let root = base(&self.base_url).ok()?;
        format!("{root}/v1{path}").parse().ok()
    }
}

/// The base address without a slash or `/v1` at its end.
fn base(text: &str) -> Result<&str, BadChannel> {
    let uri: Uri = text.parse().map_err(|_| BadChannel::BaseUrl)?;
    let authority = uri.authority().ok_or(BadChannel::BaseUrl)?;
    let schemes = matches!(uri.scheme_str(), Some("http" | "https"));
    let odd = authority.as_str().contains('@')
        || text.contains(['?', '#', '\\'])
        || authority.host().is_empty()
        || uri.path().split('/').any(|part| part == "..");
    if !schemes || odd {
        return Err(BadChannel::BaseUrl);
    }
    let text = text.trim_end_matches('/');
    Ok(text.strip_suffix("/v1").unwrap_or(text))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn definition(name: &str, base_url: &str) -> Definition {
        Definition {
            name: name.to_owned(),
            kind: ChannelKind::Vllm,
            base_url: base_url.to_owned(),
            models: vec!["qwen3-coder".to_owned()],
            groups: vec!["default".to_owned()],
            mapping: BTreeMap::new(),
            priority: 0,
            weight: 0,
            dialects: Dialect::ALL.to_vec(),
            on_disconnect: OnDisconnect::Cancel,
            attachment_tokens: attachment_tokens(),
        }
    }

    #[test]
    fn base_urls_that_play_tricks_are_refused() {
        for bad in [
            "",
            "api.example.org",
            "ftp://a",
            "https://",
            "https://user:pw@a.example",
            "https://a.example?x=1",
            "https://a.example#x",
            "https://a.example\\@b.example",
            "https://a.example/../x",
            "file:///etc/passwd",
            "https://a.example\r\nX: 1",
            "https://a b.example",
        ] {
            assert!(definition("a", bad).check().is_err(), "{bad:?}");
        }
        for (good, address) in [
            ("https://a.example", "https://a.example/v1/models"),
            ("https://a.example/v1/", "https://a.example/v1/models"),
            ("http://10.0.0.1:8000/llm", "http://10.0.0.1:8000/llm/v1/models"),
        ] {
            let definition = definition("a", good);
            assert_eq!(definition.check(), Ok(()), "{good}");
            assert_eq!(definition.address("/models").unwrap().to_string(), address);
        }
    }

    #[test]
    fn a_channel_without_a_complete_attestation_is_never_enabled() {
        let channel = definition("a", "https://a.example");
        let attested = |by| Some(Attested { by, expires_at: None });
        let owner = |owner: &str| attested(Attestation::InCluster { owner: owner.to_owned() });
        let contract = |account: &str, reference: &str| {
            attested(Attestation::CommercialContract {
                account_id: account.to_owned(),
                contract_ref: reference.to_owned(),
            })
        };
        for (attestation, has_key, fine) in [
            (None, true, false),
            (owner(" "), true, false),
            (contract("a", ""), true, false),
            (contract("", "r"), true, false),
            (contract("a", "r"), false, false),
            (attested(Attestation::Byok), true, false),
            (owner("us"), false, true),
            (contract("a", "r"), true, true),
            (attested(Attestation::Byok), false, true),
        ] {
            let obstacle = channel.obstacle(attestation.as_ref(), has_key);
            assert_eq!(obstacle.is_none(), fine, "{attestation:?} {has_key}: {obstacle:?}");
        }
        let plain = definition("a", "http://a.example");
        assert!(plain.obstacle(contract("a", "r").as_ref(), true).is_some());
        assert!(plain.obstacle(owner("us").as_ref(), true).is_none());
    }

    #[test]
    fn an_attestation_reads_back_as_the_seeds_write_it() {
        let text = r#"{"kind":"commercial-contract","accountId":"a","contractRef":"r"}"#;
        let attested: Attested = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&attested).unwrap(), text);
        for kind in ["subscription-bypass", "oauth-pass-through", ""] {
            let text = format!(r#"{{"kind":"{kind}"}}"#);
            assert!(serde_json::from_str::<Attested>(&text).is_err(), "{kind}");
        }
    }
}
