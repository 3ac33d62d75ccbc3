//! `--as raw`: the bare signature over the whole file, detached, as `openssl dgst -verify` and bootloaders take it.

use super::{
    Bad, Description, Error, Evidence, Facts, Fault, HASH, ImageFormat, Layout, MESSAGE_LIMIT, Maker, Message, Named,
    Piece, Plan, RSA, Reading, Round, Setting, Settings, Signatory, Source, Takes, chosen_scheme,
};
use crate::key::{Digest, PublicKey, Scheme};

/// The format.
pub struct Raw;

/// How an ECDSA signature is written: DER `Ecdsa-Sig-Value` (RFC 3279 section 2.2.3) as openssl has it, or r‖s, each
/// as long as the curve's field (IEEE P1363), as tokens and bootloaders have it.
const ECDSA: Setting = Setting::both(
    "ecdsa",
    Takes::OneOf(&["der", "p1363"]),
    "The encoding of an ECDSA signature: der, or p1363 for r||s",
);

struct Planned {
    key: PublicKey,
    round: Round,
    is_p1363: bool,
}

impl ImageFormat for Raw {
    fn name(&self) -> &'static str {
        "raw"
    }

    fn about(&self) -> &'static str {
        "The bare signature over the whole file"
    }

    fn settings(&self) -> &'static [Setting] {
        &[HASH, RSA, ECDSA]
    }

    fn is_detached(&self) -> bool {
        true
    }

    fn plan(&self, source: &mut Source<'_>, maker: &Maker<'_>, settings: &Settings) -> Result<Box<dyn Plan>, Error> {
        let key = maker.key()?;
        let (scheme, is_p1363) = scheme(key, settings)?;
        let (round, ..) = round(source, scheme)?;
        Ok(Box::new(Planned { key: key.clone(), round, is_p1363 }))
    }

    fn read(&self, source: &mut Source<'_>, evidence: &Evidence<'_>, settings: &Settings) -> Result<Reading, Fault> {
        let key = evidence.key()?;
        let (scheme, is_p1363) = scheme(&key, settings)?;
        let signature = if is_p1363 {
            key.ecdsa_from_p1363(evidence.signature()?).map_err(|error| Bad::new("signature", error))?
        } else {
            evidence.signature()?.to_vec()
        };
        let (round, digest, covered) = round(source, scheme)?;
        let signatory = Signatory {
            named: Named::Nobody,
            rounds: vec![(round, signature)],
            digest,
            certificates: Vec::new(),
            rule: None,
            signing_time: None,
        };
        let facts = Facts { covered, ..Facts::default() };
        Ok(Reading { signatories: vec![signatory], facts, content: None })
    }

    fn describe(&self, _source: &mut Source<'_>) -> Result<Option<Description>, Error> {
        Ok(None)
    }
}

impl Plan for Planned {
    fn round(&self, signatures: &[Vec<u8>]) -> Result<Option<Round>, Error> {
        Ok(signatures.is_empty().then(|| self.round.clone()))
    }

    fn attach(&self, _source: &mut Source<'_>, signatures: &[Vec<u8>]) -> Result<Layout, Error> {
        let signature = signatures.concat();
        let signature = if self.is_p1363 { self.key.ecdsa_to_p1363(&signature)? } else { signature };
        Ok(Layout::new([Piece::Bytes(signature)]))
    }
}

/// The scheme, and whether an ECDSA signature is r‖s. RSA uses PSS here, since nothing older is in the way.
fn scheme(key: &PublicKey, settings: &Settings) -> Result<(Scheme, bool), Error> {
    let usual = match key.key_type().usual_scheme() {
        Scheme::RsaPkcs1(hash) => Scheme::RsaPss(hash),
        usual => usual,
    };
    let scheme = chosen_scheme(usual, settings)?;
    match (settings.text("ecdsa"), scheme) {
        (None, _) => Ok((scheme, false)),
        (Some(encoding), Scheme::Ecdsa(_)) => Ok((scheme, encoding == "p1363")),
        (Some(_), _) => Err(Error::setting("ecdsa", "goes with an EC key alone")),
    }
}

/// Reads the whole image; returns what is signed of it, its digest where the scheme has one, and its length.
fn round(source: &mut Source<'_>, scheme: Scheme) -> Result<(Round, Option<Digest>, u64), Error> {
    Ok(match scheme.hash() {
        Some(hash) => {
            let (digest, length) = source.digest(hash)?;
            (Round { scheme, message: Message::Digest(digest.clone()) }, Some(digest), length)
        }
        None => {
            let bytes = source.bytes(MESSAGE_LIMIT)?;
            let length = bytes.len() as u64;
            (Round { scheme, message: Message::Bytes(bytes.into()) }, None, length)
        }
    })
}
