//! CMS SignedData (RFC 5652 section 5): made detached, read detached or attached, in DER or streamed BER.
//!
//! What is read is kept as its original bytes: signatures are checked over the signed attributes as they came, and
//! certificates are never re-encoded. Exactly one signer is accepted; none, or several, never verify.

use std::fmt;

use const_oid::ObjectIdentifier;
use const_oid::db::{rfc5911, rfc5912};
use der::asn1::{Any, AnyRef, GeneralizedTime, OctetStringRef, SetOfVec, UtcTime};
use der::{Decode, Encode, Sequence, ValueOrd};
use x509_cert::attr::Attribute;

use crate::key::{self, Digest, Hash, Input, PublicKey, Scheme, Signer};
use crate::x509::{self, Certificate, Time, members};

/// Most certificates taken from one message. A chain has below ten; each costs a parse, and a peer chooses them.
const CERTIFICATES_LIMIT: usize = 64;

/// Deepest nesting of indefinite lengths that is followed. OpenSSL's streamed SignedData has six.
const BER_DEPTH_LIMIT: usize = 16;

/// Why a message could not be read or made.
#[derive(Debug)]
pub enum Error {
    /// The bytes are no CMS, or malformed; what part.
    Malformed { what: &'static str },
    /// A CMS message of another type; the name of the type.
    NotSignedData { found: String },
    /// A certificate in it could not be read or written.
    Certificate(x509::Error),
    /// The key could not sign.
    Key(key::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { what } => write!(f, "the CMS message is malformed: {what}"),
            Self::NotSignedData { found } => write!(f, "the CMS message is {found}, not signed data"),
            Self::Certificate(error) => write!(f, "a certificate in the CMS message: {error}"),
            Self::Key(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Certificate(error) => error.source(),
            Self::Key(error) => error.source(),
            _ => None,
        }
    }
}

impl From<key::Error> for Error {
    fn from(error: key::Error) -> Self {
        Self::Key(error)
    }
}

/// Why a signature in a message does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no signer, or more than one.
    Signers { count: usize },
    /// A digest or signature algorithm that is not accepted, or the two do not agree.
    Algorithm { why: String },
    /// The content is not plain data.
    ContentType { found: String },
    /// The signed attributes lack one, have one twice, or hold a wrong value.
    Attributes { why: &'static str },
    /// The content is not what was signed.
    Digest,
    /// The signature is not the signer's.
    Signature,
    /// The signer's certificate is not there.
    NoCertificate,
}

impl Refusal {
    /// The stable code of the reason, for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Signers { .. } => "signers",
            Self::Algorithm { .. } => "algorithm",
            Self::ContentType { .. } => "content-type",
            Self::Attributes { .. } => "signed-attributes",
            Self::Digest => "digest",
            Self::Signature => "signature",
            Self::NoCertificate => "no-signer-certificate",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signers { count: 0 } => f.write_str("the message has no signature"),
            Self::Signers { count } => write!(f, "the message has {count} signatures, and one is expected"),
            Self::Algorithm { why } => f.write_str(why),
            Self::ContentType { found } => write!(f, "the signed content is of type {found}, not data"),
            Self::Attributes { why } => write!(f, "the signed attributes {why}"),
            Self::Digest => f.write_str("the content is not what was signed"),
            Self::Signature => f.write_str("the signature does not match"),
            Self::NoCertificate => f.write_str("the signer's certificate is not in the message"),
        }
    }
}

/// A SignedData message.
///
/// ```text
/// SignedData ::= SEQUENCE {                     -- RFC 5652 section 5.1
///     version           CMSVersion,
///     digestAlgorithms  SET OF DigestAlgorithmIdentifier,
///     encapContentInfo  EncapsulatedContentInfo,
///     certificates  [0] IMPLICIT CertificateSet OPTIONAL,
///     crls          [1] IMPLICIT RevocationInfoChoices OPTIONAL,
///     signerInfos       SET OF SignerInfo }
/// ```
#[derive(Clone, Debug)]
pub struct SignedData {
    /// The type of the content.
    pub content_type: ObjectIdentifier,
    /// The content, where it is attached.
    pub content: Option<Vec<u8>>,
    /// The certificates that came along, in no order that means anything.
    pub certificates: Vec<Certificate>,
    /// The signers.
    pub signers: Vec<SignerInfo>,
}

/// One signer's part of a SignedData message.
///
/// ```text
/// SignerInfo ::= SEQUENCE {                     -- RFC 5652 section 5.3
///     version             CMSVersion,
///     sid                 SignerIdentifier,
///     digestAlgorithm     DigestAlgorithmIdentifier,
///     signedAttrs     [0] IMPLICIT SignedAttributes OPTIONAL,
///     signatureAlgorithm  SignatureAlgorithmIdentifier,
///     signature           OCTET STRING,
///     unsignedAttrs   [1] IMPLICIT UnsignedAttributes OPTIONAL }
/// ```
#[derive(Clone, Debug)]
pub struct SignerInfo {
    /// Whose signature it is.
    pub identifier: SignerIdentifier,
    /// The whole digest AlgorithmIdentifier.
    digest_algorithm: Vec<u8>,
    /// The signed attributes as they are signed: the original bytes under the tag of a SET OF.
    signed_attributes: Option<Vec<u8>>,
    /// The whole signature AlgorithmIdentifier.
    signature_algorithm: Vec<u8>,
    signature: Vec<u8>,
}

/// How a signer is named (RFC 5652 section 5.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignerIdentifier {
    /// The DER issuer name, and the content octets of the serial number.
    IssuerAndSerial { issuer: Vec<u8>, serial: Vec<u8> },
    /// The subjectKeyIdentifier.
    KeyIdentifier(Vec<u8>),
}

/// What the signed attributes say.
#[derive(Debug)]
struct SignedAttributes {
    content_type: ObjectIdentifier,
    message_digest: Vec<u8>,
    signing_time: Option<Time>,
}

impl SignedData {
    /// Reads a message in DER or BER; bytes after it are an error.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let der = definite(bytes)?;
        let malformed = |what| move |_| Error::Malformed { what };
        let fields = |der, what| members(der, what).map_err(malformed(what));
        let [content_type, content] = fields(&der, "its ContentInfo")?[..] else {
            return Err(Error::Malformed { what: "its ContentInfo" });
        };
        let content_type = ObjectIdentifier::from_der(content_type).map_err(|_| Error::Malformed { what: "its type" })?;
        if content_type != rfc5911::ID_SIGNED_DATA {
            return Err(Error::NotSignedData { found: key::algorithm::oid_name(content_type) });
        }
        let [signed_data] = fields(content, "its content")?[..] else {
            return Err(Error::Malformed { what: "its content" });
        };
        let parts = fields(signed_data, "its SignedData")?;
        let [version, digests, encapsulated, rest @ ..] = parts.as_slice() else {
            return Err(Error::Malformed { what: "its SignedData" });
        };
        if version.first() != Some(&0x02) || digests.first() != Some(&0x31) {
            return Err(Error::Malformed { what: "its SignedData" });
        }
        let (content_type, content) = encapsulated_content(encapsulated)?;
        let (mut certificates, mut signers) = (Vec::new(), None);
        for part in rest {
            match (part.first(), &signers) {
                (Some(0xa0), None) if certificates.is_empty() => {
                    for certificate in fields(part, "its certificates")? {
                        // Attribute certificates and the like are of no use here.
                        if certificate.first() == Some(&0x30) {
                            certificates.push(Certificate::from_der(certificate).map_err(Error::Certificate)?);
                        }
                    }
                }
                (Some(0xa1), None) => {}
                (Some(0x31), None) => signers = Some(fields(part, "its signerInfos")?),
                _ => return Err(Error::Malformed { what: "its SignedData" }),
            }
        }
        if certificates.len() > CERTIFICATES_LIMIT {
            return Err(Error::Malformed { what: "it has more than 64 certificates" });
        }
        let signers = signers.ok_or(Error::Malformed { what: "it has no signerInfos" })?;
        let signers = signers.into_iter().map(SignerInfo::from_der).collect::<Result<_, _>>()?;
        Ok(Self { content_type, content, certificates, signers })
    }

    /// The one signer, and what its signature depends on; refused where there is none or several.
    pub fn signer(&self) -> Result<&SignerInfo, Refusal> {
        match self.signers.as_slice() {
            [signer] => Ok(signer),
            signers => Err(Refusal::Signers { count: signers.len() }),
        }
    }

    /// The certificate that the signer names, from the message or from `others`.
    pub fn certificate_of<'a>(
        &'a self,
        signer: &SignerInfo,
        others: &'a [Certificate],
    ) -> Result<&'a Certificate, Refusal> {
        let mut all = self.certificates.iter().chain(others);
        all.find(|certificate| signer.identifier.names(certificate)).ok_or(Refusal::NoCertificate)
    }

    /// Checks the signer's signature over the content with a public key. `content` is the digest of the whole content
    /// by [`SignerInfo::digest_hash`]. Says nothing about whose key it is.
    ///
    /// Returns the scheme and the signing time that the signer claims.
    pub fn verify(
        &self,
        signer: &SignerInfo,
        key: &PublicKey,
        content: &Digest,
    ) -> Result<(Scheme, Option<Time>), Refusal> {
        if self.content_type != rfc5911::ID_DATA {
            return Err(Refusal::ContentType { found: key::algorithm::oid_name(self.content_type) });
        }
        let hash = signer.digest_hash()?;
        let scheme = signer.scheme(hash)?;
        let not_matching = |error| match error {
            key::Error::Scheme { .. } => Refusal::Algorithm { why: format!("the signer's key: {error}") },
            _ => Refusal::Signature,
        };
        let Some(signed) = &signer.signed_attributes else {
            key.verify(scheme, Input::Digest(content), &signer.signature).map_err(not_matching)?;
            return Ok((scheme, None));
        };
        let attributes = SignedAttributes::parse(signed)?;
        if attributes.content_type != self.content_type {
            return Err(Refusal::Attributes { why: "name another content type" });
        }
        // A public value: nothing is learned from the time that a comparison takes.
        if content.hash() != hash || attributes.message_digest != content.bytes() {
            return Err(Refusal::Digest);
        }
        key.verify(scheme, Input::Message(signed), &signer.signature).map_err(not_matching)?;
        Ok((scheme, attributes.signing_time))
    }
}

impl SignerInfo {
    fn from_der(der: &[u8]) -> Result<Self, Error> {
        let malformed = || Error::Malformed { what: "its SignerInfo" };
        let parts = members(der, "its SignerInfo").map_err(|_| malformed())?;
        let [version, identifier, digest_algorithm, rest @ ..] = parts.as_slice() else { return Err(malformed()) };
        let (signed_attributes, rest) = match rest {
            [attributes @ [0xa0, ..], rest @ ..] => {
                // RFC 5652 section 5.4: signed under the tag of a SET OF, not the [0] that it travels with.
                let mut attributes = attributes.to_vec();
                attributes[0] = 0x31;
                (Some(attributes), rest)
            }
            rest => (None, rest),
        };
        let (signature_algorithm, signature) = match rest {
            [algorithm, signature] | [algorithm, signature, [0xa1, ..]] => (algorithm, signature),
            _ => return Err(malformed()),
        };
        if version.first() != Some(&0x02) {
            return Err(malformed());
        }
        Ok(Self {
            identifier: SignerIdentifier::from_der(identifier)?,
            digest_algorithm: digest_algorithm.to_vec(),
            signed_attributes,
            signature_algorithm: signature_algorithm.to_vec(),
            signature: <&OctetStringRef>::from_der(signature).map_err(|_| malformed())?.as_bytes().to_vec(),
        })
    }

    /// The hash that the content must be digested with.
    pub fn digest_hash(&self) -> Result<Hash, Refusal> {
        let found = members(&self.digest_algorithm, "the digest algorithm").ok().and_then(|parts| match parts[..] {
            // RFC 5754 section 2: parameters are absent, and NULL must be accepted.
            [oid] | [oid, [0x05, 0x00]] => ObjectIdentifier::from_der(oid).ok(),
            _ => None,
        });
        let name = || found.map_or("(malformed)".to_owned(), key::algorithm::oid_name);
        found
            .and_then(Hash::from_oid)
            .ok_or_else(|| Refusal::Algorithm { why: format!("the digest algorithm {} is not accepted", name()) })
    }

    /// The time at which the signer claims to have signed.
    pub fn signing_time(&self) -> Option<Time> {
        SignedAttributes::parse(self.signed_attributes.as_ref()?).ok()?.signing_time
    }

    /// The signature's scheme, which must agree with the digest.
    pub fn scheme(&self, digest: Hash) -> Result<Scheme, Refusal> {
        let refuse = |why: String| Refusal::Algorithm { why };
        let scheme = if self.signature_algorithm == rsa_encryption() {
            // The key's own identifier stands for PKCS#1 v1.5 with the signer's digest (RFC 3370 section 3.2).
            Scheme::RsaPkcs1(digest)
        } else {
            Scheme::from_algorithm_identifier(&self.signature_algorithm).ok_or_else(|| {
                let oid = members(&self.signature_algorithm, "the algorithm").ok();
                let oid = oid.and_then(|parts| ObjectIdentifier::from_der(parts.first()?).ok());
                let name = oid.map_or("(malformed)".to_owned(), key::algorithm::oid_name);
                refuse(format!("the signature algorithm {name} with these parameters is not accepted"))
            })?
        };
        match scheme.hash() {
            Some(hash) if hash != digest => Err(refuse(format!("digest {digest} and signature {scheme} do not agree"))),
            // RFC 8419 section 3.1: SHA-512 for the attributes' message digest.
            None if digest != Hash::Sha512 => Err(refuse(format!("{scheme} asks for digest sha512, not {digest}"))),
            None if self.signed_attributes.is_none() => {
                Err(refuse(format!("{scheme} without signed attributes is not checked, since it needs the whole content")))
            }
            _ => Ok(scheme),
        }
    }
}

impl SignerIdentifier {
    fn from_der(der: &[u8]) -> Result<Self, Error> {
        let malformed = || Error::Malformed { what: "its signer identifier" };
        if der.first() == Some(&0x80) {
            let any = AnyRef::from_der(der).map_err(|_| malformed())?;
            return Ok(Self::KeyIdentifier(any.value().to_vec()));
        }
        match members(der, "its signer identifier").map_err(|_| malformed())?[..] {
            [issuer, serial @ [0x02, ..]] => {
                let serial = AnyRef::from_der(serial).map_err(|_| malformed())?.value().to_vec();
                Ok(Self::IssuerAndSerial { issuer: issuer.to_vec(), serial })
            }
            _ => Err(malformed()),
        }
    }

    fn names(&self, certificate: &Certificate) -> bool {
        match self {
            Self::IssuerAndSerial { issuer, serial } => {
                certificate.issuer().der() == issuer && certificate.serial() == serial
            }
            Self::KeyIdentifier(identifier) => {
                certificate.subject_key_identifier().is_ok_and(|own| own.as_ref() == Some(identifier))
            }
        }
    }
}

impl SignedAttributes {
    /// Reads the attributes that are known; every type may come once, with one value (RFC 5652 section 11).
    fn parse(der: &[u8]) -> Result<Self, Refusal> {
        let refuse = |why| move || Refusal::Attributes { why };
        let malformed = refuse("are malformed");
        let (mut content_type, mut message_digest, mut signing_time) = (None, None, None);
        let mut seen = Vec::new();
        for attribute in members(der, "signed attributes").map_err(|_| malformed())? {
            let [oid, values] = members(attribute, "a signed attribute").map_err(|_| malformed())?[..] else {
                return Err(malformed());
            };
            let oid = ObjectIdentifier::from_der(oid).map_err(|_| malformed())?;
            if seen.contains(&oid) {
                return Err(Refusal::Attributes { why: "have one attribute twice" });
            }
            seen.push(oid);
            let values = members(values, "a signed attribute").map_err(|_| malformed())?;
            let value = match (oid, values.as_slice()) {
                (rfc5911::ID_CONTENT_TYPE | rfc5911::ID_MESSAGE_DIGEST | rfc5911::ID_SIGNING_TIME, [value]) => value,
                (rfc5911::ID_CONTENT_TYPE | rfc5911::ID_MESSAGE_DIGEST | rfc5911::ID_SIGNING_TIME, _) => {
                    return Err(malformed());
                }
                _ => continue,
            };
            match oid {
                rfc5911::ID_CONTENT_TYPE => {
                    content_type = Some(ObjectIdentifier::from_der(value).map_err(|_| malformed())?);
                }
                rfc5911::ID_MESSAGE_DIGEST => {
                    let octets = <&OctetStringRef>::from_der(value).map_err(|_| malformed())?;
                    message_digest = Some(octets.as_bytes().to_vec());
                }
                _ => signing_time = Some(parse_time(value).ok_or_else(malformed)?),
            }
        }
        Ok(Self {
            content_type: content_type.ok_or(Refusal::Attributes { why: "lack the content type" })?,
            message_digest: message_digest.ok_or(Refusal::Attributes { why: "lack the message digest" })?,
            signing_time,
        })
    }
}

/// Reads a UTCTime or GeneralizedTime from 1970 on.
fn parse_time(der: &[u8]) -> Option<Time> {
    let since_1970 = match der.first()? {
        0x17 => UtcTime::from_der(der).ok()?.to_unix_duration(),
        _ => GeneralizedTime::from_der(der).ok()?.to_unix_duration(),
    };
    Time::from_unix_timestamp(i64::try_from(since_1970.as_secs()).ok()?).ok()
}

/// The type and the attached bytes of an `EncapsulatedContentInfo` (RFC 5652 section 5.2).
fn encapsulated_content(der: &[u8]) -> Result<(ObjectIdentifier, Option<Vec<u8>>), Error> {
    const WHAT: &str = "its encapContentInfo";
    let malformed = |_| Error::Malformed { what: WHAT };
    let parts = members(der, WHAT).map_err(malformed)?;
    let oid = |der| ObjectIdentifier::from_der(der).map_err(|_| Error::Malformed { what: WHAT });
    match parts[..] {
        [content_type] => Ok((oid(content_type)?, None)),
        [content_type, explicit @ [0xa0, ..]] => match members(explicit, WHAT).map_err(malformed)?[..] {
            [octets] => {
                let octets = <&OctetStringRef>::from_der(octets).map_err(|_| Error::Malformed { what: WHAT })?;
                Ok((oid(content_type)?, Some(octets.as_bytes().to_vec())))
            }
            _ => Err(Error::Malformed { what: WHAT }),
        },
        _ => Err(Error::Malformed { what: WHAT }),
    }
}

/// Rewrites BER's indefinite lengths and segmented OCTET STRINGs, as OpenSSL streams them, into definite ones. Values
/// of definite length are copied as they are, so that what is signed keeps its bytes.
fn definite(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let (value, rest) = definite_value(bytes, 0)?;
    if !rest.is_empty() {
        return Err(Error::Malformed { what: "bytes follow it" });
    }
    Ok(value)
}

/// Rewrites the first value of `bytes` and returns it with what follows.
fn definite_value(bytes: &[u8], depth: usize) -> Result<(Vec<u8>, &[u8]), Error> {
    let malformed = || Error::Malformed { what: "its BER encoding" };
    if depth > BER_DEPTH_LIMIT {
        return Err(Error::Malformed { what: "its nesting is too deep" });
    }
    let (&tag, after_tag) = bytes.split_first().ok_or_else(malformed)?;
    let is_segmented_string = tag == 0x24;
    let Some((0x80, mut rest)) = after_tag.split_first().map(|(length, rest)| (*length, rest)) else {
        let mut reader = der::SliceReader::new(bytes).map_err(|_| malformed())?;
        let whole = der::Reader::tlv_bytes(&mut reader).map_err(|_| malformed())?;
        let rest = &bytes[whole.len()..];
        if is_segmented_string {
            let segments = members(whole, "a segmented string").map_err(|_| malformed())?;
            return Ok((octet_string(&segments.concat_octets(depth)?)?, rest));
        }
        return Ok((whole.to_vec(), rest));
    };
    if tag & 0x20 == 0 {
        return Err(malformed());
    }
    let mut content = Vec::new();
    loop {
        if let [0x00, 0x00, after @ ..] = rest {
            rest = after;
            break;
        }
        let (value, after) = definite_value(rest, depth + 1)?;
        if is_segmented_string {
            content.extend_from_slice(<&OctetStringRef>::from_der(&value).map_err(|_| malformed())?.as_bytes());
        } else {
            content.extend_from_slice(&value);
        }
        rest = after;
    }
    let value = if is_segmented_string { octet_string(&content)? } else { tagged(tag, &content)? };
    Ok((value, rest))
}

/// The joined content of OCTET STRING segments, which may be segmented themselves.
trait ConcatOctets {
    fn concat_octets(&self, depth: usize) -> Result<Vec<u8>, Error>;
}

impl ConcatOctets for Vec<&[u8]> {
    fn concat_octets(&self, depth: usize) -> Result<Vec<u8>, Error> {
        let mut joined = Vec::new();
        for segment in self {
            let (segment, _) = definite_value(segment, depth + 1)?;
            let octets = <&OctetStringRef>::from_der(&segment);
            joined.extend_from_slice(octets.map_err(|_| Error::Malformed { what: "a segmented string" })?.as_bytes());
        }
        Ok(joined)
    }
}

fn octet_string(content: &[u8]) -> Result<Vec<u8>, Error> {
    tagged(0x04, content)
}

fn tagged(tag: u8, content: &[u8]) -> Result<Vec<u8>, Error> {
    let too_long = |_| Error::Malformed { what: "it is too long" };
    let mut value = vec![tag];
    der::Length::try_from(content.len()).and_then(|length| length.encode_to_vec(&mut value)).map_err(too_long)?;
    value.extend_from_slice(content);
    Ok(value)
}

/// `AlgorithmIdentifier` of rsaEncryption with NULL (RFC 3370 section 3.2).
fn rsa_encryption() -> Vec<u8> {
    let mut oid = vec![0x06, rfc5912::RSA_ENCRYPTION.as_bytes().len() as u8];
    oid.extend_from_slice(rfc5912::RSA_ENCRYPTION.as_bytes());
    oid.extend_from_slice(&[0x05, 0x00]);
    let mut identifier = vec![0x30, oid.len() as u8];
    identifier.append(&mut oid);
    identifier
}

#[derive(Sequence)]
struct ContentInfo<'a> {
    content_type: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    content: SignedDataToWrite<'a>,
}

#[derive(Sequence)]
struct SignedDataToWrite<'a> {
    version: u8,
    digest_algorithms: SetOfVec<AlgorithmToWrite>,
    encap_content_info: EncapsulatedToWrite,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT")]
    certificates: SetOfVec<Any>,
    signer_infos: SetOfVec<SignerInfoToWrite<'a>>,
}

#[derive(Sequence)]
struct EncapsulatedToWrite {
    content_type: ObjectIdentifier,
}

#[derive(Sequence, ValueOrd)]
struct AlgorithmToWrite {
    oid: ObjectIdentifier,
}

#[derive(Sequence, ValueOrd)]
struct IssuerAndSerialToWrite<'a> {
    issuer: AnyRef<'a>,
    serial: der::asn1::IntRef<'a>,
}

#[derive(Sequence, ValueOrd)]
struct SignerInfoToWrite<'a> {
    version: u8,
    sid: IssuerAndSerialToWrite<'a>,
    digest_algorithm: AlgorithmToWrite,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT")]
    signed_attrs: SetOfVec<Attribute>,
    signature_algorithm: AnyRef<'a>,
    signature: &'a OctetStringRef,
}

/// What is signed, and with what.
#[derive(Clone, Copy, Debug)]
pub struct Signing<'a> {
    /// The key.
    pub signer: &'a dyn Signer,
    /// The scheme that it signs with.
    pub scheme: Scheme,
    /// The signer's certificate and those above it, as far as they are to be sent along.
    pub chain: &'a [Certificate],
    /// The signing time that is claimed.
    pub signing_time: Time,
}

impl Signing<'_> {
    /// The hash that the content must be digested with: the scheme's, or SHA-512 for Ed25519 (RFC 8419 section 3.1).
    pub fn digest_hash(&self) -> Hash {
        self.scheme.hash().unwrap_or(Hash::Sha512)
    }

    /// Makes a detached SignedData message in DER over the content whose digest is given.
    ///
    /// Version 1, content type data, signed attributes contentType, signingTime and messageDigest, the signer named by
    /// issuer and serial number: what OpenSSL, RAUC and SWUpdate read. ECDSA keys in software sign deterministically.
    pub fn detached(&self, content: &Digest) -> Result<Vec<u8>, Error> {
        let malformed = |_| Error::Malformed { what: "what is to be written" };
        let leaf = self.chain.first().ok_or(Error::Malformed { what: "there is no certificate" })?;
        let hash = self.digest_hash();
        let digest_octets = OctetStringRef::new(content.bytes()).map_err(malformed)?;
        let attributes = [
            (rfc5911::ID_CONTENT_TYPE, Any::from(rfc5911::ID_DATA)),
            (rfc5911::ID_SIGNING_TIME, encode_time(self.signing_time)?),
            (rfc5911::ID_MESSAGE_DIGEST, Any::encode_from(&digest_octets).map_err(malformed)?),
        ];
        let attributes = attributes.into_iter().map(|(oid, value)| {
            let values = SetOfVec::try_from(vec![value])?;
            Ok(Attribute { oid, values })
        });
        let attributes: Vec<Attribute> = attributes.collect::<der::Result<_>>().map_err(malformed)?;
        let signed_attrs = SetOfVec::try_from(attributes).map_err(malformed)?;
        let to_be_signed = signed_attrs.to_der().map_err(malformed)?;
        let signature = match self.scheme.hash() {
            Some(hash) => self.signer.sign(self.scheme, Input::Digest(&hash.digest(&to_be_signed)))?,
            None => self.signer.sign(self.scheme, Input::Message(&to_be_signed))?,
        };
        let signature_algorithm = match self.scheme {
            Scheme::RsaPkcs1(_) => rsa_encryption(),
            scheme => scheme.algorithm_identifier(),
        };
        let certificates = self.chain.iter().map(|certificate| Any::from_der(certificate.der()));
        let certificates: Vec<Any> = certificates.collect::<der::Result<_>>().map_err(malformed)?;
        let signer_info = SignerInfoToWrite {
            version: 1,
            sid: IssuerAndSerialToWrite {
                issuer: AnyRef::from_der(leaf.issuer().der()).map_err(malformed)?,
                serial: der::asn1::IntRef::new(leaf.serial()).map_err(malformed)?,
            },
            digest_algorithm: AlgorithmToWrite { oid: hash.oid() },
            signed_attrs,
            signature_algorithm: AnyRef::from_der(&signature_algorithm).map_err(malformed)?,
            signature: OctetStringRef::new(&signature).map_err(malformed)?,
        };
        let message = ContentInfo {
            content_type: rfc5911::ID_SIGNED_DATA,
            content: SignedDataToWrite {
                version: 1,
                digest_algorithms: SetOfVec::try_from(vec![AlgorithmToWrite { oid: hash.oid() }]).map_err(malformed)?,
                encap_content_info: EncapsulatedToWrite { content_type: rfc5911::ID_DATA },
                certificates: SetOfVec::try_from(certificates).map_err(malformed)?,
                signer_infos: SetOfVec::try_from(vec![signer_info]).map_err(malformed)?,
            },
        };
        message.to_der().map_err(malformed)
    }
}

/// UTCTime through 2049, GeneralizedTime from 2050 (RFC 5652 section 11.3).
fn encode_time(time: Time) -> Result<Any, Error> {
    let unfit = |_| Error::Malformed { what: "the signing time" };
    let seconds = u64::try_from(time.unix_timestamp()).map_err(|_| Error::Malformed { what: "the signing time" })?;
    let time = der::DateTime::from_unix_duration(std::time::Duration::from_secs(seconds)).map_err(unfit)?;
    if time.year() < 2050 {
        Any::encode_from(&UtcTime::from_date_time(time).map_err(unfit)?).map_err(unfit)
    } else {
        Any::encode_from(&GeneralizedTime::from_date_time(time)).map_err(unfit)
    }
}
