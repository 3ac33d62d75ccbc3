//! Name constraints (RFC 5280 section 4.2.1.10).

use const_oid::db::rfc5280;

use super::refusal::name;
use super::search::Budget;
use super::{Certificate, Refusal};

/// What an issuer may vouch for by name.
pub(super) struct NameConstraints;

impl NameConstraints {
    /// The constraints that `issuer` has.
    pub fn of(issuer: &Certificate) -> Result<Option<Self>, Refusal> {
        match issuer.extension(rfc5280::ID_CE_NAME_CONSTRAINTS) {
            None => Ok(None),
            Some(_) => Err(Refusal::Extension { certificate: name(issuer), extension: "nameConstraints".to_owned() }),
        }
    }

    /// Whether every name of `certificate` is within.
    pub fn check(&self, _certificate: &Certificate, budget: &mut Budget) -> Result<(), Refusal> {
        budget.comparison()
    }
}
