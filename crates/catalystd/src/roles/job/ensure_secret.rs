//! `catalystd job ensure-secret`: a Secret that is made once.
//!
//! What exists wins: keys that the Secret has stay as they are, keys that it lacks are added, so that
//! an upgrade rotates nothing and a later chart version may ask for one more key. Values never appear
//! in an argument, a log line or an error: arguments say only how a value comes about. The decision is
//! [`missing`]; everything else talks to the API server.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, PostParams};
use kube::{Client, Config};
use rand::RngExt;
use rand::distr::Alphanumeric;

/// Tries before the Job's own back-off takes over.
const ATTEMPTS: u32 = 5;
/// Pause between two tries.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Time for one request to the API server.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest random value, in characters or bytes.
const MAX_RANDOM_LENGTH: usize = 1024;
/// Work factor of the bcrypt hash: the least that exists, for the passwords hashed here are random and
/// a registry computes the hash at every request.
const BCRYPT_COST: u32 = 5;

/// How the Secret comes about.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Namespace of the Secret.
    #[arg(long)]
    namespace: String,
    /// Name of the Secret.
    #[arg(long)]
    name: String,
    /// A value that is no secret: `key=value`.
    #[arg(long = "literal", value_name = "KEY=VALUE")]
    literals: Vec<Literal>,
    /// A random value: `key=alphanumeric:<characters>` or `key=base64url:<bytes>`.
    #[arg(long = "random", value_name = "KEY=ALPHABET:LENGTH")]
    randoms: Vec<Random>,
    /// A line for basic authentication: `key=<key of the user name>:<key of the password>`.
    #[arg(long = "htpasswd", value_name = "KEY=USER:PASSWORD")]
    htpasswds: Vec<Htpasswd>,
    /// A text around other keys: `key=text {other-key} text`.
    #[arg(long = "format", value_name = "KEY=TEXT")]
    formats: Vec<Literal>,
}

/// Makes or completes the Secret.
///
/// # Errors
/// When the API server refuses, or a value cannot be derived from what exists.
pub(crate) async fn run(args: Args) -> Result<()> {
    let mut config = Config::infer().await.context("find the cluster")?;
    config.read_timeout = Some(REQUEST_TIMEOUT);
    let client = Client::try_from(config).context("make a client")?;
    let secrets: Api<Secret> = Api::namespaced(client, &args.namespace);
    let mut attempt = 1;
    loop {
        match ensure(&secrets, &args).await {
            Ok(()) => return Ok(()),
            Err(error) if attempt == ATTEMPTS => return Err(error),
            Err(error) => tracing::warn!(attempt, "{error:#}; trying again"),
        }
        attempt += 1;
        tokio::time::sleep(RETRY_AFTER).await;
    }
}

async fn ensure(secrets: &Api<Secret>, args: &Args) -> Result<()> {
    let Args { namespace, name, .. } = args;
    let Some(mut secret) = secrets.get_opt(name).await.context("read the Secret")? else {
        let data = missing(&BTreeMap::new(), args)?;
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                namespace: Some(namespace.clone()),
                ..ObjectMeta::default()
            },
            type_: Some("Opaque".to_owned()),
            data: Some(data),
            ..Secret::default()
        };
        // A conflict means that somebody was faster; the next try finds their Secret.
        secrets.create(&PostParams::default(), &secret).await.context("create the Secret")?;
        tracing::info!(%namespace, %name, "made the Secret");
        return Ok(());
    };
    let existing = secret.data.take().unwrap_or_default();
    let added = missing(&existing, args)?;
    if added.is_empty() {
        tracing::info!(%namespace, %name, "the Secret exists and has every key");
        return Ok(());
    }
    let keys = added.keys().cloned().collect::<Vec<_>>().join(", ");
    secret.data = Some(existing.into_iter().chain(added).collect());
    // Carries the version that was read: a change in between is a conflict, never lost.
    secrets.replace(name, &PostParams::default(), &secret).await.context("complete the Secret")?;
    tracing::info!(%namespace, %name, %keys, "added what the Secret lacked");
    Ok(())
}

/// The keys that the Secret must get, with their values; nothing that it has is among them.
fn missing(
    existing: &BTreeMap<String, ByteString>,
    args: &Args,
) -> Result<BTreeMap<String, ByteString>> {
    let mut all = existing.clone();
    for Literal { key, value } in &args.literals {
        all.entry(key.clone()).or_insert_with(|| ByteString(value.clone().into_bytes()));
    }
    for Random { key, shape } in &args.randoms {
        all.entry(key.clone()).or_insert_with(|| ByteString(shape.draw().into_bytes()));
    }
    for Htpasswd { key, user, password } in &args.htpasswds {
        if !all.contains_key(key) {
            let hash = bcrypt::hash(text(&all, password)?, BCRYPT_COST).context("hash a value")?;
            let line = format!("{}:{hash}\n", text(&all, user)?);
            all.insert(key.clone(), ByteString(line.into_bytes()));
        }
    }
    for Literal { key, value } in &args.formats {
        if !all.contains_key(key) {
            let line = format!("{}\n", fill(value, &all)?);
            all.insert(key.clone(), ByteString(line.into_bytes()));
        }
    }
    all.retain(|key, _| !existing.contains_key(key));
    Ok(all)
}

fn text<'a>(values: &'a BTreeMap<String, ByteString>, key: &str) -> Result<&'a str> {
    let value = values.get(key).with_context(|| format!("there is no key `{key}`"))?;
    std::str::from_utf8(&value.0).map_err(|_| anyhow!("the value of key `{key}` is no text"))
}

/// Puts values in the place of `{key}`.
fn fill(template: &str, values: &BTreeMap<String, ByteString>) -> Result<String> {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (key, after) = after.split_once('}').context("a `{` has no `}`")?;
        filled.push_str(before);
        filled.push_str(text(values, key)?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// `key=value`.
#[derive(Debug, Clone)]
struct Literal {
    key: String,
    value: String,
}

impl FromStr for Literal {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (key, value) = split_key(text)?;
        Ok(Self { key, value: value.to_owned() })
    }
}

/// `key=alphabet:length`.
#[derive(Debug, Clone)]
struct Random {
    key: String,
    shape: Shape,
}

impl FromStr for Random {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (key, value) = split_key(text)?;
        let (alphabet, length) = value.split_once(':').context("no `:` before the length")?;
        let length: usize = length.parse().context("the length is no number")?;
        if !(16..=MAX_RANDOM_LENGTH).contains(&length) {
            bail!("the length must be between 16 and {MAX_RANDOM_LENGTH}");
        }
        let shape = match alphabet {
            "alphanumeric" => Shape::Alphanumeric { characters: length },
            "base64url" => Shape::Base64Url { bytes: length },
            other => bail!("unknown alphabet `{other}`: alphanumeric or base64url"),
        };
        Ok(Self { key, shape })
    }
}

/// What a random value looks like.
#[derive(Debug, Clone, Copy)]
enum Shape {
    /// Letters and digits: 5.95 bits each.
    Alphanumeric { characters: usize },
    /// Bytes in URL-safe base64 without padding.
    Base64Url { bytes: usize },
}

impl Shape {
    fn draw(self) -> String {
        let random = rand::rng();
        match self {
            Self::Alphanumeric { characters } => {
                random.sample_iter(Alphanumeric).take(characters).map(char::from).collect()
            }
            Self::Base64Url { bytes } => {
                let drawn: Vec<u8> = random.random_iter().take(bytes).collect();
                URL_SAFE_NO_PAD.encode(drawn)
            }
        }
    }
}

/// `key=user:password`, each the name of a key.
#[derive(Debug, Clone)]
struct Htpasswd {
    key: String,
    user: String,
    password: String,
}

impl FromStr for Htpasswd {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (key, value) = split_key(text)?;
        let (user, password) = value.split_once(':').context("no `:` between the two keys")?;
        Ok(Self { key, user: user.to_owned(), password: password.to_owned() })
    }
}

fn split_key(text: &str) -> Result<(String, &str)> {
    let (key, value) = text.split_once('=').context("no `=` after the key")?;
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if key.is_empty() || !key.chars().all(legal) {
        bail!("`{key}` is no key of a Secret");
    }
    Ok((key.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> Args {
        Args {
            namespace: "harbor".to_owned(),
            name: "credentials".to_owned(),
            literals: vec!["username=admin".parse().unwrap()],
            randoms: vec![
                "password=alphanumeric:32".parse().unwrap(),
                "jwt=base64url:32".parse().unwrap(),
            ],
            htpasswds: vec!["htpasswd=username:password".parse().unwrap()],
            formats: vec!["api.conf=api-key={password}".parse().unwrap()],
        }
    }

    fn secret(pairs: &[(&str, &str)]) -> BTreeMap<String, ByteString> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), ByteString(v.as_bytes().to_vec()))).collect()
    }

    #[test]
    fn an_absent_secret_gets_every_key() {
        let made = missing(&BTreeMap::new(), &args()).unwrap();
        let keys: Vec<_> = made.keys().map(String::as_str).collect();
        assert_eq!(keys, ["api.conf", "htpasswd", "jwt", "password", "username"]);
        let password = text(&made, "password").unwrap();
        assert_eq!(password.len(), 32);
        assert_eq!(text(&made, "api.conf").unwrap(), format!("api-key={password}\n"));
        assert_eq!(text(&made, "jwt").unwrap().len(), 43);
        let line = text(&made, "htpasswd").unwrap().trim_end();
        let (user, hash) = line.split_once(':').unwrap();
        assert_eq!(user, "admin");
        assert!(bcrypt::verify(password, hash).unwrap());
    }

    #[test]
    fn a_whole_secret_gets_nothing() {
        let whole = missing(&BTreeMap::new(), &args()).unwrap();
        assert!(missing(&whole, &args()).unwrap().is_empty());
    }

    #[test]
    fn existing_keys_are_used_and_never_changed() {
        let existing = secret(&[("username", "ops"), ("password", "chosen by a person")]);
        let added = missing(&existing, &args()).unwrap();
        let keys: Vec<_> = added.keys().map(String::as_str).collect();
        assert_eq!(keys, ["api.conf", "htpasswd", "jwt"]);
        let (user, hash) = text(&added, "htpasswd").unwrap().trim_end().split_once(':').unwrap();
        assert_eq!(user, "ops");
        assert!(bcrypt::verify("chosen by a person", hash).unwrap());
    }

    #[test]
    fn two_draws_differ() {
        let (one, two) = (args(), args());
        let (one, two) = (missing(&BTreeMap::new(), &one), missing(&BTreeMap::new(), &two));
        assert_ne!(
            text(&one.unwrap(), "password").unwrap(),
            text(&two.unwrap(), "password").unwrap()
        );
    }

    #[test]
    fn malformed_arguments_are_refused() {
        assert!("no-equals".parse::<Literal>().is_err());
        assert!("a/b=c".parse::<Literal>().is_err());
        assert!("k=alphanumeric".parse::<Random>().is_err());
        assert!("k=alphanumeric:8".parse::<Random>().is_err());
        assert!("k=hex:32".parse::<Random>().is_err());
        assert!("k=user".parse::<Htpasswd>().is_err());
        let mut wrong = args();
        wrong.formats = vec!["x={nowhere}".parse().unwrap()];
        assert!(missing(&BTreeMap::new(), &wrong).is_err());
    }
}
