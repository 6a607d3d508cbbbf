//! Kubeconfigs with real certificates, made once a process.

use std::sync::OnceLock;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};

/// What a kubeconfig carries, each part as its base64 text.
#[derive(Debug)]
pub struct Credentials {
    /// The cluster's authority.
    pub authority: String,
    /// A client's certificate of that authority.
    pub certificate: String,
    /// The key of that certificate.
    pub key: String,
    /// Another key.
    pub other_key: String,
}

/// The credentials of this process's tests.
///
/// # Panics
/// No certificate can be made.
pub fn credentials() -> &'static Credentials {
    static MADE: OnceLock<Credentials> = OnceLock::new();
    MADE.get_or_init(|| make().expect("certificates can be made"))
}

/// The kubeconfig of the API server at `server`, such as `https://10.210.0.2:6443`.
pub fn kubeconfig(server: &str) -> String {
    let Credentials { authority, certificate, key, .. } = credentials();
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
         clusters:\n- name: k\n  cluster:\n    server: {server}\n    \
         certificate-authority-data: {authority}\n\
         users:\n- name: u\n  user:\n    client-certificate-data: {certificate}\n    \
         client-key-data: {key}\n\
         contexts:\n- name: c\n  context:\n    cluster: k\n    user: u\n"
    )
}

fn make() -> Result<Credentials, rcgen::Error> {
    let mut authority = named("cluster");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let pair = KeyPair::generate()?;
    let signed = authority.self_signed(&pair)?;
    let issuer = Issuer::new(authority, pair);
    let mut client = named("admin");
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let pair = KeyPair::generate()?;
    let certificate = client.signed_by(&pair, &issuer)?;
    Ok(Credentials {
        authority: STANDARD.encode(signed.pem()),
        certificate: STANDARD.encode(certificate.pem()),
        key: STANDARD.encode(pair.serialize_pem()),
        other_key: STANDARD.encode(KeyPair::generate()?.serialize_pem()),
    })
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
