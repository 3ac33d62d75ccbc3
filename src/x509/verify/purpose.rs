//! What a leaf's key is to be used for, and what that asks of the certificates.

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280;
use x509_cert::ext::pkix::{KeyUsage, KeyUsages};

use super::{Certificate, Refusal, webpki};
use crate::key::algorithm::oid_name;

/// What the leaf's key is to be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Signing firmware: no CA, keyUsage digitalSignature and extKeyUsage codeSigning, both present.
    Firmware,
    /// TLS client: extKeyUsage clientAuth, or none.
    TlsClient,
    /// TLS server: extKeyUsage serverAuth, or none.
    TlsServer,
    /// A device's identity from its maker (IEEE 802.1AR): no CA, and extKeyUsage clientAuth, or none.
    Idevid,
    /// TLS server on the public web, by the Baseline Requirements of the CA/Browser Forum.
    Webpki,
    /// The chain alone: no rule about the leaf's usage.
    Any,
}

impl Purpose {
    /// The name in output and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Firmware => "firmware",
            Self::TlsClient => "tls-client",
            Self::TlsServer => "tls-server",
            Self::Idevid => "idevid",
            Self::Webpki => "webpki",
            Self::Any => "any",
        }
    }

    /// The extKeyUsage that the leaf, and where they restrict themselves its CAs, must allow.
    fn extended_key_usage(self) -> Option<ObjectIdentifier> {
        match self {
            Self::Firmware => Some(rfc5280::ID_KP_CODE_SIGNING),
            Self::TlsClient | Self::Idevid => Some(rfc5280::ID_KP_CLIENT_AUTH),
            Self::TlsServer | Self::Webpki => Some(rfc5280::ID_KP_SERVER_AUTH),
            Self::Any => None,
        }
    }

    /// The keyUsage bits of which one must be there, where there is a keyUsage.
    ///
    /// For TLS and for a device any bit by which a key can take part in a handshake (RFC 5246 section 7.4.2): some
    /// devices agree on keys and never sign.
    fn key_usages(self) -> &'static [KeyUsages] {
        match self {
            Self::Firmware => &[KeyUsages::DigitalSignature],
            Self::TlsClient | Self::Idevid => &[KeyUsages::DigitalSignature, KeyUsages::KeyAgreement],
            Self::TlsServer | Self::Webpki => {
                &[KeyUsages::DigitalSignature, KeyUsages::KeyEncipherment, KeyUsages::KeyAgreement]
            }
            Self::Any => &[],
        }
    }

    /// The rules for a leaf.
    pub(super) fn of_leaf(self, leaf: &Certificate) -> Result<(), Refusal> {
        let refuse = |why: &str| Err(Refusal::purpose(leaf, self, why));
        let unreadable = Refusal::unreadable(leaf);
        let is_ca = leaf.basic_constraints().map_err(&unreadable)?.is_some_and(|constraints| constraints.ca);
        if is_ca && matches!(self, Self::Firmware | Self::Idevid | Self::Webpki) {
            return refuse("it is a CA");
        }
        match leaf.key_usage().map_err(&unreadable)? {
            // RFC 5280 section 4.2.1.9: keyCertSign asks for cA.
            Some(KeyUsage(found)) if !is_ca && found.contains(KeyUsages::KeyCertSign) => {
                return Err(Refusal::malformed(leaf, "its keyUsage has keyCertSign, and it is no CA"));
            }
            Some(KeyUsage(found)) => {
                let wanted = self.key_usages();
                // A CA in the leaf's place signs certificates: RFC 5280 section 6.1 asks nothing more of it.
                if !wanted.is_empty() && !is_ca && !wanted.iter().any(|wanted| found.contains(*wanted)) {
                    return refuse("keyUsage lacks digitalSignature");
                }
            }
            None if self == Self::Firmware => return refuse("it has no keyUsage"),
            None => {}
        }
        let extended = leaf.extended_key_usage().map_err(&unreadable)?;
        match (self.extended_key_usage(), extended) {
            (Some(wanted), Some(found)) if !found.contains(&wanted) => {
                return refuse(&format!("extKeyUsage lacks {}", oid_name(wanted)));
            }
            // Without extKeyUsage a device's identity would pass as a firmware signer.
            (Some(_), None) if self == Self::Firmware => return refuse("it has no extKeyUsage"),
            _ => {}
        }
        if self == Self::Webpki { webpki::of_leaf(leaf) } else { Ok(()) }
    }

    /// The rules for a CA, trust anchors included: an extKeyUsage restricts what it may vouch for, though RFC 5280
    /// section 4.2.1.12 does not say so; every large verifier reads it so.
    pub(super) fn of_ca(self, ca: &Certificate, is_anchor: bool) -> Result<(), Refusal> {
        let extended = ca.extended_key_usage().map_err(Refusal::unreadable(ca))?;
        if let (Some(wanted), Some(found)) = (self.extended_key_usage(), extended)
            && !found.contains(&wanted)
            && !found.contains(&rfc5280::ANY_EXTENDED_KEY_USAGE)
        {
            return Err(Refusal::purpose(ca, self, "the CA's extKeyUsage does not allow it"));
        }
        if self == Self::Webpki { webpki::of_ca(ca, is_anchor) } else { Ok(()) }
    }
}
