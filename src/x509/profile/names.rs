//! Whose certificate it may be: the allow-list for names, and the names that a profile makes itself.

use const_oid::ObjectIdentifier;

use super::template::{Template, Variables};
use super::{AltName, Error, Name, Profile};
use crate::x509::name::{Attribute, label};

/// The names of a certificate, as a profile allows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The subject.
    pub subject: Name,
    /// The subject alternative names, in order.
    pub alt_names: Vec<AltName>,
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
            let value = rule.value.expand(&variables).map_err(|name| self.lacks(name))?;
            alt_names.push(AltName::of_form(&rule.form, &value)?);
        }
        for rule in rules.iter().filter(|rule| rule.same_as_issuer) {
            self.check_issuer(rule.attribute, &subject, issuer)?;
        }
        let names = Names { subject, alt_names };
        self.check_names(&names)?;
        Ok(names)
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
                let made = AltName::of_form(&rule.form, &rule.value.expand(&bound).ok()?).ok()?;
                (made == *name).then_some((index, bound))
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
