//! Customers' keys: 256 random bits behind `sk-ct_`, with six characters that let anyone tell a
//! key from a text offline. The book keeps the digest, and a copy that only the gateway can open.

use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, KeyType, Salt},
};
use secrecy::{ExposeSecret, SecretBox, SecretSlice, SecretString};
use sha2::{Digest, Sha256};

const PREFIX: &str = "sk-ct_";
const CHECK_CHARACTERS: usize = 6;

/// A key cannot be encrypted or decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what is sealed does not open with CRYPTO_SECRET")]
pub(crate) struct Sealed;

/// Makes a new key.
pub(crate) fn make() -> SecretString {
    let body = hex::encode(rand::random::<[u8; 32]>());
    let check = check(&body);
    SecretString::from(format!("{PREFIX}{body}{check}"))
}

fn check(body: &str) -> String {
    hex::encode(Sha256::digest(format!("{PREFIX}{body}")))[..CHECK_CHARACTERS].to_owned()
}

/// What finds a key: SHA-256 of the whole text. A text of 256 random bits needs no slow hash.
pub(crate) fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// Encrypts what must be read again, under a key made of `CRYPTO_SECRET`; and makes from it the
/// seed with which price books are signed.
#[derive(Debug)]
pub(crate) struct Vault {
    key: LessSafeKey,
    price_seed: SecretBox<[u8; 32]>,
}

/// 32 bytes, as HKDF must be told.
#[derive(Clone, Copy)]
struct Bytes32;

impl KeyType for Bytes32 {
    fn len(&self) -> usize {
        32
    }
}

impl Vault {
    /// A vault of a secret.
    pub(crate) fn new(secret: &SecretSlice<u8>) -> Result<Self, Sealed> {
        let derive = |purpose: &[u8]| -> Result<SecretBox<[u8; 32]>, Sealed> {
            let root = Salt::new(HKDF_SHA256, b"catalyst gateway").extract(secret.expose_secret());
            let mut bytes = Box::new([0_u8; 32]);
            let info = [purpose];
            let expanded = root.expand(&info, Bytes32).map_err(|_| Sealed)?;
            expanded.fill(bytes.as_mut()).map_err(|_| Sealed)?;
            Ok(SecretBox::new(bytes))
        };
        let key = derive(b"seal v1")?;
        let key = UnboundKey::new(&AES_256_GCM, key.expose_secret()).map_err(|_| Sealed)?;
        Ok(Self { key: LessSafeKey::new(key), price_seed: derive(b"price book v1")? })
    }

    /// The seed with which price books are signed.
    pub(crate) fn price_seed(&self) -> &SecretBox<[u8; 32]> {
        &self.price_seed
    }

    /// Encrypts `text`; it opens only as what it was sealed as.
    pub(crate) fn seal(&self, kind: &str, text: &SecretString) -> Result<Vec<u8>, Sealed> {
        let nonce: [u8; NONCE_LEN] = rand::random();
        let mut bytes = text.expose_secret().as_bytes().to_vec();
        let unique = Nonce::assume_unique_for_key(nonce);
        self.key
            .seal_in_place_append_tag(unique, Aad::from(kind.as_bytes()), &mut bytes)
            .map_err(|_| Sealed)?;
        Ok([nonce.as_slice(), &bytes].concat())
    }

    /// Decrypts what was sealed as `kind`.
    pub(crate) fn open(&self, kind: &str, sealed: &[u8]) -> Result<SecretString, Sealed> {
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN).ok_or(Sealed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Sealed)?;
        let mut text = text.to_vec();
        let plain = self.key.open_in_place(nonce, Aad::from(kind.as_bytes()), &mut text);
        let plain = plain.map_err(|_| Sealed)?;
        std::str::from_utf8(plain).map(SecretString::from).map_err(|_| Sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(secret: &[u8]) -> Vault {
        Vault::new(&SecretSlice::from(secret.to_vec())).unwrap()
    }

    #[test]
    fn a_key_has_one_dash_and_says_offline_that_it_is_one() {
        let key = make();
        let text = key.expose_secret();
        assert_eq!(text.matches('-').count(), 1);
        let (body, end) = text.strip_prefix(PREFIX).unwrap().split_at(64);
        assert_eq!(end, check(body));
        assert_ne!(text, make().expose_secret());
    }

    #[test]
    fn what_is_sealed_opens_only_with_its_secret_and_as_what_it_was() {
        let vault_a = vault(b"one");
        let sealed = vault_a.seal("key", &SecretString::from("sk-x")).unwrap();
        assert_eq!(vault_a.open("key", &sealed).unwrap().expose_secret(), "sk-x");
        assert!(vault_a.open("channel", &sealed).is_err());
        assert!(vault(b"two").open("key", &sealed).is_err());
        for place in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[place] ^= 1;
            assert!(vault_a.open("key", &bent).is_err(), "byte {place}");
        }
        assert!(vault_a.open("key", &sealed[..5]).is_err());
    }
}
