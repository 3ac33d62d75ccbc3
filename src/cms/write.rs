//! Making SignedData.

use std::fmt;

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5911;
use der::asn1::{Any, AnyRef, IntRef, OctetStringRef, SetOfVec};
use der::{Decode, Encode, Sequence, ValueOrd};
use x509_cert::attr::Attribute;
use zeroize::Zeroizing;

use super::{Error, RSA_ENCRYPTION};
use crate::key::{Digest, Hash, Scheme};
use crate::x509::{self, Certificate, Time};

#[derive(Sequence)]
struct ContentInfo<'a> {
    content_type: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    content: AnyRef<'a>,
}

#[derive(Sequence)]
struct SignedData<'a> {
    version: u8,
    digest_algorithms: SetOfVec<DigestAlgorithm>,
    encap_content_info: EncapsulatedContentInfo<'a>,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT")]
    certificates: SetOfVec<Any>,
    signer_infos: SetOfVec<SignerInfo<'a>>,
}

#[derive(Sequence)]
struct EncapsulatedContentInfo<'a> {
    content_type: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    content: Option<&'a OctetStringRef>,
}

#[derive(Sequence, ValueOrd)]
struct DigestAlgorithm {
    oid: ObjectIdentifier,
}

#[derive(Sequence, ValueOrd)]
struct IssuerAndSerialNumber<'a> {
    issuer: AnyRef<'a>,
    serial: IntRef<'a>,
}

#[derive(Sequence, ValueOrd)]
struct SignerInfo<'a> {
    version: u8,
    sid: IssuerAndSerialNumber<'a>,
    digest_algorithm: DigestAlgorithm,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT")]
    signed_attrs: SetOfVec<Attribute>,
    signature_algorithm: AnyRef<'a>,
    signature: &'a OctetStringRef,
}

/// A message that lacks its signature. Its content may be a secret, and is wiped when dropped.
#[derive(Clone)]
pub struct Unsigned {
    scheme: Scheme,
    chain: Vec<Certificate>,
    content_type: ObjectIdentifier,
    content: Option<Zeroizing<Vec<u8>>>,
    /// The DER `SignedAttributes`: what is signed.
    attributes: Vec<u8>,
}

/// The content of a message.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// It is elsewhere; its digest by [`digest_hash`].
    Detached(&'a Digest),
    /// It goes into the message.
    Attached(&'a [u8]),
}

/// The hash that a content is digested with: the scheme's own, and SHA-512 for Ed25519 (RFC 8419 section 3.1).
pub fn digest_hash(scheme: Scheme) -> Hash {
    scheme.hash().unwrap_or(Hash::Sha512)
}

impl Unsigned {
    /// Lays a message out: `chain` is the signer's certificate and those above it, as far as they are to be sent along;
    /// `signing_time` is what is claimed.
    pub fn new(content: Content<'_>, scheme: Scheme, chain: &[Certificate], signing_time: Time) -> Result<Self, Error> {
        Self::of_type(rfc5911::ID_DATA, content, scheme, chain, signing_time)
    }

    /// As [`new`](Self::new), over a content of another type than plain data.
    pub fn of_type(
        content_type: ObjectIdentifier,
        content: Content<'_>,
        scheme: Scheme,
        chain: &[Certificate],
        signing_time: Time,
    ) -> Result<Self, Error> {
        let digest = match content {
            Content::Detached(digest) => digest,
            Content::Attached(bytes) => &digest_hash(scheme).digest(bytes),
        };
        let digest_octets = OctetStringRef::new(digest.bytes()).map_err(malformed)?;
        let attributes = [
            (rfc5911::ID_CONTENT_TYPE, Any::from(content_type)),
            (rfc5911::ID_SIGNING_TIME, x509::encode_time(signing_time).map_err(Error::Certificate)?),
            (rfc5911::ID_MESSAGE_DIGEST, Any::encode_from(&digest_octets).map_err(malformed)?),
        ];
        let attributes = attributes.into_iter().map(|(oid, value)| {
            let values = SetOfVec::try_from(vec![value])?;
            Ok(Attribute { oid, values })
        });
        let attributes: Vec<Attribute> = attributes.collect::<der::Result<_>>().map_err(malformed)?;
        let attributes = SetOfVec::try_from(attributes).and_then(|set| set.to_der()).map_err(malformed)?;
        let content = match content {
            Content::Detached(_) => None,
            Content::Attached(bytes) => Some(Zeroizing::new(bytes.to_vec())),
        };
        Ok(Self { scheme, chain: chain.to_vec(), content_type, content, attributes })
    }

    /// The scheme that the signature must be of.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// What is to be signed: the signed attributes under the tag of a SET OF (RFC 5652 section 5.4).
    pub fn to_be_signed(&self) -> &[u8] {
        &self.attributes
    }

    /// The message in DER, with its signature.
    pub fn signed(&self, signature: &[u8]) -> Result<Vec<u8>, Error> {
        in_message(&self.signed_content(signature)?)
    }

    /// The bare SignedData in DER, with its signature: what stands in another message as its content.
    pub fn signed_content(&self, signature: &[u8]) -> Result<Vec<u8>, Error> {
        let leaf = self.chain.first().ok_or(Error::Malformed { what: "there is no certificate" })?;
        let digest_algorithm = || DigestAlgorithm { oid: digest_hash(self.scheme).oid() };
        let signature_algorithm = match self.scheme {
            Scheme::RsaPkcs1(_) => RSA_ENCRYPTION.to_vec(),
            scheme => scheme.algorithm_identifier(),
        };
        let signer_info = SignerInfo {
            version: 1,
            sid: IssuerAndSerialNumber {
                issuer: AnyRef::from_der(leaf.issuer().der()).map_err(malformed)?,
                serial: IntRef::new(leaf.serial()).map_err(malformed)?,
            },
            digest_algorithm: digest_algorithm(),
            signed_attrs: SetOfVec::from_der(&self.attributes).map_err(malformed)?,
            signature_algorithm: AnyRef::from_der(&signature_algorithm).map_err(malformed)?,
            signature: OctetStringRef::new(signature).map_err(malformed)?,
        };
        let content =
            self.content.as_ref().map(|content| OctetStringRef::new(content)).transpose().map_err(malformed)?;
        let message = SignedData {
            // RFC 5652 section 5.1: 1 only where the content is plain data.
            version: if self.content_type == rfc5911::ID_DATA { 1 } else { 3 },
            digest_algorithms: SetOfVec::try_from(vec![digest_algorithm()]).map_err(malformed)?,
            encap_content_info: EncapsulatedContentInfo { content_type: self.content_type, content },
            certificates: certificate_set(&self.chain)?,
            signer_infos: SetOfVec::try_from(vec![signer_info]).map_err(malformed)?,
        };
        message.to_der().map_err(malformed)
    }
}

impl fmt::Debug for Unsigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unsigned({}, ..)", self.scheme)
    }
}

/// A message of certificates and nothing else: no content, no signer (RFC 5652 section 5.2, RFC 7030 section 4.1.3). A DER
/// SET has an order of its own, so that the certificates are in none that means anything.
pub fn certs_only(certificates: &[Certificate]) -> Result<Vec<u8>, Error> {
    let message = SignedData {
        version: 1,
        digest_algorithms: SetOfVec::new(),
        encap_content_info: EncapsulatedContentInfo { content_type: rfc5911::ID_DATA, content: None },
        certificates: certificate_set(certificates)?,
        signer_infos: SetOfVec::new(),
    };
    in_message(&message.to_der().map_err(malformed)?)
}

/// Puts a bare SignedData into a message of its own.
fn in_message(signed_data: &[u8]) -> Result<Vec<u8>, Error> {
    let content = AnyRef::from_der(signed_data).map_err(malformed)?;
    ContentInfo { content_type: rfc5911::ID_SIGNED_DATA, content }.to_der().map_err(malformed)
}

fn certificate_set(certificates: &[Certificate]) -> Result<SetOfVec<Any>, Error> {
    let certificates = certificates.iter().map(|certificate| Any::from_der(certificate.der()));
    let certificates: Vec<Any> = certificates.collect::<der::Result<_>>().map_err(malformed)?;
    SetOfVec::try_from(certificates).map_err(malformed)
}

fn malformed(_: der::Error) -> Error {
    Error::Malformed { what: "what is to be written" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cms::SignedData as Read;

    #[test]
    fn a_message_of_no_certificate_is_one() {
        let message = certs_only(&[]).unwrap();
        assert_eq!(Read::certificates_only(&message).unwrap().len(), 0);
        // [0] is there, and empty.
        assert!(message.windows(2).any(|bytes| bytes == [0xa0, 0x00]));
    }
}
