//! Making SignedData.

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5911;
use der::asn1::{Any, AnyRef, IntRef, OctetStringRef, SetOfVec};
use der::{Decode, Encode, Sequence, ValueOrd};
use x509_cert::attr::Attribute;

use super::{Error, RSA_ENCRYPTION};
use crate::key::{Digest, Hash, Input, Scheme, Signer};
use crate::x509::{self, Certificate, Time};

#[derive(Sequence)]
struct ContentInfo<'a> {
    content_type: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    content: SignedData<'a>,
}

#[derive(Sequence)]
struct SignedData<'a> {
    version: u8,
    digest_algorithms: SetOfVec<DigestAlgorithm>,
    encap_content_info: EncapsulatedContentInfo,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT")]
    certificates: SetOfVec<Any>,
    signer_infos: SetOfVec<SignerInfo<'a>>,
}

#[derive(Sequence)]
struct EncapsulatedContentInfo {
    content_type: ObjectIdentifier,
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
            (rfc5911::ID_SIGNING_TIME, x509::encode_time(self.signing_time).map_err(Error::Certificate)?),
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
            Scheme::RsaPkcs1(_) => RSA_ENCRYPTION.to_vec(),
            scheme => scheme.algorithm_identifier(),
        };
        let certificates = self.chain.iter().map(|certificate| Any::from_der(certificate.der()));
        let certificates: Vec<Any> = certificates.collect::<der::Result<_>>().map_err(malformed)?;
        let signer_info = SignerInfo {
            version: 1,
            sid: IssuerAndSerialNumber {
                issuer: AnyRef::from_der(leaf.issuer().der()).map_err(malformed)?,
                serial: IntRef::new(leaf.serial()).map_err(malformed)?,
            },
            digest_algorithm: DigestAlgorithm { oid: hash.oid() },
            signed_attrs,
            signature_algorithm: AnyRef::from_der(&signature_algorithm).map_err(malformed)?,
            signature: OctetStringRef::new(&signature).map_err(malformed)?,
        };
        let message = ContentInfo {
            content_type: rfc5911::ID_SIGNED_DATA,
            content: SignedData {
                version: 1,
                digest_algorithms: SetOfVec::try_from(vec![DigestAlgorithm { oid: hash.oid() }]).map_err(malformed)?,
                encap_content_info: EncapsulatedContentInfo { content_type: rfc5911::ID_DATA },
                certificates: SetOfVec::try_from(certificates).map_err(malformed)?,
                signer_infos: SetOfVec::try_from(vec![signer_info]).map_err(malformed)?,
            },
        };
        message.to_der().map_err(malformed)
    }
}
