//! Revoking certificates, and the lists that say so.

use super::{Error, Issuer};
use crate::key::Signer;
use crate::store::{CrlPlan, Revoked};
use crate::x509::{Reason, Time, revocation_list};

/// A revocation list that was made.
#[derive(Clone, Debug)]
pub struct RevocationList {
    /// Its DER.
    pub der: Vec<u8>,
    /// Its number.
    pub number: u64,
    /// How many certificates it names.
    pub revoked: usize,
}

impl Issuer {
    /// Revokes certificates of this issuer, or releases those on hold, by serial number: durable and in the audit record
    /// when this returns.
    pub fn revoke(&self, serials: &[Vec<u8>], reason: Reason, now: Time) -> Result<Vec<Revoked>, Error> {
        self.check_clock(now)?;
        Ok(self.store().revoke(self.ledger(), serials, reason, now)?)
    }

    /// Makes the next revocation list, of what this issuing CA issued in all generations of its present key.
    pub fn revocation_list(&self, generations: &[u32], now: Time, next_update: Time) -> Result<RevocationList, Error> {
        self.check_clock(now)?;
        let dates = (now, next_update);
        // The number is on disk before a list bears it.
        let CrlPlan { number, revoked } = self.store().plan_crl(self.ledger(), generations, dates)?;
        let der = revocation_list(self.certificate(), self.signer(), number, dates, &revoked)?;
        Ok(RevocationList { der, number, revoked: revoked.len() })
    }

    /// Makes the next revocation list of the CA above, with its key: of the issuing CAs that it issued for this one.
    pub fn revocation_list_above(
        &self,
        signer: &dyn Signer,
        now: Time,
        next_update: Time,
    ) -> Result<RevocationList, Error> {
        self.check_clock(now)?;
        let above = self.above().filter(|above| above.spki() == signer.public_key().spki());
        let above = above.ok_or(Error::RootKeyMismatch)?;
        let dates = (now, next_update);
        let CrlPlan { number, revoked } = self.store().plan_crl(self.ledger(), &[0], dates)?;
        let der = revocation_list(above, signer, number, dates, &revoked)?;
        Ok(RevocationList { der, number, revoked: revoked.len() })
    }
}
