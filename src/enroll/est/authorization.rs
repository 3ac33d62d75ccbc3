//! The Authorization field: tokens as HTTP carries them, in Basic (RFC 7617) or Bearer (RFC 6750 section 2.1).

use zeroize::Zeroizing;

use crate::files::from_base64;
use crate::net::Headers;

/// Longest field that is read. A token has some 40 characters, and a device's name at most 256.
const LENGTH_LIMIT: usize = 1024;

/// A token, and the user name that came with it: the device, where the scheme has one.
pub struct Authorization {
    pub user: Option<String>,
    pub secret: Zeroizing<String>,
}

/// Why the field is of no use.
#[derive(Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It is not what its scheme has; or there are several.
    Malformed(&'static str),
    /// Its scheme is not one of the two.
    Scheme,
}

impl Authorization {
    /// Reads the field; `None` where there is none.
    pub fn read(headers: &Headers) -> Result<Option<Self>, Unusable> {
        const FIELD: &str = "Authorization";
        let malformed = |why| Err(Unusable::Malformed(why));
        match (headers.count(FIELD), headers.get(FIELD)) {
            (0, _) => Ok(None),
            (1, Some(value)) if value.len() > LENGTH_LIMIT => malformed("the Authorization field is too long"),
            (1, Some(value)) => {
                let (scheme, rest) = value.trim().split_once(' ').unwrap_or((value.trim(), ""));
                let rest = rest.trim();
                if scheme.eq_ignore_ascii_case("basic") {
                    Self::basic(rest).map(Some)
                } else if scheme.eq_ignore_ascii_case("bearer") {
                    Self::bearer(rest).map(Some)
                } else {
                    Err(Unusable::Scheme)
                }
            }
            (1, None) => malformed("the Authorization field is no text"),
            _ => malformed("there are several Authorization fields"),
        }
    }

    /// `base64(user-id ":" password)`, in UTF-8.
    fn basic(credentials: &str) -> Result<Self, Unusable> {
        const MALFORMED: Unusable = Unusable::Malformed("the Basic credentials are no base64 of USER:PASSWORD");
        let decoded = Zeroizing::new(from_base64(credentials.as_bytes()).ok_or(MALFORMED)?);
        let text = std::str::from_utf8(&decoded).map_err(|_| MALFORMED)?;
        let (user, password) = text.split_once(':').ok_or(MALFORMED)?;
        // RFC 7617 section 2 forbids control characters in both.
        if text.chars().any(char::is_control) {
            return Err(MALFORMED);
        }
        Ok(Self { user: Some(user.to_owned()), secret: Zeroizing::new(password.to_owned()) })
    }

    fn bearer(token: &str) -> Result<Self, Unusable> {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        if token.is_empty() || !token.bytes().all(is_token) {
            return Err(Unusable::Malformed("the Bearer credentials are no token"));
        }
        Ok(Self { user: None, secret: Zeroizing::new(token.to_owned()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Result<(Option<String>, String), Unusable> {
        let read = Authorization::read(&Headers::default().with("authorization", value));
        read.map(|read| read.map(|read| (read.user, read.secret.to_string())).unwrap())
    }

    #[test]
    fn both_schemes_are_read() {
        assert!(Authorization::read(&Headers::default()).unwrap().is_none());
        // RFC 7617 section 2.
        let basic = (Some("Aladdin".to_owned()), "open sesame".to_owned());
        assert_eq!(read("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==").unwrap(), basic);
        assert_eq!(read("bAsIc   QWxhZGRpbjpvcGVuIHNlc2FtZQ== ").unwrap(), basic);
        assert_eq!(read("Basic YTpiOmM=").unwrap(), (Some("a".to_owned()), "b:c".to_owned()));
        assert_eq!(read("Basic Og==").unwrap(), (Some(String::new()), String::new()));
        assert_eq!(read("BEARER a.b-c_~+/=").unwrap(), (None, "a.b-c_~+/=".to_owned()));
    }

    #[test]
    fn others_are_not() {
        let long = format!("Bearer {}", "a".repeat(LENGTH_LIMIT));
        for value in ["Basic", "Basic %", "Basic YWI=", "Basic /zph", "Basic YTpiCg==", "Bearer", "Bearer a b", &long] {
            assert!(matches!(read(value), Err(Unusable::Malformed(_))), "{value}");
        }
        for value in ["", "Digest username=\"x\"", "Basically YTpi"] {
            assert_eq!(read(value), Err(Unusable::Scheme), "{value}");
        }
        let two = Headers::default().with("Authorization", "Bearer a").with("authorization", "Bearer b");
        assert!(matches!(Authorization::read(&two), Err(Unusable::Malformed(_))));
    }
}
