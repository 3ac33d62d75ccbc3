//! `--as cms`: CMS SignedData over the whole file, for openssl, RAUC and SWUpdate alike. Written detached; read
//! detached or attached.

use super::{Error, Good, Payload, Policy, Trust, Verdict, message, vouch};
use crate::cms::{Refusal, SignedData, Signing};
use crate::x509::Certificate;

/// Signs the whole payload.
pub fn sign(payload: &mut Payload<'_>, signing: &Signing<'_>) -> Result<Vec<u8>, Error> {
    let digest = payload.digest(signing.digest_hash())?;
    signing.detached(&digest).map_err(Error::Cms)
}

/// Judges a message over the whole payload, which is the detached file or the message's own content.
pub fn verify(payload: &mut Payload<'_>, message: &SignedData, policy: &Policy) -> Result<Verdict, Error> {
    let signer = match message.signer() {
        Ok(signer) => signer,
        Err(refusal) => return Ok(Verdict::Bad(refusal.into())),
    };
    let hash = match signer.digest_hash() {
        Ok(hash) => hash,
        Err(refusal) => return Ok(Verdict::Bad(refusal.into())),
    };
    let digest = payload.digest(hash)?;
    // The signature first: what it covers is known before anything is said about who made it.
    let (key, certificate) = match signer_key(message, signer, policy) {
        Ok(found) => found,
        Err(bad) => return Ok(Verdict::Bad(bad)),
    };
    let (scheme, signing_time) = match message.verify(signer, &key, &digest) {
        Ok(verified) => verified,
        Err(refusal) => return Ok(Verdict::Bad(refusal.into())),
    };
    let chain = match certificate.map(|certificate| vouch(certificate, &message.certificates, policy)).transpose() {
        Ok(chain) => chain,
        Err(bad) => return Ok(Verdict::Bad(bad)),
    };
    Ok(Verdict::Good(Good { key, chain, scheme, digest: Some(digest), covered: payload.length(), signing_time }))
}

/// The key to check with: the trusted one, or that of the certificate which the signer names.
fn signer_key<'a>(
    message: &'a SignedData,
    signer: &message::SignerInfo,
    policy: &'a Policy,
) -> Result<(crate::key::PublicKey, Option<&'a Certificate>), super::Bad> {
    let certificate = match &policy.trust {
        Trust::Key(key) => return Ok((key.clone(), None)),
        Trust::Certificate(trusted) => message.certificate_of(signer, std::slice::from_ref(trusted.as_ref())),
        Trust::Anchors(_) => message.certificate_of(signer, &policy.untrusted),
    };
    let certificate = certificate.map_err(|refusal: Refusal| super::Bad::from(refusal))?;
    let key = certificate.public_key().map_err(|error| super::Bad::new("certificate-key", error))?;
    Ok((key, Some(certificate)))
}
