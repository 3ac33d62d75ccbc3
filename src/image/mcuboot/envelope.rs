//! The encrypted content key of an MCUboot image: a TLV whose value only the device's private key opens.
//!
//! The image is encrypted with AES-128 or AES-256 under a content key of its own ([`Ctr`]), and that key goes with it in
//! one of four ways, which differ in the recipient's key and in the hash `H`:
//!
//! ```text
//! TLV    name              H        value
//! 0x30   ENCRSA2048                 RSAES-OAEP(content key): SHA-256, MGF1 with SHA-256, no label   256
//! 0x32   ENCEC256          SHA-256  public 65 | mac 32 | cipherkey 16 or 32               113 or 129
//! 0x33   ENCX25519         SHA-256  public 32 | mac 32 | cipherkey 16 or 32                80 or  96
//! 0x34   ENCX25519_SHA512  SHA-512  public 32 | mac 64 | cipherkey 16 or 32               112 or 128
//!
//! public     the sender's key, made for this once: an uncompressed point, or X25519's bytes
//! secret     what the sender's and the recipient's key agree on
//! k | m      HKDF-H(secret, no salt, info "MCUBoot_ECIES_v1"): as long as the content key, and as H
//! cipherkey  content key, by AES-CTR with k and a counter from zero
//! mac        HMAC-H(m, cipherkey)
//! ```
//!
//! Sources: mcu-tools/mcuboot `scripts/imgtool/image.py` (`ecies_hkdf`, `create`), and for the device
//! `boot/bootutil/src/encrypted.c` (`boot_decrypt_key`), `boot/bootutil/include/bootutil/enc_key_public.h` (sizes).

use zeroize::Zeroizing;

use super::tlv::kind;
use crate::key::{Ctr, Decrypter, Error, Hash, Recipient, RecipientType, hkdf, hmac, verify_hmac};

/// What HKDF binds the keys to.
const INFO: &[u8] = b"MCUBoot_ECIES_v1";

/// The ways in which a content key goes with its image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Envelope {
    /// ENCRSA2048: wrapped with RSA.
    Rsa2048,
    /// ENCEC256: key agreement on P-256.
    Ec256,
    /// ENCX25519: key agreement by X25519.
    X25519,
    /// ENCX25519_SHA512: the same with SHA-512.
    X25519Sha512,
}

impl Envelope {
    /// Every way.
    pub const ALL: [Self; 4] = [Self::Rsa2048, Self::Ec256, Self::X25519, Self::X25519Sha512];

    /// The way to a recipient. `mac` is the hash `H`, SHA-256 for all but X25519, where it may be SHA-512 too; a
    /// recipient of RSA has none, and `mac` must be SHA-256.
    ///
    /// A type of key or a hash that no device opens is [`Error::Use`]; of RSA that is all but 2048 bits, as the device
    /// takes 256 bytes.
    pub fn to(recipient: &Recipient, mac: Hash) -> Result<Self, Error> {
        let key = recipient.recipient_type();
        let cannot = |cannot| Error::Use { key: key.to_string(), cannot };
        match (key, mac) {
            (RecipientType::Rsa(2048), Hash::Sha256) => Ok(Self::Rsa2048),
            (RecipientType::P256, Hash::Sha256) => Ok(Self::Ec256),
            (RecipientType::X25519, Hash::Sha256) => Ok(Self::X25519),
            (RecipientType::X25519, Hash::Sha512) => Ok(Self::X25519Sha512),
            (_, Hash::Sha256) => Err(cannot("be encrypted to in MCUboot, whose RSA keys have 2048 bits")),
            (RecipientType::X25519, _) => Err(cannot("be encrypted to in MCUboot with this hash")),
            _ => Err(cannot("be encrypted to in MCUboot with a hash but SHA-256")),
        }
    }

    /// The way of a TLV's type; `None` where that is no encrypted key that is known.
    pub fn of_tlv(tlv: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|envelope| envelope.tlv() == tlv)
    }

    /// The TLV's type.
    pub fn tlv(self) -> u16 {
        match self {
            Self::Rsa2048 => kind::ENCRSA2048,
            Self::Ec256 => kind::ENCEC256,
            Self::X25519 => kind::ENCX25519,
            Self::X25519Sha512 => kind::ENCX25519_SHA512,
        }
    }

    /// The type of key that opens it.
    pub fn recipient_type(self) -> RecipientType {
        match self {
            Self::Rsa2048 => RecipientType::Rsa(2048),
            Self::Ec256 => RecipientType::P256,
            Self::X25519 | Self::X25519Sha512 => RecipientType::X25519,
        }
    }

    /// The length in bytes of the value around a content key of `key_len` bytes.
    pub fn value_len(self, key_len: usize) -> usize {
        match self.agreement() {
            Some((public_len, hash)) => public_len + hash.output_len() + key_len,
            None => RSA_LEN,
        }
    }

    /// The length of the sender's key, and the hash; `None` for RSA.
    fn agreement(self) -> Option<(usize, Hash)> {
        let hash = if self == Self::X25519Sha512 { Hash::Sha512 } else { Hash::Sha256 };
        Some((self.recipient_type().public_len()?, hash))
    }

    /// Encrypts a content key of 16 or 32 bytes: the TLV's value, which is another one each time.
    ///
    /// A recipient of another type is [`Error::Use`].
    pub fn seal(self, recipient: &Recipient, content_key: &[u8]) -> Result<Vec<u8>, Error> {
        self.check(recipient, "be encrypted to like this")?;
        if !is_key_len(content_key.len()) {
            return Err(Error::Malformed { what: "the content key" });
        }
        let Some((_, hash)) = self.agreement() else { return recipient.wrap(content_key) };
        let agreed = recipient.agree()?;
        let keys = Keys::derive(hash, &agreed.secret, content_key.len())?;
        let mut cipherkey = Zeroizing::new(content_key.to_vec());
        Ctr::new(keys.cipher())?.apply(&mut cipherkey)?;
        Ok([&agreed.public[..], &hmac(hash, keys.mac(), &cipherkey), &cipherkey].concat())
    }

    /// Opens a TLV's value: the content key, of 16 or 32 bytes.
    ///
    /// A value of a length that is none of this way's is [`Error::Malformed`], a private key of another type
    /// [`Error::Use`]. All else that is wrong is one error, [`Error::NotOpened`].
    pub fn open(self, decrypter: &dyn Decrypter, value: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let malformed = || Error::Malformed { what: "the encrypted key" };
        self.check(decrypter.recipient(), "open what was encrypted for another type")?;
        let Some((public_len, hash)) = self.agreement() else {
            if value.len() != RSA_LEN {
                return Err(malformed());
            }
            let content_key = decrypter.unwrap(value)?;
            return if is_key_len(content_key.len()) { Ok(content_key) } else { Err(Error::NotOpened) };
        };
        let (public, rest) = value.split_at_checked(public_len).ok_or_else(malformed)?;
        let (mac, cipherkey) = rest.split_at_checked(hash.output_len()).ok_or_else(malformed)?;
        if !is_key_len(cipherkey.len()) {
            return Err(malformed());
        }
        let keys = Keys::derive(hash, &decrypter.agree(public)?, cipherkey.len())?;
        verify_hmac(hash, keys.mac(), cipherkey, mac)?;
        let mut content_key = Zeroizing::new(cipherkey.to_vec());
        Ctr::new(keys.cipher())?.apply(&mut content_key)?;
        Ok(content_key)
    }

    fn check(self, recipient: &Recipient, cannot: &'static str) -> Result<(), Error> {
        match recipient.recipient_type() {
            found if found == self.recipient_type() => Ok(()),
            other => Err(Error::Use { key: other.to_string(), cannot }),
        }
    }
}

/// The length of what RSA-2048 encrypts, in bytes.
const RSA_LEN: usize = 256;

/// Whether a content key is of AES-128 or AES-256.
fn is_key_len(len: usize) -> bool {
    matches!(len, 16 | 32)
}

/// The keys of one agreement: to encrypt the content key, and to authenticate that.
struct Keys {
    bytes: Zeroizing<Vec<u8>>,
    cipher_len: usize,
}

impl Keys {
    fn derive(hash: Hash, secret: &[u8], cipher_len: usize) -> Result<Self, Error> {
        Ok(Self { bytes: hkdf(hash, secret, INFO, cipher_len + hash.output_len())?, cipher_len })
    }

    fn cipher(&self) -> &[u8] {
        &self.bytes[..self.cipher_len]
    }

    fn mac(&self) -> &[u8] {
        &self.bytes[self.cipher_len..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{KeyType, SoftwareDecrypter, SoftwareKey, X25519Key};

    fn decrypter(envelope: Envelope) -> SoftwareDecrypter {
        let signing = |key_type| SoftwareDecrypter::try_from(&SoftwareKey::generate(key_type).unwrap()).unwrap();
        match envelope {
            Envelope::Rsa2048 => signing(KeyType::Rsa(2048)),
            Envelope::Ec256 => signing(KeyType::P256),
            Envelope::X25519 | Envelope::X25519Sha512 => {
                SoftwareDecrypter::try_from(&X25519Key::generate().unwrap()).unwrap()
            }
        }
    }

    #[test]
    fn what_is_sealed_opens_and_a_flipped_bit_anywhere_does_not() {
        for envelope in Envelope::ALL {
            let own = decrypter(envelope);
            let content_key: Vec<u8> = (0..32).collect();
            for content_key in [&content_key[..16], &content_key] {
                let value = envelope.seal(own.recipient(), content_key).unwrap();
                assert_eq!(value.len(), envelope.value_len(content_key.len()));
                assert_ne!(envelope.seal(own.recipient(), content_key).unwrap(), value);
                assert_eq!(envelope.open(&own, &value).unwrap().as_slice(), content_key);
                assert!(matches!(envelope.open(&decrypter(envelope), &value), Err(Error::NotOpened)));
                // RSA takes its time.
                let step = if envelope == Envelope::Rsa2048 { 37 } else { 1 };
                for index in (0..value.len()).step_by(step) {
                    let mut twin = value.clone();
                    twin[index] ^= 1;
                    assert!(matches!(envelope.open(&own, &twin), Err(Error::NotOpened)), "{envelope:?} {index}");
                }
                let longer = [&value[..], &[0]].concat();
                for wrong in [&value[1..], &longer, &[]] {
                    assert!(matches!(envelope.open(&own, wrong), Err(Error::Malformed { .. })));
                }
            }
        }
    }

    #[test]
    fn wrapped_keys_of_other_lengths_are_not_told_apart_from_damage() {
        let own = decrypter(Envelope::Rsa2048);
        for len in [0, 15, 24, 33] {
            let value = own.recipient().wrap(&vec![7; len]).unwrap();
            assert!(matches!(Envelope::Rsa2048.open(&own, &value), Err(Error::NotOpened)));
            assert!(Envelope::Rsa2048.seal(own.recipient(), &vec![7; len]).is_err());
        }
    }

    #[test]
    fn each_recipient_has_its_ways() {
        for envelope in Envelope::ALL {
            assert_eq!(Envelope::of_tlv(envelope.tlv()), Some(envelope));
            let own = decrypter(envelope);
            for mac in Hash::ALL {
                let found = Envelope::to(own.recipient(), mac).ok();
                let expected = match (envelope, mac) {
                    (Envelope::X25519 | Envelope::X25519Sha512, Hash::Sha256) => Some(Envelope::X25519),
                    (Envelope::X25519 | Envelope::X25519Sha512, Hash::Sha512) => Some(Envelope::X25519Sha512),
                    (_, Hash::Sha256) => Some(envelope),
                    _ => None,
                };
                assert_eq!(found, expected);
            }
            for other in Envelope::ALL.into_iter().filter(|other| other.recipient_type() != envelope.recipient_type()) {
                assert!(matches!(other.seal(own.recipient(), &[0; 16]), Err(Error::Use { .. })));
                let value = vec![0; other.value_len(16)];
                assert!(matches!(other.open(&own, &value), Err(Error::Use { .. })));
            }
        }
        assert_eq!(Envelope::of_tlv(0x31), None);
        let large = SoftwareKey::generate(KeyType::Rsa(3072)).unwrap();
        let large = SoftwareDecrypter::try_from(&large).unwrap();
        assert!(matches!(Envelope::to(large.recipient(), Hash::Sha256), Err(Error::Use { .. })));
    }
}
