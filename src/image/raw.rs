//! `--as raw`: the bare signature over the whole file, detached, as `openssl dgst -verify` and bootloaders take it.

use super::{Bad, Error, Good, Payload, Policy, Trust, Verdict, vouch};
use crate::key::{Input, KeyType, PublicKey, Scheme, Signer};
use crate::x509::Certificate;

/// How an ECDSA signature is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// DER `Ecdsa-Sig-Value` (RFC 3279 section 2.2.3), as openssl has it.
    #[default]
    Der,
    /// r‖s, each as long as the curve's field (IEEE P1363), as tokens and bootloaders have it.
    P1363,
}

/// The scheme of a raw signature unless another is asked for: RSA uses PSS here, since nothing older is in the way.
pub fn usual_scheme(key: KeyType) -> Scheme {
    match (key, key.usual_scheme()) {
        (KeyType::Rsa(_), Scheme::RsaPkcs1(hash)) => Scheme::RsaPss(hash),
        (_, scheme) => scheme,
    }
}

/// Signs the whole payload. ECDSA keys in software sign deterministically (RFC 6979).
pub fn sign(
    payload: &mut Payload<'_>,
    signer: &dyn Signer,
    scheme: Scheme,
    encoding: Encoding,
) -> Result<Vec<u8>, Error> {
    let signature = match scheme.hash() {
        Some(hash) => signer.sign(scheme, Input::Digest(&payload.digest(hash)?))?,
        None => signer.sign(scheme, Input::Message(&payload.message(scheme)?))?,
    };
    match (scheme, encoding) {
        (Scheme::Ecdsa(_), Encoding::P1363) => Ok(signer.public_key().ecdsa_to_p1363(&signature)?),
        _ => Ok(signature),
    }
}

/// The key that a raw signature is checked with: the trusted one, or that of `certificate`, which must be given where
/// trust is in anchors, since a raw signature brings none along.
pub fn signer_key(policy: &Policy, certificate: Option<&Certificate>) -> Result<PublicKey, Error> {
    match (&policy.trust, certificate) {
        (Trust::Key(key), _) => Ok(key.clone()),
        (Trust::Certificate(certificate), _) => Ok(certificate.public_key()?),
        (Trust::Anchors(_), Some(certificate)) => Ok(certificate.public_key()?),
        (Trust::Anchors(_), None) => Err(Error::CertificateNeeded),
    }
}

/// Judges a raw signature over the whole payload; `certificate` as in [`signer_key`].
pub fn verify(
    payload: &mut Payload<'_>,
    signature: &[u8],
    (scheme, encoding): (Scheme, Encoding),
    certificate: Option<&Certificate>,
    policy: &Policy,
) -> Result<Verdict, Error> {
    let key = signer_key(policy, certificate)?;
    let certificate = match &policy.trust {
        Trust::Key(_) => None,
        Trust::Certificate(trusted) => Some(trusted.as_ref()),
        Trust::Anchors(_) => certificate,
    };
    let chain = match certificate.map(|certificate| vouch(certificate, &[], policy)).transpose() {
        Ok(chain) => chain,
        Err(bad) => return Ok(Verdict::Bad(bad)),
    };
    let digest = match judge(payload, signature, scheme, encoding, &key)? {
        Ok(digest) => digest,
        Err(bad) => return Ok(Verdict::Bad(bad)),
    };
    Ok(Verdict::Good(Good { key, chain, scheme, digest, covered: payload.length(), signing_time: None }))
}

type Judged = Result<Option<crate::key::Digest>, Bad>;

/// Checks the signature alone; returns the payload's digest where the scheme has one.
fn judge(
    payload: &mut Payload<'_>,
    signature: &[u8],
    scheme: Scheme,
    encoding: Encoding,
    key: &PublicKey,
) -> Result<Judged, Error> {
    let refuse = |error: crate::key::Error| match error {
        crate::key::Error::Scheme { .. } => Bad::new("algorithm", error),
        error => Bad::new("signature", error),
    };
    let converted = match (scheme, encoding) {
        (Scheme::Ecdsa(_), Encoding::P1363) => match key.ecdsa_from_p1363(signature) {
            Ok(converted) => Some(converted),
            Err(error) => return Ok(Err(refuse(error))),
        },
        _ => None,
    };
    let signature = converted.as_deref().unwrap_or(signature);
    match scheme.hash() {
        Some(hash) => {
            let digest = payload.digest(hash)?;
            Ok(key.verify(scheme, Input::Digest(&digest), signature).map_err(refuse).map(|()| Some(digest)))
        }
        None => {
            let message = payload.message(scheme)?;
            Ok(key.verify(scheme, Input::Message(&message), signature).map_err(refuse).map(|()| None))
        }
    }
}
