//! `--as cms`: CMS SignedData over the whole file, for openssl, RAUC and SWUpdate alike. Written detached; read
//! detached or attached.

use std::path::Path;

use super::{
    At, Bad, Description, Error, Evidence, Facts, Fault, HASH, ImageFormat, Layout, Maker, Message, Named, Piece, Plan,
    RSA, Reading, Round, Setting, Settings, Signatory, Source, Trust, chosen_scheme,
};
use crate::cms::{Content, SignedData, Unsigned, digest_hash};
use crate::files::{self, Kind};
use crate::key::{Digest, Hasher};

/// Longest content that may be signed attributes. These have some hundred octets.
const ATTRIBUTES_LIMIT: usize = 64 << 10;

/// The format.
pub struct Cms;

impl ImageFormat for Cms {
    fn name(&self) -> &'static str {
        "cms"
    }

    fn about(&self) -> &'static str {
        "CMS SignedData over the whole file, for openssl"
    }

    fn settings(&self) -> &'static [Setting] {
        // A message names its scheme itself.
        &[Setting { at: At::Signing, ..HASH }, Setting { at: At::Signing, ..RSA }]
    }

    fn is_detached(&self) -> bool {
        true
    }

    fn is_cms(&self) -> bool {
        true
    }

    fn plan(&self, source: &mut Source<'_>, maker: &Maker<'_>, settings: &Settings) -> Result<Box<dyn Plan>, Error> {
        let scheme = chosen_scheme(maker.key()?.key_type().usual_scheme(), settings)?;
        maker.chain()?;
        let (digest, _) = source.digest(digest_hash(scheme))?;
        Ok(Box::new(message(maker, Content::Detached(&digest), settings)?))
    }

    fn read(&self, source: &mut Source<'_>, evidence: &Evidence<'_>, _settings: &Settings) -> Result<Reading, Fault> {
        let mut message = match evidence.signature {
            Some(signature) => parse(signature.bytes, signature.path)?,
            None => parse(&source.message(files::DOCUMENT_LIMIT)?, source.path())?,
        };
        match (evidence.signature, message.content.take()) {
            (Some(_), None) => {}
            (None, Some(content)) => source.replace(content),
            (Some(_), Some(_)) => {
                let words = "the message holds a content of its own, and a detached one is expected";
                return Err(Bad::new("not-detached", words).into());
            }
            (None, None) => return Err(Error::SignatureNeeded.into()),
        }
        let signer = message.signer()?;
        let (mut hasher, mut head) = (Hasher::new(signer.digest_hash()?), Vec::new());
        let covered = source.stream(|bytes| {
            hasher.update(bytes);
            head.extend(bytes.iter().take(ATTRIBUTES_LIMIT - head.len()));
            Ok(())
        })?;
        if head.len() as u64 == covered {
            signer.takes(&head)?;
        }
        let digest = hasher.finish();
        Ok(Reading {
            signatories: vec![signatory(&message, digest, evidence)?],
            facts: Facts { covered, ..Facts::default() },
            content: None,
        })
    }

    fn describe(&self, _source: &mut Source<'_>) -> Result<Option<Description>, Error> {
        Ok(None)
    }
}

impl Plan for Unsigned {
    fn round(&self, signatures: &[Vec<u8>]) -> Result<Option<Round>, Error> {
        let message = Message::Bytes(self.to_be_signed().to_vec().into());
        Ok(signatures.is_empty().then_some(Round { scheme: self.scheme(), message }))
    }

    fn attach(&self, _source: &mut Source<'_>, signatures: &[Vec<u8>]) -> Result<Layout, Error> {
        Ok(Layout::new([Piece::Bytes(self.signed(&signatures.concat()).map_err(Error::Cms)?)]))
    }
}

/// A message over a content that lacks its signature, for every format that has CMS in it.
pub(super) fn message(maker: &Maker<'_>, content: Content<'_>, settings: &Settings) -> Result<Unsigned, Error> {
    let scheme = chosen_scheme(maker.key()?.key_type().usual_scheme(), settings)?;
    Unsigned::new(content, scheme, maker.chain()?.without_root(), maker.time).map_err(Error::Cms)
}

/// Reads a CMS message, PEM or DER; `path` is for messages. What cannot be parsed is wrong evidence, not a failure to ask.
pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<SignedData, Bad> {
    let bad = |words: String| Bad::new("malformed", words);
    let mut documents = files::documents(bytes, path, "a CMS message").map_err(|error| bad(error.to_string()))?;
    match (documents.pop(), documents.is_empty()) {
        (Some(document), true) => {
            let document = document.expect(Kind::Cms, path).map_err(|error| bad(error.to_string()))?;
            SignedData::from_bytes(&document.der).map_err(|error| bad(error.to_string()))
        }
        _ => Err(bad(format!("{} holds several documents", files::shown(path)))),
    }
}

/// The one signer of a message over a content of this digest.
pub(super) fn signatory(message: &SignedData, digest: Digest, evidence: &Evidence<'_>) -> Result<Signatory, Bad> {
    let signer = message.signer()?;
    let policy = evidence.policy;
    let certificate = match &policy.trust {
        Trust::Key(_) => None,
        Trust::Certificate(trusted) => Some(message.certificate_of(signer, std::slice::from_ref(trusted.as_ref()))?),
        Trust::Anchors(_) => Some(message.certificate_of(signer, &policy.untrusted)?),
    };
    let claim = message.claim(signer, &digest)?;
    let signed = match claim.attributes {
        Some(attributes) => Message::Bytes(attributes.into()),
        None => Message::Digest(digest.clone()),
    };
    Ok(Signatory {
        named: certificate.map_or(Named::Nobody, |certificate| Named::Certificate(Box::new(certificate.clone()))),
        rounds: vec![(Round { scheme: claim.scheme, message: signed }, claim.signature)],
        digest: Some(digest),
        certificates: message.certificates.clone(),
        rule: None,
        signing_time: claim.signing_time,
    })
}
