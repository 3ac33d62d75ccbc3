//! Keys that both sides have: deriving them, authenticating and encrypting with them.
//!
//! All of it is aws-lc-rs, which wipes the keys that it was given; ring does not.

use std::fmt;

use aws_lc_rs::cipher::{AES_128, AES_256, EncryptionContext, StreamingEncryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use zeroize::Zeroizing;

use super::{Error, Hash};

/// Derives `len` bytes of keys from a secret: HKDF (RFC 5869) without salt, which is a salt of zeros. At most 255 times
/// the hash's length.
pub fn hkdf(hash: Hash, secret: &[u8], info: &[u8], len: usize) -> Result<Zeroizing<Vec<u8>>, Error> {
    use aws_lc_rs::hkdf::{HKDF_SHA256, HKDF_SHA384, HKDF_SHA512, KeyType, Salt};
    struct Length(usize);
    impl KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let algorithm = match hash {
        Hash::Sha256 => HKDF_SHA256,
        Hash::Sha384 => HKDF_SHA384,
        Hash::Sha512 => HKDF_SHA512,
    };
    let failed = |_| Error::Library { what: "derive a key" };
    let mut derived = Zeroizing::new(vec![0; len]);
    let extracted = Salt::none(algorithm).extract(secret);
    extracted.expand(&[info], Length(len)).map_err(failed)?.fill(&mut derived).map_err(failed)?;
    Ok(derived)
}

/// Computes HMAC (RFC 2104), as long as the hash.
pub fn hmac(hash: Hash, key: &[u8], message: &[u8]) -> Vec<u8> {
    aws_lc_rs::hmac::sign(&hmac_key(hash, key), message).as_ref().to_vec()
}

/// Checks an HMAC in constant time. A tag that does not match, or is cut short, is [`Error::NotOpened`].
pub fn verify_hmac(hash: Hash, key: &[u8], message: &[u8], tag: &[u8]) -> Result<(), Error> {
    aws_lc_rs::hmac::verify(&hmac_key(hash, key), message, tag).map_err(|_| Error::NotOpened)
}

fn hmac_key(hash: Hash, key: &[u8]) -> aws_lc_rs::hmac::Key {
    use aws_lc_rs::hmac::{HMAC_SHA256, HMAC_SHA384, HMAC_SHA512, Key};
    let algorithm = match hash {
        Hash::Sha256 => HMAC_SHA256,
        Hash::Sha384 => HMAC_SHA384,
        Hash::Sha512 => HMAC_SHA512,
    };
    Key::new(algorithm, key)
}

/// The length of a block of AES in bytes.
const BLOCK: usize = 16;

/// Bytes that are encrypted in one call of the library.
const CHUNK: usize = 16 << 10;

/// AES in counter mode (NIST SP 800-38A section 6.5), whose counter is the big-endian number of the block and starts at
/// zero: for keys that encrypt one message alone. It authenticates nothing.
///
/// Encrypting and decrypting are the same. The library wipes the key when this is dropped.
pub struct Ctr {
    key: StreamingEncryptingKey,
    /// The library does not work in place; what it wrote may be plaintext.
    output: Zeroizing<Vec<u8>>,
}

impl Ctr {
    /// Starts at the first block. The key is of 16 bytes (AES-128) or 32 (AES-256); other lengths are
    /// [`Error::Malformed`].
    pub fn new(key: &[u8]) -> Result<Self, Error> {
        Self::at_block(key, 0)
    }

    /// Starts at a block of 16 bytes, counted from zero.
    pub fn at_block(key: &[u8], block: u64) -> Result<Self, Error> {
        let algorithm = match key.len() {
            16 => &AES_128,
            32 => &AES_256,
            _ => return Err(Error::Malformed { what: "the AES key" }),
        };
        let failed = |_| Error::Library { what: "encrypt with AES" };
        let counter = EncryptionContext::Iv128(FixedLength::from(u128::from(block).to_be_bytes()));
        let key = UnboundCipherKey::new(algorithm, key).map_err(failed)?;
        let key = StreamingEncryptingKey::less_safe_ctr(key, counter).map_err(failed)?;
        // The library wants room for whole blocks, though this mode fills none up.
        Ok(Self { key, output: Zeroizing::new(vec![0; CHUNK + BLOCK]) })
    }

    /// Encrypts or decrypts the next bytes, of any number.
    pub fn apply(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        let failed = || Error::Library { what: "encrypt with AES" };
        for chunk in bytes.chunks_mut(CHUNK) {
            let update = self.key.less_safe_update(chunk, &mut self.output).map_err(|_| failed())?;
            if update.written().len() != chunk.len() {
                return Err(failed());
            }
            chunk.copy_from_slice(update.written());
        }
        Ok(())
    }
}

impl fmt::Debug for Ctr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ctr(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::to_hex;

    /// RFC 5869 appendix A.3.
    #[test]
    fn rfc_5869_vector() {
        let derived = hkdf(Hash::Sha256, &[0x0b; 22], b"", 42).unwrap();
        let expected = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8";
        assert_eq!(to_hex(&derived), expected);
        assert!(hkdf(Hash::Sha256, b"secret", b"", 255 * 32 + 1).is_err());
    }

    /// RFC 4231 section 4.3.
    #[test]
    fn rfc_4231_vector() {
        let message = b"what do ya want for nothing?";
        let mut tag = hmac(Hash::Sha256, b"Jefe", message);
        assert_eq!(to_hex(&tag), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        verify_hmac(Hash::Sha256, b"Jefe", message, &tag).unwrap();
        assert!(matches!(verify_hmac(Hash::Sha256, b"Jefe", message, &tag[..31]), Err(Error::NotOpened)));
        tag[31] ^= 1;
        assert!(matches!(verify_hmac(Hash::Sha256, b"Jefe", message, &tag), Err(Error::NotOpened)));
    }

    /// The zero key's blocks 0, 1 and 2 stand in the test cases 1, 2 and 13 of the GCM specification (McGrew and Viega,
    /// appendix B) as H, E(K, Y0) and, of zeros, as ciphertext.
    #[test]
    fn known_blocks() {
        let mut three = [0; 48];
        Ctr::new(&[0; 16]).unwrap().apply(&mut three).unwrap();
        let expected =
            "66e94bd4ef8a2c3b884cfa59ca342b2e58e2fccefa7e3061367f1d57a4e7455a0388dace60b6a392f328c2b971b2fe78";
        assert_eq!(to_hex(&three), expected);
        let mut two = [0; 32];
        Ctr::new(&[0; 32]).unwrap().apply(&mut two).unwrap();
        assert_eq!(to_hex(&two), "dc95c078a2408989ad48a21492842087530f8afbc74536b9a963b4f1c4cb738b");
    }

    #[test]
    fn chunks_and_starting_points_make_no_difference() {
        let key = [7; 32];
        let mut whole = vec![0; 3 * CHUNK + 5];
        Ctr::new(&key).unwrap().apply(&mut whole).unwrap();
        let mut pieces = vec![0; whole.len()];
        let mut ctr = Ctr::new(&key).unwrap();
        let mut rest = pieces.as_mut_slice();
        for len in [0, 1, 15, 16, 17, CHUNK - 1, CHUNK + 1, 3].into_iter().cycle() {
            let (head, tail) = rest.split_at_mut(len.min(rest.len()));
            ctr.apply(head).unwrap();
            rest = tail;
            if rest.is_empty() {
                break;
            }
        }
        assert_eq!(pieces, whole);
        for block in [1, 2, 1024, 2047] {
            let start = block * BLOCK;
            let mut part = [0; 40];
            Ctr::at_block(&key, block as u64).unwrap().apply(&mut part).unwrap();
            assert_eq!(part, whole[start..start + 40]);
        }
        // The carry goes beyond 32 bits.
        let mut beyond = [0; 32];
        Ctr::at_block(&key, (1 << 32) - 1).unwrap().apply(&mut beyond).unwrap();
        let mut first = [0; 16];
        Ctr::at_block(&key, 1 << 32).unwrap().apply(&mut first).unwrap();
        assert_eq!(beyond[16..], first);
        assert_ne!(first, whole[..16]);
    }

    #[test]
    fn other_lengths_of_key_are_refused() {
        for len in [0, 15, 24, 33] {
            assert!(matches!(Ctr::new(&vec![0; len]), Err(Error::Malformed { .. })));
        }
    }
}
