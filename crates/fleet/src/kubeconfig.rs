//! Which kubeconfigs are accepted: those that carry everything in themselves.
//!
//! Entry point: [`read`]. A kubeconfig comes from a node over the network. One that names a program
//! to run, a file to read or a proxy to pass through would act on this machine, so it is refused as
//! a whole, whichever context it stands in. The server must be an address, because names are not
//! resolved, and its certificate must be checked.

use std::net::IpAddr;

use kube::config::{AuthInfo, Cluster, Kubeconfig};
use secrecy::{ExposeSecret, SecretString};

/// Largest accepted kubeconfig in bytes.
pub const MAX_BYTES: usize = 1 << 20;

/// Why a kubeconfig is refused. No text of the kubeconfig is quoted but names and the address.
#[derive(Debug, thiserror::Error)]
pub enum KubeconfigError {
    /// There is nothing in it.
    #[error("the kubeconfig is empty")]
    Empty,
    /// It is larger than [`MAX_BYTES`].
    #[error("the kubeconfig has {0} bytes; at most {MAX_BYTES} are accepted")]
    TooLarge(usize),
    /// It is not a kubeconfig.
    #[error("the text is not a kubeconfig")]
    Unreadable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The current context leads nowhere.
    #[error("the kubeconfig's current context has no {0}")]
    Incomplete(&'static str),
    /// It would act on this machine or weaken the connection.
    #[error("the kubeconfig uses `{member}`, {why}")]
    Refused {
        /// The member.
        member: &'static str,
        /// Why it is not accepted.
        why: &'static str,
    },
    /// The server is not `https` at an address.
    #[error("the kubeconfig's server is `{0}`; it must be https:// at an IP address")]
    Server(String),
}

/// A kubeconfig that was read and found acceptable.
#[derive(Debug, Clone)]
pub struct Checked {
    pub(crate) config: Kubeconfig,
    /// Address of the API server.
    pub address: IpAddr,
    /// Port of the API server.
    pub port: u16,
}

const RUNS: &str = "which would run a program on this machine";
const READS: &str = "which would read a file of this machine; embed the data instead";
const PROXY: &str = "which would send everything through a third party";
const BLIND: &str = "which would accept any server; embed the certificate authority instead";

/// Reads and checks a kubeconfig.
///
/// # Errors
/// See [`KubeconfigError`].
pub fn read(text: &SecretString) -> Result<Checked, KubeconfigError> {
    let text = text.expose_secret();
    if text.trim().is_empty() {
        return Err(KubeconfigError::Empty);
    }
    if text.len() > MAX_BYTES {
        return Err(KubeconfigError::TooLarge(text.len()));
    }
    // The parser's own words may quote the text, hence a key: they are dropped.
    let unreadable = || KubeconfigError::Unreadable("it is not YAML of that form".into());
    let config = Kubeconfig::from_yaml(text).map_err(|_| unreadable())?;
    for cluster in config.clusters.iter().filter_map(|named| named.cluster.as_ref()) {
        check_cluster(cluster)?;
    }
    for user in config.auth_infos.iter().filter_map(|named| named.auth_info.as_ref()) {
        check_user(user)?;
    }
    let server = current_server(&config)?;
    let (address, port) = endpoint(&server)
        .ok_or_else(|| KubeconfigError::Server(server.chars().take(120).collect()))?;
    Ok(Checked { config, address, port })
}

fn current_server(config: &Kubeconfig) -> Result<String, KubeconfigError> {
    let incomplete = KubeconfigError::Incomplete;
    let name = config.current_context.as_ref().ok_or(incomplete("name"))?;
    let context = config.contexts.iter().find(|context| context.name == *name);
    let context = context.and_then(|named| named.context.as_ref()).ok_or(incomplete("entry"))?;
    let user = context.user.as_ref().ok_or(incomplete("user"))?;
    if !config.auth_infos.iter().any(|named| named.name == *user) {
        return Err(incomplete("user"));
    }
    let cluster = config.clusters.iter().find(|cluster| cluster.name == context.cluster);
    let cluster = cluster.and_then(|named| named.cluster.as_ref()).ok_or(incomplete("cluster"))?;
    if cluster.certificate_authority_data.as_ref().is_none_or(String::is_empty) {
        return Err(incomplete("certificate authority"));
    }
    cluster.server.clone().ok_or(incomplete("server"))
}

fn endpoint(server: &str) -> Option<(IpAddr, u16)> {
    let uri: http::Uri = server.parse().ok()?;
    if uri.scheme_str() != Some("https") || uri.authority()?.as_str().contains('@') {
        return None;
    }
    let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
    Some((host.parse().ok()?, uri.port_u16().unwrap_or(443)))
}

fn check_cluster(cluster: &Cluster) -> Result<(), KubeconfigError> {
    let found = [
        (cluster.certificate_authority.is_some(), "certificate-authority", READS),
        (cluster.proxy_url.is_some(), "proxy-url", PROXY),
        (cluster.insecure_skip_tls_verify == Some(true), "insecure-skip-tls-verify", BLIND),
    ];
    refuse(&found)
}

fn check_user(user: &AuthInfo) -> Result<(), KubeconfigError> {
    let found = [
        (user.exec.is_some(), "exec", RUNS),
        (user.auth_provider.is_some(), "auth-provider", RUNS),
        (user.token_file.is_some(), "tokenFile", READS),
        (user.client_certificate.is_some(), "client-certificate", READS),
        (user.client_key.is_some(), "client-key", READS),
    ];
    refuse(&found)
}

fn refuse(found: &[(bool, &'static str, &'static str)]) -> Result<(), KubeconfigError> {
    match found.iter().find(|(is_there, ..)| *is_there) {
        Some((_, member, why)) => Err(KubeconfigError::Refused { member, why }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
apiVersion: v1
kind: Config
current-context: sov1
contexts:
- name: sov1
  context: {cluster: sov1, user: admin}
clusters:
- name: sov1
  cluster:
    server: https://10.210.0.2:6443
    certificate-authority-data: Y2E=
users:
- name: admin
  user: {client-certificate-data: Yw==, client-key-data: aw==}
";

    fn check(text: &str) -> Result<Checked, KubeconfigError> {
        read(&text.to_owned().into())
    }

    #[test]
    fn a_kubeconfig_that_carries_everything_is_accepted() {
        let checked = check(GOOD).unwrap();
        assert_eq!((checked.address.to_string().as_str(), checked.port), ("10.210.0.2", 6443));
    }

    #[test]
    fn programs_files_and_proxies_are_refused_in_any_context() {
        let cases = [
            ("user: {exec: {command: /bin/sh}}", "exec"),
            ("user: {auth-provider: {name: gcp, config: {}}}", "auth-provider"),
            ("user: {tokenFile: /etc/shadow}", "tokenFile"),
            ("user: {client-key: /etc/key}", "client-key"),
            ("user: {client-certificate: /etc/crt}", "client-certificate"),
        ];
        for (user, member) in cases {
            let text = format!("{GOOD}- name: other\n  {user}\n");
            let error = check(&text).expect_err(user).to_string();
            assert!(error.contains(member), "{user}: {error}");
        }
        for (line, member) in [
            ("insecure-skip-tls-verify: true", "insecure"),
            ("certificate-authority: /etc/ca", "certificate-authority"),
            ("proxy-url: http://10.0.0.1:3128", "proxy-url"),
        ] {
            let text = GOOD.replace("    server:", &format!("    {line}\n    server:"));
            let error = check(&text).expect_err(line).to_string();
            assert!(error.contains(member), "{line}: {error}");
        }
    }

    #[test]
    fn empty_large_torn_and_foreign_texts_are_refused() {
        assert!(matches!(check(" \n"), Err(KubeconfigError::Empty)));
        let large = format!("{GOOD}#{}", "x".repeat(2 << 20));
        assert!(matches!(check(&large), Err(KubeconfigError::TooLarge(_))));
        assert!(matches!(check("{["), Err(KubeconfigError::Unreadable(_))));
        assert!(matches!(check("a: 1"), Err(KubeconfigError::Incomplete(_))));
        let torn = &GOOD[..GOOD.len() / 2];
        assert!(check(torn).is_err());
    }

    #[test]
    fn the_server_is_https_at_an_address() {
        for server in ["http://10.0.0.1:6443", "https://example.org", "https://u@10.0.0.1", "x"] {
            let text = GOOD.replace("https://10.210.0.2:6443", server);
            assert!(matches!(check(&text), Err(KubeconfigError::Server(_))), "{server}");
        }
        let text = GOOD.replace("https://10.210.0.2:6443", "https://[fd00::1]:6443");
        assert_eq!(check(&text).unwrap().address.to_string(), "fd00::1");
    }

    #[test]
    fn no_error_quotes_a_secret() {
        let text = GOOD.replace("client-key-data: aw==", "client-key-data: [very-secret-key]");
        let error = check(&text).unwrap_err();
        assert!(!format!("{error:?}{error}").contains("very-secret-key"));
    }
}
