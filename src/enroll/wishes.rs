//! What a CA wishes of a request, held against the request.

use const_oid::ObjectIdentifier;

use super::{KeyWish, Wishes};
use crate::key::algorithm::oid_name;
use crate::key::{KeyType, PublicKey};
use crate::x509::{self, Name, Profile, Request, Wanted};

impl KeyWish {
    /// Whether a key of this type is what the CA certifies.
    pub fn takes(self, found: KeyType) -> bool {
        match self {
            Self::Type(wanted) => wanted == found,
            Self::AnyRsa => matches!(found, KeyType::Rsa(_)),
        }
    }
}

impl std::fmt::Display for KeyWish {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Type(wanted) => wanted.fmt(f),
            Self::AnyRsa => f.write_str("RSA"),
        }
    }
}

impl Wishes {
    /// Adds to what is wanted what the CA wishes and gives a value for: extensions that the profile does not make, and
    /// subject attributes that are not there, where the profile allows all of them. `keeps_names` leaves the names alone, as
    /// a renewal has to (RFC 7030 section 4.2.2).
    pub fn add_to(&self, wanted: Wanted, profile: &Profile, keeps_names: bool) -> Result<Wanted, x509::Error> {
        let mut wanted = Wanted { challenge_password: self.challenge_password.clone(), ..wanted };
        wanted.extensions.extend(self.extensions.iter().filter_map(|(_, extension)| extension.clone()));
        let own = wanted.subject.attributes();
        let absent = |(oid, value): &(ObjectIdentifier, Option<String>)| {
            let value = value.clone()?;
            own.iter().all(|(found, _)| found != oid).then_some((*oid, value))
        };
        let added: Vec<_> = self.subject.iter().filter_map(absent).collect();
        if added.is_empty() || keeps_names {
            return Ok(wanted);
        }
        let subject = Name::new(&[own, added].concat())?;
        if profile.names(&subject, &wanted.alt_names, &wanted.variables, None).is_ok() {
            wanted.subject = subject;
        }
        Ok(wanted)
    }

    /// What is wished and a request lacks, each in words.
    pub fn unmet(&self, request: &Request) -> Vec<String> {
        let Self { challenge_password, key, subject, extensions, unknown, .. } = self;
        let mut unmet = Vec::new();
        let found = PublicKey::from_spki(request.spki()).map(|key| key.key_type());
        if let (Some(wanted), Ok(found)) = (key, found)
            && !wanted.takes(found)
        {
            unmet.push(format!("a key of type {wanted}"));
        }
        if challenge_password.is_some() && !request.has_challenge_password() {
            unmet.push("to be bound to the connection".to_owned());
        }
        for (oid, value) in subject {
            let found = request.subject().values(*oid);
            let is_met = value.as_ref().map_or(!found.is_empty(), |value| found.contains(value));
            if !is_met {
                unmet.push(format!("{} in the subject", named(*oid, value.as_deref())));
            }
        }
        for (oid, wanted) in extensions {
            let found = request.extensions().iter().find(|extension| extension.oid == *oid);
            match (found, wanted) {
                (None, _) => unmet.push(format!("the extension {}", oid_name(*oid))),
                (Some(found), Some(wanted)) if found.value != wanted.value => {
                    unmet.push(format!("another value of the extension {}", oid_name(*oid)));
                }
                (Some(_), _) => {}
            }
        }
        unmet.extend(unknown.iter().map(|oid| format!("{}, which is not known here", oid_name(*oid))));
        unmet
    }
}

fn named(oid: ObjectIdentifier, value: Option<&str>) -> String {
    match value {
        Some(value) => format!("{}={value}", Name::attribute_label(oid)),
        None => Name::attribute_label(oid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SoftwareKey;
    use crate::x509::Extension;
    use const_oid::db::{rfc4519, rfc5280};

    const ODD: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.99999.7");

    fn request(profile: &Profile, wishes: &Wishes, keeps_names: bool) -> Request {
        let wanted = Wanted { subject: Name::new(&[(Name::COMMON_NAME, "a")]).unwrap(), ..Wanted::default() };
        let wanted = wishes.add_to(wanted, profile, keeps_names).unwrap();
        Request::new(profile, &wanted, &SoftwareKey::generate(KeyType::P256).unwrap()).unwrap()
    }

    #[test]
    fn what_has_a_value_is_added_and_the_rest_is_told() {
        let extension = |oid, value: &[u8]| (oid, Some(Extension { oid, critical: false, value: value.to_vec() }));
        let wishes = Wishes {
            subject: vec![
                (rfc4519::O, Some("Acme".to_owned())),
                (rfc4519::CN, Some("b".to_owned())),
                (rfc4519::SERIAL_NUMBER, None),
            ],
            extensions: vec![
                extension(ODD, b"\x05\x00"),
                extension(rfc5280::ID_CE_KEY_USAGE, b"\x03\x02\x00\x01"),
                (rfc5280::ID_CE_SUBJECT_ALT_NAME, None),
            ],
            unknown: vec![ODD],
            key: Some(KeyWish::AnyRsa),
            ..Wishes::default()
        };
        let profile = Profile::named("ldevid").unwrap();
        let made = request(&profile, &wishes, false);
        assert_eq!(made.subject().to_string(), "CN=a, O=Acme");
        let odd = made.extensions().iter().find(|extension| extension.oid == ODD).unwrap();
        assert_eq!(odd.value, b"\x05\x00");
        let count = made.extensions().iter().filter(|each| each.oid == rfc5280::ID_CE_KEY_USAGE).count();
        assert_eq!(count, 1, "the profile's own stays the only one");
        let unmet = wishes.unmet(&made);
        assert_eq!(
            unmet,
            [
                "a key of type RSA",
                "CN=b in the subject",
                "serialNumber in the subject",
                "another value of the extension keyUsage",
                "the extension subjectAltName",
                "1.3.6.1.4.1.99999.7, which is not known here",
            ]
        );
        assert_eq!(request(&profile, &wishes, true).subject().to_string(), "CN=a", "a renewal has the names of before");
        assert!(Wishes::default().unmet(&made).is_empty());
    }

    #[test]
    fn a_name_that_the_profile_does_not_allow_is_told_and_not_added() {
        let profile = "schema = \"bulla.profile/1\"\nname = \"one\"\nextends = \"ldevid\"\n\
                       subject = [{ attribute = \"CN\" }]\n";
        let profile = Profile::from_toml(profile).unwrap();
        let wishes = Wishes { subject: vec![(rfc4519::O, Some("Acme".to_owned()))], ..Wishes::default() };
        let made = request(&profile, &wishes, false);
        assert_eq!(made.subject().to_string(), "CN=a");
        assert_eq!(wishes.unmet(&made), ["O=Acme in the subject"]);
    }

    #[test]
    fn a_key_is_taken_by_its_type() {
        assert!(KeyWish::AnyRsa.takes(KeyType::Rsa(3072)) && !KeyWish::AnyRsa.takes(KeyType::P256));
        let p384 = KeyWish::Type(KeyType::P384);
        assert!(p384.takes(KeyType::P384) && !p384.takes(KeyType::P256) && !p384.takes(KeyType::Rsa(3072)));
    }
}
