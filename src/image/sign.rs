//! Signing an image, in one step with a key that is at hand, or in two with one that is not.

use super::format::{ImageFormat, Maker, Message, Round, Settings};
use super::{Error, Layout, Source};
use crate::key::{Input, PublicKey, Scheme, Signer};
use crate::x509::verify::{self, Purpose, Rules};
use crate::x509::{Chain, Time};

/// A signed image that is ready to be written with [`Source::lay_out`].
#[derive(Debug)]
pub struct Signed {
    /// Its bytes.
    pub layout: Layout,
    /// The scheme of the first signature; none where the image was to have none.
    pub scheme: Option<Scheme>,
    /// The signatures, in the order of their rounds. ECDSA signatures are DER.
    pub signatures: Vec<Vec<u8>>,
}

/// Signs an image: each round that its format asks for, each signature checked before it is used.
///
/// `signer` and [`Maker::key`] are of the same key; without them the image is laid out unsigned.
pub fn sign(
    format: &dyn ImageFormat,
    source: &mut Source<'_>,
    signer: Option<&dyn Signer>,
    maker: &Maker<'_>,
    settings: &Settings,
) -> Result<Signed, Error> {
    sign_by(format, source, maker, settings, &mut |round| make(signer.ok_or(Error::KeyNeeded)?, round))
}

/// Signs an image like [`sign`](sign()) with signatures that come from anywhere: `make` is asked for one over each round.
/// Each is checked with [`Maker::key`] before it is used; ECDSA signatures are DER, or r‖s as tokens make them.
pub fn sign_by(
    format: &dyn ImageFormat,
    source: &mut Source<'_>,
    maker: &Maker<'_>,
    settings: &Settings,
    make: &mut dyn FnMut(&Round) -> Result<Vec<u8>, Error>,
) -> Result<Signed, Error> {
    let plan = format.plan(source, maker, settings)?;
    let mut signatures = Vec::new();
    let mut scheme = None;
    while let Some(round) = plan.round(&signatures)? {
        signatures.push(checked(maker.key()?, &round, make(&round)?)?);
        scheme.get_or_insert(round.scheme);
    }
    Ok(Signed { layout: plan.attach(source, &signatures)?, scheme, signatures })
}

/// Signs one round. A digest makes a software ECDSA key sign deterministically, so a message is digested here.
pub(super) fn make(signer: &dyn Signer, round: &Round) -> Result<Vec<u8>, Error> {
    let digest = match (&round.message, round.scheme.hash()) {
        (Message::Bytes(bytes), Some(hash)) => Some(hash.digest(bytes)),
        _ => None,
    };
    Ok(signer.sign(round.scheme, digest.as_ref().map_or(round.input(), Input::Digest))?)
}

/// A signature of `key` over a round, as formats take it: ECDSA in DER, though it may come as r‖s. One that does not hold
/// is refused: a fault in a token or a processor must not reach a device, and a faulty signature of RSA or ECDSA can give
/// the key away.
pub(super) fn checked(key: &PublicKey, round: &Round, signature: Vec<u8>) -> Result<Vec<u8>, Error> {
    let Err(refusal) = check(key, round, &signature) else { return Ok(signature) };
    let der = matches!(round.scheme, Scheme::Ecdsa(_)).then(|| key.ecdsa_from_p1363(&signature).ok()).flatten();
    der.filter(|der| check(key, round, der).is_ok()).ok_or(refusal)
}

/// Whether a signature is one of `key` over a round.
pub(super) fn check(key: &PublicKey, round: &Round, signature: &[u8]) -> Result<(), Error> {
    Ok(key.verify(round.scheme, round.input(), signature)?)
}

/// Refuses to sign with a key that others have too, or with a certificate that is for another key, has no time left,
/// or is for something else.
pub fn check_signer(chain: &Chain, key: &PublicKey, purpose: Purpose, now: Time) -> Result<(), Error> {
    if chain.leaf().spki() != key.spki() {
        return Err(Error::CertificateMismatch);
    }
    let leaf = chain.leaf();
    verify::may_sign(leaf)
        .and_then(|()| verify::leaf_alone(leaf, &Rules::new(purpose, now)))
        .map_err(Error::Certificate)
}

/// Refuses a key whose private half is within everybody's reach.
pub fn check_key(key: &PublicKey) -> Result<(), Error> {
    key.weakness().map_or(Ok(()), |weakness| Err(Error::WeakKey(weakness)))
}
