//! Whose certificate it may be: the allow-list for names, and the names that a profile makes itself.

use const_oid::ObjectIdentifier;

use super::template::{Template, Variables};
use super::{AltName, Error, Name, Profile};
use crate::key::{Digest, Hash};
use crate::x509::name::{Attribute, label};

/// The names of a certificate, as a profile allows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The subject.
    pub subject: Name,
    /// The subject alternative names, in order.
    pub alt_names: Vec<AltName>,
}

impl Names {
    /// The SHA-256 of the subject and the alternative names as a certificate has them.
    pub fn digest(&self) -> Result<Digest, Error> {
        let alt_names = AltName::encode_extension(&self.alt_names)?;
        Ok(Hash::Sha256.digest(&[self.subject.der(), &alt_names].concat()))
    }
}

/// Which subjects a profile allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Every one, as it came.
    Any,
    /// These attributes and no others, in this order.
    Listed(Vec<SubjectRule>),
}

/// One attribute of an allow-list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectRule {
    /// Its type.
    pub attribute: ObjectIdentifier,
    /// The value that it must have; the requester's choice where there is none.
    pub value: Option<Template>,
    /// Whether it may be absent. What is absent is made where a template's variables all have values.
    pub optional: bool,
    /// Whether it must be the issuer's own, where the issuer has one.
    pub same_as_issuer: bool,
}

/// Which alternative names a profile allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AltNameRules {
    /// The forms that may be asked for, by [`AltName::form`].
    pub allow: Vec<String>,
    /// The forms of which at least one must be there; with `optional`, only where there are names at all.
    pub need: Vec<String>,
    /// Whether the certificate may have no alternative name at all.
    pub optional: bool,
    /// The names that the profile makes itself.
    pub values: Vec<AltNameRule>,
}

/// An alternative name of a profile's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AltNameRule {
    /// The form, by [`AltName::form`].
    pub form: String,
    /// Its value, written as on the command line.
    pub value: Template,
}

impl Profile {
    /// The names in a certificate of this profile for who asks for `subject` and `alt_names`.
    ///
    /// What was asked for is held against the allow-list and gives the variables in it their values, the templates
    /// with the fewest variables first, so that an order of the list that suits the encoding suits the matching too;
    /// one variable has one value everywhere. Then the profile's own names are made where they are missing, and the
    /// subject is put into the order of the list. An attribute that came keeps its original bytes.
    pub fn names(
        &self,
        subject: &Name,
        alt_names: &[AltName],
        given: &Variables,
        issuer: Option<&Name>,
    ) -> Result<Names, Error> {
        let mut variables = Variables::default();
        for (name, value) in given.iter() {
            let Some(variable) = self.variables.get(name) else {
                return Err(self.refuse(format!("has no variable {name}")));
            };
            if let Err(wanted) = variable.check(value) {
                return Err(self.refuse(format!("needs {wanted} for {name}, and {value} was given")));
            }
            variables.set(name, value);
        }
        let rules = match &self.subject {
            Subject::Any => &[][..],
            Subject::Listed(rules) => rules,
        };
        for rule in rules.iter().filter(|rule| rule.same_as_issuer) {
            let values = issuer.map(|issuer| issuer.values(rule.attribute)).unwrap_or_default();
            if let ([value], Some(template)) = (values.as_slice(), &rule.value) {
                // One that does not fit is refused below, where the values are compared.
                variables = template.bind(value, &variables, &self.variables).unwrap_or(variables);
            }
        }
        let attributes = match &self.subject {
            Subject::Any => Vec::new(),
            Subject::Listed(_) => subject.single_valued()?,
        };
        let claimed = self.claim_subject(rules, attributes, &mut variables)?;
        let claimed_alt_names = self.claim_alt_names(alt_names, &mut variables)?;
        let subject = match &self.subject {
            Subject::Any => subject.clone(),
            Subject::Listed(_) => self.make_subject(rules, claimed, &variables)?,
        };
        let mut alt_names = alt_names.to_vec();
        for (rule, _) in self.alt_names.values.iter().zip(claimed_alt_names).filter(|(_, claimed)| !claimed) {
            alt_names.push(self.make_alt_name(rule, &variables)?);
        }
        for rule in rules.iter().filter(|rule| rule.same_as_issuer) {
            self.check_issuer(rule.attribute, &subject, issuer)?;
        }
        let names = Names { subject, alt_names };
        self.check_names(&names)?;
        Ok(names)
    }

    /// The subject attributes that a request is to bring, in order, each with its value where it can have but one.
    pub fn wanted_subject(&self) -> Vec<(ObjectIdentifier, Option<String>)> {
        let rules = match &self.subject {
            Subject::Any => &[][..],
            Subject::Listed(rules) => rules,
        };
        let wanted = |rule: &SubjectRule| {
            let value = rule.value.as_ref().and_then(|value| value.expand(Variables::NONE).ok());
            (rule.attribute, value)
        };
        rules.iter().filter(|rule| !rule.optional).map(wanted).collect()
    }

    /// Whether a request has to bring an alternative name, since the profile needs one and makes none that would do.
    pub fn wants_alt_name(&self) -> bool {
        let rules = &self.alt_names;
        let makes_one = rules.values.iter().any(|rule| rules.need.contains(&rule.form));
        !rules.optional && !rules.need.is_empty() && !makes_one
    }

    /// Finds for each rule the attribute that it allows; an attribute that none allows is refused.
    fn claim_subject(
        &self,
        rules: &[SubjectRule],
        attributes: Vec<Attribute>,
        variables: &mut Variables,
    ) -> Result<Vec<Option<Attribute>>, Error> {
        let mut claimed = vec![None; rules.len()];
        let mut left: Vec<Attribute> = attributes;
        let mut order: Vec<usize> = (0..rules.len()).collect();
        // What is fixed goes first, and what is free takes what remains.
        order.sort_by_key(|index| rules[*index].value.as_ref().map_or(usize::MAX, |value| value.variables().count()));
        for index in order {
            let rule = &rules[index];
            let found = left.iter().enumerate().filter(|(_, attribute)| attribute.oid == rule.attribute).find_map(
                |(position, attribute)| match &rule.value {
                    None => Some((position, None)),
                    Some(value) => {
                        let bound = value.bind(&attribute.value, variables, &self.variables)?;
                        Some((position, Some(bound)))
                    }
                },
            );
            if let Some((position, bound)) = found {
                claimed[index] = Some(left.remove(position));
                *variables = bound.unwrap_or_else(|| variables.clone());
            }
        }
        let Some(attribute) = left.first() else { return Ok(claimed) };
        let name = label(attribute.oid);
        let unmatched = rules
            .iter()
            .zip(&claimed)
            .find(|(rule, claimed)| rule.attribute == attribute.oid && rule.value.is_some() && claimed.is_none());
        let why = match unmatched.and_then(|(rule, _)| rule.value.as_ref()) {
            Some(value) => {
                let value = value.expand(variables).unwrap_or_else(|_| value.to_string());
                format!("needs {name}={value}, and {name}={} was asked for", attribute.value)
            }
            None => format!("does not allow the subject attribute {name}={}", attribute.value),
        };
        Err(self.refuse(why))
    }

    /// Finds which of the profile's own names were asked for; any other must be of a form that is allowed.
    fn claim_alt_names(&self, alt_names: &[AltName], variables: &mut Variables) -> Result<Vec<bool>, Error> {
        let rules = &self.alt_names.values;
        let mut claimed = vec![false; rules.len()];
        for name in alt_names {
            let own = rules.iter().enumerate().find_map(|(index, rule)| {
                let bind = |text: &String| rule.value.bind(text, variables, &self.variables);
                let free = !claimed[index] && rule.form == name.form();
                // Some forms have several spellings, and the name decides.
                let spellings = if free { name.spellings() } else { Vec::new() };
                let bound = spellings.iter().find_map(bind)?;
                (self.make_alt_name(rule, &bound).ok()? == *name).then_some((index, bound))
            });
            match own {
                Some((index, bound)) => {
                    claimed[index] = true;
                    *variables = bound;
                }
                None if self.alt_names.allow.iter().any(|form| form == name.form()) => {}
                None => return Err(self.refuse(format!("does not allow the alternative name {name}"))),
            }
        }
        Ok(claimed)
    }

    /// Makes an alternative name. A variable brings no character that means something in the form: a serial number
    /// `hex:41` would be another device's, and `*` any host's name.
    fn make_alt_name(&self, rule: &AltNameRule, variables: &Variables) -> Result<AltName, Error> {
        let is_plain = |c: char| match rule.form.as_str() {
            "hardwareModuleName" | "permanentIdentifier" | "uri" => c.is_alphanumeric() || "-_. ".contains(c),
            _ => c.is_alphanumeric() || "-_".contains(c),
        };
        for name in rule.value.variables() {
            let value = variables.get(name).ok_or_else(|| self.lacks(name))?;
            if !value.chars().all(is_plain) {
                let why =
                    format!("puts {name} into an alternative name of form {}, and {value} does not fit", rule.form);
                return Err(self.refuse(why));
            }
        }
        let value = rule.value.expand(variables).map_err(|name| self.lacks(name))?;
        AltName::of_form(&rule.form, &value)
    }

    /// Puts the subject together: what was asked for as it came, the rest made.
    fn make_subject(
        &self,
        rules: &[SubjectRule],
        claimed: Vec<Option<Attribute>>,
        variables: &Variables,
    ) -> Result<Name, Error> {
        let mut made = Vec::with_capacity(rules.len());
        for (rule, claimed) in rules.iter().zip(claimed) {
            if let Some(attribute) = claimed {
                made.push(attribute.relative_name);
                continue;
            }
            match &rule.value {
                Some(value) if !rule.optional || value.variables().next().is_some() => match value.expand(variables) {
                    Ok(value) => made.push(Attribute::new(rule.attribute, &value)?.relative_name),
                    Err(_) if rule.optional => {}
                    Err(name) => return Err(self.lacks(name)),
                },
                None if !rule.optional => {
                    return Err(self.refuse(format!("needs the subject attribute {}", label(rule.attribute))));
                }
                _ => {}
            }
        }
        Name::from_relative_names(&made)
    }

    fn check_issuer(&self, oid: ObjectIdentifier, subject: &Name, issuer: Option<&Name>) -> Result<(), Error> {
        let issuers = issuer.map(|issuer| issuer.values(oid)).unwrap_or_default();
        if issuers.is_empty() || issuers == subject.values(oid) {
            return Ok(());
        }
        let name = label(oid);
        Err(self.refuse(format!("needs the issuer's own {name}, which is {}", issuers.join(", "))))
    }

    fn lacks(&self, variable: &str) -> Error {
        Error::Variable { profile: self.name.clone(), variable: variable.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATEWAY: &str = r#"
        schema = "bulla.profile/1"
        name = "gateway"
        extends = "idevid"
        subject = [
            { attribute = "O", value = "Acme" },
            { attribute = "CN", value = "GW-{serial}" },
            { attribute = "serialNumber", value = "{serial}" },
            { attribute = "OU", value = "line {line}", optional = true },
            { attribute = "OU", optional = true },
            { attribute = "L" },
            { attribute = "1.2.3.4", value = "{maker}", same-as-issuer = true },
        ]
        [variables]
        serial = { type = "text", max-length = 20 }
        line = { type = "integer", max = 9 }
        maker = { type = "hex", bytes = 2, case = "upper" }
        [alt-names]
        allow = ["dns"]
        values = [{ form = "hardwareModuleName", value = "1.2.3:{serial}" }]
    "#;

    fn name(text: &str) -> Name {
        if text.is_empty() { Name::empty() } else { Name::new(&Name::parse(text).unwrap()).unwrap() }
    }

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        let mut variables = Variables::default();
        pairs.iter().for_each(|(name, value)| assert!(variables.set(name, value)));
        variables
    }

    fn ask(subject: &str, alt_names: &[AltName], given: &[(&str, &str)], issuer: &str) -> Result<Names, String> {
        let profile = Profile::from_toml(GATEWAY).unwrap();
        let names = profile.names(&name(subject), alt_names, &variables(given), Some(&name(issuer)));
        let names = names.map_err(|error| error.to_string())?;
        // What a profile made, it makes again of itself.
        let again = profile.names(&names.subject, &names.alt_names, Variables::NONE, Some(&name(issuer)));
        assert_eq!(again.map_err(|error| error.to_string()), Ok(names.clone()));
        Ok(names)
    }

    #[test]
    fn what_is_missing_is_made_and_the_list_is_the_order() {
        let whole = "O=Acme, CN=GW-7, serialNumber=7, L=Ulm, 1.2.3.4=FFF1";
        for (subject, given, issuer) in [
            ("L=Ulm, serialNumber=7", &[("maker", "FFF1")][..], ""),
            ("CN=GW-7, L=Ulm", &[("maker", "FFF1")], ""),
            ("L=Ulm", &[("serial", "7")], "1.2.3.4=FFF1"),
            ("1.2.3.4=FFF1, L=Ulm, serialNumber=7, CN=GW-7, O=Acme", &[], ""),
        ] {
            let names = ask(subject, &[], given, issuer).unwrap();
            assert_eq!(names.subject.to_string(), whole, "{subject}");
            assert_eq!(names.alt_names, [AltName::hardware_module("1.2.3:7").unwrap()]);
        }
        let names = ask("OU=a, OU=line 3, L=Ulm, serialNumber=7", &[], &[("maker", "FFF1")], "").unwrap();
        assert_eq!(names.subject.to_string(), whole.replace("L=", "OU=line 3, OU=a, L="));
        let asked = [AltName::dns("gw.example").unwrap(), AltName::hardware_module("1.2.3:hex:37").unwrap()];
        let names = ask("L=Ulm", &asked, &[("maker", "FFF1")], "").unwrap();
        assert_eq!(names.alt_names, asked, "what was asked for stays where it is");
        assert_eq!(names.subject.to_string(), whole);
    }

    #[test]
    fn what_the_list_does_not_allow_is_refused() {
        let maker = [("maker", "FFF1")];
        for (subject, given, issuer, why) in [
            ("L=Ulm", &maker[..], "", "needs a value for serial"),
            ("serialNumber=7", &maker, "", "needs the subject attribute L"),
            ("L=Ulm, serialNumber=7, CN=GW-8", &maker, "", "needs serialNumber=8, and serialNumber=7 was asked for"),
            ("L=Ulm, serialNumber=7, CN=gw", &maker, "", "needs CN=GW-7, and CN=gw was asked for"),
            ("L=Ulm, serialNumber=7, O=Other", &maker, "", "needs O=Acme, and O=Other was asked for"),
            ("L=Ulm, serialNumber=7, C=DE", &maker, "", "does not allow the subject attribute C=DE"),
            (
                "L=Ulm, serialNumber=7, serialNumber=7",
                &maker,
                "",
                "does not allow the subject attribute serialNumber=7",
            ),
            ("L=Ulm, serialNumber=7, OU=a, OU=b", &maker, "", "OU=b was asked for"),
            ("L=Ulm, serialNumber=7", &[("maker", "fff1")], "", "needs 4 upper-case hexadecimal digits for maker"),
            ("L=Ulm, serialNumber=7", &[("marker", "FFF1")], "", "has no variable marker"),
            ("L=Ulm, serialNumber=7", &[("serial", "8"), maker[0]], "", "needs serialNumber=8"),
            ("L=Ulm, serialNumber=7", &maker, "1.2.3.4=FFF2", "needs the issuer's own 1.2.3.4, which is FFF2"),
            ("L=Ulm, serialNumber=7", &maker, "1.2.3.4=FFF1, 1.2.3.4=FFF2", "needs the issuer's own"),
            ("L=Ulm, serialNumber=123456789012345678901", &maker, "", "needs serialNumber={serial}"),
        ] {
            let error = ask(subject, &[], given, issuer).unwrap_err();
            assert!(error.starts_with("profile gateway ") && error.contains(why), "{subject}: {error}");
        }
        let ip = [AltName::ip("192.0.2.1").unwrap()];
        let error = ask("L=Ulm, serialNumber=7", &ip, &maker, "").unwrap_err();
        assert_eq!(error, "profile gateway does not allow the alternative name ip 192.0.2.1");
        let other = [AltName::hardware_module("1.2.3:8").unwrap()];
        assert!(ask("L=Ulm, serialNumber=7", &other, &maker, "").unwrap_err().contains("does not allow"));
    }

    /// Device 7 must not get a name that means device A, nor one that means every host.
    #[test]
    fn a_variable_does_not_leave_its_place_in_an_alternative_name() {
        for serial in ["hex:41", "7:8", "7,1.2.3", "a/b"] {
            let error =
                ask(&format!("L=Ulm, serialNumber={}", serial.replace(',', "\\,")), &[], &[("maker", "FFF1")], "");
            assert!(error.as_ref().is_err_and(|error| error.contains("does not fit")), "{serial}: {error:?}");
        }
        let own = "values = [{ form = \"hardwareModuleName\", value = \"1.2.3:{serial}\" }]";
        let host = "need = []\n        values = [{ form = \"dns\", value = \"{serial}.acme.example\" }]";
        let host = GATEWAY.replace(own, host);
        let profile = Profile::from_toml(&host).unwrap();
        for (serial, fits) in [("7", true), ("*", false), ("a.b", false), ("-", false)] {
            let given = variables(&[("serial", serial), ("maker", "FFF1")]);
            assert_eq!(profile.names(&name("L=Ulm"), &[], &given, None).is_ok(), fits, "{serial}");
        }
        // A value that looks like a template is text.
        let braces = ask("L=Ulm, CN=GW-{serial}", &[], &[("maker", "FFF1")], "").unwrap_err();
        assert!(braces.contains("{serial}"), "{braces}");
    }

    /// RFC 5280 lets one attribute be written in several string types; what came stays.
    #[test]
    fn an_attribute_that_came_keeps_its_bytes() {
        let printable = [0x30, 0x0d, 0x31, 0x0b, 0x30, 0x09, 0x06, 0x03, 0x55, 0x04, 0x07, 0x13, 0x02, b'U', b'l'];
        let profile = Profile::from_toml(GATEWAY).unwrap();
        let given = variables(&[("serial", "7"), ("maker", "FFF1")]);
        let names = profile.names(&Name::from_der(&printable).unwrap(), &[], &given, None).unwrap();
        assert!(names.subject.der().windows(13).any(|window| *window == printable[2..]));
        // A BMPString, and two attributes in one RDN.
        let bmp = [0x30, 0x0d, 0x31, 0x0b, 0x30, 0x09, 0x06, 0x03, 0x55, 0x04, 0x07, 0x1e, 0x02, 0x00, b'U'];
        let error = profile.names(&Name::from_der(&bmp).unwrap(), &[], &given, None).unwrap_err();
        assert!(error.to_string().contains("no UTF8String, PrintableString or IA5String"), "{error}");
        let attribute = &printable[4..];
        let two = [&[0x30, 0x18, 0x31, 0x16], attribute, attribute].concat();
        let error = profile.names(&Name::from_der(&two).unwrap(), &[], &given, None).unwrap_err();
        assert!(error.to_string().contains("two attributes in one place"), "{error}");
    }
}
