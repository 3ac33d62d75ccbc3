//! Subject alternative names: the forms that device certificates carry.

use std::fmt;
use std::net::IpAddr;

use const_oid::ObjectIdentifier;
use der::asn1::{Any, Ia5String, OctetString};
use der::{Decode, Encode, Sequence};
use x509_cert::ext::pkix::name::{GeneralName, HardwareModuleName, OtherName};

use super::{Error, Name};
use crate::files;
use crate::files::{from_hex, to_hex};

/// id-on-permanentIdentifier (RFC 4043 section 2).
const PERMANENT_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.8.3");

/// One subject alternative name (RFC 5280 section 4.2.1.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AltName {
    /// dNSName.
    Dns(String),
    /// iPAddress: four octets, or sixteen.
    Ip(IpAddr),
    /// uniformResourceIdentifier.
    Uri(String),
    /// rfc822Name.
    Email(String),
    /// hardwareModuleName: the type of the module, and its serial number as octets.
    HardwareModule { hw_type: ObjectIdentifier, serial: Vec<u8> },
    /// permanentIdentifier: a value that lasts as long as the device, and who assigned it.
    PermanentIdentifier { value: Option<String>, assigner: Option<ObjectIdentifier> },
    /// Any other form, which `bulla` shows but does not write.
    Other { form: String },
}

/// ```text
/// PermanentIdentifier ::= SEQUENCE {            -- RFC 4043 section 2
///     identifierValue    UTF8String OPTIONAL,
///     assigner           OBJECT IDENTIFIER OPTIONAL }
/// ```
#[derive(Sequence)]
struct PermanentIdentifier {
    #[asn1(optional = "true")]
    identifier_value: Option<String>,
    #[asn1(optional = "true")]
    assigner: Option<ObjectIdentifier>,
}

impl AltName {
    /// id-on-hardwareModuleName (RFC 4108 section 5).
    pub(super) const HARDWARE_MODULE_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.8.4");
    /// Checks a DNS name: letters, digits, hyphens and underscores in labels of 1 to 63 octets, at most 253 in all, a
    /// wildcard as the whole first label (RFC 1034 section 3.5, RFC 9525 section 6.3).
    pub fn dns(text: &str) -> Result<Self, Error> {
        let refuse = |why| Error::Value { what: "DNS name", value: text.to_owned(), why };
        let labels = text.strip_prefix("*.").unwrap_or(text);
        let fits = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if text.len() > 253 || !labels.split('.').all(fits) {
            return Err(refuse("is not a DNS name"));
        }
        Ok(Self::Dns(text.to_owned()))
    }

    /// Checks an IPv4 or IPv6 address.
    pub fn ip(text: &str) -> Result<Self, Error> {
        let refuse = |_| Error::Value { what: "IP address", value: text.to_owned(), why: "is not an IP address" };
        text.parse().map(Self::Ip).map_err(refuse)
    }

    /// Checks an absolute URI: a scheme, a colon, and printable ASCII (RFC 3986 section 3).
    pub fn uri(text: &str) -> Result<Self, Error> {
        let scheme = text.split_once(':').map_or("", |(scheme, rest)| if rest.is_empty() { "" } else { scheme });
        let scheme_fits = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        if !scheme_fits || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Error::Value { what: "URI", value: text.to_owned(), why: "is not an absolute URI" });
        }
        Ok(Self::Uri(text.to_owned()))
    }

    /// Checks an e-mail address: ASCII local part, `@`, and a DNS name.
    pub fn email(text: &str) -> Result<Self, Error> {
        let refuse = || Error::Value { what: "e-mail address", value: text.to_owned(), why: "is not local@domain" };
        let (local, domain) = text.split_once('@').ok_or_else(refuse)?;
        if local.is_empty() || !local.bytes().all(|b| b.is_ascii_graphic() && b != b'@') || domain.starts_with('*') {
            return Err(refuse());
        }
        Self::dns(domain).map_err(|_| refuse())?;
        Ok(Self::Email(text.to_owned()))
    }

    /// Reads `OID:SERIAL`, or `OID:hex:0A0B` where the serial is no text.
    pub fn hardware_module(text: &str) -> Result<Self, Error> {
        let refuse = |why| Error::Value { what: "hardware module", value: text.to_owned(), why };
        let (oid, serial) = text.split_once(':').ok_or_else(|| refuse("must be OID:SERIAL"))?;
        let hw_type = ObjectIdentifier::new(oid).map_err(|_| refuse("does not start with an OID"))?;
        let serial = match serial.strip_prefix("hex:") {
            Some(hex) => from_hex(hex).ok_or_else(|| refuse("has odd or wrong hexadecimal digits"))?,
            None => serial.as_bytes().to_vec(),
        };
        if serial.is_empty() || serial.len() > 64 {
            return Err(refuse("has a serial that is empty or longer than 64 octets"));
        }
        Ok(Self::HardwareModule { hw_type, serial })
    }

    /// Reads `VALUE`, or `VALUE,ASSIGNER-OID`.
    pub fn permanent_identifier(text: &str) -> Result<Self, Error> {
        let refuse = |why| Error::Value { what: "permanent identifier", value: text.to_owned(), why };
        let (value, assigner) = match text.rsplit_once(',') {
            Some((value, oid)) => {
                (value, Some(ObjectIdentifier::new(oid.trim()).map_err(|_| refuse("has an assigner that is no OID"))?))
            }
            None => (text, None),
        };
        if value.is_empty() || value.chars().any(char::is_control) {
            return Err(refuse("is empty or has a control character"));
        }
        Ok(Self::PermanentIdentifier { value: Some(value.to_owned()), assigner })
    }

    /// The names of the forms that are written, as [`AltName::form`] gives them.
    pub const FORMS: [&str; 6] = ["dns", "ip", "uri", "email", "hardwareModuleName", "permanentIdentifier"];

    /// Reads the value of a form of [`AltName::FORMS`], written as the constructors of this type have it.
    pub fn of_form(form: &str, value: &str) -> Result<Self, Error> {
        match form {
            "dns" => Self::dns(value),
            "ip" => Self::ip(value),
            "uri" => Self::uri(value),
            "email" => Self::email(value),
            "hardwareModuleName" => Self::hardware_module(value),
            "permanentIdentifier" => Self::permanent_identifier(value),
            _ => Err(Error::Value { what: "alternative name", value: form.to_owned(), why: "is not written" }),
        }
    }

    /// The ways to write its value that [`AltName::of_form`] reads.
    pub(super) fn spellings(&self) -> Vec<String> {
        match self {
            Self::Dns(text) | Self::Uri(text) | Self::Email(text) => vec![text.clone()],
            Self::Ip(address) => vec![address.to_string()],
            Self::HardwareModule { hw_type, serial } => {
                let hex = to_hex(serial);
                let text = std::str::from_utf8(serial).ok().map(|text| format!("{hw_type}:{text}"));
                let digits = [format!("{hw_type}:hex:{hex}"), format!("{hw_type}:hex:{}", hex.to_uppercase())];
                text.into_iter().chain(digits).collect()
            }
            Self::PermanentIdentifier { value: Some(value), assigner } => {
                vec![assigner.map_or_else(|| value.clone(), |assigner| format!("{value},{assigner}"))]
            }
            Self::PermanentIdentifier { value: None, .. } | Self::Other { .. } => Vec::new(),
        }
    }

    /// The form's name, in messages and profiles.
    pub fn form(&self) -> &str {
        match self {
            Self::Dns(_) => "dns",
            Self::Ip(_) => "ip",
            Self::Uri(_) => "uri",
            Self::Email(_) => "email",
            Self::HardwareModule { .. } => "hardwareModuleName",
            Self::PermanentIdentifier { .. } => "permanentIdentifier",
            Self::Other { form } => form,
        }
    }

    /// Encodes a SubjectAltName extension value.
    pub(super) fn encode_extension(names: &[Self]) -> Result<Vec<u8>, Error> {
        let names: Vec<GeneralName> = names.iter().map(Self::to_general_name).collect::<Result<_, _>>()?;
        super::encode("the subject alternative name", &names)
    }

    /// Reads a SubjectAltName extension value, strictly DER. A value that is malformed inside its form is an error:
    /// it may mean another device to another reader.
    pub fn decode_extension(der: &[u8]) -> Result<Vec<Self>, Error> {
        let malformed = |_| Error::Malformed { what: "the subject alternative name" };
        let names = Vec::<GeneralName>::from_der(der).map_err(malformed)?;
        names.iter().map(|name| Self::from_general_name(name).map_err(malformed)).collect()
    }

    fn to_general_name(&self) -> Result<GeneralName, Error> {
        let malformed = |_| Error::Malformed { what: "the subject alternative name" };
        let ia5 = |text: &str| Ia5String::new(text).map_err(malformed);
        let other = |type_id, value: &[u8]| {
            Ok(GeneralName::OtherName(OtherName { type_id, value: Any::from_der(value).map_err(malformed)? }))
        };
        Ok(match self {
            Self::Dns(text) => GeneralName::DnsName(ia5(text)?),
            Self::Uri(text) => GeneralName::UniformResourceIdentifier(ia5(text)?),
            Self::Email(text) => GeneralName::Rfc822Name(ia5(text)?),
            Self::Ip(address) => {
                let octets = match address {
                    IpAddr::V4(address) => address.octets().to_vec(),
                    IpAddr::V6(address) => address.octets().to_vec(),
                };
                GeneralName::IpAddress(OctetString::new(octets).map_err(malformed)?)
            }
            Self::HardwareModule { hw_type, serial } => {
                // hwSerialNum is a plain OCTET STRING, not a tagged one: a known trap of other tools.
                let serial = OctetString::new(serial.as_slice()).map_err(malformed)?;
                let value = HardwareModuleName { hw_type: *hw_type, hw_serial_num: serial };
                return other(Self::HARDWARE_MODULE_NAME, &value.to_der().map_err(malformed)?);
            }
            Self::PermanentIdentifier { value, assigner } => {
                let value = PermanentIdentifier { identifier_value: value.clone(), assigner: *assigner };
                return other(PERMANENT_IDENTIFIER, &value.to_der().map_err(malformed)?);
            }
            Self::Other { form } => {
                return Err(Error::Value { what: "alternative name", value: form.clone(), why: "is not written" });
            }
        })
    }

    fn from_general_name(name: &GeneralName) -> der::Result<Self> {
        let form = |text: String| Self::Other { form: text };
        Ok(match name {
            GeneralName::DnsName(text) => Self::Dns(text.to_string()),
            GeneralName::UniformResourceIdentifier(text) => Self::Uri(text.to_string()),
            GeneralName::Rfc822Name(text) => Self::Email(text.to_string()),
            GeneralName::IpAddress(octets) => {
                let octets = octets.as_bytes();
                match (<[u8; 4]>::try_from(octets), <[u8; 16]>::try_from(octets)) {
                    (Ok(four), _) => Self::Ip(IpAddr::from(four)),
                    (_, Ok(sixteen)) => Self::Ip(IpAddr::from(sixteen)),
                    _ => return Err(der::Tag::OctetString.value_error().into()),
                }
            }
            GeneralName::OtherName(other) if other.type_id == Self::HARDWARE_MODULE_NAME => {
                let value = HardwareModuleName::from_der(&other.value.to_der()?)?;
                Self::HardwareModule { hw_type: value.hw_type, serial: value.hw_serial_num.as_bytes().to_vec() }
            }
            GeneralName::OtherName(other) if other.type_id == PERMANENT_IDENTIFIER => {
                let value = PermanentIdentifier::from_der(&other.value.to_der()?)?;
                Self::PermanentIdentifier { value: value.identifier_value, assigner: value.assigner }
            }
            GeneralName::OtherName(other) => form(format!("otherName {}", other.type_id)),
            GeneralName::DirectoryName(name) => form(match name.to_der().map(|der| Name::from_der(&der)) {
                Ok(Ok(name)) => format!("directoryName {name}"),
                _ => "directoryName".to_owned(),
            }),
            GeneralName::RegisteredId(oid) => form(format!("registeredID {oid}")),
            GeneralName::EdiPartyName(_) => form("ediPartyName".to_owned()),
        })
    }
}

impl fmt::Display for AltName {
    /// `form value`, one line, safe for a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.form())?;
        match self {
            Self::Dns(text) | Self::Uri(text) | Self::Email(text) => write!(f, " {}", files::printable(text)),
            Self::Ip(address) => write!(f, " {address}"),
            Self::HardwareModule { hw_type, serial } => match std::str::from_utf8(serial) {
                Ok(text) if text.bytes().all(|b| b.is_ascii_graphic() || b == b' ') => write!(f, " {hw_type} {text:?}"),
                _ => write!(f, " {hw_type} {}", super::colon_hex(serial)),
            },
            Self::PermanentIdentifier { value, assigner } => {
                if let Some(value) = value {
                    write!(f, " \"{}\"", files::printable(value))?;
                }
                assigner.map_or(Ok(()), |oid| write!(f, " by {oid}"))
            }
            Self::Other { .. } => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_survives_a_round_trip() {
        let names = [
            AltName::dns("*.example.org").unwrap(),
            AltName::ip("192.0.2.1").unwrap(),
            AltName::ip("2001:db8::1").unwrap(),
            AltName::uri("urn:dev:mac:0024befffe804ff1").unwrap(),
            AltName::email("line-7@factory.example").unwrap(),
            AltName::hardware_module("1.3.6.1.4.1.99999.1:SC000042").unwrap(),
            AltName::hardware_module("1.3.6.1.4.1.99999.1:hex:00ff").unwrap(),
            AltName::permanent_identifier("unit 7,1.3.6.1.4.1.99999").unwrap(),
            AltName::permanent_identifier("unit 7").unwrap(),
        ];
        assert_eq!(AltName::decode_extension(&AltName::encode_extension(&names).unwrap()).unwrap(), names);
    }

    /// RFC 4108 section 5: the serial is a universal OCTET STRING (04), not a context tag (84).
    #[test]
    fn hardware_serial_is_an_octet_string() {
        let der = AltName::encode_extension(&[AltName::hardware_module("1.2.3:abc").unwrap()]).unwrap();
        assert!(der.ends_with(&[0x04, 0x03, b'a', b'b', b'c']));
    }

    #[test]
    fn bad_values_are_refused() {
        for text in ["", "a..b", "-a", "a b", "ä.example", "a.*.b"] {
            assert!(AltName::dns(text).is_err(), "{text}");
        }
        assert!(AltName::ip("1.2.3").is_err());
        assert!(AltName::uri("no scheme").is_err());
        assert!(AltName::uri("x:").is_err());
        assert!(AltName::email("a@").is_err());
        assert!(AltName::hardware_module("1.2.3:").is_err());
        assert!(AltName::hardware_module("1.2.3:hex:0").is_err());
        assert!(AltName::permanent_identifier("x,notoid").is_err());
    }
}
