//! Flags that say what a signature is and what it is for, shared by `sign` and `verify`.

use clap::ValueEnum;

use super::error::Usage;
use crate::image::raw;
use crate::key::{Hash, KeyType, Scheme};
use crate::x509::Time;
use crate::x509::verify::Purpose;

/// The signature formats, the same words in `sign` and `verify`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SignatureFormat {
    /// The bare signature
    Raw,
    /// CMS SignedData, for openssl, RAUC and SWUpdate
    Cms,
}

impl SignatureFormat {
    /// The word on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Cms => "cms",
        }
    }
}

/// The scheme of a signature, where it is not the key's usual one.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Scheme")]
pub struct SchemeArgs {
    /// The hash; by default sha256, and sha384 for P-384
    #[arg(long, value_enum)]
    hash: Option<HashArg>,
    /// The padding of RSA; by default pss for raw and pkcs1 for cms
    #[arg(long, value_enum)]
    rsa: Option<Padding>,
    /// The encoding of a raw ECDSA signature: der, or p1363 for r||s
    #[arg(long, value_enum)]
    ecdsa: Option<EcdsaEncoding>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum HashArg {
    Sha256,
    Sha384,
    Sha512,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Padding {
    Pss,
    Pkcs1,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum EcdsaEncoding {
    Der,
    P1363,
}

impl SchemeArgs {
    /// Whether any of the flags was given.
    pub fn is_given(&self) -> bool {
        self.hash.is_some() || self.rsa.is_some() || self.ecdsa.is_some()
    }

    /// The scheme for a key; flags that make no sense for it are refused.
    pub fn resolve(&self, format: SignatureFormat, key: KeyType) -> Result<(Scheme, raw::Encoding), Usage> {
        let refuse = |flag: &str| Usage(format!("{flag} does not go with an {key} key and this format"));
        let usual = match format {
            SignatureFormat::Raw => raw::usual_scheme(key),
            SignatureFormat::Cms => key.usual_scheme(),
        };
        let hash = self.hash.map(|hash| match hash {
            HashArg::Sha256 => Hash::Sha256,
            HashArg::Sha384 => Hash::Sha384,
            HashArg::Sha512 => Hash::Sha512,
        });
        let scheme = match (usual, self.rsa) {
            (Scheme::Ecdsa(own), None) => Scheme::Ecdsa(hash.unwrap_or(own)),
            (Scheme::Ed25519, None) if hash.is_none() => Scheme::Ed25519,
            (Scheme::Ed25519, None) => return Err(refuse("--hash")),
            (Scheme::Ecdsa(_) | Scheme::Ed25519, Some(_)) => return Err(refuse("--rsa")),
            (Scheme::RsaPss(own), None) => Scheme::RsaPss(hash.unwrap_or(own)),
            (Scheme::RsaPkcs1(own), None) => Scheme::RsaPkcs1(hash.unwrap_or(own)),
            (Scheme::RsaPss(own) | Scheme::RsaPkcs1(own), Some(Padding::Pss)) => Scheme::RsaPss(hash.unwrap_or(own)),
            (Scheme::RsaPss(own) | Scheme::RsaPkcs1(own), Some(Padding::Pkcs1)) => {
                Scheme::RsaPkcs1(hash.unwrap_or(own))
            }
        };
        let encoding = match (self.ecdsa, scheme, format) {
            (None, ..) => raw::Encoding::Der,
            (Some(EcdsaEncoding::Der), Scheme::Ecdsa(_), SignatureFormat::Raw) => raw::Encoding::Der,
            (Some(EcdsaEncoding::P1363), Scheme::Ecdsa(_), SignatureFormat::Raw) => raw::Encoding::P1363,
            (Some(_), ..) => return Err(refuse("--ecdsa")),
        };
        Ok((scheme, encoding))
    }
}

/// What a signer's certificate must be for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum PurposeArg {
    /// extKeyUsage codeSigning and keyUsage digitalSignature
    #[default]
    Firmware,
    /// extKeyUsage clientAuth, or none
    TlsClient,
    /// extKeyUsage serverAuth, or none
    TlsServer,
    /// No rule
    Any,
}

impl From<PurposeArg> for Purpose {
    fn from(purpose: PurposeArg) -> Self {
        match purpose {
            PurposeArg::Firmware => Self::Firmware,
            PurposeArg::TlsClient => Self::TlsClient,
            PurposeArg::TlsServer => Self::TlsServer,
            PurposeArg::Any => Self::Any,
        }
    }
}

/// Reads RFC 3339.
pub fn parse_time(text: &str) -> Result<Time, String> {
    Time::parse(text, &time::format_description::well_known::Rfc3339)
        .map_err(|_| "must be a time as 2026-11-22T00:00:00Z".to_owned())
}
