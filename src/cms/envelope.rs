//! EnvelopedData (RFC 5652 section 6): a content encrypted to the keys of certificates.
//!
//! What is written is what every reader knows: AES-256 in CBC mode, its key wrapped by RSAES-OAEP with SHA-256 (RFC 3560),
//! or by AES-256 under a key agreed on P-256 (RFC 5753: ephemeral-static ECDH, KDF with SHA-256). AES-128 is read too, and
//! with SHA-1 the KDF that OpenSSL chooses by itself.
//!
//! **An envelope has no integrity.** Whoever holds the recipient's certificate can make one, and who changes one may not be
//! noticed. What must be believed is signed inside, as the keys of EST are (RFC 7030 section 4.4.2).

use const_oid::ObjectIdentifier;
use const_oid::db::{rfc5753, rfc5911, rfc5912};
use der::asn1::{Any, AnyRef, BitStringRef, IntRef, OctetStringRef, SetOfVec};
use der::{Decode, Encode, Sequence, Tag, Tagged};
use x509_cert::ext::pkix::KeyUsages;
use zeroize::Zeroizing;

use super::{Error, LENGTH_LIMIT, SignerIdentifier, ber};
use crate::key::algorithm::oid_name;
use crate::key::{self, BLOCK, Decrypter, Hash, KdfHash, Recipient, RecipientType};
use crate::x509::{CONTEXT_0, Certificate, context, members};

/// Most recipients taken from one message. Each costs a parse; a key goes to one device, a file to a fleet's few.
const RECIPIENTS_LIMIT: usize = 64;

/// The length in bytes of the keys that are made: AES-256.
const KEY_LEN: usize = 32;

/// An EnvelopedData message as it came: nothing in it is decrypted yet.
///
/// ```text
/// EnvelopedData ::= SEQUENCE {                  -- RFC 5652 section 6.1
///     version               CMSVersion,
///     originatorInfo    [0] IMPLICIT OriginatorInfo OPTIONAL,
///     recipientInfos        SET SIZE (1..MAX) OF RecipientInfo,
///     encryptedContentInfo  EncryptedContentInfo,
///     unprotectedAttrs  [1] IMPLICIT UnprotectedAttributes OPTIONAL }
/// EncryptedContentInfo ::= SEQUENCE {
///     contentType                 ContentType,
///     contentEncryptionAlgorithm  ContentEncryptionAlgorithmIdentifier,
///     encryptedContent        [0] IMPLICIT EncryptedContent OPTIONAL }
/// ```
#[derive(Clone, Debug)]
pub struct EnvelopedData {
    /// The type of the content.
    pub content_type: ObjectIdentifier,
    recipients: Vec<RecipientInfo>,
    /// The length in bytes of the content's key.
    key_len: usize,
    iv: [u8; BLOCK],
    encrypted: Vec<u8>,
}

/// One recipient of a certificate, and the content's key for it.
#[derive(Clone, Debug)]
struct RecipientInfo {
    identifier: SignerIdentifier,
    way: Way,
    encrypted_key: Vec<u8>,
}

/// How the content's key is encrypted.
#[derive(Clone, Debug)]
enum Way {
    /// By RSAES-OAEP with SHA-256.
    Transport,
    /// By AES under a key derived from what is agreed on with the sender's `public` key.
    Agreement { public: Vec<u8>, hash: KdfHash, kek_len: usize, shared_info: Vec<u8> },
    /// By what is not known here; its name.
    Other(String),
}

#[derive(Sequence)]
struct ContentInfo<'a> {
    content_type: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    content: Envelope<'a>,
}

#[derive(Sequence)]
struct Envelope<'a> {
    version: u8,
    recipients: SetOfVec<Any>,
    content: EncryptedContentInfo<'a>,
}

#[derive(Sequence)]
struct EncryptedContentInfo<'a> {
    content_type: ObjectIdentifier,
    algorithm: Algorithm<'a>,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT")]
    encrypted: &'a OctetStringRef,
}

/// `AlgorithmIdentifier` (RFC 5280 section 4.1.1.2).
#[derive(Clone, Copy, Sequence)]
struct Algorithm<'a> {
    oid: ObjectIdentifier,
    parameters: Option<AnyRef<'a>>,
}

/// ```text
/// RSAES-OAEP-params ::= SEQUENCE {              -- RFC 4055 section 4.1
///     hashFunc    [0] AlgorithmIdentifier DEFAULT sha1Identifier,
///     maskGenFunc [1] AlgorithmIdentifier DEFAULT mgf1SHA1Identifier,
///     pSourceFunc [2] AlgorithmIdentifier DEFAULT pSpecifiedEmptyIdentifier }
/// ```
#[derive(Sequence)]
struct OaepParameters<'a> {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    hash: Option<Algorithm<'a>>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    mask: Option<Algorithm<'a>>,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", optional = "true")]
    label: Option<Algorithm<'a>>,
}

#[derive(Sequence)]
struct IssuerAndSerialNumber<'a> {
    issuer: AnyRef<'a>,
    serial: IntRef<'a>,
}

/// ```text
/// KeyTransRecipientInfo ::= SEQUENCE {          -- RFC 5652 section 6.2.1
///     version                 CMSVersion,       -- 0 with issuerAndSerialNumber
///     rid                     RecipientIdentifier,
///     keyEncryptionAlgorithm  KeyEncryptionAlgorithmIdentifier,
///     encryptedKey            OCTET STRING }
/// ```
#[derive(Sequence)]
struct KeyTransRecipientInfo<'a> {
    version: u8,
    identifier: IssuerAndSerialNumber<'a>,
    algorithm: Algorithm<'a>,
    encrypted_key: &'a OctetStringRef,
}

/// ```text
/// KeyAgreeRecipientInfo ::= SEQUENCE {          -- RFC 5652 section 6.2.2, RFC 5753 section 3.1.1
///     version                 CMSVersion,       -- always 3
///     originator          [0] EXPLICIT OriginatorIdentifierOrKey,
///     ukm                 [1] EXPLICIT UserKeyingMaterial OPTIONAL,
///     keyEncryptionAlgorithm  KeyEncryptionAlgorithmIdentifier,
///     recipientEncryptedKeys  SEQUENCE OF RecipientEncryptedKey }
/// OriginatorIdentifierOrKey ::= CHOICE { ..., originatorKey [1] OriginatorPublicKey }
/// OriginatorPublicKey ::= SEQUENCE { algorithm AlgorithmIdentifier, publicKey BIT STRING }
/// ```
#[derive(Sequence)]
struct KeyAgreeRecipientInfo<'a> {
    version: u8,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    originator: Any,
    algorithm: Algorithm<'a>,
    keys: Vec<RecipientEncryptedKey<'a>>,
}

#[derive(Sequence)]
struct OriginatorPublicKey<'a> {
    algorithm: Algorithm<'a>,
    public_key: BitStringRef<'a>,
}

#[derive(Sequence)]
struct RecipientEncryptedKey<'a> {
    identifier: IssuerAndSerialNumber<'a>,
    encrypted_key: &'a OctetStringRef,
}

/// What the KDF takes in beside the secret.
///
/// ```text
/// ECC-CMS-SharedInfo ::= SEQUENCE {             -- RFC 5753 section 7.2
///     keyInfo         AlgorithmIdentifier,      -- of the key wrapping
///     entityUInfo [0] EXPLICIT OCTET STRING OPTIONAL,
///     suppPubInfo [2] EXPLICIT OCTET STRING }   -- the bits of its key, in 32 bits
/// ```
#[derive(Sequence)]
struct SharedInfo<'a> {
    key_info: AnyRef<'a>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    user_keying_material: Option<&'a OctetStringRef>,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT")]
    key_bits: &'a OctetStringRef,
}

impl EnvelopedData {
    /// Encrypts a content to certificates and returns the message in DER. Each must have a key of RSA or P-256, and allow
    /// it keyEncipherment or keyAgreement where it says at all what the key may do (RFC 5280 section 4.2.1.3).
    pub fn seal(content_type: ObjectIdentifier, content: &[u8], to: &[&Certificate]) -> Result<Vec<u8>, Error> {
        if to.is_empty() {
            return Err(Error::Malformed { what: "there is no recipient" });
        }
        let mut content_key = Zeroizing::new([0; KEY_LEN]);
        key::random(content_key.as_mut())?;
        let (iv, encrypted) = key::encrypt_cbc(content_key.as_ref(), content)?;
        let mut agrees = false;
        let mut recipients = Vec::new();
        for certificate in to {
            let recipient = recipient(certificate)?;
            let info = match recipient.recipient_type() {
                RecipientType::Rsa(_) => transport(certificate, &recipient, content_key.as_ref())?,
                _ => {
                    agrees = true;
                    agreement(certificate, &recipient, content_key.as_ref())?
                }
            };
            recipients.push(Any::from_der(&info).map_err(unfit)?);
        }
        let message = ContentInfo {
            content_type: rfc5911::ID_ENVELOPED_DATA,
            content: Envelope {
                // RFC 5652 section 6.1: 0 where each recipient's is.
                version: if agrees { 2 } else { 0 },
                recipients: SetOfVec::try_from(recipients).map_err(unfit)?,
                content: EncryptedContentInfo {
                    content_type,
                    algorithm: Algorithm {
                        oid: rfc5911::ID_AES_256_CBC,
                        parameters: Some(AnyRef::new(Tag::OctetString, &iv).map_err(unfit)?),
                    },
                    encrypted: OctetStringRef::new(&encrypted).map_err(unfit)?,
                },
            },
        };
        message.to_der().map_err(unfit)
    }

    /// Whether [`seal`](Self::seal) encrypts to a certificate, and why not.
    pub fn accepts(certificate: &Certificate) -> Result<(), Error> {
        recipient(certificate).map(drop)
    }

    /// Reads a message in DER or BER; bytes after it are an error.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        const WHAT: &str = "its EnvelopedData";
        let malformed = || Error::Malformed { what: WHAT };
        let der = ber::definite(bytes)?;
        let (content_type, envelope) = super::content_info(&der)?;
        if content_type != rfc5911::ID_ENVELOPED_DATA {
            return Err(Error::NotEnvelopedData { found: oid_name(content_type) });
        }
        let parts = fields(envelope, Tag::Sequence, WHAT)?;
        let (recipients, content) = match parts.as_slice() {
            [[0x02, ..], [0xa0, ..], recipients, content, rest @ ..]
            | [[0x02, ..], recipients @ [0x31, ..], content, rest @ ..]
                if matches!(rest, [] | [[0xa1, ..]]) =>
            {
                (*recipients, *content)
            }
            _ => return Err(malformed()),
        };
        if der.len() - content.len() > LENGTH_LIMIT {
            return Err(Error::Malformed { what: "it has more than 1 MiB beside its content" });
        }
        let mut found = Vec::new();
        for recipient in fields(recipients, Tag::Set, "its recipientInfos")? {
            match recipient.first() {
                Some(0x30) => found.push(read_transport(recipient)?),
                Some(0xa1) => read_agreement(recipient, &mut found)?,
                // Passwords and keys that both sides have: not those of a certificate.
                _ => {}
            }
            if found.len() > RECIPIENTS_LIMIT {
                return Err(Error::Malformed { what: "it has more than 64 recipients" });
            }
        }
        let [content_type, algorithm, encrypted] = fields(content, Tag::Sequence, WHAT)?[..] else {
            return Err(malformed());
        };
        let content_type = ObjectIdentifier::from_der(content_type).map_err(|_| malformed())?;
        let algorithm = Algorithm::from_der(algorithm).map_err(|_| malformed())?;
        let key_len = match algorithm.oid {
            rfc5911::ID_AES_128_CBC => 16,
            rfc5911::ID_AES_256_CBC => 32,
            other => return Err(Error::Unsupported { what: "the content's encryption", found: oid_name(other) }),
        };
        let iv = algorithm.parameters.filter(|iv| iv.tag() == Tag::OctetString);
        let iv = iv.and_then(|iv| iv.value().try_into().ok()).ok_or_else(malformed)?;
        Ok(Self { content_type, recipients: found, key_len, iv, encrypted: implicit_octets(encrypted)? })
    }

    /// Decrypts the content with the key of a certificate.
    ///
    /// Everything that is wrong with what is encrypted is one error, [`key::Error::NotOpened`].
    pub fn open(&self, key: &dyn Decrypter, certificate: &Certificate) -> Result<Zeroizing<Vec<u8>>, Error> {
        let mut recipients = self.recipients.iter();
        let recipient = recipients.find(|recipient| recipient.identifier.names(certificate));
        let recipient = recipient.ok_or(Error::NotARecipient)?;
        let content_key = match &recipient.way {
            Way::Transport => key.unwrap(&recipient.encrypted_key)?,
            Way::Agreement { public, hash, kek_len, shared_info } => {
                let secret = key.agree(public)?;
                let kek = key::x963_kdf(*hash, &secret, shared_info, *kek_len);
                key::unwrap_key(&kek, &recipient.encrypted_key)?
            }
            Way::Other(found) => {
                return Err(Error::Unsupported { what: "the encryption of the content's key", found: found.clone() });
            }
        };
        if content_key.len() != self.key_len {
            return Err(key::Error::NotOpened.into());
        }
        Ok(key::decrypt_cbc(&content_key, self.iv, &self.encrypted)?)
    }
}

/// The key of a certificate, if it may be encrypted to.
fn recipient(certificate: &Certificate) -> Result<Recipient, Error> {
    let recipient = Recipient::from_spki(certificate.spki())?;
    let usage = match recipient.recipient_type() {
        RecipientType::Rsa(_) => KeyUsages::KeyEncipherment,
        RecipientType::P256 => KeyUsages::KeyAgreement,
        other => return Err(Error::Unsupported { what: "the recipient's key", found: other.to_string() }),
    };
    match certificate.key_may(usage).map_err(Error::Certificate)? {
        true => Ok(recipient),
        false => Err(Error::KeyUsage { subject: certificate.subject().to_string() }),
    }
}

fn transport(certificate: &Certificate, recipient: &Recipient, content_key: &[u8]) -> Result<Vec<u8>, Error> {
    let encrypted_key = recipient.wrap(content_key)?;
    let sha256 = Algorithm { oid: rfc5912::ID_SHA_256, parameters: Some(AnyRef::NULL) };
    let hash = sha256.to_der().map_err(unfit)?;
    let hash = AnyRef::from_der(&hash).map_err(unfit)?;
    let mask = Algorithm { oid: rfc5912::ID_MGF_1, parameters: Some(hash) };
    let parameters = OaepParameters { hash: Some(sha256), mask: Some(mask), label: None }.to_der().map_err(unfit)?;
    let parameters = AnyRef::from_der(&parameters).map_err(unfit)?;
    let info = KeyTransRecipientInfo {
        version: 0,
        identifier: IssuerAndSerialNumber::of(certificate)?,
        algorithm: Algorithm { oid: rfc5912::ID_RSAES_OAEP, parameters: Some(parameters) },
        encrypted_key: OctetStringRef::new(&encrypted_key).map_err(unfit)?,
    };
    info.to_der().map_err(unfit)
}

fn agreement(certificate: &Certificate, recipient: &Recipient, content_key: &[u8]) -> Result<Vec<u8>, Error> {
    let agreed = recipient.agree()?;
    // RFC 3565 section 2.3.2: parameters are absent.
    let wrapping = Algorithm { oid: rfc5911::ID_AES_256_WRAP, parameters: None }.to_der().map_err(unfit)?;
    let wrapping = AnyRef::from_der(&wrapping).map_err(unfit)?;
    let shared_info = shared_info(wrapping, None, KEY_LEN)?;
    let kek = key::x963_kdf(KdfHash::Sha2(Hash::Sha256), &agreed.secret, &shared_info, KEY_LEN);
    let encrypted_key = key::wrap_key(&kek, content_key)?;
    let originator = OriginatorPublicKey {
        algorithm: Algorithm { oid: rfc5912::ID_EC_PUBLIC_KEY, parameters: None },
        public_key: BitStringRef::from_bytes(&agreed.public).map_err(unfit)?,
    };
    let info = KeyAgreeRecipientInfo {
        version: 3,
        originator: Any::from_der(&tagged_1(originator.to_der().map_err(unfit)?)).map_err(unfit)?,
        algorithm: Algorithm { oid: rfc5753::DH_SINGLE_PASS_STD_DH_SHA_256_KDF_SCHEME, parameters: Some(wrapping) },
        keys: vec![RecipientEncryptedKey {
            identifier: IssuerAndSerialNumber::of(certificate)?,
            encrypted_key: OctetStringRef::new(&encrypted_key).map_err(unfit)?,
        }],
    };
    Ok(tagged_1(info.to_der().map_err(unfit)?))
}

impl<'a> IssuerAndSerialNumber<'a> {
    fn of(certificate: &'a Certificate) -> Result<Self, Error> {
        Ok(Self {
            issuer: AnyRef::from_der(certificate.issuer().der()).map_err(unfit)?,
            serial: IntRef::new(certificate.serial()).map_err(unfit)?,
        })
    }
}

/// A SEQUENCE under the tag `[1]`, IMPLICIT.
fn tagged_1(mut sequence: Vec<u8>) -> Vec<u8> {
    if let Some(tag) = sequence.first_mut() {
        *tag = 0xa1;
    }
    sequence
}

fn shared_info(wrapping: AnyRef<'_>, ukm: Option<&[u8]>, kek_len: usize) -> Result<Vec<u8>, Error> {
    let key_bits = u32::try_from(8 * kek_len).unwrap_or(u32::MAX).to_be_bytes();
    let info = SharedInfo {
        key_info: wrapping,
        user_keying_material: ukm.map(OctetStringRef::new).transpose().map_err(unfit)?,
        key_bits: OctetStringRef::new(&key_bits).map_err(unfit)?,
    };
    info.to_der().map_err(unfit)
}

/// Reads a KeyTransRecipientInfo.
fn read_transport(der: &[u8]) -> Result<RecipientInfo, Error> {
    const WHAT: &str = "its KeyTransRecipientInfo";
    let [[0x02, ..], identifier, algorithm, encrypted_key] = fields(der, Tag::Sequence, WHAT)?[..] else {
        return Err(Error::Malformed { what: WHAT });
    };
    let algorithm = Algorithm::from_der(algorithm).map_err(|_| Error::Malformed { what: WHAT })?;
    let way = match algorithm.oid {
        rfc5912::ID_RSAES_OAEP => {
            let parameters = algorithm.parameters.and_then(|found| found.decode_as::<OaepParameters<'_>>().ok());
            match parameters.is_some_and(|parameters| parameters.are_sha256()) {
                true => Way::Transport,
                false => Way::Other("RSAES-OAEP of another kind than SHA-256".to_owned()),
            }
        }
        other => Way::Other(oid_name(other)),
    };
    Ok(RecipientInfo {
        identifier: SignerIdentifier::from_der(identifier)?,
        way,
        encrypted_key: octets(encrypted_key, WHAT)?,
    })
}

impl OaepParameters<'_> {
    /// Whether they say SHA-256, MGF1 with SHA-256 and no label.
    fn are_sha256(&self) -> bool {
        // RFC 4055 section 2.1: NULL is written, and absent parameters must be read.
        let is_sha256 = |hash: Algorithm<'_>| {
            hash.oid == rfc5912::ID_SHA_256 && hash.parameters.is_none_or(|parameters| parameters.tag() == Tag::Null)
        };
        let is_mgf1 = |mask: Algorithm<'_>| {
            let hash = mask.parameters.and_then(|hash| hash.decode_as().ok());
            mask.oid == rfc5912::ID_MGF_1 && hash.is_some_and(is_sha256)
        };
        let is_empty = |label: Algorithm<'_>| {
            let text = label.parameters.filter(|text| text.tag() == Tag::OctetString);
            label.oid == rfc5912::ID_P_SPECIFIED && text.is_some_and(|text| text.value().is_empty())
        };
        self.hash.is_some_and(is_sha256) && self.mask.is_some_and(is_mgf1) && self.label.is_none_or(is_empty)
    }
}

/// Reads a KeyAgreeRecipientInfo, which may be for several recipients.
fn read_agreement(der: &[u8], found: &mut Vec<RecipientInfo>) -> Result<(), Error> {
    const WHAT: &str = "its KeyAgreeRecipientInfo";
    let malformed = || Error::Malformed { what: WHAT };
    let parts = fields(der, context(1), WHAT)?;
    let (originator, ukm, algorithm, keys) = match parts.as_slice() {
        [[0x02, ..], originator, algorithm, keys] => (*originator, None, *algorithm, *keys),
        [[0x02, ..], originator, ukm, algorithm, keys] => (*originator, Some(*ukm), *algorithm, *keys),
        _ => return Err(malformed()),
    };
    let ukm = match ukm.map(|ukm| fields(ukm, context(1), WHAT)).transpose()?.as_deref() {
        None => None,
        Some([ukm]) => Some(octets(ukm, WHAT)?),
        Some(_) => return Err(malformed()),
    };
    let algorithm = Algorithm::from_der(algorithm).map_err(|_| malformed())?;
    let way = agreement_way(originator, ukm.as_deref(), algorithm)?;
    for key in fields(keys, Tag::Sequence, WHAT)? {
        let [identifier, encrypted_key] = fields(key, Tag::Sequence, WHAT)?[..] else { return Err(malformed()) };
        let identifier = match identifier.first() {
            // RecipientKeyIdentifier: a date and more may follow, which name no other key.
            Some(0xa0) => match fields(identifier, CONTEXT_0, WHAT)?[..] {
                [identifier, ..] => SignerIdentifier::KeyIdentifier(octets(identifier, WHAT)?),
                [] => return Err(malformed()),
            },
            _ => SignerIdentifier::from_der(identifier)?,
        };
        if found.len() > RECIPIENTS_LIMIT {
            return Ok(());
        }
        found.push(RecipientInfo { identifier, way: way.clone(), encrypted_key: octets(encrypted_key, WHAT)? });
    }
    Ok(())
}

fn agreement_way(originator: &[u8], ukm: Option<&[u8]>, algorithm: Algorithm<'_>) -> Result<Way, Error> {
    const WHAT: &str = "its KeyAgreeRecipientInfo";
    let malformed = || Error::Malformed { what: WHAT };
    let other = |oid| Ok(Way::Other(oid_name(oid)));
    let hash = match algorithm.oid {
        rfc5753::DH_SINGLE_PASS_STD_DH_SHA_1_KDF_SCHEME => KdfHash::Sha1,
        rfc5753::DH_SINGLE_PASS_STD_DH_SHA_256_KDF_SCHEME => KdfHash::Sha2(Hash::Sha256),
        rfc5753::DH_SINGLE_PASS_STD_DH_SHA_384_KDF_SCHEME => KdfHash::Sha2(Hash::Sha384),
        rfc5753::DH_SINGLE_PASS_STD_DH_SHA_512_KDF_SCHEME => KdfHash::Sha2(Hash::Sha512),
        oid => return other(oid),
    };
    let wrapping = algorithm.parameters.ok_or_else(malformed)?;
    let kek_len = match wrapping.decode_as::<Algorithm<'_>>().map_err(|_| malformed())?.oid {
        rfc5911::ID_AES_128_WRAP => 16,
        rfc5911::ID_AES_256_WRAP => 32,
        oid => return other(oid),
    };
    let [key] = fields(originator, CONTEXT_0, WHAT)?[..] else { return Err(malformed()) };
    if key.first() != Some(&0xa1) {
        return Ok(Way::Other("a key agreement whose key is in a certificate".to_owned()));
    }
    let [_, public] = fields(key, context(1), WHAT)?[..] else { return Err(malformed()) };
    // On which curve it is said to be changes nothing: the recipient's own key decides.
    let public = BitStringRef::from_der(public).ok().and_then(|bits| bits.as_bytes()).ok_or_else(malformed)?;
    Ok(Way::Agreement { public: public.to_vec(), hash, kek_len, shared_info: shared_info(wrapping, ukm, kek_len)? })
}

/// An OCTET STRING under the tag `[0]`, IMPLICIT, whole or in segments.
fn implicit_octets(der: &[u8]) -> Result<Vec<u8>, Error> {
    const WHAT: &str = "its encryptedContent";
    match der.first() {
        Some(0x80) => Ok(AnyRef::from_der(der).map_err(|_| Error::Malformed { what: WHAT })?.value().to_vec()),
        _ => {
            let segments = fields(der, CONTEXT_0, WHAT)?.into_iter().map(|segment| octets(segment, WHAT));
            Ok(segments.collect::<Result<Vec<_>, _>>()?.concat())
        }
    }
}

fn octets(der: &[u8], what: &'static str) -> Result<Vec<u8>, Error> {
    Ok(<&OctetStringRef>::from_der(der).map_err(|_| Error::Malformed { what })?.as_bytes().to_vec())
}

fn fields<'a>(der: &'a [u8], tag: Tag, what: &'static str) -> Result<Vec<&'a [u8]>, Error> {
    members(der, tag, what).map_err(|_| Error::Malformed { what })
}

fn unfit(_: der::Error) -> Error {
    Error::Malformed { what: "what is to be written" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tlv(tag: Tag, parts: &[&[u8]]) -> Vec<u8> {
        AnyRef::new(tag, &parts.concat()).unwrap().to_der().unwrap()
    }

    fn octets_of(len: usize) -> Vec<u8> {
        tlv(Tag::OctetString, &[&vec![0; len]])
    }

    fn sealed(recipients: &[u8], content: usize) -> Vec<u8> {
        let oid = |oid: ObjectIdentifier| oid.to_der().unwrap();
        let algorithm = tlv(Tag::Sequence, &[&oid(rfc5911::ID_AES_256_CBC), &octets_of(BLOCK)]);
        let encrypted = tlv(CONTEXT_0, &[&octets_of(content)]);
        let content = tlv(Tag::Sequence, &[&oid(rfc5911::ID_DATA), &algorithm, &encrypted]);
        let envelope = tlv(Tag::Sequence, &[&[0x02, 1, 2], &tlv(Tag::Set, &[recipients]), &content]);
        tlv(Tag::Sequence, &[&oid(rfc5911::ID_ENVELOPED_DATA), &tlv(CONTEXT_0, &[&envelope])])
    }

    /// One KeyAgreeRecipientInfo of as many recipients as there are.
    fn agreed(count: usize) -> Vec<u8> {
        let oid = |oid: ObjectIdentifier| oid.to_der().unwrap();
        let wrapping = tlv(Tag::Sequence, &[&oid(rfc5911::ID_AES_256_WRAP)]);
        let scheme = oid(rfc5753::DH_SINGLE_PASS_STD_DH_SHA_256_KDF_SCHEME);
        let key = tlv(context(1), &[&tlv(Tag::Sequence, &[]), &[0x03, 2, 0, 4]]);
        let identifier = tlv(CONTEXT_0, &[&octets_of(20)]);
        let keys = tlv(Tag::Sequence, &[&identifier, &octets_of(40)]).repeat(count);
        let algorithm = tlv(Tag::Sequence, &[&scheme, &wrapping]);
        tlv(context(1), &[&[0x02, 1, 3], &tlv(CONTEXT_0, &[&key]), &algorithm, &tlv(Tag::Sequence, &[&keys])])
    }

    #[test]
    fn what_a_peer_sends_is_bounded() {
        let read = |recipients: &[u8], content| EnvelopedData::from_bytes(&sealed(recipients, content));
        let found = read(&agreed(RECIPIENTS_LIMIT), 2 * LENGTH_LIMIT).unwrap();
        assert_eq!((found.recipients.len(), found.encrypted.len()), (RECIPIENTS_LIMIT, 2 * LENGTH_LIMIT));
        for recipients in [agreed(RECIPIENTS_LIMIT + 1), agreed(1).repeat(RECIPIENTS_LIMIT + 1)] {
            let error = read(&recipients, 16).unwrap_err().to_string();
            assert!(error.contains("more than 64 recipients"), "{error}");
        }
        let error = read(&octets_of(LENGTH_LIMIT), 16).unwrap_err().to_string();
        assert!(error.contains("more than 1 MiB beside its content"), "{error}");
        // Recipients by a password or a key that both sides have are none of a certificate.
        let others = [tlv(context(2), &[]), tlv(context(3), &[])].concat();
        assert_eq!(read(&others, 16).unwrap().recipients.len(), 0);
    }
}
