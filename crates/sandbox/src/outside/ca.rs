//! The certificate authority of one installation: made once, trusted by its Sovereigns alone.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use jiff::{Span, Zoned, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use secrecy::{ExposeSecret, SecretString};

use super::CA;
use crate::paths::{private_dir, write_private, write_public};
use crate::problem::{self, Problem, Result};

/// Years the authority itself is valid.
const AUTHORITY_YEARS: i64 = 10;
/// Days a certificate of a front is valid; it is issued anew with every start of the front.
const LEAF_DAYS: i64 = 365;

/// A certificate authority on disk.
#[derive(Debug)]
pub struct Authority {
    dir: PathBuf,
    certificate: String,
    key: SecretString,
}

/// A certificate and its key, both PEM.
#[derive(Debug)]
pub struct Issued {
    /// The certificate alone; clients hold the authority.
    pub certificate: String,
    /// PKCS #8.
    pub key: SecretString,
}

impl Authority {
    /// Reads the authority of `dir`, or makes it.
    ///
    /// # Errors
    /// CAT-3150 when what is there cannot be read, CAT-3000.
    pub fn open_or_create(dir: &Path) -> Result<Self> {
        private_dir(dir)?;
        let (certificate, key) = (dir.join("ca.crt"), dir.join("ca.key"));
        // The certificate is written last: while it is missing, nobody trusts the key yet.
        if !certificate.exists() {
            let made = make()?;
            write_private(&key, made.key.expose_secret().as_bytes())?;
            write_public(&certificate, made.certificate.as_bytes())?;
        }
        let read = |path: &Path| {
            fs::read_to_string(path).map_err(|error| problem::file("read", path, error))
        };
        let authority =
            Self { dir: dir.to_owned(), certificate: read(&certificate)?, key: read(&key)?.into() };
        authority.issuer()?;
        Ok(authority)
    }

    /// The file a client must trust, PEM.
    pub fn certificate_file(&self) -> PathBuf {
        self.dir.join("ca.crt")
    }

    /// Its content.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Issues a server certificate.
    ///
    /// # Errors
    /// CAT-3150 when a name is none or signing fails.
    pub fn issue(&self, names: &[&str], addresses: &[IpAddr]) -> Result<Issued> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).map_err(failed)?;
        params.subject_alt_names.extend(addresses.iter().copied().map(SanType::IpAddress));
        params.distinguished_name = called("Catalyst sandbox front");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        valid_for(&mut params, Span::new().days(LEAF_DAYS))?;
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.signed_by(&key, &self.issuer()?).map_err(failed)?;
        Ok(Issued { certificate: certificate.pem(), key: key.serialize_pem().into() })
    }

    fn issuer(&self) -> Result<Issuer<'static, KeyPair>> {
        let key = KeyPair::from_pem(self.key.expose_secret()).map_err(failed)?;
        Issuer::from_ca_cert_pem(&self.certificate, key).map_err(failed)
    }
}

fn make() -> Result<Issued> {
    let mut params = CertificateParams::default();
    params.distinguished_name = called("Catalyst sandbox CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid_for(&mut params, Span::new().years(AUTHORITY_YEARS))?;
    let key = KeyPair::generate().map_err(failed)?;
    let certificate = params.self_signed(&key).map_err(failed)?;
    Ok(Issued { certificate: certificate.pem(), key: key.serialize_pem().into() })
}

fn called(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// From yesterday, so that a clock that is a little behind does not refuse it.
fn valid_for(params: &mut CertificateParams, span: Span) -> Result<()> {
    let now = Zoned::now().with_time_zone(TimeZone::UTC);
    let day = |span: Span| {
        let date = now.checked_add(span).map_err(failed)?.date();
        let (month, day) = (date.month().unsigned_abs(), date.day().unsigned_abs());
        Ok::<_, Problem>(date_time_ymd(date.year().into(), month, day))
    };
    params.not_before = day(Span::new().days(-1))?;
    params.not_after = day(span)?;
    Ok(())
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Problem {
    CA.because(error.to_string()).source(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn an_authority_is_made_once_and_its_key_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let first = Authority::open_or_create(dir.path()).unwrap();
        let again = Authority::open_or_create(dir.path()).unwrap();
        assert_eq!(first.certificate(), again.certificate());
        let mode = dir.path().join("ca.key").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_authority_is_one_clear_problem() {
        let dir = tempfile::tempdir().unwrap();
        Authority::open_or_create(dir.path()).unwrap();
        fs::write(dir.path().join("ca.key"), "x").unwrap();
        assert_eq!(Authority::open_or_create(dir.path()).unwrap_err().code().number, 3150);
    }

    #[test]
    fn what_it_issues_is_accepted_for_its_names_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::open_or_create(dir.path()).unwrap();
        let issued = authority.issue(&["ghcr.io", "github.com"], &[]).unwrap();
        let pem = |text: &str| {
            use rustls::pki_types::{CertificateDer, pem::PemObject};
            CertificateDer::from_pem_slice(text.as_bytes()).unwrap()
        };
        let mut roots = rustls::RootCertStore::empty();
        roots.add(pem(authority.certificate())).unwrap();
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            rustls::client::WebPkiServerVerifier::builder_with_provider(roots.into(), provider)
                .build()
                .unwrap();
        let leaf = pem(&issued.certificate);
        let accepts = |name: &str| {
            use rustls::client::danger::ServerCertVerifier;
            let name = rustls::pki_types::ServerName::try_from(name.to_owned()).unwrap();
            let now = rustls::pki_types::UnixTime::now();
            verifier.verify_server_cert(&leaf, &[], &name, &[], now).is_ok()
        };
        assert!(accepts("ghcr.io") && accepts("github.com"));
        assert!(!accepts("gitlab.com"));
    }
}
