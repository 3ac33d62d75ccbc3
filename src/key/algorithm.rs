//! The one table of algorithms: hashes, key types, signature schemes, with their OIDs, parameters and names.
//!
//! Certificates, requests, CMS and raw signatures all look here, so that an algorithm is either known everywhere or
//! refused everywhere. SHA-1 and MD5 are not in the table and therefore never verify; [`sha1_identifier`] only finds.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use const_oid::ObjectIdentifier;
use const_oid::db::{rfc5912, rfc8410};
use der::Decode;

use super::Error;

/// A hash function of the SHA-2 family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hash {
    /// SHA-256, 32 bytes.
    Sha256,
    /// SHA-384, 48 bytes.
    Sha384,
    /// SHA-512, 64 bytes.
    Sha512,
}

impl Hash {
    /// Every hash in the table.
    pub const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    /// Hashes bytes in memory.
    pub fn digest(self, bytes: &[u8]) -> Digest {
        let mut hasher = Hasher::new(self);
        hasher.update(bytes);
        hasher.finish()
    }

    /// The OID of the hash alone (RFC 5754 section 2).
    pub fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Sha256 => rfc5912::ID_SHA_256,
            Self::Sha384 => rfc5912::ID_SHA_384,
            Self::Sha512 => rfc5912::ID_SHA_512,
        }
    }

    /// The hash of an OID.
    pub fn from_oid(oid: ObjectIdentifier) -> Option<Self> {
        Self::ALL.into_iter().find(|hash| hash.oid() == oid)
    }

    /// The length of a digest in bytes.
    pub fn output_len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The name in output and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    fn ring(self) -> &'static ring::digest::Algorithm {
        match self {
            Self::Sha256 => &ring::digest::SHA256,
            Self::Sha384 => &ring::digest::SHA384,
            Self::Sha512 => &ring::digest::SHA512,
        }
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A digest and the hash it came from.
#[derive(Clone, PartialEq, Eq)]
pub struct Digest {
    hash: Hash,
    bytes: Vec<u8>,
}

impl Digest {
    /// Takes a digest that was made elsewhere; `None` where its length is not that of the hash.
    pub fn from_bytes(hash: Hash, bytes: &[u8]) -> Option<Self> {
        (bytes.len() == hash.output_len()).then(|| Self { hash, bytes: bytes.to_vec() })
    }

    /// The hash that made it.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// Its bytes, [`Hash::output_len`] of them.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Display for Digest {
    /// Lower-case hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{self}", self.hash)
    }
}

/// Hashes a stream in constant memory.
#[derive(Clone)]
pub struct Hasher {
    hash: Hash,
    context: ring::digest::Context,
}

impl Hasher {
    /// Starts an empty stream.
    pub fn new(hash: Hash) -> Self {
        Self { hash, context: ring::digest::Context::new(hash.ring()) }
    }

    /// Adds bytes to the stream.
    pub fn update(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
    }

    /// Ends the stream.
    pub fn finish(self) -> Digest {
        Digest { hash: self.hash, bytes: self.context.finish().as_ref().to_vec() }
    }
}

/// The SHA-1 of a name or key, where a protocol names an issuer or responder by nothing else: RFC 6960 section 4.2.1
/// (`KeyHash`), and the CertID of nearly every responder.
///
/// It is for finding alone. Whoever makes another name or key of the same hash has been found and nothing more: what is
/// found has to prove itself by a signature, and SHA-1 makes none that verifies.
pub fn sha1_identifier(bytes: &[u8]) -> [u8; 20] {
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, bytes);
    digest.as_ref().try_into().expect("SHA-1 has 20 bytes")
}

/// The type of a key, which decides the schemes that it can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// NIST P-256, secp256r1.
    P256,
    /// NIST P-384, secp384r1.
    P384,
    /// NIST P-521, secp521r1: verified, not made.
    P521,
    /// Ed25519 (RFC 8032).
    Ed25519,
    /// RSA, with the length of its modulus in bits.
    Rsa(u32),
}

impl KeyType {
    /// The OID of the named curve, for EC keys (RFC 5480 section 2.1.1.1).
    pub fn curve(self) -> Option<ObjectIdentifier> {
        match self {
            Self::P256 => Some(rfc5912::SECP_256_R_1),
            Self::P384 => Some(rfc5912::SECP_384_R_1),
            Self::P521 => Some(rfc5912::SECP_521_R_1),
            Self::Ed25519 | Self::Rsa(_) => None,
        }
    }

    /// The length in bytes of a coordinate and of each half of an ECDSA signature.
    pub fn field_len(self) -> Option<usize> {
        match self {
            Self::P256 => Some(32),
            Self::P384 => Some(48),
            Self::P521 => Some(66),
            Self::Ed25519 | Self::Rsa(_) => None,
        }
    }

    /// The schemes that a key of this type can do, the usual one first.
    ///
    /// The first is what certificates, requests and CMS are signed with unless something else is asked for: RSA
    /// signs PKCS#1 v1.5 there, which every peer reads.
    pub fn schemes(self) -> &'static [Scheme] {
        use Hash::{Sha256, Sha384, Sha512};
        match self {
            Self::P256 => &[Scheme::Ecdsa(Sha256), Scheme::Ecdsa(Sha384), Scheme::Ecdsa(Sha512)],
            Self::P384 => &[Scheme::Ecdsa(Sha384), Scheme::Ecdsa(Sha512), Scheme::Ecdsa(Sha256)],
            Self::P521 => &[Scheme::Ecdsa(Sha512), Scheme::Ecdsa(Sha384), Scheme::Ecdsa(Sha256)],
            Self::Ed25519 => &[Scheme::Ed25519],
            Self::Rsa(_) => &[
                Scheme::RsaPkcs1(Sha256),
                Scheme::RsaPkcs1(Sha384),
                Scheme::RsaPkcs1(Sha512),
                Scheme::RsaPss(Sha256),
                Scheme::RsaPss(Sha384),
                Scheme::RsaPss(Sha512),
            ],
        }
    }

    /// The scheme that a key of this type signs with unless something else is asked for.
    pub fn usual_scheme(self) -> Scheme {
        self.schemes()[0]
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::P256 => f.write_str("EC P-256"),
            Self::P384 => f.write_str("EC P-384"),
            Self::P521 => f.write_str("EC P-521"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Rsa(bits) => write!(f, "RSA-{bits}"),
        }
    }
}

/// A signature scheme: everything besides key and message that a signature depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// ECDSA (FIPS 186-5) on the key's curve.
    Ecdsa(Hash),
    /// Pure Ed25519 (RFC 8032 section 5.1).
    Ed25519,
    /// RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2).
    RsaPkcs1(Hash),
    /// RSASSA-PSS (RFC 8017 section 8.1), MGF1 with the same hash, salt as long as the hash.
    RsaPss(Hash),
}

impl Scheme {
    /// Every scheme in the table.
    const ALL: [Self; 10] = [
        Self::Ecdsa(Hash::Sha256),
        Self::Ecdsa(Hash::Sha384),
        Self::Ecdsa(Hash::Sha512),
        Self::Ed25519,
        Self::RsaPkcs1(Hash::Sha256),
        Self::RsaPkcs1(Hash::Sha384),
        Self::RsaPkcs1(Hash::Sha512),
        Self::RsaPss(Hash::Sha256),
        Self::RsaPss(Hash::Sha384),
        Self::RsaPss(Hash::Sha512),
    ];

    /// The hash over the message; `None` where the scheme takes the message itself.
    pub fn hash(self) -> Option<Hash> {
        match self {
            Self::Ecdsa(hash) | Self::RsaPkcs1(hash) | Self::RsaPss(hash) => Some(hash),
            Self::Ed25519 => None,
        }
    }

    /// The `AlgorithmIdentifier` in DER.
    ///
    /// Parameters: absent for ECDSA (RFC 5758 section 3.2) and Ed25519 (RFC 8410 section 3), NULL for PKCS#1 v1.5
    /// (RFC 4055 section 5), `RSASSA-PSS-params` with every hash identifier's NULL for PSS (RFC 4055 section 3.1).
    pub fn algorithm_identifier(self) -> Vec<u8> {
        match self {
            Self::Ecdsa(_) | Self::Ed25519 => sequence(&[&oid(self.oid())]),
            Self::RsaPkcs1(_) => sequence(&[&oid(self.oid()), NULL]),
            Self::RsaPss(hash) => sequence(&[&oid(self.oid()), &pss_parameters(hash, NULL)]),
        }
    }

    /// Every encoding of the `AlgorithmIdentifier` that is taken, the one that is written first.
    ///
    /// Others are PKCS#1 v1.5 with absent parameters, which RFC 4055 section 5 obliges to accept, and hash identifiers
    /// without NULL inside PSS parameters (RFC 4055 section 2.1).
    fn encodings(self) -> Vec<Vec<u8>> {
        let written = self.algorithm_identifier();
        match self {
            Self::Ecdsa(_) | Self::Ed25519 => vec![written],
            Self::RsaPkcs1(_) => vec![written, sequence(&[&oid(self.oid())])],
            Self::RsaPss(hash) => vec![written, sequence(&[&oid(self.oid()), &pss_parameters(hash, &[])])],
        }
    }

    /// Finds the scheme of a whole `AlgorithmIdentifier`. The encoding is compared as a whole: parameters that the
    /// table does not list are refused, never skipped.
    pub fn from_algorithm_identifier(der: &[u8]) -> Result<Self, Error> {
        static KNOWN: LazyLock<Vec<(Vec<u8>, Scheme)>> = LazyLock::new(|| {
            let known = |scheme: Scheme| scheme.encodings().into_iter().map(move |encoding| (encoding, scheme));
            Scheme::ALL.into_iter().flat_map(known).collect()
        });
        let known = KNOWN.iter().find(|(encoding, _)| encoding == der).map(|(_, scheme)| *scheme);
        known.ok_or_else(|| Error::UnsupportedAlgorithm {
            found: match spki::AlgorithmIdentifierRef::from_der(der) {
                Ok(found) if found.oid == rfc5912::ID_RSASSA_PSS => {
                    "RSASSA-PSS with a hash, mask or salt length that is not the usual".to_owned()
                }
                Ok(found) if Self::ALL.iter().any(|scheme| scheme.oid() == found.oid) => {
                    format!("{} with these parameters", oid_name(found.oid))
                }
                Ok(found) => oid_name(found.oid),
                Err(_) => "(malformed)".to_owned(),
            },
        })
    }

    /// Whether an OID is that of a signature algorithm in the table.
    pub fn is_known(oid: ObjectIdentifier) -> bool {
        Self::ALL.iter().any(|scheme| scheme.oid() == oid)
    }

    /// The OID of the signature algorithm.
    pub fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Ecdsa(Hash::Sha256) => rfc5912::ECDSA_WITH_SHA_256,
            Self::Ecdsa(Hash::Sha384) => rfc5912::ECDSA_WITH_SHA_384,
            Self::Ecdsa(Hash::Sha512) => rfc5912::ECDSA_WITH_SHA_512,
            Self::Ed25519 => rfc8410::ID_ED_25519,
            Self::RsaPkcs1(Hash::Sha256) => rfc5912::SHA_256_WITH_RSA_ENCRYPTION,
            Self::RsaPkcs1(Hash::Sha384) => rfc5912::SHA_384_WITH_RSA_ENCRYPTION,
            Self::RsaPkcs1(Hash::Sha512) => rfc5912::SHA_512_WITH_RSA_ENCRYPTION,
            Self::RsaPss(_) => rfc5912::ID_RSASSA_PSS,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ecdsa(hash) => write!(f, "ecdsa-{hash}"),
            Self::Ed25519 => f.write_str("ed25519"),
            Self::RsaPkcs1(hash) => write!(f, "rsa-pkcs1-{hash}"),
            Self::RsaPss(hash) => write!(f, "rsa-pss-{hash}"),
        }
    }
}

impl FromStr for Scheme {
    type Err = Error;

    /// Reads the name that [`Display`](fmt::Display) gives.
    fn from_str(name: &str) -> Result<Self, Error> {
        let known = Self::ALL.into_iter().find(|scheme| scheme.to_string() == name);
        known.ok_or_else(|| Error::UnsupportedAlgorithm { found: name.to_owned() })
    }
}

/// The name of an OID where the common databases have one, as `keyUsage` or `codeSigning`, else its dotted form.
pub fn oid_name(oid: ObjectIdentifier) -> String {
    match const_oid::db::DB.by_oid(&oid) {
        Some(name) => name.trim_start_matches("id-ce-").trim_start_matches("id-kp-").to_owned(),
        None => CURVES
            .iter()
            .find(|(curve, _)| *curve == oid)
            .map_or_else(|| oid.to_string(), |(_, name)| (*name).to_owned()),
    }
}

/// Curves that the database lacks (SEC 2 appendix A.2.1): one that wallets have made common, one that chips have.
const CURVES: [(ObjectIdentifier, &str); 2] = [
    (ObjectIdentifier::new_unwrap("1.3.132.0.10"), "secp256k1"),
    (ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.1"), "secp192r1"),
];

const NULL: &[u8] = &[0x05, 0x00];

/// ```text
/// RSASSA-PSS-params ::= SEQUENCE {
///     hashAlgorithm     [0] HashAlgorithm,      -- DEFAULT sha1
///     maskGenAlgorithm  [1] MaskGenAlgorithm,   -- DEFAULT mgf1SHA1
///     saltLength        [2] INTEGER,            -- DEFAULT 20
///     trailerField      [3] TrailerField DEFAULT trailerFieldBC }
/// ```
fn pss_parameters(hash: Hash, hash_parameters: &[u8]) -> Vec<u8> {
    let hash_identifier = sequence(&[&oid(hash.oid()), hash_parameters]);
    let mask = sequence(&[&oid(rfc5912::ID_MGF_1), &hash_identifier]);
    // Each hash of the table is shorter than 128 bytes: one byte of INTEGER content.
    let salt = [0x02, 0x01, hash.output_len() as u8];
    sequence(&[&tlv(0xa0, &[&hash_identifier]), &tlv(0xa1, &[&mask]), &tlv(0xa2, &[&salt])])
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, parts)
}

/// Every structure in this table is shorter than 128 bytes, so that one length byte is enough.
fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    [&[tag, content.len() as u8], content.as_slice()].concat()
}

fn oid(oid: ObjectIdentifier) -> Vec<u8> {
    tlv(0x06, &[oid.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_identifier_finds_its_scheme_and_no_other() {
        for scheme in Scheme::ALL {
            let der = scheme.algorithm_identifier();
            assert!(der.len() < 128);
            assert_eq!(Scheme::from_algorithm_identifier(&der).unwrap(), scheme);
            let mut longer = der.clone();
            longer.push(0);
            assert!(Scheme::from_algorithm_identifier(&longer).is_err());
            assert_eq!(scheme.to_string().parse::<Scheme>().unwrap(), scheme);
        }
        for name in ["", "ECDSA-SHA256", "ecdsa-sha256 ", "ecdsa", "rsa-sha256", "ed448"] {
            assert!(name.parse::<Scheme>().is_err(), "{name}");
        }
    }

    /// Each encoding with any one byte changed is another algorithm or none, and never the same one.
    #[test]
    fn an_identifier_is_compared_as_a_whole() {
        for scheme in Scheme::ALL {
            for encoding in scheme.encodings() {
                for at in 0..encoding.len() {
                    let mut changed = encoding.clone();
                    changed[at] ^= 0x01;
                    assert_ne!(Scheme::from_algorithm_identifier(&changed).ok(), Some(scheme), "{scheme} {at}");
                    assert!(Scheme::from_algorithm_identifier(&encoding[..at]).is_err());
                }
            }
        }
    }

    /// RSASSA-PSS-params that say in full what is left out by default (RFC 4055 section 3.1) are not DER, and SHA-1 is
    /// what is meant where the hash is left out.
    #[test]
    fn pss_parameters_are_exact() {
        let whole = pss_parameters(Hash::Sha256, NULL);
        let fields = &whole[2..];
        let trailer = tlv(0xa3, &[&[0x02, 0x01, 0x01]]);
        let other_salt = [&fields[..fields.len() - 1], &[20]].concat();
        let of_sha384 = pss_parameters(Hash::Sha384, NULL);
        let mixed = [&tlv(0xa0, &[&sequence(&[&oid(Hash::Sha256.oid()), NULL])]), &of_sha384[2 + 17..]].concat();
        for parameters in [
            sequence(&[fields, &trailer]),
            sequence(&[&other_salt]),
            sequence(&[&mixed]),
            sequence(&[&fields[..fields.len() - 5]]),
            sequence(&[]),
            NULL.to_vec(),
        ] {
            let der = sequence(&[&oid(rfc5912::ID_RSASSA_PSS), &parameters]);
            let error = Scheme::from_algorithm_identifier(&der).unwrap_err().to_string();
            assert!(error.contains("RSASSA-PSS with a hash, mask or salt"), "{error}");
        }
    }

    #[test]
    fn ecdsa_with_null_parameters_is_refused() {
        let der = sequence(&[&oid(rfc5912::ECDSA_WITH_SHA_256), NULL]);
        assert!(Scheme::from_algorithm_identifier(&der).is_err());
    }

    /// FIPS 180-4's example, of which the digest is published with the standard.
    #[test]
    fn sha1_is_sha1() {
        let expected = [
            0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a, 0xba, 0x3e, 0x25, 0x71, 0x78, 0x50, 0xc2, 0x6c, 0x9c, 0xd0,
            0xd8, 0x9d,
        ];
        assert_eq!(sha1_identifier(b"abc"), expected);
    }
}
