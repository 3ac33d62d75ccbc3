//! What OCSP responses say of a certificate (RFC 6960 section 3.2).

use const_oid::db::{rfc5280, rfc6960};
use time::Duration;
use x509_cert::ext::pkix::KeyUsages;

use super::refusal::name;
use super::search::Budget;
use super::{Certificate, Mode, PublicKey, Refusal, Rules, Standing, Time, certificate, rfc3339};
use crate::x509::ocsp::{Response, SingleResponse, Status};

/// How long a response without nextUpdate is good for. It says that newer information is always there (RFC 6960 section
/// 2.4), so that it cannot be old; mozilla::pkix gives it a day too (`lib/pkixocsp.cpp`).
const WITHOUT_NEXT_UPDATE: Duration = Duration::DAY;

/// What `responses` say of a certificate that `issuer` issued; `None` where none tells of it.
///
/// Refused where one that holds says that it is revoked, whatever the others say, and where none of those that tell of it
/// holds. Each costs the check of a signature, or of two where the issuer delegated.
pub(super) fn judge(
    responses: &[Response],
    certificate: &Certificate,
    issuer: &Certificate,
    rules: &Rules,
    budget: &mut Budget,
) -> Result<Option<Standing>, Refusal> {
    if responses.is_empty() {
        return Ok(None);
    }
    let key = issuer.public_key().map_err(|error| Refusal::key(issuer, error))?;
    let question = Question { certificate, issuer, key, rules };
    let (mut good, mut unknown) = (None, None);
    // What is hashed for a CertID of the same serial number.
    let hashed = certificate.issuer().der().len() + question.key.bits().len();
    for response in responses {
        let mut authority = None;
        for single in &response.singles {
            budget.comparison(if single.id.serial == certificate.serial() { hashed } else { 0 })?;
            if !single.id.names(certificate, &question.key) {
                continue;
            }
            let authority = authority.get_or_insert_with(|| question.authority(response, budget)).clone();
            match authority.and_then(|()| question.answer(response, single)) {
                Ok(this_update) => good = good.max(Some(this_update)),
                Err(refusal @ Refusal::RevocationUnknown { .. }) => unknown = unknown.or(Some(refusal)),
                Err(refusal) => return Err(refusal),
            }
        }
    }
    match (good, unknown) {
        (Some(this_update), _) => Ok(Some(Standing::Good { this_update })),
        (None, Some(refusal)) => Err(refusal),
        (None, None) => Ok(None),
    }
}

/// Whether a certificate is revoked.
struct Question<'a> {
    certificate: &'a Certificate,
    issuer: &'a Certificate,
    key: PublicKey,
    rules: &'a Rules,
}

impl Question<'_> {
    /// What one part of a response says that its authority vouches for: the last time at which the certificate was good.
    fn answer(&self, response: &Response, single: &SingleResponse) -> Result<Time, Refusal> {
        // Section 4.4: none of the extensions is judged, and those that are defined need not be critical.
        if response.extensions.iter().chain(&single.extensions).any(|extension| extension.critical) {
            return Err(self.unknown("its OCSP response has a critical extension, which is not judged"));
        }
        self.time(response, single)?;
        match single.status {
            Status::Good => Ok(single.this_update),
            Status::Revoked { since, reason } => Err(Refusal::revoked(self.certificate, since, reason)),
            Status::Unknown => Err(self.unknown("the OCSP responder does not know it")),
        }
    }

    /// Whether a response is signed by somebody who may speak for the issuer: the issuer itself, or a responder that it
    /// made one (section 4.2.2.2).
    fn authority(&self, response: &Response, budget: &mut Budget) -> Result<(), Refusal> {
        let unaccepted = |why: &dyn std::fmt::Display| {
            self.unknown(format!("the signature of its OCSP response is not accepted: {why}"))
        };
        let scheme = response.scheme().map_err(|error| unaccepted(&error))?;
        self.rules.strength.of_scheme(scheme).map_err(|why| unaccepted(&why))?;
        // Of the issuer's certificate nothing more is asked: its keyUsage need not have digitalSignature, since the key
        // could make itself a responder at any time.
        if response.responder.names(self.issuer) && self.is_signed(response, &self.key, budget)? {
            return Ok(());
        }
        let mut refusal =
            self.unknown("its OCSP response is not signed by its issuer, nor by a responder that came along");
        for responder in response.certificates.iter().filter(|each| response.responder.names(each)) {
            match self.delegated(responder, response, budget) {
                Err(why @ Refusal::RevocationUnknown { .. }) => refusal = why,
                decided => return decided,
            }
        }
        Err(refusal)
    }

    /// Whether `responder` made the signature, and is a responder by a certificate that the issuer's key signed.
    fn delegated(&self, responder: &Certificate, response: &Response, budget: &mut Budget) -> Result<(), Refusal> {
        let refuse = |why: &dyn std::fmt::Display| {
            Err(self.unknown(format!("its OCSP responder {} is refused: {why}", name(responder))))
        };
        let scheme = match responder.scheme() {
            Ok(scheme) => scheme,
            Err(error) => return refuse(&error),
        };
        if let Err(why) = self.rules.strength.of_scheme(scheme) {
            return refuse(&why);
        }
        budget.signature()?;
        if !responder.issuer().matches(self.issuer.subject()) || !responder.is_signed_by(&self.key) {
            return refuse(&"it is not issued by the issuer of the certificate");
        }
        if let Err(refusal) = certificate::check(responder, false, self.rules) {
            return refuse(&refusal);
        }
        // Any use is not this one: the section asks for the value itself.
        match responder.extended_key_usage() {
            Ok(Some(usages)) if usages.contains(&rfc5280::ID_KP_OCSP_SIGNING) => {}
            _ => return refuse(&"its extKeyUsage lacks OCSPSigning"),
        }
        if !responder.key_may(KeyUsages::DigitalSignature).unwrap_or(false) {
            return refuse(&"its keyUsage lacks digitalSignature");
        }
        // Section 4.2.2.2.1: with it the issuer says that nobody need ask whether the responder is revoked. Without it that is
        // for the client to decide. A list of the issuer could tell, but one that does tells of the certificate itself.
        if self.rules.revocation.mode == Mode::Require
            && responder
                .extension(rfc6960::ID_PKIX_OCSP_NOCHECK)
                .is_none_or(|extension| extension.value != [0x05, 0x00])
        {
            return refuse(&"whether it is revoked itself cannot be told, without id-pkix-ocsp-nocheck");
        }
        match responder.public_key() {
            Ok(key) if self.is_signed(response, &key, budget)? => Ok(()),
            _ => refuse(&"the response is not signed with its key"),
        }
    }

    /// Whether a response is of now (sections 3.2 and 4.2.2.1).
    fn time(&self, response: &Response, single: &SingleResponse) -> Result<(), Refusal> {
        let clock = rfc3339(self.rules.at);
        let from = single.this_update.max(response.produced_at);
        if from > self.rules.at {
            return Err(self.unknown(format!("its OCSP response is of {}, and the clock says {clock}", rfc3339(from))));
        }
        let until = single.next_update.unwrap_or(single.this_update.saturating_add(WITHOUT_NEXT_UPDATE));
        if until < self.rules.at {
            let until = rfc3339(until);
            return Err(self.unknown(format!("its OCSP response was good until {until}, and the clock says {clock}")));
        }
        Ok(())
    }

    fn is_signed(&self, response: &Response, key: &PublicKey, budget: &mut Budget) -> Result<bool, Refusal> {
        budget.signature()?;
        Ok(response.is_signed_by(key))
    }

    fn unknown(&self, why: impl std::fmt::Display) -> Refusal {
        Refusal::revocation_unknown(self.certificate, why)
    }
}
