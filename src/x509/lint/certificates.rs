//! Mistakes in certificates.

use std::collections::HashMap;

use const_oid::ObjectIdentifier;
use const_oid::db::{rfc5280, rfc5912};
use der::{Decode, Tag, Tagged};
use spki::AlgorithmIdentifierRef;

use super::{Finding, Findings, Severity, Shape};
use crate::key::KeyType;
use crate::x509::certificate::TbsCertificate;
use crate::x509::{
    AltName, CONTEXT_0, Certificate, Error, Extension, Name, colon_hex, members, no_expiry, rfc3339, verify,
};

/// Looks for mistakes in certificates, each by itself and beside its issuer where that is among them.
pub fn of_certificates(certificates: &[Certificate]) -> Vec<Finding> {
    let mut issuers: HashMap<&Name, Vec<&Certificate>> = HashMap::new();
    for certificate in certificates {
        issuers.entry(certificate.subject()).or_default().push(certificate);
    }
    let mut found = Vec::new();
    for certificate in certificates {
        let mut findings = Findings { about: title(certificate), found: Vec::new() };
        one(certificate, &mut findings);
        // Of several issuers of one name, as after a renewal, the longest-lived counts.
        let last = issuers.get(certificate.issuer()).into_iter().flatten().map(|issuer| issuer.not_after()).max();
        if let Some(last) = last
            && certificate.not_after() > last
        {
            let (until, issuer_until) = (rfc3339(certificate.not_after()), rfc3339(last));
            let words = format!("is valid until {until}, its issuer only until {issuer_until}");
            findings.add(Severity::Error, "outlives-issuer", words);
        }
        found.extend(findings.found);
    }
    found
}

fn title(certificate: &Certificate) -> String {
    if certificate.subject().is_empty() {
        return format!("the certificate with serial {}", colon_hex(certificate.serial()));
    }
    certificate.subject().to_string()
}

fn one(certificate: &Certificate, findings: &mut Findings) {
    if certificate.version() != 3 {
        let words = format!("is a version {} certificate, which has no extensions", certificate.version());
        findings.add(Severity::Error, "version", words);
    }
    let serial = certificate.serial();
    let is_bad = serial.len() > 20 || serial.first().is_none_or(|first| first & 0x80 != 0) || serial == [0];
    findings.error_if(
        is_bad,
        "serial-number",
        "has a serial number that is not 1 to 20 octets and positive (RFC 5280 section 4.1.2.2)",
    );
    validity(certificate, findings);
    signature(certificate, findings);
    if is_wrongly_tagged(certificate) {
        let words = "has a hardwareModuleName whose serial number has a context tag (84) instead of OCTET STRING (04), \
                     which RFC 4108 section 5 has";
        findings.add(Severity::Error, "hardware-serial-tag", words);
    } else if certificate.alt_names().is_err() {
        findings.add(Severity::Error, "malformed", "has a subjectAltName that cannot be read");
    }
    let alt_name = certificate.extension(rfc5280::ID_CE_SUBJECT_ALT_NAME);
    if certificate.subject().is_empty() {
        findings.error_if(alt_name.is_none(), "no-name", "has neither a subject nor an alternative name");
        let is_not_critical = alt_name.is_some_and(|extension| !extension.critical);
        let words = "has an empty subject, and a subjectAltName that is not critical (RFC 5280 section 4.2.1.6)";
        findings.error_if(is_not_critical, "san-not-critical", words);
    }
    match shape(certificate) {
        Ok(shape) => shape.judge(findings),
        Err(error) => {
            findings.add(Severity::Error, "malformed", format!("has an extension that cannot be read: {error}"))
        }
    }
}

fn shape(certificate: &Certificate) -> Result<Shape, Error> {
    let is_ca = certificate.basic_constraints()?.is_some_and(|constraints| constraints.ca);
    let purposes = certificate.extended_key_usage()?.unwrap_or_default();
    let alt_name = certificate.extension(rfc5280::ID_CE_SUBJECT_ALT_NAME);
    // One that cannot be read is a finding of its own.
    let alt_names = certificate.alt_names().unwrap_or_default();
    let has_hardware_module = alt_names.iter().any(|name| matches!(name, AltName::HardwareModule { .. }));
    let usage = certificate.extension(rfc5280::ID_CE_EXT_KEY_USAGE);
    Ok(Shape {
        is_ca,
        key_usage: certificate.key_usage()?.map(|usage| usage.0),
        purposes_are_critical: usage.is_some_and(|extension| extension.critical),
        has_key_identifier: certificate.subject_key_identifier()?.is_some(),
        key_cannot_encipher: certificate.public_key().is_ok_and(|key| !matches!(key.key_type(), KeyType::Rsa(_))),
        has_alt_name: alt_name.is_some(),
        is_for_life: !is_ca && certificate.not_after() == no_expiry() && purposes.is_empty(),
        lacks_hardware_module: !alt_names.is_empty() && !has_hardware_module,
        purposes,
        urls: urls(certificate)?,
    })
}

/// The URLs of CRLs, issuers and responders.
fn urls(certificate: &Certificate) -> Result<Vec<String>, Error> {
    let extension = |oid| certificate.extension(oid);
    let crls = extension(rfc5280::ID_CE_CRL_DISTRIBUTION_POINTS).map_or(Ok(Vec::new()), Extension::crl_urls)?;
    let others = extension(rfc5280::ID_PE_AUTHORITY_INFO_ACCESS).map_or(Ok(Vec::new()), Extension::access_urls)?;
    Ok(crls.into_iter().chain(others.into_iter().map(|(_, url)| url)).collect())
}

fn validity(certificate: &Certificate, findings: &mut Findings) {
    if certificate.not_after() < certificate.not_before() {
        findings.add(Severity::Error, "validity", "ends before it begins");
    }
    let Ok(TbsCertificate { validity, .. }) = TbsCertificate::from_der(certificate.to_be_signed()) else { return };
    for (name, encoded, time) in [
        ("notBefore", validity.not_before, certificate.not_before()),
        ("notAfter", validity.not_after, certificate.not_after()),
    ] {
        if time.year() < 2050 && encoded.tag() != Tag::UtcTime {
            let words = format!("has a {name} before 2050 that is no UTCTime (RFC 5280 section 4.1.2.5)");
            findings.add(Severity::Error, "validity-encoding", words);
        }
    }
}

/// The signature algorithms of RFC 3279 section 2.2: all of them are with a hash that is broken.
const BROKEN: [(ObjectIdentifier, &str); 5] = [
    (rfc5912::MD_2_WITH_RSA_ENCRYPTION, "MD2"),
    (rfc5912::MD_5_WITH_RSA_ENCRYPTION, "MD5"),
    (rfc5912::SHA_1_WITH_RSA_ENCRYPTION, "SHA-1"),
    (ObjectIdentifier::new_unwrap("1.2.840.10045.4.1"), "SHA-1"),
    (rfc5912::DSA_WITH_SHA_1, "SHA-1"),
];

fn signature(certificate: &Certificate, findings: &mut Findings) {
    let Ok(info) = TbsCertificate::from_der(certificate.to_be_signed()) else { return };
    let Ok(AlgorithmIdentifierRef { oid, .. }) = info.signature.decode_as() else { return };
    // Nobody checks a root's own signature: it is trusted for other reasons.
    if let Some((_, hash)) = BROKEN.iter().find(|(broken, _)| *broken == oid)
        && !certificate.is_self_issued()
    {
        findings.add(Severity::Error, "broken-hash", format!("is signed with {hash}"));
    }
}

/// Whether the serial number of a hardwareModuleName is `[4]`, as one widely used encoder writes it.
fn is_wrongly_tagged(certificate: &Certificate) -> bool {
    const WHAT: &str = "the subject alternative name";
    let serial_tag = |name: &[u8]| -> Option<u8> {
        let [oid, value] = members(name, CONTEXT_0, WHAT).ok()?[..] else { return None };
        let oid = ObjectIdentifier::from_der(oid).ok()?;
        let [module] = members(value, CONTEXT_0, WHAT).ok()?[..] else { return None };
        let [_, serial] = members(module, Tag::Sequence, WHAT).ok()?[..] else { return None };
        (oid == AltName::HARDWARE_MODULE_NAME).then(|| serial.first().copied()).flatten()
    };
    let value = certificate.extension(rfc5280::ID_CE_SUBJECT_ALT_NAME).map(|extension| extension.value.as_slice());
    let names = members(value.unwrap_or_default(), Tag::Sequence, WHAT).unwrap_or_default();
    names.into_iter().any(|name| serial_tag(name) == Some(0x84))
}

/// Looks for signers of firmware that share a root with devices: a device's certificate without extKeyUsage passes the
/// default checks of OpenSSL and RAUC as a signer. Returns the place of each signer among `certificates`.
pub fn shared_roots(certificates: &[Certificate]) -> Vec<(usize, Finding)> {
    let purposes = |certificate: &Certificate| certificate.extended_key_usage().ok().flatten().unwrap_or_default();
    let is_ca = |certificate: &Certificate| {
        certificate.basic_constraints().ok().flatten().is_some_and(|constraints| constraints.ca)
    };
    let signs_code = |certificate: &Certificate| purposes(certificate).contains(&rfc5280::ID_KP_CODE_SIGNING);
    let is_device = |certificate: &Certificate| {
        let purposes = purposes(certificate);
        let tls = [rfc5280::ID_KP_CLIENT_AUTH, rfc5280::ID_KP_SERVER_AUTH];
        purposes.is_empty() || (!signs_code(certificate) && tls.iter().any(|purpose| purposes.contains(purpose)))
    };
    // Each CA's issuer, by the CA's name.
    let above: HashMap<&Name, &Name> = certificates
        .iter()
        .filter(|certificate| !certificate.is_self_issued())
        .map(|certificate| (certificate.subject(), certificate.issuer()))
        .collect();
    let root = |certificate: &'_ Certificate| -> Name {
        let mut name = certificate.issuer();
        // Names may run in circles; no path that is followed elsewhere is longer.
        for _ in 0..verify::DEPTH_LIMIT {
            name = above.get(name).copied().unwrap_or(name);
        }
        name.clone()
    };
    let leaves = || certificates.iter().enumerate().filter(|(_, certificate)| !is_ca(certificate));
    let devices = leaves().filter(|(_, certificate)| is_device(certificate));
    let devices: HashMap<Name, &Certificate> = devices.map(|(_, device)| (root(device), device)).collect();
    let finding = |(index, signer): (usize, &Certificate)| {
        let root = root(signer);
        let words = format!("signs code under the same root as {}, which is {root}", title(devices.get(&root)?));
        let about = title(signer);
        Some((index, Finding { severity: Severity::Error, code: "mixed-roots", about, words }))
    };
    leaves().filter(|(_, certificate)| signs_code(certificate)).filter_map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
        crate::x509::tlv(tag, &[content])
    }

    fn oid(text: &str) -> Vec<u8> {
        tlv(0x06, ObjectIdentifier::new_unwrap(text).as_bytes())
    }

    const BASIC_CONSTRAINTS: &str = "2.5.29.19";
    const KEY_USAGE: &str = "2.5.29.15";
    const PURPOSES: &str = "2.5.29.37";
    const ALT_NAME: &str = "2.5.29.17";
    const KEY_IDENTIFIER: &str = "2.5.29.14";
    const CODE_SIGNING: &str = "1.3.6.1.5.5.7.3.3";
    const SERVER: &str = "1.3.6.1.5.5.7.3.1";
    const ECDSA_SHA256: &str = "1.2.840.10045.4.3.2";

    /// A certificate in parts, none of them checked; its signature is empty.
    #[derive(Clone)]
    struct Draft {
        is_v3: bool,
        serial: Vec<u8>,
        algorithm: &'static str,
        names: (&'static str, &'static str),
        validity: [(u8, &'static str); 2],
        extensions: Vec<(&'static str, bool, Vec<u8>)>,
    }

    impl Draft {
        /// A leaf without mistakes.
        fn leaf() -> Self {
            Self {
                is_v3: true,
                serial: vec![0x40, 1],
                algorithm: ECDSA_SHA256,
                names: ("CN=CA", "CN=leaf"),
                validity: [(0x17, "260101000000Z"), (0x17, "300101000000Z")],
                extensions: vec![(KEY_USAGE, true, vec![0x03, 0x02, 0x07, 0x80])],
            }
        }

        /// A CA without mistakes.
        fn ca(names: (&'static str, &'static str)) -> Self {
            let extensions = vec![
                (BASIC_CONSTRAINTS, true, vec![0x30, 0x03, 0x01, 0x01, 0xff]),
                (KEY_USAGE, true, vec![0x03, 0x02, 0x01, 0x06]),
                (KEY_IDENTIFIER, false, tlv(0x04, b"key")),
            ];
            Self { names, extensions, ..Self::leaf() }
        }

        /// Takes an extension away, and puts another value in its place.
        fn with(mut self, oid: &'static str, critical: bool, value: Option<Vec<u8>>) -> Self {
            self.extensions.retain(|(found, ..)| *found != oid);
            self.extensions.extend(value.map(|value| (oid, critical, value)));
            self
        }

        fn purposes(self, purposes: &[&str]) -> Self {
            let value = purposes.iter().flat_map(|purpose| oid(purpose)).collect::<Vec<_>>();
            self.with(PURPOSES, false, Some(tlv(0x30, &value)))
        }

        fn certificate(&self) -> Certificate {
            let name = |text: &str| match text {
                "" => Name::empty().der().to_vec(),
                text => Name::new(&Name::parse(text).unwrap()).unwrap().der().to_vec(),
            };
            let key = crate::key::SoftwareKey::generate(KeyType::P256).unwrap();
            let algorithm = tlv(0x30, &oid(self.algorithm));
            let extensions: Vec<u8> = self
                .extensions
                .iter()
                .flat_map(|(id, critical, value)| {
                    let critical = if *critical { vec![0x01, 0x01, 0xff] } else { Vec::new() };
                    tlv(0x30, &[oid(id), critical, tlv(0x04, value)].concat())
                })
                .collect();
            let validity: Vec<u8> = self.validity.iter().flat_map(|(tag, text)| tlv(*tag, text.as_bytes())).collect();
            let fields = [
                if self.is_v3 { vec![0xa0, 3, 2, 1, 2] } else { Vec::new() },
                tlv(0x02, &self.serial),
                algorithm.clone(),
                name(self.names.0),
                tlv(0x30, &validity),
                name(self.names.1),
                crate::key::Signer::public_key(&key).spki().to_vec(),
                if extensions.is_empty() { Vec::new() } else { tlv(0xa3, &tlv(0x30, &extensions)) },
            ];
            let signed = [tlv(0x30, &fields.concat()), algorithm, tlv(0x03, &[0])].concat();
            Certificate::from_der(&tlv(0x30, &signed)).unwrap()
        }
    }

    fn alt_name(hardware_serial_tag: u8) -> Vec<u8> {
        let module = tlv(0x30, &[oid("1.2.3"), tlv(hardware_serial_tag, b"SN")].concat());
        tlv(0x30, &tlv(0xa0, &[oid("1.3.6.1.5.5.7.8.4"), tlv(0xa0, &module)].concat()))
    }

    #[test]
    fn each_mistake_is_found_and_its_like_is_not() {
        let (leaf, ca) = (Draft::leaf, || Draft::ca(("CN=root", "CN=CA")));
        let dns = || tlv(0x30, &tlv(0x82, b"a.example"));
        let for_life = [(0x17, "260101000000Z"), (0x18, "99991231235959Z")];
        let usage = |bits: u8| Some(vec![0x03, 0x02, 0x00, bits]);
        let crl = |url: &str| tlv(0x30, &tlv(0x30, &tlv(0xa0, &tlv(0xa0, &tlv(0x86, url.as_bytes())))));
        let rows: Vec<(&str, Draft, Draft)> = vec![
            ("version", Draft { is_v3: false, extensions: Vec::new(), ..leaf() }, leaf()),
            ("serial-number", Draft { serial: vec![0], ..leaf() }, Draft { serial: vec![1], ..leaf() }),
            ("serial-number", Draft { serial: vec![0x80], ..leaf() }, Draft { serial: vec![0, 0x80], ..leaf() }),
            ("serial-number", Draft { serial: vec![1; 21], ..leaf() }, Draft { serial: vec![1; 20], ..leaf() }),
            ("validity", Draft { validity: [(0x17, "300101000000Z"), (0x17, "260101000000Z")], ..leaf() }, leaf()),
            (
                "validity-encoding",
                Draft { validity: [(0x17, "260101000000Z"), (0x18, "20490101000000Z")], ..leaf() },
                Draft { validity: [(0x17, "260101000000Z"), (0x18, "20500101000000Z")], ..leaf() },
            ),
            ("broken-hash", Draft { algorithm: "1.2.840.10045.4.1", ..leaf() }, leaf()),
            (
                "broken-hash",
                Draft { algorithm: "1.2.840.113549.1.1.4", ..leaf() },
                // A root's own signature is not looked at.
                Draft { algorithm: "1.2.840.113549.1.1.4", ..Draft::ca(("CN=root", "CN=root")) },
            ),
            (
                "hardware-serial-tag",
                leaf().with(ALT_NAME, false, Some(alt_name(0x84))),
                leaf().with(ALT_NAME, false, Some(alt_name(0x04))),
            ),
            ("malformed", leaf().with(ALT_NAME, false, Some(vec![0x05, 0x00])), leaf()),
            ("malformed", leaf().with(KEY_USAGE, true, Some(vec![0x05, 0x00])), leaf()),
            (
                "no-name",
                Draft { names: ("CN=CA", ""), ..leaf() },
                Draft { names: ("CN=CA", ""), ..leaf() }.with(ALT_NAME, true, Some(dns())),
            ),
            (
                "san-not-critical",
                Draft { names: ("CN=CA", ""), ..leaf() }.with(ALT_NAME, false, Some(dns())),
                leaf().with(ALT_NAME, false, Some(dns())),
            ),
            ("key-encipherment", leaf().with(KEY_USAGE, true, usage(0xa0)), leaf().with(KEY_USAGE, true, usage(0x88))),
            ("cert-sign-without-ca", leaf().with(KEY_USAGE, true, usage(0x04)), ca()),
            ("ca-without-cert-sign", ca().with(KEY_USAGE, true, usage(0x02)), ca()),
            ("ca-without-cert-sign", ca().with(KEY_USAGE, true, None), leaf().with(KEY_USAGE, true, None)),
            ("ca-without-key-identifier", ca().with(KEY_IDENTIFIER, false, None), leaf()),
            (
                "critical-eku",
                leaf().with(PURPOSES, true, Some(tlv(0x30, &oid(CODE_SIGNING)))),
                leaf().with(PURPOSES, true, Some(tlv(0x30, &oid("1.3.6.1.5.5.7.3.8")))),
            ),
            ("any-eku", leaf().purposes(&["2.5.29.37.0"]), leaf().purposes(&[CODE_SIGNING])),
            (
                "server-without-san",
                leaf().purposes(&[SERVER]),
                leaf().purposes(&[SERVER]).with(ALT_NAME, false, Some(dns())),
            ),
            (
                "san-without-hardware-module",
                Draft { validity: for_life, ..leaf() }.with(ALT_NAME, false, Some(dns())),
                Draft { validity: for_life, ..leaf() }.with(ALT_NAME, false, Some(alt_name(0x04))),
            ),
            (
                "https-url",
                leaf().with("2.5.29.31", false, Some(crl("https://a.example/crl"))),
                leaf().with("2.5.29.31", false, Some(crl("http://a.example/crl"))),
            ),
        ];
        for (code, bad, good) in rows {
            let codes = |draft: &Draft| -> Vec<_> {
                of_certificates(&[draft.certificate()]).into_iter().map(|finding| finding.code).collect()
            };
            assert_eq!(codes(&bad), [code]);
            assert_eq!(codes(&good), [""; 0], "the like of {code}");
        }
    }

    #[test]
    fn a_leaf_that_outlives_its_issuer_is_found() {
        let issuer =
            |until| Draft { validity: [(0x17, "260101000000Z"), (0x17, until)], ..Draft::ca(("CN=root", "CN=CA")) };
        let codes = |drafts: &[Draft]| -> Vec<_> {
            let certificates: Vec<Certificate> = drafts.iter().map(Draft::certificate).collect();
            of_certificates(&certificates).into_iter().map(|finding| finding.code).collect()
        };
        assert_eq!(codes(&[Draft::leaf(), issuer("291231235959Z")]), ["outlives-issuer"]);
        assert_eq!(codes(&[Draft::leaf(), issuer("300101000000Z")]), [""; 0]);
        // The issuer was renewed.
        assert_eq!(codes(&[Draft::leaf(), issuer("291231235959Z"), issuer("320101000000Z")]), [""; 0]);
    }

    #[test]
    fn a_signer_under_the_devices_root_is_found() {
        let below = |issuer, subject| Draft { names: (issuer, subject), ..Draft::leaf() };
        let found = |drafts: &[Draft]| -> Vec<usize> {
            let certificates: Vec<Certificate> = drafts.iter().map(Draft::certificate).collect();
            shared_roots(&certificates).into_iter().map(|(index, _)| index).collect()
        };
        let signer = below("CN=B", "CN=signer").purposes(&[CODE_SIGNING]);
        let (a, b) = (Draft::ca(("CN=root", "CN=A")), Draft::ca(("CN=root", "CN=B")));
        let root = Draft::ca(("CN=root", "CN=root"));
        assert_eq!(found(&[below("CN=A", "CN=dev"), a.clone(), b.clone(), root, signer.clone()]), [4]);
        let server = below("CN=A", "CN=dev").purposes(&[SERVER]);
        assert_eq!(found(&[signer.clone(), server, a.clone(), b.clone()]), [0]);
        // Another root, another purpose, and an issuer that is not known.
        let other = Draft::ca(("CN=other", "CN=B"));
        assert_eq!(found(&[below("CN=A", "CN=dev"), a.clone(), other, signer.clone()]), [0; 0]);
        let mail = below("CN=A", "CN=dev").purposes(&["1.3.6.1.5.5.7.3.4"]);
        assert_eq!(found(&[mail, a.clone(), b, signer.clone()]), [0; 0]);
        assert_eq!(found(&[below("CN=A", "CN=dev"), a, signer.clone()]), [0; 0]);
        // Names that run in circles end.
        let (c, d) = (Draft::ca(("CN=D", "CN=B")), Draft::ca(("CN=B", "CN=D")));
        assert_eq!(found(&[c, d, signer]), [0; 0]);
    }
}
