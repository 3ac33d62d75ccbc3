//! Name constraints (RFC 5280 sections 4.2.1.10 and 6.1.3 (b) and (c)): what a CA may vouch for by name.
//!
//! A name is held against the subtrees of its own form. One that cannot be judged is neither permitted nor clear of what is
//! excluded: the certificate is refused, as section 4.2.1.10 asks for forms that are not processed.

use std::fmt;
use std::net::IpAddr;

use const_oid::db::{rfc3280, rfc5280};
use der::{Decode, Encode};
use x509_cert::ext::pkix;
use x509_cert::ext::pkix::constraints::name::GeneralSubtree;
use x509_cert::ext::pkix::name::GeneralName;

use super::identity::is_host;
use super::refusal::{SHOWN_LIMIT, name};
use super::search::Budget;
use super::{AltName, Certificate, Error, Refusal};
use crate::files::printable;
use crate::x509::{Name, colon_hex};

/// What an issuer may vouch for by name.
pub(super) struct NameConstraints {
    issuer: String,
    permitted: Vec<Form>,
    excluded: Vec<Form>,
}

/// The names of a certificate that constraints bind.
pub(super) struct BoundNames {
    certificate: String,
    forms: Vec<Form>,
}

/// A name of one form; in a constraint, the base of a subtree.
enum Form {
    Dns(String),
    Email(String),
    Uri(String),
    /// The octets of an address; in a base, those of its mask behind them.
    Ip(Vec<u8>),
    Directory(Name),
    /// A form that is not judged, by its name.
    Other(&'static str),
}

/// Whether a name is within a subtree. Of several subtrees, the greatest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Within {
    /// The subtree says nothing about names of this form.
    OtherForm,
    No,
    /// It cannot be told, or is so for some of the names that a wildcard stands for.
    Unclear,
    Yes,
}

impl NameConstraints {
    /// The constraints that `issuer` has. A base that means nothing is refused, whether or not it is ever needed.
    pub fn of(issuer: &Certificate) -> Result<Option<Self>, Refusal> {
        let Some(extension) = issuer.extension(rfc5280::ID_CE_NAME_CONSTRAINTS) else { return Ok(None) };
        let (permitted, excluded) = subtrees(&extension.value)
            .map_err(|why| Refusal::malformed(issuer, format!("its nameConstraints {why}")))?;
        Ok(Some(Self { issuer: name(issuer), permitted, excluded }))
    }

    /// Whether every one of `names` is within a permitted subtree, where there is one of its form, and within no excluded
    /// one.
    pub fn check(&self, names: &BoundNames, budget: &mut Budget) -> Result<(), Refusal> {
        let refuse = |form: &Form, why: &str| {
            let why = format!("{form} {why} {}", self.issuer);
            Err(Refusal::NameConstraint { certificate: names.certificate.clone(), why })
        };
        for form in &names.forms {
            match form.within_any(&self.excluded, budget)? {
                Within::Yes => return refuse(form, "is excluded by"),
                Within::Unclear => return refuse(form, "may be excluded by"),
                Within::OtherForm | Within::No => {}
            }
            match form.within_any(&self.permitted, budget)? {
                Within::No | Within::Unclear => return refuse(form, "is not permitted by"),
                Within::OtherForm | Within::Yes => {}
            }
        }
        Ok(())
    }
}

/// Reads the permitted and the excluded subtrees, or says what is wrong with them.
fn subtrees(der: &[u8]) -> Result<(Vec<Form>, Vec<Form>), String> {
    let malformed = || "are malformed".to_owned();
    let read = pkix::NameConstraints::from_der(der).map_err(|_| malformed())?;
    // DER has one encoding: a minimum of 0, the default, is left out.
    if read.to_der().ok().as_deref() != Some(der) {
        return Err(malformed());
    }
    let base = |subtree: GeneralSubtree| {
        // Section 4.2.1.10 MUST.
        if subtree.minimum != 0 || subtree.maximum.is_some() {
            return Err("have a minimum or a maximum".to_owned());
        }
        let base = Form::of(&subtree.base).map_err(|_| malformed())?;
        match base.is_base() {
            true => Ok(base),
            false => Err(format!("have a malformed {}", base.name())),
        }
    };
    let bases = |subtrees: Option<Vec<GeneralSubtree>>| match subtrees {
        Some(subtrees) if subtrees.is_empty() => Err("have an empty list".to_owned()),
        subtrees => subtrees.into_iter().flatten().map(base).collect::<Result<Vec<_>, _>>(),
    };
    let (permitted, excluded) = (bases(read.permitted_subtrees)?, bases(read.excluded_subtrees)?);
    if permitted.is_empty() && excluded.is_empty() {
        return Err("are empty".to_owned());
    }
    Ok((permitted, excluded))
}

impl BoundNames {
    /// The alternative names of a certificate, its subject, and the e-mail addresses in the subject where no alternative
    /// name is one.
    pub fn of(certificate: &Certificate) -> Result<Self, Refusal> {
        let unreadable = Refusal::unreadable(certificate);
        let subject = certificate.subject();
        let alternatives: Option<Vec<GeneralName>> =
            certificate.read(rfc5280::ID_CE_SUBJECT_ALT_NAME, "subjectAltName").map_err(&unreadable)?;
        let alternatives = alternatives.iter().flatten().map(Form::of);
        let mut forms = alternatives.collect::<Result<Vec<_>, _>>().map_err(&unreadable)?;
        if !forms.iter().any(|form| matches!(form, Form::Email(_))) {
            forms.extend(subject.values(rfc3280::EMAIL_ADDRESS).into_iter().map(Form::Email));
        }
        if !subject.is_empty() {
            forms.push(Form::Directory(subject.clone()));
        }
        Ok(Self { certificate: name(certificate), forms })
    }
}

impl Form {
    fn of(name: &GeneralName) -> Result<Self, Error> {
        Ok(match name {
            GeneralName::DnsName(text) => Self::Dns(text.to_string()),
            GeneralName::Rfc822Name(text) => Self::Email(text.to_string()),
            GeneralName::UniformResourceIdentifier(text) => Self::Uri(text.to_string()),
            GeneralName::IpAddress(octets) => Self::Ip(octets.as_bytes().to_vec()),
            GeneralName::DirectoryName(name) => {
                let der = name.to_der().map_err(|_| Error::Malformed { what: "a directoryName" })?;
                Self::Directory(Name::from_der(&der)?)
            }
            GeneralName::OtherName(_) => Self::Other("otherName"),
            GeneralName::EdiPartyName(_) => Self::Other("ediPartyName"),
            GeneralName::RegisteredId(_) => Self::Other("registeredID"),
        })
    }

    /// The name of the form in RFC 5280.
    fn name(&self) -> &'static str {
        match self {
            Self::Dns(_) => "dNSName",
            Self::Email(_) => "rfc822Name",
            Self::Uri(_) => "uniformResourceIdentifier",
            Self::Ip(_) => "iPAddress",
            Self::Directory(_) => "directoryName",
            Self::Other(form) => form,
        }
    }

    /// Its length in octets.
    fn len(&self) -> usize {
        match self {
            Self::Dns(text) | Self::Email(text) | Self::Uri(text) => text.len(),
            Self::Ip(octets) => octets.len(),
            Self::Directory(name) => name.der().len(),
            Self::Other(_) => 0,
        }
    }

    /// Whether it is what a subtree can hang below.
    fn is_base(&self) -> bool {
        let is_host_or_domain = |text: &str| is_host(text.strip_prefix('.').unwrap_or(text));
        match self {
            // "Zero or more labels" added to none: every name.
            Self::Dns(base) => base.is_empty() || (AltName::dns(base).is_ok() && !base.starts_with('*')),
            Self::Email(base) => is_mailbox(base) || is_host_or_domain(base),
            Self::Uri(base) => is_host_or_domain(base),
            Self::Ip(base) => matches!(base.len(), 8 | 32) && is_prefix(&base[base.len() / 2..]),
            Self::Directory(_) | Self::Other(_) => true,
        }
    }

    fn within_any(&self, bases: &[Self], budget: &mut Budget) -> Result<Within, Refusal> {
        let mut within = Within::OtherForm;
        for base in bases {
            budget.comparison(self.len())?;
            within = within.max(self.within(base));
        }
        Ok(within)
    }

    /// Whether this name is in the subtree below `base`.
    fn within(&self, base: &Self) -> Within {
        match (self, base) {
            (Self::Dns(name), Self::Dns(base)) => dns_within(name, base),
            (Self::Email(name), Self::Email(base)) => email_within(name, base),
            (Self::Uri(name), Self::Uri(base)) => {
                host_of(name).map_or(Within::Unclear, |host| host_within(host, base).into())
            }
            (Self::Ip(name), Self::Ip(base)) => ip_within(name, base),
            (Self::Directory(name), Self::Directory(base)) => name.canonical().starts_with(base.canonical()).into(),
            (Self::Other(form), Self::Other(base)) if form == base => Within::Unclear,
            _ => Within::OtherForm,
        }
    }
}

impl fmt::Display for Form {
    /// Its form and value, one short line, safe for a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            _ if self.len() > SHOWN_LIMIT => f.write_str(" too long to show"),
            Self::Dns(text) | Self::Email(text) | Self::Uri(text) => write!(f, " {}", printable(text)),
            Self::Ip(octets) => match (<[u8; 4]>::try_from(&octets[..]), <[u8; 16]>::try_from(&octets[..])) {
                (Ok(four), _) => write!(f, " {}", IpAddr::from(four)),
                (_, Ok(sixteen)) => write!(f, " {}", IpAddr::from(sixteen)),
                _ => write!(f, " {}", colon_hex(octets)),
            },
            Self::Directory(name) => write!(f, " {name}"),
            Self::Other(_) => Ok(()),
        }
    }
}

impl From<bool> for Within {
    fn from(is_within: bool) -> Self {
        if is_within { Self::Yes } else { Self::No }
    }
}

/// A wildcard stands for one label (RFC 9525 section 6.3), and so for one excluded name that is a label below its domain.
fn dns_within(name: &str, base: &str) -> Within {
    if AltName::dns(name).is_err() {
        return Within::Unclear;
    }
    match name.strip_prefix("*.") {
        None => is_at_or_below(name, base).into(),
        Some(domain) if is_at_or_below(domain, base) => Within::Yes,
        Some(domain) => match base.split_once('.') {
            Some((_, parent)) if parent.eq_ignore_ascii_case(domain) => Within::Unclear,
            _ => Within::No,
        },
    }
}

/// A base is a mailbox, a host, or a period and a domain. The local part compares by its bytes (RFC 5280 section 7.5).
fn email_within(name: &str, base: &str) -> Within {
    let (true, Some((local, host))) = (is_mailbox(name), name.split_once('@')) else { return Within::Unclear };
    match base.split_once('@') {
        Some((base_local, base_host)) => (local == base_local && host.eq_ignore_ascii_case(base_host)).into(),
        None => host_within(host, base).into(),
    }
}

/// Whether a base that is a host is `host`, or one that is a period and a domain has it below, the domain itself apart.
fn host_within(host: &str, base: &str) -> bool {
    match base.strip_prefix('.') {
        Some(domain) => host.len() > domain.len() && is_at_or_below(host, domain),
        None => host.eq_ignore_ascii_case(base),
    }
}

fn ip_within(name: &[u8], base: &[u8]) -> Within {
    let (address, mask) = base.split_at(base.len() / 2);
    let is_same = || name.iter().zip(address).zip(mask).all(|((one, other), mask)| (one ^ other) & mask == 0);
    match name.len() {
        4 | 16 => (name.len() == address.len() && is_same()).into(),
        _ => Within::Unclear,
    }
}

/// Whether `name` is `domain` with no label or more in front.
fn is_at_or_below(name: &str, domain: &str) -> bool {
    let Some((labels, rest)) = name.len().checked_sub(domain.len()).and_then(|at| name.split_at_checked(at)) else {
        return false;
    };
    rest.eq_ignore_ascii_case(domain) && (labels.is_empty() || labels.ends_with('.') || domain.is_empty())
}

/// Whether it is a local part and a host. A quoted local part is not taken: another spelling may be the same mailbox.
fn is_mailbox(text: &str) -> bool {
    AltName::email(text).is_ok() && !text.contains(['"', '\\'])
}

/// The host that a URI names (RFC 3986 section 3.2), unless it is an address or absent.
fn host_of(uri: &str) -> Option<&str> {
    AltName::uri(uri).ok()?;
    let (_, rest) = uri.split_once(':')?;
    let authority = rest.strip_prefix("//")?.split(['/', '?', '#']).next()?;
    let host = authority.split_once('@').map_or(authority, |(_, host)| host);
    let (host, port) = host.split_once(':').unwrap_or((host, ""));
    (is_host(host) && port.bytes().all(|byte| byte.is_ascii_digit())).then_some(host)
}

/// Whether a mask is ones, then zeros, as in a CIDR prefix (RFC 4632).
fn is_prefix(mask: &[u8]) -> bool {
    let mut rest = mask.iter().skip_while(|octet| **octet == 0xff);
    rest.next().is_none_or(|octet| octet.leading_ones() + octet.trailing_zeros() == 8) && rest.all(|octet| *octet == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::from_hex;

    fn dns(text: &str) -> Form {
        Form::Dns(text.to_owned())
    }

    fn email(text: &str) -> Form {
        Form::Email(text.to_owned())
    }

    fn uri(text: &str) -> Form {
        Form::Uri(text.to_owned())
    }

    fn directory(text: &str) -> Form {
        Form::Directory(Name::new(&Name::parse(text).unwrap()).unwrap())
    }

    /// An address, or an address and a mask.
    fn ip(text: &str) -> Form {
        let octets = text.split('/').flat_map(|part| match part.parse().unwrap() {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        });
        Form::Ip(octets.collect())
    }

    fn check(make: impl Fn(&str) -> Form, cases: &[(&str, &str, Within)]) {
        for (base, name, within) in cases {
            assert_eq!(make(name).within(&make(base)), *within, "{name} below {base}");
        }
    }

    /// The first three are examples of RFC 5280 section 4.2.1.10.
    #[test]
    fn dns_names_are_below_their_last_labels() {
        check(
            dns,
            &[
                ("host.example.com", "host.example.com", Within::Yes),
                ("host.example.com", "www.host.example.com", Within::Yes),
                ("host.example.com", "host1.example.com", Within::No),
                ("host.example.com", "WWW.Host.EXAMPLE.com", Within::Yes),
                ("example.com", "notexample.com", Within::No),
                ("example.com", "com", Within::No),
                ("example.com", "example.com.evil.example", Within::No),
                ("", "anything.example", Within::Yes),
                ("example.com", "_sip.example.com", Within::Yes),
                ("example.com", "example.com.", Within::Unclear),
                ("example.com", ".example.com", Within::Unclear),
                ("example.com", "a..example.com", Within::Unclear),
                ("example.com", "", Within::Unclear),
                ("example.com", "a b.example.com", Within::Unclear),
                ("example.com", "evil.example\0.example.com", Within::Unclear),
            ],
        );
    }

    #[test]
    fn a_wildcard_covers_one_label() {
        check(
            dns,
            &[
                ("example.com", "*.example.com", Within::Yes),
                ("example.com", "*.a.example.com", Within::Yes),
                ("bar.example.com", "*.example.com", Within::Unclear),
                ("BAR.example.com", "*.Example.com", Within::Unclear),
                ("a.bar.example.com", "*.example.com", Within::No),
                ("example.com", "*.example.org", Within::No),
                ("example.com", "*", Within::Unclear),
                ("example.com", "f*.example.com", Within::Unclear),
                ("example.com", "*.*.example.com", Within::Unclear),
            ],
        );
    }

    /// The bases are the three kinds of RFC 5280 section 4.2.1.10, with its examples.
    #[test]
    fn addresses_are_of_a_mailbox_a_host_or_a_domain() {
        check(
            email,
            &[
                ("root@example.com", "root@example.com", Within::Yes),
                ("root@example.com", "root@EXAMPLE.com", Within::Yes),
                ("root@example.com", "Root@example.com", Within::No),
                ("root@example.com", "root@host.example.com", Within::No),
                ("example.com", "root@example.com", Within::Yes),
                ("Example.com", "root@eXample.com", Within::Yes),
                ("example.com", "root@host.example.com", Within::No),
                (".example.com", "root@host.example.com", Within::Yes),
                (".example.com", "root@a.host.example.com", Within::Yes),
                (".example.com", "root@example.com", Within::No),
                (".example.com", "root@notexample.com", Within::No),
                ("*@example.com", "root@example.com", Within::No),
                ("*@example.com", "*@example.com", Within::Yes),
                ("example.com", "a@b@example.com", Within::Unclear),
                ("root@example.com", "\"root\"@example.com", Within::Unclear),
                ("example.com", "root@[192.0.2.1]", Within::Unclear),
                ("example.com", "example.com", Within::Unclear),
                ("example.com", "@example.com", Within::Unclear),
                ("example.com", "ró@example.com", Within::Unclear),
            ],
        );
    }

    /// The first four are examples of RFC 5280 section 4.2.1.10; after them, what has no host by name.
    #[test]
    fn uris_are_judged_by_their_host() {
        check(
            uri,
            &[
                ("host.example.com", "http://host.example.com/a", Within::Yes),
                (".example.com", "http://host.example.com", Within::Yes),
                (".example.com", "http://my.host.example.com", Within::Yes),
                (".example.com", "http://example.com", Within::No),
                ("example.com", "ldap://u:p@EXAMPLE.com:389/o=x?y#z", Within::Yes),
                ("example.com", "http://host.example.com", Within::No),
                ("example.com", "http://evil.example/example.com", Within::No),
                ("example.com", "http://evil.example?@example.com", Within::No),
                ("example.com", "http://a@evil.example@example.com/", Within::Unclear),
                ("example.com", "http://evil.example\\.example.com/", Within::Unclear),
                ("example.com", "http://example.com:80:80/", Within::Unclear),
                ("example.com", "http://example.com./", Within::Unclear),
                ("example.com", "http://ex%61mple.com/", Within::Unclear),
                ("example.com", "http://192.0.2.1/", Within::Unclear),
                ("example.com", "http://[2001:db8::1]/", Within::Unclear),
                ("example.com", "http:///example.com", Within::Unclear),
                ("example.com", "urn:dev:mac:0024befffe804ff1", Within::Unclear),
                ("example.com", "//example.com/", Within::Unclear),
            ],
        );
    }

    /// The first is the example of RFC 5280 section 4.2.1.10.
    #[test]
    fn addresses_are_in_a_network() {
        check(
            ip,
            &[
                ("192.0.2.0/255.255.255.0", "192.0.2.77", Within::Yes),
                ("192.0.2.0/255.255.255.0", "192.0.3.77", Within::No),
                ("192.0.2.64/255.255.255.192", "192.0.2.127", Within::Yes),
                ("192.0.2.64/255.255.255.192", "192.0.2.128", Within::No),
                ("0.0.0.0/0.0.0.0", "203.0.113.9", Within::Yes),
                ("0.0.0.0/0.0.0.0", "2001:db8::1", Within::No),
                ("::/::", "203.0.113.9", Within::No),
                ("2001:db8::/ffff:ffff::", "2001:db8:1::1", Within::Yes),
                ("::1/ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::1", Within::Yes),
                ("::1/ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::2", Within::No),
            ],
        );
        let Form::Ip(network) = ip("192.0.2.0/255.255.255.0") else { unreachable!() };
        assert_eq!(network, [0xc0, 0x00, 0x02, 0x00, 0xff, 0xff, 0xff, 0x00]);
        assert_eq!(Form::Ip(vec![192, 0, 2]).within(&Form::Ip(network)), Within::Unclear);
    }

    #[test]
    fn directory_names_are_below_their_first_relative_names() {
        check(
            directory,
            &[
                ("C=US, O=Acme", "C=US, O=Acme", Within::Yes),
                ("C=US, O=Acme", "C=us, O=  ACME , OU=a, CN=b", Within::Yes),
                ("C=US, O=Acme", "C=US", Within::No),
                ("C=US, O=Acme", "O=Acme, C=US", Within::No),
                ("C=US, O=Acme", "C=US, O=Acme Ltd", Within::No),
                ("C=US, O=Acme", "C=US, OU=Acme", Within::No),
                ("OU=a", "O=x, OU=a", Within::No),
            ],
        );
        assert_eq!(directory("CN=a").within(&Form::Directory(Name::empty())), Within::Yes);
    }

    #[test]
    fn forms_do_not_mix_and_some_are_not_judged() {
        assert_eq!(dns("example.com").within(&uri("example.com")), Within::OtherForm);
        assert_eq!(Form::Other("otherName").within(&Form::Other("registeredID")), Within::OtherForm);
        assert_eq!(Form::Other("otherName").within(&Form::Other("otherName")), Within::Unclear);
    }

    #[test]
    fn bases_that_mean_nothing_are_refused() {
        let good = [
            dns(""),
            dns("com"),
            email(".example.com"),
            email("a@example.com"),
            uri(".example.com"),
            ip("10.0.0.1/255.128.0.0"),
        ];
        for base in good {
            assert!(base.is_base(), "{base}");
        }
        let bad = [
            dns(".example.com"),
            dns("*.example.com"),
            dns("example.com."),
            dns("a b"),
            email(""),
            email("a@b@example.com"),
            email("@example.com"),
            email("*.example.com"),
            uri(""),
            uri("http://example.com"),
            uri("192.0.2.1"),
            uri("*.example.com"),
            ip("192.0.2.1"),
            ip("2001:db8::1"),
            ip("192.0.2.0/255.0.255.0"),
            ip("192.0.2.0/0.0.0.255"),
            ip("192.0.2.0/255.255.255.250"),
            Form::Ip(Vec::new()),
        ];
        for base in bad {
            assert!(!base.is_base(), "{base}");
        }
    }

    /// What RFC 5280 section 4.2.1.10 and DER ask of the extension, byte by byte.
    #[test]
    fn subtrees_are_read_strictly() {
        let read = |hex: &str| subtrees(&from_hex(hex).unwrap()).map(|(one, other)| (one.len(), other.len()));
        // permittedSubtrees { dNSName a }, then excludedSubtrees { dNSName b }
        assert_eq!(read("300ea0053003820161a1053003820162"), Ok((1, 1)));
        assert_eq!(read("3007a1053003820162"), Ok((0, 1)));
        for (hex, why) in [
            ("3000", "are empty"),
            ("3002a000", "have an empty list"),
            ("3004a000a100", "have an empty list"),
            ("3009a0053003820161a100", "have an empty list"),
            // excludedSubtrees, then permittedSubtrees; one of them twice
            ("300ea1053003820162a0053003820161", "are malformed"),
            ("300ea0053003820161a0053003820162", "are malformed"),
            // minimum 0, which is the default; minimum 1; maximum 0
            ("300aa0083006820161800100", "are malformed"),
            ("300aa0083006820161800101", "have a minimum or a maximum"),
            ("300aa0083006820161810100", "have a minimum or a maximum"),
            // a length in two octets, bytes behind, NULL for the subtrees
            ("308107a1053003820162", "are malformed"),
            ("3007a105300382016200", "are malformed"),
            ("30020500", "are malformed"),
            ("3008a10630048202616200", "are malformed"),
            // dNSName .a
            ("3008a006300482022e61", "have a malformed dNSName"),
        ] {
            let found = read(hex);
            assert!(found.as_ref().is_err_and(|found| found.contains(why)), "{hex}: {found:?}");
        }
    }
}
