//! `--as cms`: CMS SignedData over the whole file, for openssl, RAUC and SWUpdate alike. Written detached; read
//! detached or attached.

use super::{Bad, Error, Good, Payload, Policy, Trust, Verdict, vouch};
use crate::cms::{SignedData, SignerInfo, Signing};
use crate::key::{Digest, PublicKey};
use crate::x509::Certificate;

/// Signs the whole payload.
pub fn sign(payload: &mut Payload<'_>, signing: &Signing<'_>) -> Result<Vec<u8>, Error> {
    let digest = payload.digest(signing.digest_hash())?;
    signing.detached(&digest).map_err(Error::Cms)
}

/// Judges a message over the whole payload, which is the detached file or the message's own content.
pub fn verify(payload: &mut Payload<'_>, message: &SignedData, policy: &Policy) -> Result<Verdict, Error> {
    let (signer, hash) = match message.signer().and_then(|signer| Ok((signer, signer.digest_hash()?))) {
        Ok(found) => found,
        Err(refusal) => return Ok(Verdict::Bad(refusal.into())),
    };
    let digest = payload.digest(hash)?;
    let judged = judge(message, signer, digest, payload.length(), policy);
    Ok(judged.map_or_else(Verdict::Bad, Verdict::Good))
}

/// Judges by the digest of the content: the signature first, so that what it covers is known before anything is said
/// about who made it.
fn judge(
    message: &SignedData,
    signer: &SignerInfo,
    digest: Digest,
    covered: u64,
    policy: &Policy,
) -> Result<Good, Bad> {
    let (key, certificate) = signer_key(message, signer, policy)?;
    let (scheme, signing_time) = message.verify(signer, &key, &digest)?;
    let chain = certificate.map(|certificate| vouch(certificate, &message.certificates, policy)).transpose()?;
    Ok(Good { key, chain, scheme, digest: Some(digest), covered, signing_time })
}

/// The key to check with: the trusted one, or that of the certificate which the signer names.
fn signer_key<'a>(
    message: &'a SignedData,
    signer: &SignerInfo,
    policy: &'a Policy,
) -> Result<(PublicKey, Option<&'a Certificate>), Bad> {
    let certificate = match &policy.trust {
        Trust::Key(key) => return Ok((key.clone(), None)),
        Trust::Certificate(trusted) => message.certificate_of(signer, std::slice::from_ref(trusted.as_ref())),
        Trust::Anchors(_) => message.certificate_of(signer, &policy.untrusted),
    }?;
    let key = certificate.public_key().map_err(|error| Bad::new("certificate-key", error))?;
    Ok((key, Some(certificate)))
}
