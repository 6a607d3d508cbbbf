//! The front's side of TLS: one certificate, and no handshake for a name that is not ours.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::{FRONT, Settings, names};
use crate::problem::{Problem, Result};

/// Reads certificate and key and builds the server's settings: TLS 1.2 and 1.3, HTTP/1.1.
pub(super) fn config(settings: &Settings) -> Result<Arc<ServerConfig>> {
    let certificates = CertificateDer::pem_slice_iter(&read(&settings.certificate)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unreadable(&settings.certificate, error))?;
    let key = PrivateKeyDer::from_pem_slice(&read(&settings.key)?)
        .map_err(|error| unreadable(&settings.key, error))?;
    let provider = Arc::new(ring::default_provider());
    let key = CertifiedKey::from_der(certificates, key, &provider)
        .map_err(|error| unreadable(&settings.key, error))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| FRONT.because("no TLS version is left").source(error))?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(OursOnly(Arc::new(key))));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| crate::problem::file("read", path, error))
}

fn unreadable(path: &Path, error: impl std::error::Error + Send + Sync + 'static) -> Problem {
    FRONT.because(format!("`{}` is not usable", path.display())).source(error)
}

/// Has the certificate for our names, and for clients that name nobody: those are told apart by
/// their Host header.
#[derive(Debug)]
struct OursOnly(Arc<CertifiedKey>);

impl ResolvesServerCert for OursOnly {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let ours = hello.server_name().is_none_or(|name| names::all().contains(&name));
        ours.then(|| Arc::clone(&self.0))
    }
}
