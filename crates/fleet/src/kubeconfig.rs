//! Which kubeconfigs are accepted: one cluster, at an address, and nothing that runs a program,
//! reads a file or weakens the connection.
//!
//! Entry point: [`check`], the only list of refusals there is: a kubeconfig that a node posts goes
//! through it before it is kept, and every connection is made from what it returns. It writes the
//! kubeconfig anew from the parts it checked, so what is used later is exactly what was checked.
//! The server must be an address, because names are not resolved.

use std::net::IpAddr;
use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use catalyst_model::{Problem, Trouble};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The largest kubeconfig that is taken, in bytes.
pub const MAX_BYTES: usize = 1 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Posted {
    #[serde(rename = "apiVersion")]
    api_version: Option<String>,
    kind: Option<String>,
    #[serde(default)]
    clusters: Vec<NamedCluster>,
    #[serde(default)]
    users: Vec<NamedUser>,
    #[serde(default)]
    contexts: Vec<NamedContext>,
    current_context: Option<String>,
}

#[derive(Deserialize)]
struct NamedCluster {
    name: String,
    cluster: Cluster,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Cluster {
    server: String,
    certificate_authority_data: Option<String>,
    certificate_authority: Option<Value>,
    insecure_skip_tls_verify: Option<Value>,
    proxy_url: Option<Value>,
    tls_server_name: Option<Value>,
    #[serde(rename = "disable-compression")]
    _disable_compression: Option<Value>,
    #[serde(rename = "extensions")]
    _extensions: Option<Value>,
}

#[derive(Deserialize)]
struct NamedUser {
    name: String,
    user: User,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct User {
    client_certificate_data: Option<SecretString>,
    client_key_data: Option<SecretString>,
    token: Option<SecretString>,
    client_certificate: Option<Value>,
    client_key: Option<Value>,
    #[serde(rename = "tokenFile")]
    token_file: Option<Value>,
    exec: Option<Value>,
    auth_provider: Option<Value>,
    #[serde(rename = "extensions")]
    _extensions: Option<Value>,
}

#[derive(Deserialize)]
struct NamedContext {
    name: String,
    context: Context,
}

#[derive(Deserialize)]
struct Context {
    cluster: String,
    user: String,
}

/// The kubeconfig as it is kept: only what was checked. Not `Debug`: it holds credentials.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Clean<'a> {
    #[serde(rename = "apiVersion")]
    api_version: &'static str,
    kind: &'static str,
    clusters: [CleanCluster<'a>; 1],
    users: [CleanUser<'a>; 1],
    contexts: [CleanContext<'a>; 1],
    current_context: &'a str,
}

#[derive(Serialize)]
struct CleanCluster<'a> {
    name: &'a str,
    cluster: CleanClusterBody<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct CleanClusterBody<'a> {
    server: &'a str,
    certificate_authority_data: &'a str,
}

#[derive(Serialize)]
struct CleanUser<'a> {
    name: &'a str,
    user: CleanUserBody<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct CleanUserBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    client_certificate_data: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_key_data: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
}

#[derive(Serialize)]
struct CleanContext<'a> {
    name: &'a str,
    context: CleanContextBody<'a>,
}

#[derive(Serialize)]
struct CleanContextBody<'a> {
    cluster: &'a str,
    user: &'a str,
}

/// A kubeconfig that met every rule, written anew.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The text to keep and to connect with.
    pub text: SecretString,
    /// Address of the API server.
    pub address: IpAddr,
    /// Port of the API server.
    pub port: u16,
}

/// Checks `body` against the rules and, where it is known, against the address that the API server
/// was given (such as `https://10.210.0.2:6443`).
///
/// # Errors
/// The first rule that is not met. No text of the body beyond names and the server's address is in
/// the trouble.
pub fn check(body: &[u8], expected_api: Option<&str>) -> Result<Checked, Trouble> {
    if body.len() > MAX_BYTES {
        return Err(Problem::KUBECONFIG_TOO_LARGE.plain());
    }
    let text = std::str::from_utf8(body)
        .map_err(|_| Problem::KUBECONFIG_MALFORMED.with("it is not text"))?;
    if text.trim().is_empty() {
        return Err(Problem::KUBECONFIG_EMPTY.plain());
    }
    // The parser's own words may quote the body, so they are not repeated.
    let posted: Posted =
        serde_saphyr::from_str(text).map_err(|_| Problem::KUBECONFIG_MALFORMED.plain())?;
    check_kind(&posted)?;
    let (cluster, user, context) = the_only_ones(&posted)?;
    check_user(&user.user)?;
    let server = cluster.cluster.server.trim_end_matches('/');
    check_cluster(&cluster.cluster)?;
    check_server(server, expected_api)?;
    check_credentials(&cluster.cluster, &user.user)?;
    let (address, port) = endpoint(server).ok_or_else(|| {
        Problem::KUBECONFIG_UNSAFE.with("its server is not `https` at an address")
    })?;
    Ok(Checked { text: write(cluster, user, context, server)?, address, port })
}

fn check_kind(posted: &Posted) -> Result<(), Trouble> {
    let version_fits = posted.api_version.as_deref().is_none_or(|v| v == "v1");
    let kind_fits = posted.kind.as_deref().is_none_or(|k| k == "Config");
    if version_fits && kind_fits {
        Ok(())
    } else {
        Err(Problem::KUBECONFIG_MALFORMED.with("it is not a `v1` `Config`"))
    }
}

fn the_only_ones(posted: &Posted) -> Result<(&NamedCluster, &NamedUser, &NamedContext), Trouble> {
    let ([cluster], [user], [context]) =
        (posted.clusters.as_slice(), posted.users.as_slice(), posted.contexts.as_slice())
    else {
        return Err(Problem::KUBECONFIG_NOT_ONE_CLUSTER.with(format!(
            "it holds {} clusters, {} users and {} contexts",
            posted.clusters.len(),
            posted.users.len(),
            posted.contexts.len()
        )));
    };
    let joined = context.context.cluster == cluster.name && context.context.user == user.name;
    let current = posted.current_context.as_deref().unwrap_or(&context.name);
    if joined && (current.is_empty() || current == context.name) {
        Ok((cluster, user, context))
    } else {
        Err(Problem::KUBECONFIG_NOT_ONE_CLUSTER.with("its context does not join cluster and user"))
    }
}

fn check_user(user: &User) -> Result<(), Trouble> {
    for (there, what) in [(&user.exec, "exec"), (&user.auth_provider, "auth-provider")] {
        if there.is_some() {
            return Err(Problem::KUBECONFIG_RUNS_PROGRAM.with(format!("the user has `{what}`")));
        }
    }
    let files = [
        (&user.client_certificate, "client-certificate"),
        (&user.client_key, "client-key"),
        (&user.token_file, "tokenFile"),
    ];
    for (there, what) in files {
        if there.is_some() {
            return Err(Problem::KUBECONFIG_NAMES_FILE.with(format!("the user has `{what}`")));
        }
    }
    let filled =
        |s: &Option<SecretString>| s.as_ref().is_some_and(|s| !s.expose_secret().trim().is_empty());
    let by_certificate = filled(&user.client_certificate_data) && filled(&user.client_key_data);
    if by_certificate || filled(&user.token) {
        Ok(())
    } else {
        Err(Problem::KUBECONFIG_MALFORMED.with("the user has neither certificate nor token"))
    }
}

fn check_cluster(cluster: &Cluster) -> Result<(), Trouble> {
    if cluster.certificate_authority.is_some() {
        return Err(Problem::KUBECONFIG_NAMES_FILE.with("the cluster has `certificate-authority`"));
    }
    let skips = |v: &Value| *v != Value::Bool(false) && *v != Value::Null;
    if cluster.insecure_skip_tls_verify.as_ref().is_some_and(skips) {
        return Err(Problem::KUBECONFIG_UNSAFE.with("TLS verification is switched off"));
    }
    if cluster.proxy_url.is_some() {
        return Err(Problem::KUBECONFIG_UNSAFE.with("it asks for a proxy"));
    }
    if cluster.tls_server_name.is_some() {
        return Err(Problem::KUBECONFIG_UNSAFE.with("it asks for another server name"));
    }
    if !cluster.server.starts_with("https://") {
        return Err(Problem::KUBECONFIG_UNSAFE.with("its server is not `https`"));
    }
    let authority = cluster.certificate_authority_data.as_deref().unwrap_or_default();
    let pem = STANDARD.decode(authority.trim()).unwrap_or_default();
    let begins = b"-----BEGIN CERTIFICATE-----";
    if pem.windows(begins.len()).any(|w| w == begins) {
        Ok(())
    } else {
        Err(Problem::KUBECONFIG_UNSAFE.with("`certificate-authority-data` holds no certificate"))
    }
}

/// Builds what a connection would be made with, so that a file nobody can connect with is refused
/// while another one can still be posted. No text of certificates or keys is in the trouble.
fn check_credentials(cluster: &Cluster, user: &User) -> Result<(), Trouble> {
    let unusable = |what: &'static str| move || Problem::KUBECONFIG_UNUSABLE.with(what);
    let authority = cluster.certificate_authority_data.as_deref().unwrap_or_default();
    let mut roots = RootCertStore::empty();
    let bad_authority = unusable("`certificate-authority-data` is no certificate in PEM");
    for certificate in certificates(authority).ok_or_else(bad_authority)? {
        roots.add(certificate).map_err(|_| bad_authority())?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Problem::INTERNAL.with(e.to_string()))?
        .with_root_certificates(roots);
    let (Some(certificate), Some(key)) = (&user.client_certificate_data, &user.client_key_data)
    else {
        return Ok(());
    };
    let chain = certificates(certificate.expose_secret());
    let chain = chain.ok_or_else(unusable("`client-certificate-data` is no certificate in PEM"))?;
    let key = STANDARD.decode(key.expose_secret().trim()).ok().map(SecretSlice::from);
    let key = key.and_then(|pem| PrivateKeyDer::from_pem_slice(pem.expose_secret()).ok());
    let key = key.ok_or_else(unusable("`client-key-data` is no private key in PEM"))?;
    let bad_pair = unusable("certificate and key of the user do not belong together");
    builder.with_client_auth_cert(chain, key).map(drop).map_err(|_| bad_pair())
}

/// The certificates in a base64 text of PEM; at least one, and nothing that is none.
fn certificates(text: &str) -> Option<Vec<CertificateDer<'static>>> {
    let pem = STANDARD.decode(text.trim()).ok()?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    all.ok().filter(|all| !all.is_empty())
}

fn check_server(server: &str, expected_api: Option<&str>) -> Result<(), Trouble> {
    let Some(expected) = expected_api.filter(|expected| *expected != server) else {
        return Ok(());
    };
    let shown: String = server.chars().filter(|c| !c.is_control()).take(128).collect();
    // Whoever posts chooses this text: only a plain address is worth showing.
    let plain = !shown.contains(['@', '?', '#']);
    let given = if plain { format!(", not `{shown}`") } else { String::new() };
    Err(Problem::KUBECONFIG_WRONG_HOST.with(format!("expected `{expected}`{given}")))
}

fn endpoint(server: &str) -> Option<(IpAddr, u16)> {
    let uri: http::Uri = server.parse().ok()?;
    let bare = uri.path() == "/" && uri.query().is_none();
    if uri.scheme_str() != Some("https") || uri.authority()?.as_str().contains('@') || !bare {
        return None;
    }
    let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
    Some((host.parse().ok()?, uri.port_u16().unwrap_or(443)))
}

fn write(
    cluster: &NamedCluster,
    user: &NamedUser,
    context: &NamedContext,
    server: &str,
) -> Result<SecretString, Trouble> {
    let shown = |s: &'_ Option<SecretString>| s.as_ref().map(|s| s.expose_secret().to_owned());
    let certificate = shown(&user.user.client_certificate_data);
    let key = shown(&user.user.client_key_data);
    let token = shown(&user.user.token);
    let authority = cluster.cluster.certificate_authority_data.as_deref().unwrap_or_default();
    let clean = Clean {
        api_version: "v1",
        kind: "Config",
        clusters: [CleanCluster {
            name: &cluster.name,
            cluster: CleanClusterBody { server, certificate_authority_data: authority.trim() },
        }],
        users: [CleanUser {
            name: &user.name,
            user: CleanUserBody {
                client_certificate_data: certificate.as_deref(),
                client_key_data: key.as_deref(),
                token: token.as_deref(),
            },
        }],
        contexts: [CleanContext {
            name: &context.name,
            context: CleanContextBody { cluster: &cluster.name, user: &user.name },
        }],
        current_context: &context.name,
    };
    let text = serde_saphyr::to_string(&clean)
        .map_err(|_| Problem::KUBECONFIG_MALFORMED.with("it cannot be written anew"))?;
    Ok(SecretString::from(text))
}

#[cfg(test)]
mod tests;
