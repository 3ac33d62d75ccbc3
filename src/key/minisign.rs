//! minisign's keys: Ed25519 keys that have a number, in files of their own; and BLAKE2b, which minisign signs.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use blake2::{Blake2b256, Blake2b512, Digest as _};
use pkcs8::pkcs5::scrypt;
use zeroize::Zeroizing;

use super::file::SCRYPT_WORK_LIMIT;
use super::{Error, KeyType, Passphrase, PublicKey, Signer as _, SoftwareKey};
use crate::files::Commented;

/// BLAKE2b-512 (RFC 7693) of a stream, in constant memory.
#[derive(Clone, Default)]
pub struct Blake2b(Blake2b512);

impl Blake2b {
    /// Adds bytes to the stream.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Ends the stream.
    pub fn finish(self) -> [u8; 64] {
        self.0.finalize().into()
    }
}

impl fmt::Debug for Blake2b {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Blake2b(..)")
    }
}

/// The number by which minisign tells keys apart. minisign draws it by lot and signs it nowhere: it says which key to
/// try, and proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyId([u8; 8]);

impl KeyId {
    /// Takes the number as it stands in files, little-endian.
    pub fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// The number as it stands in files, little-endian.
    pub fn bytes(self) -> [u8; 8] {
        self.0
    }

    /// The number of a key: the one that minisign gave it, else the first 64 bits of its
    /// [fingerprint](PublicKey::fingerprint), so that the two read alike.
    pub fn of(key: &PublicKey) -> Self {
        let derived = || key.fingerprint().bytes().iter().take(8).fold(0, |id, byte| id << 8 | u64::from(*byte));
        key.id().unwrap_or_else(|| Self(derived().to_le_bytes()))
    }

    /// Reads what is [displayed](fmt::Display).
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hex.then(|| u64::from_str_radix(text, 16).ok()).flatten().map(|id| Self(id.to_le_bytes()))
    }
}

impl fmt::Display for KeyId {
    /// Sixteen hexadecimal digits, upper-case, as minisign shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", u64::from_le_bytes(self.0))
    }
}

/// Reads a public key:
///
/// ```text
/// "Ed"  key id 8  public key 32                 ; jedisct1/minisign src/minisign.h, PubkeyStruct
/// ```
pub(super) fn public(bytes: &[u8]) -> Result<PublicKey, Error> {
    let parts = bytes.strip_prefix(b"Ed").and_then(<[u8]>::split_first_chunk);
    let (id, key) = parts.ok_or(Error::Malformed { what: "the minisign public key" })?;
    Ok(PublicKey::from_ed25519(key)?.with_id(Some(KeyId(*id))))
}

impl PublicKey {
    /// Encodes as minisign's public key file, which takes Ed25519 keys alone. A key that minisign gave no number has the
    /// one [derived](KeyId::of) from it.
    pub fn to_minisign(&self) -> Result<String, Error> {
        if self.key_type() != KeyType::Ed25519 {
            return Err(Error::KeyType { key: self.key_type(), format: "minisign", takes: "Ed25519" });
        }
        let id = KeyId::of(self);
        let bytes = [b"Ed", &id.bytes()[..], self.bits()].concat();
        let text = Commented::write(Commented::UNTRUSTED, &format!("minisign public key {id}"), &bytes);
        Ok(text.to_string())
    }
}

/// Length of what is encrypted.
const SECRETS: usize = 8 + 64 + 32;

/// Opens a secret key, which minisign encrypts by adding a stream that scrypt makes:
///
/// ```text
/// "Ed"  kdf 2  "B2"  salt 32  opslimit 8  memlimit 8  secrets 104       ; src/minisign.h, SeckeyStruct
/// kdf     = "Sc" / NUL NUL                      ; scrypt, or not encrypted
/// secrets = key id 8  seed 32  public key 32  checksum 32               ; libsodium keeps seed and public key together
/// ```
///
/// The checksum is BLAKE2b-256 of algorithm, key id, seed and public key. In a key that was never encrypted minisign
/// leaves it zero.
pub(super) fn open(bytes: &[u8], passphrase: Option<&Passphrase>) -> Result<SoftwareKey, Error> {
    let malformed = || Error::Malformed { what: "the minisign private key" };
    let (algorithm, rest) = bytes.split_first_chunk::<2>().ok_or_else(malformed)?;
    let (kdf, rest) = rest.split_first_chunk::<2>().ok_or_else(malformed)?;
    let (checksum, rest) = rest.split_first_chunk::<2>().ok_or_else(malformed)?;
    let (salt, rest) = rest.split_first_chunk::<32>().ok_or_else(malformed)?;
    let (work, rest) = rest.split_first_chunk::<8>().ok_or_else(malformed)?;
    let (memory, secrets) = rest.split_first_chunk::<8>().ok_or_else(malformed)?;
    let mut secrets = Zeroizing::new(<[u8; SECRETS]>::try_from(secrets).map_err(|_| malformed())?);
    if (algorithm, checksum) != (b"Ed", b"B2") {
        return Err(malformed());
    }
    let is_encrypted = match kdf {
        b"Sc" => true,
        [0, 0] => false,
        _ => return Err(Error::Encryption { found: "a minisign key under another key derivation".to_owned() }),
    };
    if is_encrypted {
        let passphrase = passphrase.ok_or(Error::PassphraseNeeded)?;
        let cost = cost(u64::from_le_bytes(*work), u64::from_le_bytes(*memory))?;
        let mut stream = Zeroizing::new([0; SECRETS]);
        scrypt::scrypt(passphrase.reveal(), salt, &cost, stream.as_mut())
            .map_err(|_| Error::Library { what: "derive a key with scrypt" })?;
        secrets.iter_mut().zip(stream.iter()).for_each(|(secret, stream)| *secret ^= stream);
    }
    let (keys, sum) = secrets.split_last_chunk::<32>().ok_or_else(malformed)?;
    let expected =
        Zeroizing::new(<[u8; 32]>::from(Blake2b256::new().chain_update(b"Ed").chain_update(keys).finalize()));
    let holds = verify_slices_are_equal(expected.as_ref(), sum).is_ok();
    match is_encrypted {
        true if !holds => return Err(Error::PassphraseWrong),
        false if !holds && *sum != [0; 32] => return Err(Error::Inconsistent),
        _ => {}
    }
    let (id, keys) = keys.split_first_chunk::<8>().ok_or_else(malformed)?;
    let (seed, public) = keys.split_first_chunk::<32>().ok_or_else(malformed)?;
    let key = SoftwareKey::from_ed25519_seed(seed)?.with_id(KeyId(*id));
    if key.public_key().bits() != public {
        return Err(Error::Inconsistent);
    }
    Ok(key)
}

/// The parameters of scrypt that libsodium chooses for a limit of operations and one of memory in bytes
/// (jedisct1/libsodium `pwhash_scryptsalsa208sha256.c`, pickparams). minisign asks for 2^25 operations and 1 GiB, which
/// are N = 2^20, r = 8, p = 1: the most that is computed here. With little memory it asks for less.
fn cost(operations: u64, memory: u64) -> Result<scrypt::Params, Error> {
    const R: u32 = 8;
    let r = u64::from(R);
    let operations = operations.max(32768);
    let bound_by_operations = operations < memory / 32;
    let most = if bound_by_operations { operations / (r * 4) } else { memory / (r * 128) };
    // The least power of two from 2 on that is above half of the most, and so not above it where that is 2 or more.
    let log_n = (1..63).find(|log_n| 1u64 << log_n > most / 2).unwrap_or(63);
    let n = 1u64 << log_n;
    let p = if bound_by_operations { 1 } else { (operations / 4 / n).min(0x3fff_ffff) / r };
    let found = n.saturating_mul(r).saturating_mul(p);
    let unsupported = |found| Error::Encryption { found };
    if found > SCRYPT_WORK_LIMIT {
        return Err(unsupported(format!("scrypt with N*r*p of {found}, above {SCRYPT_WORK_LIMIT}")));
    }
    u32::try_from(p)
        .ok()
        .and_then(|p| scrypt::Params::new(log_n, R, p).ok())
        .ok_or_else(|| unsupported(format!("scrypt with N = {n}, r = {r}, p = {p}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Input;

    fn cost_of(operations: u64, memory: u64) -> Option<(u8, u32, u32)> {
        cost(operations, memory).ok().map(|cost| (cost.log_n(), cost.r(), cost.p()))
    }

    #[test]
    fn costs_are_those_of_libsodium() {
        // What libsodium calls interactive and sensitive, and what minisign falls back to.
        assert_eq!(cost_of(524_288, 16 << 20), Some((14, 8, 1)));
        assert_eq!(cost_of(33_554_432, 1 << 30), Some((20, 8, 1)));
        assert_eq!(cost_of(4_194_304, 128 << 20), Some((17, 8, 1)));
        // Much memory and few operations, and the other way about.
        assert_eq!(cost_of(0, 1 << 40), Some((10, 8, 1)));
        assert_eq!(cost_of(1 << 25, 1 << 20), Some((10, 8, 1024)));
    }

    #[test]
    fn costs_beyond_reason_are_refused() {
        for (operations, memory) in
            [(67_108_864, 2 << 30), (u64::MAX, u64::MAX), (u64::MAX, 1 << 30), (1 << 40, u64::MAX), (u64::MAX, 0)]
        {
            assert_eq!(cost_of(operations, memory), None, "{operations} {memory}");
        }
    }

    /// RFC 7693 appendix A.
    #[test]
    fn blake2b_of_abc() {
        let expected = "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1\
                        7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923";
        let mut hasher = Blake2b::default();
        hasher.update(b"a");
        hasher.update(b"bc");
        assert_eq!(crate::files::to_hex(&hasher.finish()), expected);
    }

    fn secret(checksum: [u8; 32]) -> Vec<u8> {
        let key = SoftwareKey::from_ed25519_seed(&[7; 32]).unwrap();
        let keys = [&b"12345678"[..], &[7; 32], key.public_key().bits()].concat();
        [b"Ed\0\0B2", &[0; 48][..], &keys, &checksum].concat()
    }

    #[test]
    fn a_key_in_the_clear_is_read_with_its_number() {
        let key = open(&secret([0; 32]), None).unwrap();
        assert_eq!(key.public_key().id(), Some(KeyId(*b"12345678")));
        assert_eq!(key.public_key().id().unwrap().to_string(), "3837363534333231");
        let signature = key.sign(KeyType::Ed25519.usual_scheme(), Input::Message(b"m")).unwrap();
        key.public_key().verify(KeyType::Ed25519.usual_scheme(), Input::Message(b"m"), &signature).unwrap();
        assert!(matches!(open(&secret([1; 32]), None), Err(Error::Inconsistent)));
        let whole = secret([0; 32]);
        for end in 0..whole.len() {
            assert!(matches!(open(&whole[..end], None), Err(Error::Malformed { .. })), "{end}");
        }
        for at in [0, 1, 4, 5, 62, 125] {
            let mut twin = whole.clone();
            twin[at] ^= 1;
            assert!(open(&twin, None).is_err(), "{at}");
        }
    }

    #[test]
    fn a_key_without_a_number_has_the_start_of_its_fingerprint() {
        let key = SoftwareKey::from_ed25519_seed(&[7; 32]).unwrap();
        let id = KeyId::of(key.public_key());
        assert_eq!(id.to_string(), key.public_key().fingerprint().to_string()[..16].to_uppercase());
        assert_eq!(KeyId::parse(&id.to_string()), Some(id));
        assert_eq!(KeyId::of(&key.public_key().clone().with_id(Some(KeyId([1; 8])))), KeyId([1; 8]));
        for text in ["", "+123456789ABCDEF", "0123456789ABCDE", "0123456789ABCDEFG", "0123456789ABCDEG"] {
            assert_eq!(KeyId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_public_key_is_read_as_it_is_written() {
        let key = SoftwareKey::from_ed25519_seed(&[7; 32]).unwrap();
        let text = key.public_key().to_minisign().unwrap();
        let read = crate::files::documents(text.as_bytes(), std::path::Path::new("x"), "a public key").unwrap();
        let read = PublicKey::from_document(&read[0], std::path::Path::new("x")).unwrap();
        assert_eq!(read, key.public_key().clone().with_id(Some(KeyId::of(key.public_key()))));
        let p256 = SoftwareKey::generate(KeyType::P256).unwrap();
        assert!(matches!(p256.public_key().to_minisign(), Err(Error::KeyType { .. })));
    }
}
