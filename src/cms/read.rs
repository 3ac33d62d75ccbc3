//! Reading SignedData, and checking the one signature in it.

use std::collections::HashSet;

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5911;
use der::asn1::{AnyRef, OctetStringRef};
use der::{Decode, Tag};
use zeroize::Zeroizing;

use super::{Error, LENGTH_LIMIT, RSA_ENCRYPTION, Refusal, ber};
use crate::key::{self, Digest, Hash, Scheme};
use crate::x509::{CONTEXT_0, Certificate, Time, decode_time, members};

/// Most certificates taken from one message. A chain has below ten; each costs a parse, and a peer chooses them.
const CERTIFICATES_LIMIT: usize = 64;

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
    /// The digest algorithms that the message announces. Verifiers that digest while they read, as OpenSSL, have no other.
    digest_algorithms: Vec<ObjectIdentifier>,
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

/// A signature in a message, and what it covers.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The scheme.
    pub scheme: Scheme,
    /// The signed attributes, as they are signed; where there are none, the content itself is signed.
    pub attributes: Option<Vec<u8>>,
    /// The signature.
    pub signature: Vec<u8>,
    /// The time at which the signer claims to have signed.
    pub signing_time: Option<Time>,
}

/// How a signer is named (RFC 5652 section 5.3), and a recipient too (section 6.2.1).
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
        let der = ber::definite(bytes)?;
        let (content_type, signed_data) = super::content_info(&der)?;
        if content_type != rfc5911::ID_SIGNED_DATA {
            return Err(Error::NotSignedData { found: key::algorithm::oid_name(content_type) });
        }
        Self::from_der(signed_data)
    }

    /// Reads the content of another message that says it is signed data: by RFC 5652 section 4 the bare SignedData, but some
    /// put a whole message there.
    pub fn from_content(bytes: &[u8]) -> Result<Self, Error> {
        // It was encrypted.
        let der = Zeroizing::new(ber::definite(bytes)?);
        let parts = members(&der, Tag::Sequence, "").map_err(|_| Error::Malformed { what: "its SignedData" })?;
        match parts.first().and_then(|part| part.first()) {
            Some(0x02) => Self::from_der(&der),
            _ => Self::from_bytes(&der),
        }
    }

    fn from_der(signed_data: &[u8]) -> Result<Self, Error> {
        let malformed = |what| move |_| Error::Malformed { what };
        let fields = |der, tag, what| members(der, tag, what).map_err(malformed(what));
        let parts = fields(signed_data, Tag::Sequence, "its SignedData")?;
        let [version, digests, encapsulated, rest @ ..] = parts.as_slice() else {
            return Err(Error::Malformed { what: "its SignedData" });
        };
        if version.first() != Some(&0x02) {
            return Err(Error::Malformed { what: "its SignedData" });
        }
        if signed_data.len() - encapsulated.len() > LENGTH_LIMIT {
            return Err(Error::Malformed { what: "it has more than 1 MiB beside its content" });
        }
        let algorithm = |der| {
            let parts = fields(der, Tag::Sequence, "its digestAlgorithms")?;
            let oid = parts.first().and_then(|oid| ObjectIdentifier::from_der(oid).ok());
            oid.ok_or(Error::Malformed { what: "its digestAlgorithms" })
        };
        let digest_algorithms = fields(digests, Tag::Set, "its digestAlgorithms")?;
        let digest_algorithms = digest_algorithms.into_iter().map(algorithm).collect::<Result<_, _>>()?;
        let (content_type, content) = encapsulated_content(encapsulated)?;
        let (mut certificates, mut signers) = (Vec::new(), None);
        for part in rest {
            match (part.first(), &signers) {
                (Some(0xa0), None) if certificates.is_empty() => {
                    for certificate in fields(part, CONTEXT_0, "its certificates")? {
                        if certificates.len() == CERTIFICATES_LIMIT {
                            return Err(Error::Malformed { what: "it has more than 64 certificates" });
                        }
                        // Attribute certificates and the like are of no use here.
                        if certificate.first() == Some(&0x30) {
                            certificates.push(Certificate::from_der(certificate).map_err(Error::Certificate)?);
                        }
                    }
                }
                (Some(0xa1), None) => {}
                (Some(0x31), None) => signers = Some(fields(part, Tag::Set, "its signerInfos")?),
                _ => return Err(Error::Malformed { what: "its SignedData" }),
            }
        }
        let signers = signers.ok_or(Error::Malformed { what: "it has no signerInfos" })?;
        let signers = signers.into_iter().map(SignerInfo::from_der).collect::<Result<_, _>>()?;
        Ok(Self { content_type, digest_algorithms, content, certificates, signers })
    }

    /// Reads a message that carries certificates alone (RFC 5272 section 4.1: no content, no signer), in no order that means
    /// anything. An empty content is none: some peers write it.
    pub fn certificates_only(bytes: &[u8]) -> Result<Vec<Certificate>, Error> {
        let message = Self::from_bytes(bytes)?;
        let is_empty = message.content.is_none_or(|content| content.is_empty());
        if message.content_type != rfc5911::ID_DATA || !is_empty {
            return Err(Error::Malformed { what: "it has a content, and certificates alone are expected" });
        }
        if !message.signers.is_empty() {
            return Err(Error::Malformed { what: "it has a signer, and certificates alone are expected" });
        }
        Ok(message.certificates)
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

    /// What a signer claims to have signed. `content` is the digest of the whole content by
    /// [`SignerInfo::digest_hash`]; that it is the one in the signed attributes is checked here, the signature is not.
    pub fn claim(&self, signer: &SignerInfo, content: &Digest) -> Result<Claim, Refusal> {
        self.claim_of(rfc5911::ID_DATA, signer, content)
    }

    /// As [`claim`](Self::claim), where the content is to be of another type than plain data.
    pub fn claim_of(
        &self,
        content_type: ObjectIdentifier,
        signer: &SignerInfo,
        content: &Digest,
    ) -> Result<Claim, Refusal> {
        if self.content_type != content_type {
            let name = key::algorithm::oid_name;
            return Err(Refusal::ContentType { found: name(self.content_type), wanted: name(content_type) });
        }
        let hash = signer.digest_hash()?;
        if !self.digest_algorithms.contains(&hash.oid()) {
            return Err(Refusal::Algorithm { why: format!("the message does not announce the digest {hash}") });
        }
        let scheme = signer.scheme(hash)?;
        let signature = signer.signature.clone();
        let Some(signed) = &signer.signed_attributes else {
            return Ok(Claim { scheme, attributes: None, signature, signing_time: None });
        };
        let attributes = SignedAttributes::parse(signed)?;
        if attributes.content_type != self.content_type {
            return Err(Refusal::Attributes { why: "name another content type" });
        }
        // A public value: nothing is learned from the time that a comparison takes.
        if content.hash() != hash || attributes.message_digest != content.bytes() {
            return Err(Refusal::Digest);
        }
        let signing_time = attributes.signing_time;
        Ok(Claim { scheme, attributes: Some(signed.clone()), signature, signing_time })
    }
}

impl SignerInfo {
    fn from_der(der: &[u8]) -> Result<Self, Error> {
        let malformed = || Error::Malformed { what: "its SignerInfo" };
        let parts = members(der, Tag::Sequence, "its SignerInfo").map_err(|_| malformed())?;
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
        let found = members(&self.digest_algorithm, Tag::Sequence, "the digest algorithm").ok().and_then(|parts| {
            match parts[..] {
                // RFC 5754 section 2: parameters are absent, and NULL must be accepted.
                [oid] | [oid, [0x05, 0x00]] => ObjectIdentifier::from_der(oid).ok(),
                _ => None,
            }
        });
        let name = || found.map_or("(malformed)".to_owned(), key::algorithm::oid_name);
        found
            .and_then(Hash::from_oid)
            .ok_or_else(|| Refusal::Algorithm { why: format!("the digest algorithm {} is not accepted", name()) })
    }

    /// Refuses a content that is signed attributes, where the signer has none beside it: who signed those signed another
    /// content, and whoever takes them for one has a signature over it (RFC 5652 section 5.4 signs both alike).
    pub fn takes(&self, content: &[u8]) -> Result<(), Refusal> {
        match (&self.signed_attributes, SignedAttributes::parse(content)) {
            (None, Ok(_)) => Err(Refusal::Attributes { why: "are in the place of the content" }),
            _ => Ok(()),
        }
    }

    /// The time at which the signer claims to have signed.
    pub fn signing_time(&self) -> Option<Time> {
        SignedAttributes::parse(self.signed_attributes.as_ref()?).ok()?.signing_time
    }

    /// The signature's scheme, which must agree with the digest.
    pub fn scheme(&self, digest: Hash) -> Result<Scheme, Refusal> {
        let refuse = |why: String| Refusal::Algorithm { why };
        let scheme = if self.signature_algorithm == RSA_ENCRYPTION {
            Scheme::RsaPkcs1(digest)
        } else {
            Scheme::from_algorithm_identifier(&self.signature_algorithm).map_err(|error| refuse(error.to_string()))?
        };
        match scheme.hash() {
            Some(hash) if hash != digest => Err(refuse(format!("digest {digest} and signature {scheme} do not agree"))),
            // RFC 8419 section 3.1: SHA-512 for the attributes' message digest.
            None if digest != Hash::Sha512 => Err(refuse(format!("{scheme} asks for digest sha512, not {digest}"))),
            None if self.signed_attributes.is_none() => Err(refuse(format!(
                "{scheme} without signed attributes is not checked, since it needs the whole content"
            ))),
            _ => Ok(scheme),
        }
    }
}

impl SignerIdentifier {
    pub(super) fn from_der(der: &[u8]) -> Result<Self, Error> {
        let malformed = || Error::Malformed { what: "its signer identifier" };
        if der.first() == Some(&0x80) {
            let any = AnyRef::from_der(der).map_err(|_| malformed())?;
            return Ok(Self::KeyIdentifier(any.value().to_vec()));
        }
        match members(der, Tag::Sequence, "its signer identifier").map_err(|_| malformed())?[..] {
            [issuer, serial @ [0x02, ..]] => {
                let serial = AnyRef::from_der(serial).map_err(|_| malformed())?.value().to_vec();
                Ok(Self::IssuerAndSerial { issuer: issuer.to_vec(), serial })
            }
            _ => Err(malformed()),
        }
    }

    pub(super) fn names(&self, certificate: &Certificate) -> bool {
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
        let mut seen = HashSet::new();
        for attribute in members(der, Tag::Set, "signed attributes").map_err(|_| malformed())? {
            let [oid, values] = members(attribute, Tag::Sequence, "a signed attribute").map_err(|_| malformed())?[..]
            else {
                return Err(malformed());
            };
            let oid = ObjectIdentifier::from_der(oid).map_err(|_| malformed())?;
            if !seen.insert(oid) {
                return Err(Refusal::Attributes { why: "have one attribute twice" });
            }
            let values = members(values, Tag::Set, "a signed attribute").map_err(|_| malformed())?;
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
                _ => {
                    signing_time = Some(
                        AnyRef::from_der(value).ok().and_then(|time| decode_time(time).ok()).ok_or_else(malformed)?,
                    )
                }
            }
        }
        Ok(Self {
            content_type: content_type.ok_or(Refusal::Attributes { why: "lack the content type" })?,
            message_digest: message_digest.ok_or(Refusal::Attributes { why: "lack the message digest" })?,
            signing_time,
        })
    }
}

/// The type and the attached bytes of an `EncapsulatedContentInfo` (RFC 5652 section 5.2).
fn encapsulated_content(der: &[u8]) -> Result<(ObjectIdentifier, Option<Vec<u8>>), Error> {
    const WHAT: &str = "its encapContentInfo";
    let malformed = |_| Error::Malformed { what: WHAT };
    let parts = members(der, Tag::Sequence, WHAT).map_err(malformed)?;
    let oid = |der| ObjectIdentifier::from_der(der).map_err(|_| Error::Malformed { what: WHAT });
    match parts[..] {
        [content_type] => Ok((oid(content_type)?, None)),
        [content_type, explicit @ [0xa0, ..]] => match members(explicit, CONTEXT_0, WHAT).map_err(malformed)?[..] {
            [octets] => {
                let octets = <&OctetStringRef>::from_der(octets).map_err(|_| Error::Malformed { what: WHAT })?;
                Ok((oid(content_type)?, Some(octets.as_bytes().to_vec())))
            }
            _ => Err(Error::Malformed { what: WHAT }),
        },
        _ => Err(Error::Malformed { what: WHAT }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        let length = (content.len() as u32).to_be_bytes();
        let skipped = length.iter().take_while(|octet| **octet == 0).count();
        match content.len() {
            short @ ..0x80 => [&[tag, short as u8], content.as_slice()].concat(),
            _ => [&[tag, 0x84 - skipped as u8], &length[skipped..], content.as_slice()].concat(),
        }
    }

    /// A message of so many signers over a content of so many bytes.
    fn message(signers: usize, content: usize) -> Vec<u8> {
        let identifier = tlv(0x80, &[&[7; 20]]);
        let signer = tlv(0x30, &[&[0x02, 1, 3], &identifier, &[0x30, 0], &[0x30, 0], &[0x04, 0]]);
        let oid = |oid: ObjectIdentifier| tlv(0x06, &[oid.as_bytes()]);
        let content = tlv(0xa0, &[&tlv(0x04, &[&vec![0; content]])]);
        let signers = tlv(0x31, &[&signer.repeat(signers)]);
        let signed = [&[0x02, 1, 1, 0x31, 0][..], &tlv(0x30, &[&oid(rfc5911::ID_DATA), &content]), &signers].concat();
        tlv(0x30, &[&oid(rfc5911::ID_SIGNED_DATA), &tlv(0xa0, &[&tlv(0x30, &[&signed])])])
    }

    #[test]
    fn what_is_beside_the_content_is_bounded() {
        let message = |signers, content| SignedData::from_bytes(&message(signers, content));
        let read = message(3, 2 * LENGTH_LIMIT).unwrap();
        assert_eq!((read.signers.len(), read.content.map(|content| content.len())), (3, Some(2 * LENGTH_LIMIT)));
        let error = message(LENGTH_LIMIT / 32, 0).unwrap_err().to_string();
        assert!(error.contains("more than 1 MiB beside its content"), "{error}");
    }

    /// As many attributes as there can be, each of another type, are not compared each with each.
    #[test]
    fn many_attributes_take_linear_time() {
        let attribute = |number: u32| {
            let digit = |shift: u32| 0x80 | (number >> shift & 0x7f) as u8;
            let oid = [0x06, 0x04, 0x2a, 0x80 | (1 + (number >> 14)) as u8, digit(7), digit(0) & 0x7f];
            tlv(0x30, &[&oid, &[0x31, 0]])
        };
        let attributes: Vec<u8> = (0..100_000).flat_map(attribute).collect();
        let started = std::time::Instant::now();
        let refusal = SignedAttributes::parse(&tlv(0x31, &[&attributes])).unwrap_err();
        assert!(!matches!(refusal, Refusal::Attributes { why: "have one attribute twice" }), "{refusal:?}");
        assert!(started.elapsed() < std::time::Duration::from_secs(2), "{:?}", started.elapsed());
    }
}
