//! Judging an image: signatures first, then whose they are, then what the image says of itself.

use std::cmp::Ordering;
use std::fmt;

use super::format::{Evidence, Facts, ImageFormat, Named, Settings, Signatory};
use super::{Error, Source, Unfit};
use crate::cms as message;
use crate::key::{self, Digest, PublicKey, Scheme};
use crate::x509::verify::{self, Anchors, Path, Rules, Strength};
use crate::x509::{AltName, Certificate, Chain, Name, Time};

/// Whom a verifier trusts to have signed.
#[derive(Clone, Debug)]
pub enum Trust {
    /// The owner of this key.
    Key(PublicKey),
    /// The owner of this certificate, as it is.
    Certificate(Box<Certificate>),
    /// Whom one of these certificates vouches for.
    Anchors(Anchors),
}

/// What must hold of the signer and of the image.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Whom to trust.
    pub trust: Trust,
    /// Certificates to build a chain with, besides those that come with the signature.
    pub untrusted: Vec<Certificate>,
    /// What must hold of the signer's certificates.
    pub rules: Rules,
    /// What else is asked.
    pub demands: Demands,
}

/// What is asked beyond a signature of somebody who is trusted. An image that does not say what is asked for is bad.
#[derive(Clone, Debug, Default)]
pub struct Demands {
    /// The least security counter.
    pub min_security_counter: Option<u32>,
    /// The least version.
    pub min_version: Option<String>,
    /// The hardware that the image must be for.
    pub hardware: Option<String>,
    /// The SHA-256 of the signer's SubjectPublicKeyInfo, in hexadecimal.
    pub signer_spki: Option<String>,
    /// The common name in the signer's certificate.
    pub signer_cn: Option<String>,
    /// A subject alternative name in the signer's certificate.
    pub signer_san: Option<AltName>,
}

/// What was found.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Everything holds; what was checked is restated.
    Good(Box<Good>),
    /// Something does not hold.
    Bad(Bad),
}

/// What was checked and holds.
#[derive(Clone, Debug)]
pub struct Good {
    /// The key that made the signature.
    pub key: PublicKey,
    /// The certificates that vouch for it; none where the key itself is trusted.
    pub path: Option<Path>,
    /// The scheme of the signature.
    pub scheme: Scheme,
    /// The digest of the image; none where the scheme took the image itself.
    pub digest: Option<Digest>,
    /// When the signer claims to have signed. Nothing was judged by it.
    pub signing_time: Option<Time>,
    /// What the image says of itself, under the signature.
    pub facts: Facts,
}

/// What does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    /// The stable code of the reason, for scripts.
    pub code: &'static str,
    /// The reason in one line.
    pub words: String,
}

impl Bad {
    /// A reason with its stable code.
    pub fn new(code: &'static str, words: impl fmt::Display) -> Self {
        Self { code, words: words.to_string() }
    }
}

/// Why something was given up: it does not hold, or the question could not be put.
#[derive(Debug)]
pub enum Fault {
    /// It does not hold.
    Bad(Bad),
    /// The question could not be put.
    Error(Error),
}

impl From<Bad> for Fault {
    fn from(bad: Bad) -> Self {
        Self::Bad(bad)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<key::Error> for Fault {
    fn from(error: key::Error) -> Self {
        Self::Error(error.into())
    }
}

impl From<message::Refusal> for Fault {
    fn from(refusal: message::Refusal) -> Self {
        Self::Bad(refusal.into())
    }
}

impl Fault {
    /// What is bad about an image is why it is not signed.
    pub(super) fn unfit(self) -> Error {
        match self {
            Self::Bad(bad) => Unfit::Refused(bad).into(),
            Self::Error(error) => error,
        }
    }
}

/// Tells the two apart: what is bad is an answer where there is something to say of it.
pub(super) fn judged<T>(found: Result<T, Fault>) -> Result<Result<T, Bad>, Error> {
    match found {
        Ok(found) => Ok(Ok(found)),
        Err(Fault::Bad(bad)) => Ok(Err(bad)),
        Err(Fault::Error(error)) => Err(error),
    }
}

impl From<verify::Refusal> for Bad {
    fn from(refusal: verify::Refusal) -> Self {
        Self::new(refusal.code(), refusal)
    }
}

impl From<message::Refusal> for Bad {
    fn from(refusal: message::Refusal) -> Self {
        Self::new(refusal.code(), refusal)
    }
}

/// Judges an image as the device would.
///
/// Of several signatures one must hold that is made by whom the policy trusts, and none that claims to be theirs may
/// fail. What does not hold is a verdict; an error means that the question could not be put.
pub fn verify(
    format: &dyn ImageFormat,
    source: &mut Source<'_>,
    evidence: &Evidence<'_>,
    settings: &Settings,
) -> Result<Verdict, Error> {
    match judge(format, source, evidence, settings) {
        Ok(good) => Ok(Verdict::Good(Box::new(good))),
        Err(Fault::Bad(bad)) => Ok(Verdict::Bad(bad)),
        // Evidence that is empty is wrong evidence.
        Err(Fault::Error(error @ Error::Empty { .. })) => Ok(Verdict::Bad(Bad::new("empty", error))),
        Err(Fault::Error(error)) => Err(error),
    }
}

fn judge(
    format: &dyn ImageFormat,
    source: &mut Source<'_>,
    evidence: &Evidence<'_>,
    settings: &Settings,
) -> Result<Good, Fault> {
    let reading = format.read(source, evidence, settings)?;
    let mut found: Option<Good> = None;
    let mut stranger = Bad::new("unsigned", "the image has no signature");
    for signatory in &reading.signatories {
        let (key, leaf) = match judged(claimed(signatory, evidence))? {
            Ok(claimed) => claimed,
            Err(bad) => {
                stranger = bad;
                continue;
            }
        };
        let scheme = hold(signatory, &key, evidence.policy.rules.strength)?;
        let path = leaf.map(|leaf| vouch(&leaf, signatory, evidence.policy)).transpose()?;
        found.get_or_insert(Good {
            key,
            path,
            scheme,
            digest: signatory.digest.clone(),
            signing_time: signatory.signing_time,
            facts: reading.facts.clone(),
        });
    }
    let mut good = found.ok_or(stranger)?;
    let demands = &evidence.policy.demands;
    demands.of_signer(&good)?;
    if let Some(content) = reading.content {
        good.facts = content(source, demands)?;
    }
    demands.of_image(&good.facts)?;
    Ok(good)
}

/// The key that a signature says it is made with, and its certificate, as far as the policy trusts in it; bad where
/// the signature is somebody else's.
fn claimed(signatory: &Signatory, evidence: &Evidence<'_>) -> Result<(PublicKey, Option<Certificate>), Fault> {
    let leaf = match (&evidence.policy.trust, &signatory.named) {
        (Trust::Key(_), _) => None,
        (_, Named::Certificate(leaf)) => Some(leaf.as_ref()),
        (Trust::Certificate(leaf), _) => Some(leaf.as_ref()),
        (Trust::Anchors(_), _) => Some(evidence.signer.ok_or(Error::CertificateNeeded)?),
    };
    let key = match (&evidence.policy.trust, leaf) {
        (Trust::Key(key), _) => key.clone(),
        (_, Some(leaf)) => leaf.public_key().map_err(|error| Bad::new("certificate-key", error))?,
        (_, None) => return Err(Error::CertificateNeeded.into()),
    };
    match &signatory.named {
        Named::By(is_named) if !is_named(&key) => {
            Err(Bad::new("untrusted", "the signature is of another key than the one that is trusted").into())
        }
        _ => Ok((key, leaf.cloned())),
    }
}

/// Checks every round of a signatory; returns the scheme of the first.
fn hold(signatory: &Signatory, key: &PublicKey, strength: Strength) -> Result<Scheme, Bad> {
    for (round, signature) in &signatory.rounds {
        strength.of_scheme(round.scheme).map_err(|why| Bad::new("algorithm", why))?;
        key.verify(round.scheme, round.input(), signature).map_err(|error| match error {
            key::Error::Scheme { .. } => Bad::new("algorithm", error),
            error => Bad::new("signature", error),
        })?;
    }
    // Zero signatures never verify.
    signatory.rounds.first().map(|(round, _)| round.scheme).ok_or_else(|| Bad::new("unsigned", "there is no signature"))
}

/// The certificates that vouch for a leaf under a policy: itself where it is trusted as it is.
fn vouch(leaf: &Certificate, signatory: &Signatory, policy: &Policy) -> Result<Path, Bad> {
    verify::may_sign(leaf)?;
    let path = match &policy.trust {
        Trust::Anchors(anchors) => {
            let untrusted = [&signatory.certificates[..], &policy.untrusted].concat();
            verify::path(leaf, &untrusted, anchors, &policy.rules)?
        }
        Trust::Certificate(trusted) if trusted.der() == leaf.der() => {
            verify::leaf_alone(leaf, &policy.rules)?;
            let chain = Chain::new(vec![leaf.clone()]).map_err(|error| Bad::new("certificate-malformed", error))?;
            Path { chain, policies: Vec::new(), standings: Vec::new() }
        }
        Trust::Certificate(_) | Trust::Key(_) => {
            return Err(Bad::new("untrusted", "the signer's certificate is not the one that is trusted"));
        }
    };
    match signatory.rule {
        Some(rule) => rule(&path.chain).map(|()| path),
        None => Ok(path),
    }
}

impl Demands {
    fn of_signer(&self, good: &Good) -> Result<(), Bad> {
        let leaf = good.path.as_ref().map(|path| path.chain.leaf());
        if let Some(wanted) = &self.signer_spki {
            let found = good.key.fingerprint().to_string();
            if !wanted.eq_ignore_ascii_case(&found) {
                return Err(Bad::new("signer", format!("the signer's spki is {found}, and {wanted} is asked for")));
            }
        }
        if let Some(wanted) = &self.signer_cn {
            let found = leaf.map(|leaf| leaf.subject().values(Name::COMMON_NAME)).unwrap_or_default();
            if !found.contains(wanted) {
                return Err(Bad::new("signer", format!("the signer's common name is not {wanted}")));
            }
        }
        if let Some(wanted) = &self.signer_san {
            let found = leaf.and_then(|leaf| leaf.alt_names().ok()).unwrap_or_default();
            if !found.contains(wanted) {
                return Err(Bad::new("signer", format!("the signer's certificate does not have the name {wanted}")));
            }
        }
        Ok(())
    }

    fn of_image(&self, facts: &Facts) -> Result<(), Bad> {
        if let Some(least) = self.min_security_counter {
            match facts.security_counter {
                Some(counter) if counter >= least => {}
                Some(counter) => {
                    let words = format!("the security counter is {counter}, and the least that is allowed is {least}");
                    return Err(Bad::new("security-counter", words));
                }
                None => return Err(Bad::new("security-counter", "the image has no security counter")),
            }
        }
        if let Some(least) = &self.min_version {
            let found = facts.version.as_deref().ok_or_else(|| Bad::new("version", "the image says no version"))?;
            match compare_versions(found, least) {
                Some(Ordering::Less) => {
                    let words = format!("the version is {found}, and the least that is allowed is {least}");
                    return Err(Bad::new("version", words));
                }
                Some(_) => {}
                None => {
                    return Err(Bad::new("version", format!("the versions {found} and {least} cannot be compared")));
                }
            }
        }
        if let Some(wanted) = &self.hardware
            && !facts.hardware.contains(wanted)
        {
            let found = match facts.hardware.as_slice() {
                [] => "does not say for what hardware it is".to_owned(),
                hardware => format!("is for {}", hardware.join(", ")),
            };
            return Err(Bad::new("hardware", format!("the image {found}, and {wanted} is asked for")));
        }
        Ok(())
    }
}

/// Compares versions number by number, `1.2.3+4` as `1.2.3.4`; what is missing counts as 0. `None` where a part is no
/// number.
fn compare_versions(one: &str, other: &str) -> Option<Ordering> {
    let numbers = |version: &str| -> Option<Vec<u64>> {
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten();
        let mut numbers: Vec<u64> = version.split(['.', '+', '-']).map(digits).collect::<Option<_>>()?;
        while numbers.last() == Some(&0) {
            numbers.pop();
        }
        Some(numbers)
    };
    Some(numbers(one)?.cmp(&numbers(other)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        for (one, other, order) in [
            ("1.2.3", "1.2.3", Some(Ordering::Equal)),
            ("1.2", "1.2.0+0", Some(Ordering::Equal)),
            ("1.10.0", "1.9.9", Some(Ordering::Greater)),
            ("1.2.3+4", "1.2.3+5", Some(Ordering::Less)),
            ("2024.01-3", "2024.1-2", Some(Ordering::Greater)),
            ("1.2.rc1", "1.2", None),
            ("", "1", None),
        ] {
            assert_eq!(compare_versions(one, other), order, "{one} {other}");
        }
    }
}
