//! Private key files: every shape that OpenSSL writes is read, and minisign's; PKCS#8 alone is written.

use std::path::PathBuf;

use const_oid::ObjectIdentifier;
use const_oid::db::{rfc5912, rfc8410};
use der::asn1::{AnyRef, BitStringRef, OctetStringRef};
use der::{Decode, Encode, Sequence};
use pkcs8::pkcs5::pbes2;
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef};
use zeroize::Zeroizing;

use super::algorithm::oid_name;
use super::{Error, KeyRef, Passphrase, Signer, SoftwareDecrypter, SoftwareKey, X25519Key, minisign};
use crate::files::{self, Document, Kind};

/// Most PBKDF2 rounds that are computed to open a key file: seventeen times what is written here, about one second.
const PBKDF2_ROUNDS_LIMIT: u32 = 10_000_000;

/// Most work that scrypt may ask for to open a key file, as N·r·p (RFC 7914 section 2): 64 times what is written here,
/// some three seconds, and at p = 1 the 1 GiB of memory (128·N·r bytes) that the most careful tools choose, minisign
/// among them.
pub(super) const SCRYPT_WORK_LIMIT: u64 = 1 << 23;

/// How a key file is encrypted: PBES2 (RFC 8018) with AES-256-CBC under one of two key derivations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wrapping {
    /// scrypt with N = 2^14, r = 8, p = 1 (RFC 7914), the largest that OpenSSL opens by default.
    #[default]
    Scrypt,
    /// PBKDF2 with HMAC-SHA-256 and 600,000 rounds.
    Pbkdf2,
}

impl Wrapping {
    /// Encrypts a `PrivateKeyInfo` into an `EncryptedPrivateKeyInfo`.
    fn encrypt(self, pkcs8: &[u8], passphrase: &Passphrase) -> Result<Zeroizing<Vec<u8>>, Error> {
        const ROUNDS: u32 = 600_000;
        let failed = Error::Library { what: "encrypt the key" };
        let (mut salt, mut iv) = ([0; 16], [0; 16]);
        super::random(&mut salt)?;
        super::random(&mut iv)?;
        let parameters = match self {
            Self::Scrypt => {
                let cost = pkcs8::pkcs5::scrypt::Params::new(14, 8, 1)
                    .map_err(|_| Error::Library { what: "take scrypt's parameters" })?;
                pbes2::Parameters::generate_scrypt_aes256cbc(cost, &salt, iv)
            }
            Self::Pbkdf2 => pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(ROUNDS, &salt, iv),
        };
        let parameters = parameters.map_err(|_| Error::Library { what: "take PBES2's parameters" })?;
        let info = PrivateKeyInfoRef::from_der(pkcs8).map_err(|_| Error::Malformed { what: "the private key" })?;
        let document = info.encrypt_with_params(parameters, passphrase.reveal()).map_err(|_| failed)?;
        Ok(Zeroizing::new(document.as_bytes().to_vec()))
    }
}

/// The content of a key file: PKCS#8, encrypted where a passphrase is given. Returns the kind that was made.
pub(super) fn protect(
    pkcs8: Zeroizing<Vec<u8>>,
    protection: Option<(Wrapping, &Passphrase)>,
) -> Result<(Kind, Zeroizing<Vec<u8>>), Error> {
    match protection {
        None => Ok((Kind::Pkcs8Key, pkcs8)),
        Some((wrapping, passphrase)) => Ok((Kind::EncryptedKey, wrapping.encrypt(&pkcs8, passphrase)?)),
    }
}

/// A private key of any use, as a key file holds it.
#[derive(Debug)]
pub enum PrivateKey {
    /// A key that signs; P-256 and RSA decrypt as well.
    Signing(SoftwareKey),
    /// A key that agrees on secrets and cannot sign.
    X25519(X25519Key),
}

impl PrivateKey {
    /// The public half, as a DER `SubjectPublicKeyInfo`.
    pub fn spki(&self) -> &[u8] {
        match self {
            Self::Signing(key) => key.public_key().spki(),
            Self::X25519(key) => key.recipient().spki(),
        }
    }

    /// The content of the public half's BIT STRING.
    fn public_bits(&self) -> &[u8] {
        match self {
            Self::Signing(key) => key.public_key().bits(),
            Self::X25519(key) => key.recipient().bits(),
        }
    }

    /// Takes the key for signing. One that cannot is [`Error::Use`].
    pub fn into_signer(self) -> Result<SoftwareKey, Error> {
        match self {
            Self::Signing(key) => Ok(key),
            Self::X25519(key) => Err(Error::Use { key: key.recipient().recipient_type().to_string(), cannot: "sign" }),
        }
    }

    /// Takes the key for decrypting. One that cannot is [`Error::Use`].
    pub fn into_decrypter(self) -> Result<SoftwareDecrypter, Error> {
        match self {
            Self::Signing(key) => SoftwareDecrypter::try_from(&key),
            Self::X25519(key) => SoftwareDecrypter::try_from(&key),
        }
    }

    /// Encodes for a key file: PKCS#8, encrypted where a passphrase is given. Returns the kind that was made.
    pub fn to_file(&self, protection: Option<(Wrapping, &Passphrase)>) -> Result<(Kind, Zeroizing<Vec<u8>>), Error> {
        match self {
            Self::Signing(key) => key.to_file(protection),
            Self::X25519(key) => protect(key.to_pkcs8()?, protection),
        }
    }
}

/// A private key file that has been read and recognised, but not opened.
#[derive(Debug)]
pub struct KeyFile {
    path: PathBuf,
    document: Document,
}

impl KeyFile {
    /// Reads the file that `reference` names. Anything but one private key is refused with what was found.
    pub fn read(reference: &KeyRef) -> Result<Self, Error> {
        let KeyRef::File(path) = reference;
        let bytes = files::read("private key", path, files::DOCUMENT_LIMIT)?;
        let wrong = |found: String| {
            Error::File(files::Error::WrongKind { path: path.to_owned(), wanted: "a private key", found })
        };
        let mut documents = files::documents(&bytes, path, "a private key")?;
        // Some tools append the certificate to the key; only the key is wanted here.
        if documents.iter().filter(|document| document.kind.is_private_key()).count() == 1 {
            documents.retain(|document| document.kind.is_private_key());
        }
        match documents.len() {
            1 if documents[0].kind.is_private_key() => {
                Ok(Self { path: path.to_owned(), document: documents.swap_remove(0) })
            }
            _ => Err(wrong(files::noun_of(&documents))),
        }
    }

    /// Takes a document that is a private key.
    pub fn from_document(document: Document) -> Self {
        Self { path: PathBuf::from("-"), document }
    }

    /// Whether a passphrase is needed.
    pub fn is_encrypted(&self) -> bool {
        matches!(self.document.kind, Kind::EncryptedKey | Kind::EncryptedMinisignKey)
    }

    /// Whether it is encrypted in OpenSSL's traditional way, which is not opened.
    pub fn is_traditional(&self) -> bool {
        self.document.kind == Kind::TraditionalEncryptedKey
    }

    /// Whether other users may read the file, which a private key's must not allow.
    pub fn is_exposed(&self) -> bool {
        files::readable_by_others(&self.path)
    }

    /// Opens the file of a key that is to sign: [`open_any`](Self::open_any), and [`PrivateKey::into_signer`].
    pub fn open(self, passphrase: Option<&Passphrase>) -> Result<SoftwareKey, Error> {
        self.open_any(passphrase)?.into_signer()
    }

    /// Opens the file of a key that is to decrypt: [`open_any`](Self::open_any), and [`PrivateKey::into_decrypter`].
    pub fn open_decrypter(self, passphrase: Option<&Passphrase>) -> Result<SoftwareDecrypter, Error> {
        self.open_any(passphrase)?.into_decrypter()
    }

    /// Opens the file. A passphrase that is given and not needed is ignored, as one flag may serve several keys.
    pub fn open_any(self, passphrase: Option<&Passphrase>) -> Result<PrivateKey, Error> {
        let der = &self.document.der;
        match self.document.kind {
            Kind::Pkcs8Key => from_pkcs8(der),
            Kind::Sec1Key => from_sec1(der, None).map(PrivateKey::Signing),
            Kind::Pkcs1Key => SoftwareKey::from_pkcs1(der).map(PrivateKey::Signing),
            Kind::EncryptedKey => from_pkcs8(&decrypt(der, passphrase.ok_or(Error::PassphraseNeeded)?)?),
            Kind::MinisignKey | Kind::EncryptedMinisignKey => minisign::open(der, passphrase).map(PrivateKey::Signing),
            Kind::TraditionalEncryptedKey => {
                let found = "OpenSSL's traditional PEM encryption".to_owned();
                Err(Error::Encryption { found })
            }
            _ => Err(Error::Malformed { what: "the private key" }),
        }
    }
}

/// ```text
/// PrivateKeyInfo ::= SEQUENCE {                 -- RFC 5208 section 5, RFC 5958 section 2
///     version              INTEGER,
///     privateKeyAlgorithm  AlgorithmIdentifier,
///     privateKey           OCTET STRING,
///     attributes       [0] Attributes OPTIONAL,
///     publicKey        [1] BIT STRING OPTIONAL }
/// ```
fn from_pkcs8(der: &[u8]) -> Result<PrivateKey, Error> {
    let malformed = || Error::Malformed { what: "the private key" };
    let info = PrivateKeyInfoRef::from_der(der).map_err(|_| malformed())?;
    let secret = info.private_key.as_bytes();
    let key = match info.algorithm.oid {
        rfc5912::ID_EC_PUBLIC_KEY => {
            let curve = info.algorithm.parameters.and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
            let explicit = || Error::UnsupportedKey { found: "EC with explicit parameters".to_owned() };
            PrivateKey::Signing(from_sec1(secret, Some(curve.ok_or_else(explicit)?))?)
        }
        rfc8410::ID_ED_25519 => {
            let seed = curve_private_key(secret).ok_or(Error::Malformed { what: "the Ed25519 private key" })?;
            PrivateKey::Signing(SoftwareKey::from_ed25519_seed(seed)?)
        }
        rfc8410::ID_X_25519 => {
            let scalar = curve_private_key(secret).ok_or(Error::Malformed { what: "the X25519 private key" })?;
            PrivateKey::X25519(X25519Key::from_scalar(scalar)?)
        }
        rfc5912::RSA_ENCRYPTION => PrivateKey::Signing(SoftwareKey::from_pkcs1(secret)?),
        other => return Err(Error::UnsupportedKey { found: oid_name(other) }),
    };
    match info.public_key {
        Some(public) if public.as_bytes() != Some(key.public_bits()) => Err(Error::Inconsistent),
        _ => Ok(key),
    }
}

/// The 32 bytes of an Ed25519 or X25519 key: `CurvePrivateKey ::= OCTET STRING` (RFC 8410 section 7).
fn curve_private_key(der: &[u8]) -> Option<&[u8; 32]> {
    match der {
        [0x04, 0x20, bytes @ ..] => bytes.try_into().ok(),
        _ => None,
    }
}

/// ```text
/// ECPrivateKey ::= SEQUENCE {                   -- RFC 5915 section 3
///     version         INTEGER { ecPrivkeyVer1(1) },
///     privateKey      OCTET STRING,
///     parameters  [0] ECParameters OPTIONAL,
///     publicKey   [1] BIT STRING OPTIONAL }
/// ```
///
/// The parameters are any value, since SEC 1 also has explicit ones, which are refused by name.
#[derive(Sequence)]
struct EcPrivateKey<'a> {
    version: u8,
    private_key: &'a OctetStringRef,
    #[asn1(context_specific = "0", optional = "true")]
    parameters: Option<AnyRef<'a>>,
    #[asn1(context_specific = "1", optional = "true")]
    public_key: Option<BitStringRef<'a>>,
}

fn from_sec1(der: &[u8], outer_curve: Option<ObjectIdentifier>) -> Result<SoftwareKey, Error> {
    let malformed = || Error::Malformed { what: "the EC private key" };
    let unnamed = |what: &str| Error::UnsupportedKey { found: format!("EC {what}") };
    let key = EcPrivateKey::from_der(der).map_err(|_| malformed())?;
    if key.version != 1 {
        return Err(malformed());
    }
    let inner_curve = match key.parameters {
        Some(parameters) => {
            Some(parameters.decode_as::<ObjectIdentifier>().map_err(|_| unnamed("with explicit parameters"))?)
        }
        None => None,
    };
    let curve = match (outer_curve, inner_curve) {
        (Some(outer), Some(inner)) if outer != inner => return Err(Error::Inconsistent),
        (outer, inner) => outer.or(inner).ok_or_else(|| unnamed("without a named curve"))?,
    };
    let found = SoftwareKey::from_ec_scalar(curve, key.private_key.as_bytes())?;
    match key.public_key.map(|bits| bits.as_bytes()) {
        // A compressed point says the same in another way; the point is computed anyway.
        Some(Some([0x02 | 0x03, ..])) | None => Ok(found),
        Some(point) if point == Some(found.public_key().bits()) => Ok(found),
        Some(_) => Err(Error::Inconsistent),
    }
}

/// Encodes an EC scalar and its point as `ECPrivateKey`. The curve stands outside, in the AlgorithmIdentifier; the
/// point is what ring and others ask for.
pub(super) fn encode_sec1(scalar: &[u8], point: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let malformed = |_| Error::Malformed { what: "the EC private key" };
    let key = EcPrivateKey {
        version: 1,
        private_key: OctetStringRef::new(scalar).map_err(malformed)?,
        parameters: None,
        public_key: Some(BitStringRef::from_bytes(point).map_err(malformed)?),
    };
    Ok(Zeroizing::new(key.to_der().map_err(malformed)?))
}

fn decrypt(der: &[u8], passphrase: &Passphrase) -> Result<Zeroizing<Vec<u8>>, Error> {
    let unsupported = |found: String| Error::Encryption { found };
    let info = EncryptedPrivateKeyInfoRef::from_der(der).map_err(|_| match scheme_oid(der) {
        Some(pbes2::PBES2_OID) => unsupported("PBES2 with another cipher or key derivation".to_owned()),
        Some(oid) => unsupported(oid_name(oid)),
        None => Error::Malformed { what: "the encrypted private key" },
    })?;
    let scheme =
        info.encryption_algorithm.pbes2().ok_or_else(|| unsupported(oid_name(info.encryption_algorithm.oid())))?;
    match &scheme.kdf {
        pbes2::Kdf::Pbkdf2(kdf) if kdf.iteration_count > PBKDF2_ROUNDS_LIMIT => {
            return Err(unsupported(format!("{} PBKDF2 rounds", kdf.iteration_count)));
        }
        // RFC 7914 section 2: N is a power of two above 1. The library takes that for granted, and panics at 0.
        pbes2::Kdf::Scrypt(kdf) if kdf.cost_parameter < 2 || !kdf.cost_parameter.is_power_of_two() => {
            return Err(unsupported(format!("scrypt with N = {}", kdf.cost_parameter)));
        }
        pbes2::Kdf::Scrypt(kdf) => {
            let factors = [u64::from(kdf.block_size), u64::from(kdf.parallelization)];
            let work = factors.into_iter().fold(kdf.cost_parameter, u64::saturating_mul);
            if work > SCRYPT_WORK_LIMIT {
                return Err(unsupported(format!("scrypt with N*r*p of {work}, above {SCRYPT_WORK_LIMIT}")));
            }
        }
        _ => {}
    }
    let plain = info.decrypt(passphrase.reveal()).map_err(|_| Error::PassphraseWrong)?;
    Ok(Zeroizing::new(plain.as_bytes().to_vec()))
}

/// The OID of an encryption scheme that could not be parsed as a whole, to name it.
fn scheme_oid(der: &[u8]) -> Option<ObjectIdentifier> {
    use der::Reader;
    let mut reader = der::SliceReader::new(der).ok()?;
    reader
        .sequence(|outer| {
            let algorithm = outer.sequence(|inner| {
                let oid = ObjectIdentifier::decode(inner)?;
                while !inner.is_finished() {
                    inner.tlv_bytes()?;
                }
                der::Result::Ok(oid)
            })?;
            while !outer.is_finished() {
                outer.tlv_bytes()?;
            }
            der::Result::Ok(algorithm)
        })
        .ok()
}

/// Encodes a `PrivateKeyInfo` of version 1 around `secret`.
pub(super) fn encode_pkcs8(
    oid: ObjectIdentifier,
    parameters: Option<AnyRef<'_>>,
    secret: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let malformed = |_| Error::Malformed { what: "the private key" };
    let algorithm = spki::AlgorithmIdentifierRef { oid, parameters };
    let secret = OctetStringRef::new(secret).map_err(malformed)?;
    let info: PrivateKeyInfoRef<'_> = pkcs8::PrivateKeyInfo { algorithm, private_key: secret, public_key: None };
    Ok(Zeroizing::new(info.to_der().map_err(malformed)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scrypt_with_parameters_that_make_no_sense_is_refused() {
        for (n, r, p) in [(0, 8, 1), (1, 8, 1), (3, 8, 1), (u64::MAX, 8, 1), (2, 0, 1), (2, 8, 0), (2, 1, 1)] {
            let cost = pkcs8::pkcs5::scrypt::Params::new(14, 8, 1).unwrap();
            let mut parameters = pbes2::Parameters::generate_scrypt_aes256cbc(cost, &[0; 16], [0; 16]).unwrap();
            let pbes2::Kdf::Scrypt(kdf) = &mut parameters.kdf else { unreachable!("it was made with scrypt") };
            (kdf.cost_parameter, kdf.block_size, kdf.parallelization) = (n, r, p);
            let encrypted_data = OctetStringRef::new(&[0; 16]).unwrap();
            let info = EncryptedPrivateKeyInfoRef { encryption_algorithm: parameters.into(), encrypted_data };
            let found = decrypt(&info.to_der().unwrap(), &Passphrase::new(b"secret".to_vec().into())).unwrap_err();
            // What makes sense of a sort is computed, and the passphrase is wrong.
            let is_computed = n == 2;
            assert_eq!(matches!(found, Error::PassphraseWrong), is_computed, "{n} {r} {p}: {found}");
            assert_eq!(matches!(found, Error::Encryption { .. }), !is_computed, "{n} {r} {p}: {found}");
        }
    }
}
