//! Reading lists. What one is worth, [`verify`](crate::x509::verify) tells.

use std::fmt;
use std::path::Path;

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280;
use der::asn1::{AnyRef, UintRef};
use der::{Decode, Encode, Tag, Tagged};
use x509_cert::ext::pkix::name::{GeneralName, GeneralNames};
use x509_cert::time::Time as DerTime;

use super::{Entry, Extensions, Reason, TbsCertList, VERSION_2};
use crate::files::Kind;
use crate::key::{PublicKey, Scheme};
use crate::x509::signed::Signed;
use crate::x509::{Error, Extension, Name, Time, read_documents, rfc3339};

/// A certificate revocation list.
///
/// ```text
/// CertificateList ::= SEQUENCE {                -- RFC 5280 section 5.1
///     tbsCertList          TBSCertList,
///     signatureAlgorithm   AlgorithmIdentifier,
///     signatureValue       BIT STRING }
/// ```
///
/// All of it is read, entries included. Only the original bytes are kept of those: a list of 64 MiB has two million.
#[derive(Clone)]
pub struct CertificateList {
    signed: Signed,
    version: u8,
    issuer: Name,
    this_update: Time,
    next_update: Option<Time>,
    number: Option<Vec<u8>>,
    extensions: Vec<Extension>,
    count: usize,
}

/// One entry of a list.
#[derive(Clone, Debug)]
pub struct RevokedCertificate<'a> {
    /// The content octets of the serial number INTEGER.
    pub serial: &'a [u8],
    /// When it was revoked.
    pub date: Time,
    /// Why, where that is said.
    pub reason: Option<Reason>,
    /// Who issued it and those after it, where another did than is said before (RFC 5280 section 5.3.3).
    pub issuer: Option<Name>,
    /// The first critical extension that is neither of these.
    pub unknown_critical: Option<ObjectIdentifier>,
}

const WHAT: &str = "the certificate revocation list";

fn malformed<E>(_: E) -> Error {
    Error::Malformed { what: WHAT }
}

impl CertificateList {
    /// Reads a DER list; bytes after it are an error.
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        let signed = Signed::from_der(der, WHAT)?;
        let list = TbsCertList::from_der(signed.bytes()).map_err(malformed)?;
        if list.issuer.value().len() > Name::LENGTH_LIMIT {
            return Err(Error::Malformed { what: "the certificate revocation list, whose issuer's name is too long," });
        }
        let version = match list.version {
            None if list.crl_extensions.is_none() => 1,
            Some(VERSION_2) => 2,
            _ => return Err(malformed(())),
        };
        let extensions = extensions(list.crl_extensions)?;
        let number = extensions.iter().find(|extension| extension.oid == rfc5280::ID_CE_CRL_NUMBER);
        let number: Option<UintRef<'_>> = number.map(|number| number.read("cRLNumber")).transpose()?;
        let algorithm = list.signature.to_der().map_err(malformed)?;
        let mut read = Self {
            number: number.map(|number| number.as_bytes().to_vec()),
            version,
            issuer: Name::from_der(&list.issuer.to_der().map_err(malformed)?)?,
            this_update: time(list.this_update)?,
            next_update: list.next_update.map(time).transpose()?,
            extensions,
            count: 0,
            signed: signed.repeating(&algorithm),
        };
        let mut count = 0;
        for entry in read.revoked() {
            entry?;
            count += 1;
        }
        read.count = count;
        Ok(read)
    }

    /// 1 or 2.
    pub fn version(&self) -> u8 {
        self.version
    }

    /// Who issued it.
    pub fn issuer(&self) -> &Name {
        &self.issuer
    }

    /// When it was issued.
    pub fn this_update(&self) -> Time {
        self.this_update
    }

    /// When the next one is due.
    pub fn next_update(&self) -> Option<Time> {
        self.next_update
    }

    /// The cRLNumber extension, as an unsigned big-endian number without leading zeros (RFC 5280 section 5.2.3).
    pub fn number(&self) -> Option<&[u8]> {
        self.number.as_deref()
    }

    /// Its extensions in order, each there once.
    pub fn extensions(&self) -> &[Extension] {
        &self.extensions
    }

    /// An extension, where it is there.
    pub fn extension(&self, oid: ObjectIdentifier) -> Option<&Extension> {
        self.extensions.iter().find(|extension| extension.oid == oid)
    }

    /// How many certificates it names.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The revoked certificates in order, read one by one. An error is the last.
    pub fn revoked(&self) -> impl Iterator<Item = Result<RevokedCertificate<'_>, Error>> {
        let list = TbsCertList::from_der(self.signed.bytes()).map_err(malformed);
        let (mut rest, mut fault) = match list {
            Ok(list) => (list.revoked_certificates.map_or(&[][..], |entries| entries.0), None),
            Err(error) => (&[][..], Some(error)),
        };
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return fault.take().map(Err);
            }
            let read = Entry::from_der_partial(rest).map_err(malformed);
            let entry = read.and_then(|(entry, after)| {
                rest = after;
                RevokedCertificate::new(entry)
            });
            if entry.is_err() {
                rest = &[];
            }
            Some(entry)
        })
    }

    /// The scheme of its signature, where the table knows it and both places name the same (RFC 5280 section 5.1.1.2).
    pub fn scheme(&self) -> Result<Scheme, Error> {
        self.signed.scheme()
    }

    /// Checks the signature over the original bytes with the issuer's key.
    pub fn is_signed_by(&self, issuer: &PublicKey) -> bool {
        self.signed.check(issuer).is_ok()
    }

    /// Reads an extension strictly: `None` where it is absent, an error where its DER is not what it must be.
    pub fn read<'a, T: Decode<'a, Error = der::Error>>(
        &'a self,
        oid: ObjectIdentifier,
        what: &'static str,
    ) -> Result<Option<T>, Error> {
        self.extension(oid).map(|extension| extension.read(what)).transpose()
    }
}

impl fmt::Debug for CertificateList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CertificateList({}, {}, {} entries)", self.issuer, rfc3339(self.this_update), self.count)
    }
}

impl<'a> RevokedCertificate<'a> {
    fn new(entry: Entry<'a>) -> Result<Self, Error> {
        let mut revoked = Self {
            serial: entry.user_certificate.as_bytes(),
            date: time(entry.revocation_date)?,
            reason: None,
            issuer: None,
            unknown_critical: None,
        };
        for extension in extensions(entry.crl_entry_extensions)? {
            match extension.oid {
                rfc5280::ID_CE_CRL_REASONS => revoked.reason = Some(reason(&extension.value)?),
                rfc5280::ID_CE_CERTIFICATE_ISSUER => revoked.issuer = Some(certificate_issuer(&extension.value)?),
                oid if extension.critical => revoked.unknown_critical = revoked.unknown_critical.or(Some(oid)),
                _ => {}
            }
        }
        Ok(revoked)
    }
}

/// Takes extensions; one that is there twice is an error, since readers would differ on which counts.
fn extensions(found: Option<Extensions>) -> Result<Vec<Extension>, Error> {
    let mut extensions: Vec<Extension> = Vec::new();
    for extension in found.into_iter().flat_map(|found| found.0).map(Extension::from) {
        if extensions.iter().any(|earlier| earlier.oid == extension.oid) {
            return Err(malformed(()));
        }
        extensions.push(extension);
    }
    Ok(extensions)
}

/// `CRLReason ::= ENUMERATED` (RFC 5280 section 5.3.1).
fn reason(value: &[u8]) -> Result<Reason, Error> {
    let value = AnyRef::from_der(value).map_err(malformed)?;
    match (value.tag(), value.value()) {
        (Tag::Enumerated, [code]) => Reason::from_code(*code).ok_or_else(|| malformed(())),
        _ => Err(malformed(())),
    }
}

/// `CertificateIssuer ::= GeneralNames`: the one directoryName in it (RFC 5280 section 5.3.3).
fn certificate_issuer(value: &[u8]) -> Result<Name, Error> {
    let names = GeneralNames::from_der(value).map_err(malformed)?;
    let mut directory_names = names.iter().filter_map(|name| match name {
        GeneralName::DirectoryName(name) => Some(name),
        _ => None,
    });
    match (directory_names.next(), directory_names.next()) {
        (Some(name), None) => Name::from_der(&name.to_der().map_err(malformed)?),
        _ => Err(malformed(())),
    }
}

/// UTCTime through 2049 and GeneralizedTime from 2050 (RFC 5280 section 5.1.2.4).
fn time(time: DerTime) -> Result<Time, Error> {
    if matches!(time, DerTime::GeneralTime(time) if time.to_date_time().year() < 2050) {
        return Err(malformed(()));
    }
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).map_err(malformed)?;
    Time::from_unix_timestamp(seconds).map_err(malformed)
}

/// Reads every list of a file, PEM or DER; anything else in it is an error.
pub fn read_revocation_lists(path: &Path) -> Result<Vec<CertificateList>, Error> {
    read_documents("certificate revocation list", path, Kind::Crl, CertificateList::from_der)
}

#[cfg(test)]
mod tests {
    use der::asn1::{GeneralizedTime, IntRef, OctetString, UtcTime};

    use super::*;
    use crate::x509::crl::Entries;

    /// ecdsa-with-SHA256 (RFC 5758 section 3.2).
    const ALGORITHM: [u8; 12] = [0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];

    fn extension(oid: ObjectIdentifier, critical: bool, value: &[u8]) -> x509_cert::ext::Extension {
        x509_cert::ext::Extension { extn_id: oid, critical, extn_value: OctetString::new(value).unwrap() }
    }

    /// 2026-01-01, in the form that is not for that year.
    fn general_time() -> DerTime {
        DerTime::GeneralTime(GeneralizedTime::from_date_time(der::DateTime::new(2026, 1, 1, 0, 0, 0).unwrap()))
    }

    fn utc_time() -> DerTime {
        DerTime::UtcTime(UtcTime::from_date_time(der::DateTime::new(2026, 1, 1, 0, 0, 0).unwrap()).unwrap())
    }

    fn entry(reason: &[u8]) -> Entry<'static> {
        Entry {
            user_certificate: IntRef::new(&[0x2a]).unwrap(),
            revocation_date: utc_time(),
            crl_entry_extensions: Some(Extensions(vec![extension(rfc5280::ID_CE_CRL_REASONS, false, reason)])),
        }
    }

    /// Reads a list of one entry, changed in one thing.
    fn read(
        of_entry: impl FnOnce(&mut Entry<'_>),
        of_list: impl FnOnce(&mut TbsCertList<'_>),
    ) -> Result<CertificateList, Error> {
        let mut entry = entry(&[0x0a, 0x01, 0x01]);
        of_entry(&mut entry);
        let entry = entry.to_der().unwrap();
        let issuer = Name::new(&[(Name::COMMON_NAME, "CA")]).unwrap();
        let mut list = TbsCertList {
            version: Some(VERSION_2),
            signature: AnyRef::from_der(&ALGORITHM).unwrap(),
            issuer: AnyRef::from_der(issuer.der()).unwrap(),
            this_update: utc_time(),
            next_update: None,
            revoked_certificates: Some(Entries(&entry)),
            crl_extensions: Some(Extensions(vec![extension(rfc5280::ID_CE_CRL_NUMBER, false, &[0x02, 0x01, 0x07])])),
        };
        of_list(&mut list);
        let parts = [list.to_der().unwrap(), ALGORITHM.to_vec(), vec![0x03, 0x02, 0x00, 0x00]].concat();
        CertificateList::from_der(&der::asn1::AnyRef::new(Tag::Sequence, &parts).unwrap().to_der().unwrap())
    }

    #[test]
    fn what_is_in_a_list_is_read() {
        let list = read(|_| {}, |_| {}).unwrap();
        assert_eq!((list.version(), list.number(), list.count()), (2, Some(&[7][..]), 1));
        let entry = list.revoked().next().unwrap().unwrap();
        assert_eq!((entry.serial, entry.reason), (&[0x2a][..], Some(Reason::KeyCompromise)));
        assert_eq!(rfc3339(entry.date), "2026-01-01T00:00:00Z");
        let unknown = ObjectIdentifier::new_unwrap("1.2.3");
        let critical = Extensions(vec![extension(unknown, true, &[])]);
        let list = read(|it| it.crl_entry_extensions = Some(critical), |_| {}).unwrap();
        assert_eq!(list.revoked().next().unwrap().unwrap().unknown_critical, Some(unknown));
    }

    #[test]
    fn what_is_malformed_anywhere_is_refused() {
        let twice = || {
            let one = extension(rfc5280::ID_CE_CRL_NUMBER, false, &[0x02, 0x01, 0x07]);
            Some(Extensions(vec![one.clone(), one]))
        };
        let negative = || Some(Extensions(vec![extension(rfc5280::ID_CE_CRL_NUMBER, false, &[0x02, 0x01, 0xff])]));
        assert!(read(|_| {}, |list| list.this_update = general_time()).is_err());
        assert!(read(|_| {}, |list| list.next_update = Some(general_time())).is_err());
        assert!(read(|_| {}, |list| list.version = None).is_err(), "version 1 has no extensions");
        assert!(read(|_| {}, |list| list.version = Some(2)).is_err());
        assert!(read(|_| {}, |list| list.crl_extensions = twice()).is_err());
        assert!(read(|_| {}, |list| list.crl_extensions = negative()).is_err());
        assert!(read(|_| {}, |list| list.revoked_certificates = Some(Entries(&[0x30]))).is_err());
        assert!(read(|entry| entry.revocation_date = general_time(), |_| {}).is_err());
        assert!(read(|entry| entry.crl_entry_extensions = twice(), |_| {}).is_err());
        let crowd = |count| {
            let oid = |number| ObjectIdentifier::new(&format!("1.2.3.{number}")).unwrap();
            Some(Extensions((0..count).map(|number| extension(oid(number), false, &[])).collect()))
        };
        assert!(read(|entry| entry.crl_entry_extensions = crowd(32), |list| list.crl_extensions = crowd(32)).is_ok());
        assert!(read(|entry| entry.crl_entry_extensions = crowd(33), |_| {}).is_err());
        assert!(read(|_| {}, |list| list.crl_extensions = crowd(33)).is_err());
        for reason in [&[0x0a, 0x01, 0x07][..], &[0x02, 0x01, 0x01], &[0x0a, 0x02, 0x00, 0x01], &[]] {
            assert!(read(|it| *it = entry(reason), |_| {}).is_err(), "{reason:?}");
        }
    }

    #[test]
    fn what_costs_too_much_is_refused() {
        let number = |arc: usize| ObjectIdentifier::new(&format!("1.2.{arc}")).unwrap();
        let many = |count| Some(Extensions((0..count).map(|arc| extension(number(arc), false, &[])).collect()));
        let long = |length| Some(Extensions(vec![extension(number(3), false, &vec![0; length])]));
        let (most, longest) = (Extensions::LIMIT, Extensions::LENGTH_LIMIT as usize);
        for (extensions, is_read) in [
            (&(|| many(most)) as &dyn Fn() -> Option<Extensions>, true),
            (&|| many(most + 1), false),
            (&|| long(longest - 100), true),
            (&|| long(longest), false),
        ] {
            assert_eq!(read(|entry| entry.crl_entry_extensions = extensions(), |_| {}).is_ok(), is_read);
            assert_eq!(read(|_| {}, |list| list.crl_extensions = extensions()).is_ok(), is_read);
        }
        let attribute = |length| [&[0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, 0x82][..], &u16::to_be_bytes(length)].concat();
        for (length, is_read) in [(0x7f00, true), (0x8000, false)] {
            let text = [attribute(length), vec![b'a'; length.into()]].concat();
            let wrap = |tag, content: &[u8]| AnyRef::new(tag, content).unwrap().to_der().unwrap();
            let name: &[u8] = wrap(Tag::Sequence, &wrap(Tag::Set, &wrap(Tag::Sequence, &text))).leak();
            assert_eq!(read(|_| {}, |list| list.issuer = AnyRef::from_der(name).unwrap()).is_ok(), is_read);
        }
    }
}
