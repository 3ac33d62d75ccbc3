//! Which certificates a revocation list is about: the distribution points of certificate and list (RFC 5280 sections
//! 4.2.1.13 and 5.2.5).

use std::collections::HashSet;

use const_oid::db::rfc5280;
use der::Encode;
use x509_cert::ext::pkix::CrlDistributionPoints;
use x509_cert::ext::pkix::crl::dp::{DistributionPoint, IssuingDistributionPoint, ReasonFlags, Reasons};
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};

use super::search::Budget;
use super::{Certificate, Error, Refusal};
use crate::x509::name::Canonical;
use crate::x509::{CertificateList, Name, encode, members};

/// Every reason to revoke. The flags have a bit that stands for none.
pub(super) fn all_reasons() -> ReasonFlags {
    ReasonFlags::full() - Reasons::Unused
}

/// The name of a distribution point, as such names compare: directory names by the rules for those, others as they are.
#[derive(PartialEq, Eq, Hash)]
enum PointName {
    Directory(Canonical),
    Other(Vec<u8>),
}

/// Where a certificate says that its lists are.
pub(super) struct Point {
    names: Vec<PointName>,
    reasons: ReasonFlags,
    /// Who issues the lists; the certificate's issuer where that is not said.
    pub issuers: Option<Vec<Canonical>>,
}

/// Which certificates a list is about.
#[derive(Default)]
pub(super) struct Scope {
    /// The extension's value, by which scopes are the same.
    pub der: Option<Vec<u8>>,
    /// Whether it has entries of other issuers.
    pub is_indirect: bool,
    names: Option<HashSet<PointName>>,
    only_user: bool,
    only_ca: bool,
    only_attribute: bool,
    reasons: Option<ReasonFlags>,
}

impl Point {
    /// The points that a certificate names, and the one of its issuer that goes without saying (RFC 5280 section 6.3.3).
    pub fn of(certificate: &Certificate, budget: &mut Budget) -> Result<Vec<Self>, Refusal> {
        const OID: const_oid::ObjectIdentifier = rfc5280::ID_CE_CRL_DISTRIBUTION_POINTS;
        let unreadable = Refusal::unreadable(certificate);
        let issuer = certificate.issuer();
        budget.comparison(certificate.extension(OID).map_or(0, |extension| extension.value.len()))?;
        let said: Option<CrlDistributionPoints> =
            certificate.read(OID, "cRLDistributionPoints").map_err(&unreadable)?;
        let points = said.into_iter().flat_map(|said| said.0).map(|point| Self::new(point, issuer));
        let mut points = points.collect::<Result<Vec<_>, _>>().map_err(&unreadable)?;
        let names = vec![PointName::Directory(issuer.canonical().clone())];
        points.push(Self { names, reasons: all_reasons(), issuers: None });
        Ok(points)
    }

    fn new(point: DistributionPoint, issuer: &Name) -> Result<Self, Error> {
        let issuers: Option<Vec<Name>> = point.crl_issuer.as_deref().map(directory_names).transpose()?;
        let names = match point.distribution_point {
            Some(name) => point_names(name, issuers.as_ref().and_then(|issuers| issuers.first()).unwrap_or(issuer))?,
            None => {
                let issuers = issuers.as_deref().unwrap_or(std::slice::from_ref(issuer));
                issuers.iter().map(|issuer| PointName::Directory(issuer.canonical().clone())).collect()
            }
        };
        let issuers = issuers.map(|issuers| issuers.iter().map(|issuer| issuer.canonical().clone()).collect());
        Ok(Self { names, reasons: point.reasons.unwrap_or(all_reasons()) & all_reasons(), issuers })
    }

    /// Whether somebody is named as who issues the lists.
    pub fn is_answered_by(&self, name: &Name) -> bool {
        self.issuers.as_ref().is_some_and(|issuers| issuers.contains(name.canonical()))
    }
}

impl Scope {
    /// The scope that a list says it has; without issuingDistributionPoint everything of its issuer.
    pub fn of(list: &CertificateList) -> Result<Self, Error> {
        const OID: const_oid::ObjectIdentifier = rfc5280::ID_CE_ISSUING_DISTRIBUTION_POINT;
        let said: Option<IssuingDistributionPoint> = list.read(OID, "issuingDistributionPoint")?;
        let Some(said) = said else { return Ok(Self::default()) };
        let names = said.distribution_point.map(|name| point_names(name, list.issuer())).transpose()?;
        Ok(Self {
            der: list.extension(OID).map(|extension| extension.value.clone()),
            is_indirect: said.indirect_crl,
            names: names.map(HashSet::from_iter),
            only_user: said.only_contains_user_certs,
            only_ca: said.only_contains_ca_certs,
            only_attribute: said.only_contains_attribute_certs,
            reasons: said.only_some_reasons,
        })
    }

    /// The reasons for which a list of `issuer` with this scope tells of a certificate that has `points`: none where it
    /// does not include it (RFC 5280 section 6.3.3 (b) and (d)).
    pub fn reasons_for(
        &self,
        certificate: &Certificate,
        issuer: &Name,
        points: &[Point],
        budget: &mut Budget,
    ) -> Result<ReasonFlags, Refusal> {
        let none = ReasonFlags::default();
        let constraints = certificate.basic_constraints().map_err(Refusal::unreadable(certificate))?;
        let is_ca = constraints.is_some_and(|constraints| constraints.ca);
        if self.only_attribute || (self.only_user && is_ca) || (self.only_ca && !is_ca) {
            return Ok(none);
        }
        let is_own = certificate.issuer().matches(issuer);
        let mut reasons = none;
        for point in points {
            budget.comparison(issuer.der().len())?;
            let is_of_point = match &point.issuers {
                Some(issuers) => self.is_indirect && issuers.contains(issuer.canonical()),
                None => is_own,
            };
            if is_of_point && self.is_at(point, budget)? {
                reasons |= point.reasons & self.reasons.unwrap_or(all_reasons());
            }
        }
        Ok(reasons)
    }

    /// Whether a point is where a list of this scope is.
    fn is_at(&self, point: &Point, budget: &mut Budget) -> Result<bool, Refusal> {
        let Some(names) = &self.names else { return Ok(true) };
        for name in &point.names {
            budget.comparison(0)?;
            if names.contains(name) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The full names of a point; a relative one is added to the name of who issues its lists.
fn point_names(name: DistributionPointName, issuer: &Name) -> Result<Vec<PointName>, Error> {
    const WHAT: &str = "the name of a distribution point";
    match name {
        DistributionPointName::FullName(names) => names.iter().map(point_name).collect(),
        DistributionPointName::NameRelativeToCRLIssuer(relative) => {
            let relative = encode(WHAT, &relative)?;
            let mut names: Vec<Vec<u8>> =
                members(issuer.der(), der::Tag::Sequence, WHAT)?.into_iter().map(<[u8]>::to_vec).collect();
            names.push(relative);
            Ok(vec![PointName::Directory(Name::from_relative_names(&names)?.canonical().clone())])
        }
    }
}

fn point_name(name: &GeneralName) -> Result<PointName, Error> {
    match name {
        GeneralName::DirectoryName(_) => {
            let names = directory_names(std::slice::from_ref(name))?;
            names.first().map(|name| PointName::Directory(name.canonical().clone()))
        }
        other => other.to_der().ok().map(PointName::Other),
    }
    .ok_or(Error::Malformed { what: "the name of a distribution point" })
}

/// The directory names among names of any form.
fn directory_names(names: &[GeneralName]) -> Result<Vec<Name>, Error> {
    let names = names.iter().filter_map(|name| match name {
        GeneralName::DirectoryName(name) => Some(name),
        _ => None,
    });
    names.map(|name| Name::from_der(&encode("a directory name", name)?)).collect()
}
