//! Keys that both sides have: deriving them, authenticating and encrypting with them.
//!
//! All of it is aws-lc-rs, which wipes the keys that it was given; ring does not.

use std::fmt;

use aws_lc_rs::cipher::{
    self, AES_128, AES_256, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey, PaddedBlockEncryptingKey,
    StreamingEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::key_wrap::{self, AesKek, KeyWrap};
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

/// The hash of [`x963_kdf`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KdfHash {
    /// SHA-1, which some still choose where nothing better is said. Collisions, which it has, are of no use against a
    /// derivation from a secret.
    Sha1,
    /// One of the table.
    Sha2(Hash),
}

/// Derives `len` bytes of keys from a secret that was agreed on: the KDF of ANSI X9.63 (SEC 1 version 2 section 3.6.1),
/// `Hash(secret || counter || info)` for as many counters as it takes.
pub fn x963_kdf(hash: KdfHash, secret: &[u8], info: &[u8], len: usize) -> Zeroizing<Vec<u8>> {
    let algorithm = match hash {
        KdfHash::Sha1 => &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY,
        KdfHash::Sha2(Hash::Sha256) => &aws_lc_rs::digest::SHA256,
        KdfHash::Sha2(Hash::Sha384) => &aws_lc_rs::digest::SHA384,
        KdfHash::Sha2(Hash::Sha512) => &aws_lc_rs::digest::SHA512,
    };
    // Room for the last block, so that the keys are never moved.
    let mut derived = Zeroizing::new(Vec::with_capacity(len + algorithm.output_len()));
    for counter in 1_u32.. {
        if derived.len() >= len {
            break;
        }
        let mut context = aws_lc_rs::digest::Context::new(algorithm);
        for part in [secret, &counter.to_be_bytes(), info] {
            context.update(part);
        }
        derived.extend_from_slice(context.finish().as_ref());
    }
    derived.truncate(len);
    derived
}

/// Wraps a key of a multiple of 8 bytes, 16 or more, with AES (RFC 3394): the result is 8 bytes longer. `kek` is of 16
/// bytes (AES-128) or 32 (AES-256).
pub fn wrap_key(kek: &[u8], key: &[u8]) -> Result<Vec<u8>, Error> {
    let mut wrapped = vec![0; key.len() + WRAP_OVERHEAD];
    let failed = |_| Error::Library { what: "wrap a key" };
    let len = key_encryption_key(kek)?.wrap(key, &mut wrapped).map_err(failed)?.len();
    wrapped.truncate(len);
    Ok(wrapped)
}

/// Unwraps a key (RFC 3394). One that was not wrapped with `kek`, or was changed since, is [`Error::NotOpened`].
pub fn unwrap_key(kek: &[u8], wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut key = Zeroizing::new(vec![0; wrapped.len().saturating_sub(WRAP_OVERHEAD)]);
    let len = key_encryption_key(kek)?.unwrap(wrapped, &mut key).map_err(|_| Error::NotOpened)?.len();
    key.truncate(len);
    Ok(key)
}

/// The length in bytes of the check value that key wrapping adds (RFC 3394 section 2.2.3).
const WRAP_OVERHEAD: usize = 8;

fn key_encryption_key(kek: &[u8]) -> Result<AesKek, Error> {
    let cipher = match kek.len() {
        16 => &key_wrap::AES_128,
        32 => &key_wrap::AES_256,
        _ => return Err(Error::Malformed { what: "the AES key" }),
    };
    AesKek::new(cipher, kek).map_err(|_| Error::Library { what: "wrap a key" })
}

/// Encrypts with AES in CBC mode (NIST SP 800-38A section 6.2) under a fresh initialisation vector, which is returned
/// first; the last block is filled up as RFC 5652 section 6.3 has it. It authenticates nothing.
pub fn encrypt_cbc(key: &[u8], content: &[u8]) -> Result<([u8; BLOCK], Vec<u8>), Error> {
    let mut iv = [0; BLOCK];
    super::random(&mut iv)?;
    Ok((iv, encrypt_cbc_from(iv, key, content)?))
}

fn encrypt_cbc_from(iv: [u8; BLOCK], key: &[u8], content: &[u8]) -> Result<Vec<u8>, Error> {
    let failed = |_| Error::Library { what: "encrypt with AES" };
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(aes_key(key)?).map_err(failed)?;
    // Room for the filling, so that the content is never moved; in the end it is overwritten by what is encrypted.
    let mut encrypted = Vec::with_capacity(content.len() + BLOCK);
    encrypted.extend_from_slice(content);
    key.less_safe_encrypt(&mut encrypted, EncryptionContext::Iv128(FixedLength::from(iv))).map_err(failed)?;
    Ok(encrypted)
}

/// Decrypts what [`encrypt_cbc`] made. Everything that is wrong with it is [`Error::NotOpened`]; most changes are not
/// noticed at all.
pub fn decrypt_cbc(key: &[u8], iv: [u8; BLOCK], encrypted: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let failed = |_| Error::Library { what: "decrypt with AES" };
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(aes_key(key)?).map_err(failed)?;
    let mut content = Zeroizing::new(encrypted.to_vec());
    let context = DecryptionContext::Iv128(FixedLength::from(iv));
    let len = key.decrypt(&mut content, context).map_err(|_| Error::NotOpened)?.len();
    content.truncate(len);
    Ok(content)
}

/// Takes an AES key of 16 bytes or 32; other lengths are [`Error::Malformed`].
fn aes_key(key: &[u8]) -> Result<UnboundCipherKey, Error> {
    let algorithm: &'static cipher::Algorithm = match key.len() {
        16 => &AES_128,
        32 => &AES_256,
        _ => return Err(Error::Malformed { what: "the AES key" }),
    };
    UnboundCipherKey::new(algorithm, key).map_err(|_| Error::Library { what: "encrypt with AES" })
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
pub const BLOCK: usize = 16;

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
        let failed = |_| Error::Library { what: "encrypt with AES" };
        let counter = EncryptionContext::Iv128(FixedLength::from(u128::from(block).to_be_bytes()));
        let key = StreamingEncryptingKey::less_safe_ctr(aes_key(key)?, counter).map_err(failed)?;
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
    use crate::files::{from_hex, to_hex};

    fn bytes(hex: &str) -> Vec<u8> {
        from_hex(hex).unwrap()
    }

    /// RFC 5869 appendix A.3.
    #[test]
    fn rfc_5869_vector() {
        let derived = hkdf(Hash::Sha256, &[0x0b; 22], b"", 42).unwrap();
        let expected = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8";
        assert_eq!(to_hex(&derived), expected);
        assert!(hkdf(Hash::Sha256, b"secret", b"", 255 * 32 + 1).is_err());
    }

    /// The first answers of NIST's CAVP test vectors for ANSI X9.63-2001, without and with shared info.
    #[test]
    fn x963_vectors() {
        let secret = bytes("1c7d7b5f0597b03d06a018466ed1a93e30ed4b04dc64ccdd");
        assert_eq!(to_hex(&x963_kdf(KdfHash::Sha1, &secret, &[], 16)), "bf71dffd8f4d99223936beb46fee8ccc");
        let secret = bytes("96c05619d56c328ab95fe84b18264b08725b85e33fd34f08");
        let sha256 = KdfHash::Sha2(Hash::Sha256);
        assert_eq!(to_hex(&x963_kdf(sha256, &secret, &[], 16)), "443024c3dae66b95e6f5670601558f71");
        let secret = bytes("22518b10e70f2a3f243810ae3254139efbee04aa57c7af7d");
        let derived = x963_kdf(sha256, &secret, &bytes("75eef81aa3041e33b80971203d2c0c52"), 128);
        let expected = "c498af77161cc59f2962b9a713e2b215152d139766ce34a776df11866a69bf2e\
                        52a13d9c7c6fc878c50c5ea0bc7b00e0da2447cfd874f6cf92f30d0097111485\
                        500c90c3af8b487872d04685d14c8d1dc8d7fa08beb0ce0ababc11f0bd496269\
                        142d43525a78e5bc79a17f59676a5706dc54d54d4d1f0bd7e386128ec26afc21";
        assert_eq!(to_hex(&derived), expected);
    }

    /// RFC 3394 sections 4.1 and 4.6.
    #[test]
    fn rfc_3394_vectors() {
        for (kek, key, wrapped) in [
            (
                "000102030405060708090a0b0c0d0e0f",
                "00112233445566778899aabbccddeeff",
                "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5",
            ),
            (
                "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
                "00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f",
                "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21",
            ),
        ] {
            let kek = bytes(kek);
            assert_eq!(to_hex(&wrap_key(&kek, &bytes(key)).unwrap()), wrapped);
            let mut wrapped = bytes(wrapped);
            assert_eq!(to_hex(&unwrap_key(&kek, &wrapped).unwrap()), key);
            wrapped[9] ^= 1;
            for bad in [&wrapped[..], &wrapped[1..], &wrapped[..16], &[]] {
                assert!(matches!(unwrap_key(&kek, bad), Err(Error::NotOpened)));
            }
        }
        assert!(matches!(wrap_key(&[0; 24], &[0; 16]), Err(Error::Malformed { .. })));
        assert!(matches!(wrap_key(&[0; 16], &[0; 9]), Err(Error::Library { .. })));
    }

    /// The first blocks of NIST SP 800-38A appendices F.2.1 and F.2.5.
    #[test]
    fn sp_800_38a_vectors() {
        let iv: [u8; BLOCK] = bytes("000102030405060708090a0b0c0d0e0f").try_into().unwrap();
        let content = bytes("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
        for (key, encrypted) in [
            ("2b7e151628aed2a6abf7158809cf4f3c", "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"),
            (
                "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
                "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d",
            ),
        ] {
            let key = bytes(key);
            let made = encrypt_cbc_from(iv, &key, &content).unwrap();
            assert_eq!((made.len(), to_hex(&made[..32]).as_str()), (48, encrypted));
            assert_eq!(*decrypt_cbc(&key, iv, &made).unwrap(), content);
            // The content's blocks are no filling.
            for bad in [&made[..32], &made[1..], &[]] {
                assert!(matches!(decrypt_cbc(&key, iv, bad), Err(Error::NotOpened)));
            }
            let (one, other) = (encrypt_cbc(&key, &content).unwrap(), encrypt_cbc(&key, &content).unwrap());
            assert_ne!(one, other);
            assert_eq!(*decrypt_cbc(&key, one.0, &one.1).unwrap(), content);
        }
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
