//! Making secrets and comparing them: random text, its hash, and nothing that could print it.

use catalyst_model::SecretHash;
use rand::{TryRng, rngs::SysRng};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::Error;

/// `N` random bytes from the system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    SysRng.try_fill_bytes(&mut bytes).map_err(Error::internal)?;
    Ok(bytes)
}

/// A new secret of 256 random bits as hexadecimal text after `prefix`.
pub(crate) fn mint(prefix: &str) -> Result<SecretString, Error> {
    Ok(SecretString::from(format!("{prefix}{}", hex::encode(random::<32>()?))))
}

/// The hash of a secret's text, which is what is kept of it.
pub(crate) fn hash(secret: &SecretString) -> SecretHash {
    SecretHash(hex::encode(Sha256::digest(secret.expose_secret().as_bytes())))
}

/// Whether `secret` is the one with this hash; takes the same time for any answer.
pub(crate) fn matches(secret: &SecretString, kept: &SecretHash) -> bool {
    hash(secret).0.as_bytes().ct_eq(kept.0.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_of_the_text_not_of_the_bytes_behind_it() {
        let bearer = SecretString::from("00ff");
        assert_eq!(hash(&bearer).0, hex::encode(Sha256::digest(b"00ff")));
        assert!(matches(&bearer, &hash(&bearer)));
        assert!(!matches(&SecretString::from("00fe"), &hash(&bearer)));
    }

    #[test]
    fn minted_secrets_are_long_and_differ() {
        let (a, b) = (mint("cat_").unwrap(), mint("cat_").unwrap());
        assert_eq!(a.expose_secret().len(), 4 + 64);
        assert_ne!(a.expose_secret(), b.expose_secret());
    }
}
