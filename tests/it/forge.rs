//! Certificates of any shape, octet by octet: right ones, wrong ones, and what no encoder would write.
//!
//! Who is called by a name has the key of that name, the same in every test: `ca("CA", "Root")` is signed by the key of
//! `root("Root")`. Every field is public; what [`Forged::der`] makes of it is not checked.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use bulla::files::{Document, Kind};
use bulla::key::{Hash, Input, KeyType, Scheme, Signer, SoftwareKey};

pub const SUBJECT_KEY: &str = "2.5.29.14";
pub const KEY_USAGE: &str = "2.5.29.15";
pub const ALT_NAME: &str = "2.5.29.17";
pub const BASIC_CONSTRAINTS: &str = "2.5.29.19";
pub const NAME_CONSTRAINTS: &str = "2.5.29.30";
pub const AUTHORITY_KEY: &str = "2.5.29.35";
pub const EXTENDED_KEY_USAGE: &str = "2.5.29.37";

pub const SERVER: &str = "1.3.6.1.5.5.7.3.1";
pub const CLIENT: &str = "1.3.6.1.5.5.7.3.2";
pub const CODE: &str = "1.3.6.1.5.5.7.3.3";
pub const EMAIL: &str = "1.3.6.1.5.5.7.3.4";
pub const ANY_USE: &str = "2.5.29.37.0";

// The bits of KeyUsage (RFC 5280 section 4.2.1.3).
pub const SIGNATURE: u8 = 0;
pub const ENCIPHERMENT: u8 = 2;
pub const AGREEMENT: u8 = 4;
pub const CERT_SIGN: u8 = 5;
pub const CRL_SIGN: u8 = 6;

/// One value: a tag, its length in the shortest form, its content.
pub fn tlv(tag: u8, content: impl AsRef<[u8]>) -> Vec<u8> {
    let content = content.as_ref();
    let length = content.len().to_be_bytes();
    let digits: Vec<u8> = length.into_iter().skip_while(|digit| *digit == 0).collect();
    let head = match content.len() {
        0..0x80 => vec![tag, length[length.len() - 1]],
        _ => [&[tag, 0x80 | digits.len() as u8], digits.as_slice()].concat(),
    };
    [head.as_slice(), content].concat()
}

pub fn sequence(members: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x30, members.concat())
}

pub fn oid(dotted: &str) -> Vec<u8> {
    tlv(0x06, const_oid::ObjectIdentifier::new(dotted).expect("an OID").as_bytes())
}

/// An INTEGER; the content is as it is given.
pub fn integer(content: &[u8]) -> Vec<u8> {
    tlv(0x02, content)
}

/// A named BIT STRING without trailing zeros.
pub fn bits(set: &[u8]) -> Vec<u8> {
    let Some(last) = set.iter().max() else { return tlv(0x03, [0]) };
    let mut octets = vec![0_u8; usize::from(last / 8) + 1];
    set.iter().for_each(|bit| octets[usize::from(bit / 8)] |= 0x80 >> (bit % 8));
    tlv(0x03, [&[7 - last % 8], octets.as_slice()].concat())
}

/// A name of one attribute for each pair of OID and UTF8String.
pub fn name(attributes: &[(&str, &str)]) -> Vec<u8> {
    let attributes = attributes.iter().map(|(kind, value)| attribute(kind, 0x0c, value.as_bytes()));
    sequence(&attributes.collect::<Vec<_>>())
}

/// A relative name of one attribute, its value of any string type.
pub fn attribute(kind: &str, tag: u8, value: &[u8]) -> Vec<u8> {
    tlv(0x31, sequence(&[oid(kind), tlv(tag, value)]))
}

pub fn common_name(value: &str) -> Vec<u8> {
    name(&[("2.5.4.3", value)])
}

/// UTCTime for two digits of the year, GeneralizedTime for four; what is no digit is for the caller to say.
pub fn time(text: &str) -> Vec<u8> {
    tlv(if text.len() == "YYMMDDHHMMSSZ".len() { 0x17 } else { 0x18 }, text)
}

pub const ECDSA_SHA256: &str = "1.2.840.10045.4.3.2";

pub fn algorithm(kind: &str) -> Vec<u8> {
    sequence(&[oid(kind)])
}

/// The P-256 key of somebody.
fn key(who: &str) -> Arc<SoftwareKey> {
    static KEYS: LazyLock<Mutex<HashMap<String, Arc<SoftwareKey>>>> = LazyLock::new(Mutex::default);
    let mut keys = KEYS.lock().expect("no test panics in here");
    let made = || Arc::new(SoftwareKey::generate(KeyType::P256).expect("a key"));
    keys.entry(who.to_owned()).or_insert_with(made).clone()
}

/// The SubjectPublicKeyInfo of somebody's key.
pub fn public_key(who: &str) -> Vec<u8> {
    key(who).public_key().spki().to_vec()
}

pub fn key_identifier(who: &str) -> Vec<u8> {
    Hash::Sha256.digest(&public_key(who)).bytes()[..20].to_vec()
}

/// A certificate, in the parts of RFC 5280 section 4.1; each in DER but for the serial number, which is its content.
#[derive(Clone)]
pub struct Forged {
    /// Empty for version 1.
    pub version: Vec<u8>,
    pub serial: Vec<u8>,
    /// The algorithm that is signed, and the one beside the signature.
    pub algorithms: [Vec<u8>; 2],
    pub issuer: Vec<u8>,
    pub validity: [Vec<u8>; 2],
    pub subject: Vec<u8>,
    pub public_key: Vec<u8>,
    pub extensions: Vec<Extension>,
    /// More extensions, in DER one after the other.
    pub more: Vec<u8>,
    /// Whose key signs.
    pub signer: String,
}

#[derive(Clone)]
pub struct Extension {
    pub oid: &'static str,
    pub critical: bool,
    pub value: Vec<u8>,
}

pub fn extension(oid: &'static str, value: Vec<u8>) -> Extension {
    Extension { oid, critical: false, value }
}

pub fn critical(oid: &'static str, value: Vec<u8>) -> Extension {
    Extension { oid, critical: true, value }
}

pub fn basic_constraints(is_ca: bool, path_length: Option<u8>) -> Extension {
    let flag = if is_ca { tlv(0x01, [0xff]) } else { Vec::new() };
    let length = path_length.map_or(Vec::new(), |length| integer(&[length]));
    critical(BASIC_CONSTRAINTS, sequence(&[flag, length]))
}

pub fn key_usage(set: &[u8]) -> Extension {
    critical(KEY_USAGE, bits(set))
}

pub fn extended_key_usage(uses: &[&str]) -> Extension {
    extension(EXTENDED_KEY_USAGE, sequence(&uses.iter().map(|each| oid(each)).collect::<Vec<_>>()))
}

/// A subjectAltName of whole GeneralNames.
pub fn alt_name(names: &[Vec<u8>]) -> Extension {
    extension(ALT_NAME, sequence(names))
}

pub fn dns(host: &str) -> Vec<u8> {
    tlv(0x82, host)
}

pub fn subject_key(who: &str) -> Extension {
    extension(SUBJECT_KEY, tlv(0x04, key_identifier(who)))
}

pub fn authority_key(who: &str) -> Extension {
    extension(AUTHORITY_KEY, sequence(&[tlv(0x80, key_identifier(who))]))
}

/// A root that signs itself.
pub fn root(who: &str) -> Forged {
    ca(who, who).without(AUTHORITY_KEY)
}

/// An intermediate CA.
pub fn ca(who: &str, issuer: &str) -> Forged {
    let usage = key_usage(&[CERT_SIGN, CRL_SIGN]);
    Forged {
        extensions: vec![basic_constraints(true, None), usage, subject_key(who), authority_key(issuer)],
        ..leaf(who, issuer)
    }
}

/// An end entity that may sign, for whatever it is used.
pub fn leaf(who: &str, issuer: &str) -> Forged {
    let mut serial = Hash::Sha256.digest(format!("{who} by {issuer}").as_bytes()).bytes()[..16].to_vec();
    serial[0] = serial[0] & 0x7f | 0x40;
    Forged {
        version: tlv(0xa0, integer(&[2])),
        serial,
        algorithms: [algorithm(ECDSA_SHA256), algorithm(ECDSA_SHA256)],
        issuer: common_name(issuer),
        validity: [time("200101000000Z"), time("401231235959Z")],
        subject: common_name(who),
        public_key: public_key(who),
        extensions: vec![basic_constraints(false, None), key_usage(&[SIGNATURE]), authority_key(issuer)],
        more: Vec::new(),
        signer: issuer.to_owned(),
    }
}

impl Forged {
    /// Has this extension, in the place of the one it had of the same kind.
    pub fn with(mut self, extension: Extension) -> Self {
        match self.extensions.iter_mut().find(|each| each.oid == extension.oid) {
            Some(found) => *found = extension,
            None => self.extensions.push(extension),
        }
        self
    }

    /// Has this extension too, even a second time.
    pub fn and(mut self, extension: Extension) -> Self {
        self.extensions.push(extension);
        self
    }

    pub fn without(mut self, oid: &str) -> Self {
        self.extensions.retain(|each| each.oid != oid);
        self
    }

    /// Changes whether an extension that it has is critical.
    pub fn criticality(mut self, oid: &str, critical: bool) -> Self {
        self.extensions.iter_mut().filter(|each| each.oid == oid).for_each(|each| each.critical = critical);
        self
    }

    pub fn valid(self, from: &str, until: &str) -> Self {
        Self { validity: [time(from), time(until)], ..self }
    }

    /// What is signed.
    fn to_be_signed(&self) -> Vec<u8> {
        let Self { version, serial, algorithms, issuer, validity, subject, public_key, extensions, more, signer: _ } =
            self;
        let extension = |Extension { oid: kind, critical, value }: &Extension| {
            let flag = if *critical { tlv(0x01, [0xff]) } else { Vec::new() };
            sequence(&[oid(kind), flag, tlv(0x04, value)])
        };
        let extensions = [extensions.iter().flat_map(extension).collect(), more.clone()].concat();
        let extensions = if extensions.is_empty() { Vec::new() } else { tlv(0xa3, tlv(0x30, extensions)) };
        sequence(&[
            version.clone(),
            integer(serial),
            algorithms[0].clone(),
            issuer.clone(),
            sequence(validity),
            subject.clone(),
            public_key.clone(),
            extensions,
        ])
    }

    /// The certificate, signed with ECDSA and SHA-256 whatever its algorithms say; the same each time (RFC 6979).
    pub fn der(&self) -> Vec<u8> {
        let signed = self.to_be_signed();
        let signature = key(&self.signer)
            .sign(Scheme::Ecdsa(Hash::Sha256), Input::Digest(&Hash::Sha256.digest(&signed)))
            .expect("a signature");
        sequence(&[signed, self.algorithms[1].clone(), tlv(0x03, [&[0], signature.as_slice()].concat())])
    }

    pub fn pem(&self) -> String {
        pem(&self.der())
    }
}

/// Octets that are called a certificate.
pub fn pem(der: &[u8]) -> String {
    Document::to_pem(Kind::Certificate, der).to_string()
}

/// Certificates in one file.
pub fn bundle<'a>(certificates: impl IntoIterator<Item = &'a Forged>) -> String {
    certificates.into_iter().map(Forged::pem).collect()
}
