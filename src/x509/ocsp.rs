//! Responses of the Online Certificate Status Protocol (RFC 6960), read. What they are worth, [`super::verify`] tells.

use std::fmt;
use std::path::Path;

use const_oid::ObjectIdentifier;
use const_oid::db::{rfc5912, rfc6960};
use der::asn1::{AnyRef, BitStringRef, IntRef, OctetStringRef};
use der::{Decode, Tag, TagNumber, Tagged};
use x509_cert::ext::Extensions;

use super::{Certificate, Error, Extension, Name, Reason, Time, decode_time, members};
use crate::files::{self, Kind};
use crate::key::{Hash, Input, PublicKey, Scheme, sha1_identifier};

/// Most bytes of a response. One that tells of one certificate and brings its responder's has two or three thousand; the
/// bound is that of ten thousand certificates, and of the memory that the list of them takes.
const BYTES_LIMIT: usize = 1 << 20;

/// Most certificates taken from one response. A responder sends its own, some the chain above it; each costs a parse.
const CERTIFICATES_LIMIT: usize = 16;

const WHAT: &str = "the OCSP response";

/// What a responder sent: a response, or why it gives none.
///
/// ```text
/// OCSPResponse ::= SEQUENCE {                   -- RFC 6960 section 4.2.1
///     responseStatus      OCSPResponseStatus,
///     responseBytes   [0] EXPLICIT ResponseBytes OPTIONAL }
///
/// ResponseBytes ::= SEQUENCE {
///     responseType        OBJECT IDENTIFIER,
///     response            OCTET STRING }
/// ```
#[derive(Clone, Debug)]
pub enum Answer {
    /// responseStatus `successful`, with a response of the basic type.
    Response(Response),
    /// Any other responseStatus. Nobody signs it, and it tells of no certificate.
    Failure(Failure),
}

/// Why a responder gives no response (RFC 6960 section 4.2.1, `OCSPResponseStatus`). The number 4 is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    MalformedRequest,
    InternalError,
    TryLater,
    SigRequired,
    Unauthorized,
}

/// What a responder says of some certificates.
///
/// ```text
/// BasicOCSPResponse ::= SEQUENCE {              -- RFC 6960 section 4.2.1
///     tbsResponseData     ResponseData,
///     signatureAlgorithm  AlgorithmIdentifier,
///     signature           BIT STRING,
///     certs           [0] EXPLICIT SEQUENCE OF Certificate OPTIONAL }
///
/// ResponseData ::= SEQUENCE {
///     version         [0] EXPLICIT Version DEFAULT v1,
///     responderID         ResponderID,
///     producedAt          GeneralizedTime,
///     responses           SEQUENCE OF SingleResponse,
///     responseExtensions [1] EXPLICIT Extensions OPTIONAL }
/// ```
#[derive(Clone, Debug)]
pub struct Response {
    /// Who says so.
    pub responder: Responder,
    /// When the responder signed it.
    pub produced_at: Time,
    /// What it says of each certificate.
    pub singles: Vec<SingleResponse>,
    /// The extensions of the whole.
    pub extensions: Vec<Extension>,
    /// The certificates that came along: the responder's, where it is not the issuer itself.
    pub certificates: Vec<Certificate>,
    /// The whole `ResponseData`, as read: what the signature covers.
    data: Vec<u8>,
    /// The whole signature AlgorithmIdentifier.
    algorithm: Vec<u8>,
    signature: Vec<u8>,
}

/// How a responder is named.
///
/// ```text
/// ResponderID ::= CHOICE {                      -- RFC 6960 section 4.2.1, explicit tags
///     byName  [1] Name,
///     byKey   [2] KeyHash }                     -- OCTET STRING: SHA-1 of the content of subjectPublicKey
/// ```
#[derive(Clone, Debug)]
pub enum Responder {
    /// The subject of its certificate.
    Name(Name),
    /// The SHA-1 of its key.
    Key(Vec<u8>),
}

/// What a response says of one certificate.
///
/// ```text
/// SingleResponse ::= SEQUENCE {                 -- RFC 6960 section 4.2.1
///     certID              CertID,
///     certStatus          CertStatus,
///     thisUpdate          GeneralizedTime,
///     nextUpdate      [0] EXPLICIT GeneralizedTime OPTIONAL,
///     singleExtensions [1] EXPLICIT Extensions OPTIONAL }
/// ```
#[derive(Clone, Debug)]
pub struct SingleResponse {
    /// Of which certificate.
    pub id: CertId,
    /// What it says.
    pub status: Status,
    /// The last time at which that was known to be so.
    pub this_update: Time,
    /// When newer information is there at the latest; where it is not said, there is always newer information.
    pub next_update: Option<Time>,
    /// The extensions of this part.
    pub extensions: Vec<Extension>,
}

/// Names a certificate by its issuer and serial number.
///
/// ```text
/// CertID ::= SEQUENCE {                         -- RFC 6960 section 4.1.1
///     hashAlgorithm       AlgorithmIdentifier,
///     issuerNameHash      OCTET STRING,         -- of the issuer's DER name
///     issuerKeyHash       OCTET STRING,         -- of the content of the issuer's subjectPublicKey
///     serialNumber        CertificateSerialNumber }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertId {
    /// The hash.
    pub hash_algorithm: ObjectIdentifier,
    /// The hash of the issuer's name.
    pub issuer_name_hash: Vec<u8>,
    /// The hash of the issuer's key.
    pub issuer_key_hash: Vec<u8>,
    /// The content octets of the serial number.
    pub serial: Vec<u8>,
}

/// What a response says of one certificate.
///
/// ```text
/// CertStatus ::= CHOICE {                       -- RFC 6960 section 4.2.1
///     good    [0] IMPLICIT NULL,
///     revoked [1] IMPLICIT RevokedInfo,
///     unknown [2] IMPLICIT NULL }
///
/// RevokedInfo ::= SEQUENCE {
///     revocationTime      GeneralizedTime,
///     revocationReason [0] EXPLICIT CRLReason OPTIONAL }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Not revoked, as far as the responder knows.
    Good,
    /// Revoked, for good or for a while.
    Revoked { since: Time, reason: Option<Reason> },
    /// The responder does not know it.
    Unknown,
}

impl Answer {
    /// Reads a DER OCSPResponse; bytes after it are an error.
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        if der.len() > BYTES_LIMIT {
            return Err(Error::Malformed { what: "the OCSP response, which is longer than 1 MiB," });
        }
        let (status, bytes) = match members(der, Tag::Sequence, WHAT)?[..] {
            // ENUMERATED, one octet
            [[0x0a, 0x01, status]] => (*status, None),
            [[0x0a, 0x01, status], bytes] => (*status, Some(explicit(bytes, 0)?)),
            _ => return Err(malformed()),
        };
        match (status, bytes) {
            (0, Some(bytes)) => {
                let [kind, response] = members(bytes, Tag::Sequence, WHAT)?[..] else { return Err(malformed()) };
                if ObjectIdentifier::from_der(kind) != Ok(rfc6960::ID_PKIX_OCSP_BASIC) {
                    return Err(Error::Malformed { what: "the OCSP response, which is not of the basic type," });
                }
                Response::from_der(octets(response)?).map(Self::Response)
            }
            (status, None) => Failure::from_code(status).map(Self::Failure).ok_or_else(malformed),
            _ => Err(malformed()),
        }
    }
}

/// Reads every response of a file, DER as it travels or PEM; anything else in it is an error.
pub fn read_answers(path: &Path) -> Result<Vec<Answer>, Error> {
    let bytes = files::read("OCSP response", path, files::DOCUMENT_LIMIT)?;
    files::documents(&bytes, path, "an OCSP response")?
        .into_iter()
        .map(|document| Answer::from_der(&document.expect(Kind::OcspResponse, path)?.der))
        .collect()
}

impl Failure {
    /// All of them, with their numbers and the names of RFC 6960.
    const ALL: [(Self, u8, &str); 5] = [
        (Self::MalformedRequest, 1, "malformedRequest"),
        (Self::InternalError, 2, "internalError"),
        (Self::TryLater, 3, "tryLater"),
        (Self::SigRequired, 5, "sigRequired"),
        (Self::Unauthorized, 6, "unauthorized"),
    ];

    fn from_code(code: u8) -> Option<Self> {
        Self::ALL.iter().find(|(_, number, _)| *number == code).map(|(failure, ..)| *failure)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Self::ALL.iter().filter(|(failure, ..)| failure == self).try_for_each(|(.., name)| f.write_str(name))
    }
}

impl Response {
    fn from_der(der: &[u8]) -> Result<Self, Error> {
        let parts = members(der, Tag::Sequence, WHAT)?;
        let (data, algorithm, signature, certificates) = match parts[..] {
            [data, algorithm, signature] => (data, algorithm, signature, Vec::new()),
            [data, algorithm, signature, certificates] => {
                (data, algorithm, signature, members(explicit(certificates, 0)?, Tag::Sequence, WHAT)?)
            }
            _ => return Err(malformed()),
        };
        if certificates.len() > CERTIFICATES_LIMIT {
            return Err(Error::Malformed { what: "the OCSP response, which has more than 16 certificates," });
        }
        // The version is left out, since the only one is the default (X.690 section 11.5).
        let fields = members(data, Tag::Sequence, WHAT)?;
        let [responder, produced_at, singles, rest @ ..] = fields.as_slice() else { return Err(malformed()) };
        let extensions = match rest {
            [] => Vec::new(),
            [extensions] => self::extensions(extensions)?,
            _ => return Err(malformed()),
        };
        let singles = members(singles, Tag::Sequence, WHAT)?;
        let signature = BitStringRef::from_der(signature).ok().and_then(|bits| bits.as_bytes());
        Ok(Self {
            responder: Responder::from_der(responder)?,
            produced_at: time(produced_at)?,
            singles: singles.into_iter().map(SingleResponse::from_der).collect::<Result<_, _>>()?,
            extensions,
            certificates: certificates.into_iter().map(Certificate::from_der).collect::<Result<_, _>>()?,
            data: data.to_vec(),
            algorithm: algorithm.to_vec(),
            signature: signature.ok_or_else(malformed)?.to_vec(),
        })
    }

    /// The scheme of its signature, where the table knows it.
    pub fn scheme(&self) -> Result<Scheme, Error> {
        Ok(Scheme::from_algorithm_identifier(&self.algorithm)?)
    }

    /// Checks the signature over the original bytes with a responder's key.
    pub fn is_signed_by(&self, responder: &PublicKey) -> bool {
        self.scheme().is_ok_and(|scheme| responder.verify(scheme, Input::Message(&self.data), &self.signature).is_ok())
    }
}

impl Responder {
    fn from_der(der: &[u8]) -> Result<Self, Error> {
        match der {
            [0xa1, ..] => Name::from_der(explicit(der, 1)?).map(Self::Name),
            _ => Ok(Self::Key(octets(explicit(der, 2)?)?.to_vec())),
        }
    }

    /// Whether it names the owner of a certificate.
    pub fn names(&self, certificate: &Certificate) -> bool {
        match self {
            Self::Name(name) => name.matches(certificate.subject()),
            Self::Key(hash) => certificate.public_key().is_ok_and(|key| *hash == sha1_identifier(key.bits())),
        }
    }
}

impl SingleResponse {
    fn from_der(der: &[u8]) -> Result<Self, Error> {
        let parts = members(der, Tag::Sequence, WHAT)?;
        let [id, status, this_update, rest @ ..] = parts.as_slice() else { return Err(malformed()) };
        let (next_update, rest) = match rest {
            [next @ [0xa0, ..], rest @ ..] => (Some(time(explicit(next, 0)?)?), rest),
            rest => (None, rest),
        };
        let extensions = match rest {
            [] => Vec::new(),
            [extensions] => self::extensions(extensions)?,
            _ => return Err(malformed()),
        };
        Ok(Self {
            id: CertId::from_der(id)?,
            status: Status::from_der(status)?,
            this_update: time(this_update)?,
            next_update,
            extensions,
        })
    }
}

impl CertId {
    fn from_der(der: &[u8]) -> Result<Self, Error> {
        let [algorithm, name, key, serial] = members(der, Tag::Sequence, WHAT)?[..] else { return Err(malformed()) };
        let hash_algorithm = match members(algorithm, Tag::Sequence, WHAT)?[..] {
            // RFC 5754 section 2: parameters are absent, and NULL must be accepted.
            [oid] | [oid, [0x05, 0x00]] => ObjectIdentifier::from_der(oid).map_err(|_| malformed())?,
            _ => return Err(malformed()),
        };
        Ok(Self {
            hash_algorithm,
            issuer_name_hash: octets(name)?.to_vec(),
            issuer_key_hash: octets(key)?.to_vec(),
            serial: IntRef::from_der(serial).map_err(|_| malformed())?.as_bytes().to_vec(),
        })
    }

    /// Whether it names a certificate that this key issued. What it is hashed with by an unknown hash names none.
    pub fn names(&self, certificate: &Certificate, issuer: &PublicKey) -> bool {
        self.serial == certificate.serial()
            && self.digest(certificate.issuer().der()).is_some_and(|hash| hash == self.issuer_name_hash)
            && self.digest(issuer.bits()).is_some_and(|hash| hash == self.issuer_key_hash)
    }

    fn digest(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        match self.hash_algorithm {
            rfc5912::ID_SHA_1 => Some(sha1_identifier(bytes).to_vec()),
            other => Hash::from_oid(other).map(|hash| hash.digest(bytes).bytes().to_vec()),
        }
    }
}

impl Status {
    fn from_der(der: &[u8]) -> Result<Self, Error> {
        match der {
            [0x80, 0x00] => Ok(Self::Good),
            [0x82, 0x00] => Ok(Self::Unknown),
            _ => match members(der, context(1), WHAT)?[..] {
                [since] => Ok(Self::Revoked { since: time(since)?, reason: None }),
                [since, reason] => match explicit(reason, 0)? {
                    [0x0a, 0x01, code] => {
                        let reason = Some(Reason::from_code(*code).ok_or_else(malformed)?);
                        Ok(Self::Revoked { since: time(since)?, reason })
                    }
                    _ => Err(malformed()),
                },
                _ => Err(malformed()),
            },
        }
    }
}

fn malformed() -> Error {
    Error::Malformed { what: WHAT }
}

/// The constructed tag `[number]`.
fn context(number: u32) -> Tag {
    Tag::ContextSpecific { constructed: true, number: TagNumber(number) }
}

/// The one value within the explicit tag `[number]`.
fn explicit(der: &[u8], number: u32) -> Result<&[u8], Error> {
    match members(der, context(number), WHAT)?[..] {
        [value] => Ok(value),
        _ => Err(malformed()),
    }
}

fn octets(der: &[u8]) -> Result<&[u8], Error> {
    Ok(<&OctetStringRef>::from_der(der).map_err(|_| malformed())?.as_bytes())
}

/// Reads a GeneralizedTime of whole seconds in UTC (RFC 6960 section 4.2.2.1).
fn time(der: &[u8]) -> Result<Time, Error> {
    let time = AnyRef::from_der(der).ok().filter(|time| time.tag() == Tag::GeneralizedTime);
    decode_time(time.ok_or_else(malformed)?).map_err(|_| malformed())
}

/// Reads the extensions within the explicit tag `[1]`.
fn extensions(der: &[u8]) -> Result<Vec<Extension>, Error> {
    let extensions = Extensions::from_der(explicit(der, 1)?).map_err(|_| malformed())?;
    let extension = |extension: x509_cert::ext::Extension| Extension {
        oid: extension.extn_id,
        critical: extension.critical,
        value: extension.extn_value.into_bytes().into_vec(),
    };
    Ok(extensions.into_iter().map(extension).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        match content.len() {
            short @ 0..0x80 => [&[tag, short as u8], content.as_slice()].concat(),
            longer @ 0x80..0x100 => [&[tag, 0x81, longer as u8], content.as_slice()].concat(),
            long => [&[tag, 0x82, (long >> 8) as u8, long as u8], content.as_slice()].concat(),
        }
    }

    const TIME: &[u8] = b"\x18\x0f20260101000000Z";
    const SERIAL: &[u8] = &[0x02, 0x01, 0x07];
    const GOOD: &[u8] = &[0x80, 0x00];
    const SHA1: &[u8] = &[0x30, 0x07, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a];

    fn id(algorithm: &[u8], serial: &[u8]) -> Vec<u8> {
        tlv(0x30, &[algorithm, &tlv(0x04, &[&[1; 20]]), &tlv(0x04, &[&[2; 20]]), serial])
    }

    fn single(parts: &[&[u8]]) -> Vec<u8> {
        tlv(0x30, &[&[&id(SHA1, SERIAL)[..]], parts].concat())
    }

    fn responder() -> Vec<u8> {
        tlv(0xa2, &[&tlv(0x04, &[&[3; 20]])])
    }

    fn answer(kind: &[u8], data: &[u8], more: &[&[u8]]) -> Result<Answer, Error> {
        let algorithm = Scheme::Ecdsa(Hash::Sha256).algorithm_identifier();
        let basic = tlv(0x30, &[&[data, &algorithm, &[0x03, 0x02, 0x00, 0x55]], more].concat());
        let bytes = tlv(0x30, &[kind, &tlv(0x04, &[&basic])]);
        Answer::from_der(&tlv(0x30, &[&[0x0a, 0x01, 0x00], &tlv(0xa0, &[&bytes])]))
    }

    const BASIC: &[u8] = &[0x06, 0x09, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01];

    fn of_data(parts: &[&[u8]]) -> Result<Answer, Error> {
        answer(BASIC, &tlv(0x30, parts), &[])
    }

    fn of_single(single: &[u8]) -> Result<SingleResponse, Error> {
        match of_data(&[&responder(), TIME, &tlv(0x30, &[single])])? {
            Answer::Response(mut response) => response.singles.pop().ok_or_else(malformed),
            Answer::Failure(_) => Err(malformed()),
        }
    }

    #[test]
    fn every_status_is_read_and_no_other() {
        let revoked = |parts: &[&[u8]]| tlv(0xa1, &[&[TIME], parts].concat());
        let reason = |code: u8| tlv(0xa0, &[&[0x0a, 0x01, code]]);
        let since = time(TIME).unwrap();
        for (status, expected) in [
            (GOOD.to_vec(), Some(Status::Good)),
            (vec![0x82, 0x00], Some(Status::Unknown)),
            (revoked(&[]), Some(Status::Revoked { since, reason: None })),
            (revoked(&[&reason(1)]), Some(Status::Revoked { since, reason: Some(Reason::KeyCompromise) })),
            (revoked(&[&reason(7)]), None),
            (revoked(&[&reason(11)]), None),
            (revoked(&[&reason(1), &reason(1)]), None),
            (vec![0xa1, 0x00], None),
            (vec![0xa0, 0x00], None),
            (vec![0x80, 0x02, 0x05, 0x00], None),
            (vec![0xa2, 0x02, 0x05, 0x00], None),
            (vec![0x83, 0x00], None),
        ] {
            assert_eq!(
                of_single(&single(&[&status, TIME])).map(|single| single.status).ok(),
                expected,
                "{status:02x?}"
            );
        }
    }

    #[test]
    fn times_are_of_one_form() {
        assert_eq!(of_single(&single(&[GOOD, TIME])).unwrap().this_update, time(TIME).unwrap());
        for text in ["20260101000000", "20260101000000.5Z", "20260101000000+0000", "202601010000Z", "20261301000000Z"] {
            assert!(of_single(&single(&[GOOD, &tlv(0x18, &[text.as_bytes()])])).is_err(), "{text}");
        }
        assert!(of_single(&single(&[GOOD, &tlv(0x17, &[b"260101000000Z"])])).is_err(), "a UTCTime");
        let next = tlv(0xa0, &[TIME]);
        assert!(of_single(&single(&[GOOD, TIME, &next])).unwrap().next_update.is_some());
        assert!(of_single(&single(&[GOOD, TIME, &next, &next])).is_err());
        assert!(of_single(&single(&[GOOD, TIME, TIME])).is_err());
    }

    #[test]
    fn names_of_certificates_are_of_one_form() {
        let with = |algorithm: &[u8], serial: &[u8]| of_single(&tlv(0x30, &[&id(algorithm, serial), GOOD, TIME]));
        let sha1_and_null = [&[0x30, 0x09], &SHA1[2..], &[0x05, 0x00]].concat();
        assert_eq!(with(SHA1, SERIAL).unwrap().id, with(&sha1_and_null, SERIAL).unwrap().id);
        assert_eq!(with(SHA1, &[0x02, 0x02, 0x00, 0x80]).unwrap().id.serial, [0x00, 0x80]);
        assert!(with(SHA1, &[0x02, 0x02, 0x00, 0x07]).is_err(), "a serial number that is not minimal");
        assert!(with(&[&[0x30, 0x0a], &SHA1[2..], &[0x02, 0x01, 0x00]].concat(), SERIAL).is_err(), "parameters");
    }

    #[test]
    fn what_surrounds_them_is_of_one_form() {
        let singles = tlv(0x30, &[&single(&[GOOD, TIME])]);
        let data: [&[u8]; 3] = [&responder(), TIME, &singles];
        assert!(of_data(&data).is_ok());
        let version: &[u8] = &[0xa0, 0x03, 0x02, 0x01, 0x00];
        assert!(of_data(&[&[version], &data[..]].concat()).is_err(), "the default is not encoded");
        assert!(of_data(&[&[&tlv(0xa3, &[&tlv(0x04, &[&[3; 20]])])[..]], &data[1..]].concat()).is_err());
        let other: &[u8] = &[0x06, 0x09, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x02];
        assert!(answer(other, &tlv(0x30, &data), &[]).is_err(), "another type");
        assert!(answer(BASIC, &tlv(0x30, &data), &[&tlv(0xa0, &[&tlv(0x30, &[])])]).is_ok(), "no certificates");
        assert!(answer(BASIC, &tlv(0x30, &data), &[&tlv(0xa1, &[&tlv(0x30, &[])])]).is_err());
        for code in 0..=255 {
            let found = Answer::from_der(&[0x30, 0x03, 0x0a, 0x01, code]);
            assert_eq!(matches!(found, Ok(Answer::Failure(_))), [1, 2, 3, 5, 6].contains(&code), "{code}");
        }
    }

    #[test]
    fn sizes_are_bounded() {
        let singles = tlv(0x30, &[&single(&[GOOD, TIME])]);
        let certificates = tlv(0xa0, &[&tlv(0x30, &[&[0x30, 0x00][..]; CERTIFICATES_LIMIT + 1])]);
        let error = answer(BASIC, &tlv(0x30, &[&responder(), TIME, &singles]), &[&certificates]).unwrap_err();
        assert_eq!(error.to_string(), "the OCSP response, which has more than 16 certificates, is malformed");
        let error = Answer::from_der(&vec![0x30; BYTES_LIMIT + 1]).unwrap_err();
        assert_eq!(error.to_string(), "the OCSP response, which is longer than 1 MiB, is malformed");
    }
}
