//! The keys and certificates of one Sovereign: one authority, and what it signs.
//!
//! Entry point: [`Pki::ensure`]. Kubernetes reads who somebody is from the certificate's subject:
//! the common name is the user, the organisations are the groups. Keys are files of mode 0600 in a
//! folder of mode 0700. What would end within a month is made anew at the next start; the authority
//! itself lasts ten years and is never replaced, for every client trusts it by name.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};

use crate::paths::{private_dir, write_private, write_public};
use crate::problem::{Code, Result, file};

/// A key or certificate could not be made or read.
pub const PKI: Code = Code::new(
    3220,
    "a certificate of the Sovereign could not be made",
    "The Sovereign's `pki` folder may be damaged. `catalyst sandbox down --purge` removes it with all data; the next `up` makes a new one.",
);

/// The codes of this module.
pub const CODES: &[&Code] = &[&PKI];

/// How long the authority lasts.
const AUTHORITY_LIFE: Duration = Duration::from_secs(3650 * 86_400);
/// How long what it signs lasts.
const LEAF_LIFE: Duration = Duration::from_secs(825 * 86_400);
/// A certificate with less time left than this is made anew.
const RENEW_BEFORE: Duration = Duration::from_secs(30 * 86_400);
/// Clocks that differ must not make a fresh certificate invalid.
const BACKDATE: Duration = Duration::from_secs(3600);

/// Who a client certificate speaks for.
#[derive(Debug, Clone, Copy)]
pub struct Client {
    /// The file's name without its ending.
    pub file: &'static str,
    /// The common name, with `{node}` for the node's name.
    pub user: &'static str,
    /// The organisation: the group; empty for none.
    pub group: &'static str,
}

/// Every client certificate of a node.
pub const CLIENTS: &[Client] = &[
    Client { file: "admin", user: "catalyst-admin", group: "system:masters" },
    Client { file: "kubelet", user: "system:node:{node}", group: "system:nodes" },
    Client { file: "controller-manager", user: "system:kube-controller-manager", group: "" },
    Client { file: "scheduler", user: "system:kube-scheduler", group: "" },
    Client { file: "proxy", user: "system:kube-proxy", group: "" },
    Client {
        file: "apiserver-kubelet-client",
        user: "catalyst-apiserver",
        group: "system:masters",
    },
    Client { file: "front-proxy-client", user: "front-proxy-client", group: "" },
];

/// The folder of one Sovereign's keys.
#[derive(Debug, Clone)]
pub struct Pki {
    dir: PathBuf,
}

impl Pki {
    /// Names the folder; nothing is made yet.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The certificate file called `name`.
    pub fn cert(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.crt"))
    }

    /// The key file called `name`.
    pub fn key(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.key"))
    }

    /// The public half of the service account key: the API server does not take it from a PKCS 8 key.
    pub fn public(&self) -> PathBuf {
        self.dir.join("service-account.pub")
    }

    /// Makes what is missing or near its end: the authority, the server certificates for `node_ip`,
    /// the service address and `node`, the client certificates, and the service account key.
    ///
    /// # Errors
    /// CAT-3220 when a key cannot be made or read, CAT-3000 for files.
    pub fn ensure(&self, node: &str, node_ip: Ipv4Addr, service_ip: Ipv4Addr) -> Result<()> {
        private_dir(&self.dir)?;
        let authority = self.authority()?;
        let servers: [(&str, Vec<IpAddr>, &[&str]); 2] = [
            (
                "apiserver",
                vec![node_ip.into(), service_ip.into(), Ipv4Addr::LOCALHOST.into()],
                &[
                    "kubernetes",
                    "kubernetes.default",
                    "kubernetes.default.svc",
                    "kubernetes.default.svc.cluster.local",
                    "localhost",
                ],
            ),
            ("kubelet-server", vec![node_ip.into(), Ipv4Addr::LOCALHOST.into()], &[]),
        ];
        for (name, addresses, names) in servers {
            let names = names.iter().copied().chain([node]).map(str::to_owned).collect();
            self.leaf(name, &authority, || server(name, &addresses, names))?;
        }
        for client in CLIENTS {
            self.leaf(client.file, &authority, || {
                Ok(subject(&client.user.replace("{node}", node), client.group))
            })?;
        }
        self.account()?;
        Ok(())
    }

    fn account(&self) -> Result<()> {
        let path = self.key("service-account");
        let pair =
            if path.exists() { KeyPair::from_pem(&read(&path)?) } else { KeyPair::generate() };
        let pair = pair.map_err(|error| bad("service-account", error))?;
        write_public(&self.public(), pair.public_key_pem().as_bytes())?;
        if path.exists() { Ok(()) } else { write_private(&path, pair.serialize_pem().as_bytes()) }
    }

    fn authority(&self) -> Result<Issuer<'static, KeyPair>> {
        let (cert, key) = (self.cert("ca"), self.key("ca"));
        if cert.exists() && key.exists() {
            let pair = KeyPair::from_pem(&read(&key)?).map_err(|error| bad("ca", error))?;
            return Issuer::from_ca_cert_pem(&read(&cert)?, pair).map_err(|error| bad("ca", error));
        }
        let mut params = subject("catalyst-sovereign", "");
        lifetime(&mut params, AUTHORITY_LIFE);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.extended_key_usages = Vec::new();
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
        ];
        let pair = KeyPair::generate().map_err(|error| bad("ca", error))?;
        let signed = params.self_signed(&pair).map_err(|error| bad("ca", error))?;
        // The key first: a certificate without its key would be taken for a damaged folder.
        write_private(&key, pair.serialize_pem().as_bytes())?;
        write_public(&cert, signed.pem().as_bytes())?;
        Ok(Issuer::new(params, pair))
    }

    fn leaf(
        &self,
        name: &str,
        authority: &Issuer<'static, KeyPair>,
        params: impl FnOnce() -> Result<CertificateParams>,
    ) -> Result<()> {
        let (cert, key) = (self.cert(name), self.key(name));
        if key.exists() && lasts(&cert) {
            return Ok(());
        }
        let mut params = params()?;
        lifetime(&mut params, LEAF_LIFE);
        let pair = KeyPair::generate().map_err(|error| bad(name, error))?;
        let signed = params.signed_by(&pair, authority).map_err(|error| bad(name, error))?;
        write_private(&key, pair.serialize_pem().as_bytes())?;
        write_public(&cert, signed.pem().as_bytes())
    }
}

/// A client's certificate request: who it is, nothing else.
fn subject(user: &str, group: &str) -> CertificateParams {
    let mut name = DistinguishedName::new();
    if !group.is_empty() {
        name.push(DnType::OrganizationName, group);
    }
    name.push(DnType::CommonName, user);
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn server(name: &str, addresses: &[IpAddr], names: Vec<String>) -> Result<CertificateParams> {
    let mut params = CertificateParams::new(names).map_err(|error| bad(name, error))?;
    params.subject_alt_names.extend(addresses.iter().copied().map(SanType::IpAddress));
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

fn lifetime(params: &mut CertificateParams, life: Duration) {
    let now = SystemTime::now();
    params.not_before = (now - BACKDATE).into();
    params.not_after = (now + life).into();
}

/// Whether the certificate file is there and has more than a month left, by the day it was written.
fn lasts(cert: &Path) -> bool {
    let written = fs::metadata(cert).and_then(|facts| facts.modified());
    written.is_ok_and(|at| at.elapsed().unwrap_or_default() + RENEW_BEFORE < LEAF_LIFE)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| file("read", path, error))
}

fn bad(name: &str, error: rcgen::Error) -> crate::problem::Problem {
    PKI.because(format!("`{name}`: {error}")).source(error)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const NODE: Ipv4Addr = Ipv4Addr::new(10, 210, 0, 2);
    const SERVICE: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);

    #[test]
    fn keys_are_private_and_a_second_run_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let pki = Pki::at(dir.path().join("pki"));
        pki.ensure("sov1", NODE, SERVICE).unwrap();
        let key = pki.key("admin");
        assert_eq!(key.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let before = (fs::read(pki.cert("ca")).unwrap(), fs::read(pki.cert("apiserver")).unwrap());
        pki.ensure("sov1", NODE, SERVICE).unwrap();
        let after = (fs::read(pki.cert("ca")).unwrap(), fs::read(pki.cert("apiserver")).unwrap());
        assert_eq!(before, after);
    }

    #[test]
    fn a_certificate_near_its_end_is_renewed_under_the_same_authority() {
        let dir = tempfile::tempdir().unwrap();
        let pki = Pki::at(dir.path());
        pki.ensure("sov1", NODE, SERVICE).unwrap();
        let (ca, old) = (fs::read(pki.cert("ca")).unwrap(), fs::read(pki.cert("proxy")).unwrap());
        let file = fs::File::options().write(true).open(pki.cert("proxy")).unwrap();
        file.set_modified(SystemTime::now() - (LEAF_LIFE - RENEW_BEFORE)).unwrap();
        pki.ensure("sov1", NODE, SERVICE).unwrap();
        assert_eq!(fs::read(pki.cert("ca")).unwrap(), ca);
        assert_ne!(fs::read(pki.cert("proxy")).unwrap(), old);
    }

    #[test]
    fn a_damaged_authority_is_one_clear_problem() {
        let dir = tempfile::tempdir().unwrap();
        let pki = Pki::at(dir.path());
        pki.ensure("sov1", NODE, SERVICE).unwrap();
        fs::write(pki.key("ca"), "").unwrap();
        let problem = pki.ensure("sov1", NODE, SERVICE).unwrap_err();
        assert_eq!(problem.code().number, 3220);
    }
}
