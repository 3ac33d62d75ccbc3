//! A server of EST as the command line names it: `est://host[:port][/label]`.

use std::fmt;
use std::str::FromStr;

use crate::enroll::est::Operation;
use crate::net::ServerName;

/// Longest label: what names a profile or a CA is a word, and a URL of a kilobyte is a mistake.
const LABEL_LENGTH: usize = 128;

/// What a path segment may hold beside letters and digits, but for percent signs (RFC 3986 section 3.3, `pchar`). Some
/// vendors have colons in their labels.
const SEGMENT: &[u8] = b"-._~!$&'()*+,;=:@";

/// The operation that is not asked for here; a label may have no operation's name (RFC 7030 section 3.2.2).
const FULL_CMC: &str = "fullcmc";

/// An EST server, and the label of what is asked of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EstUrl {
    /// Host and port.
    pub server: ServerName,
    /// The segment between `/.well-known/est/` and the operation.
    pub label: Option<String>,
}

impl EstUrl {
    /// Whether text is meant as a URL, of any scheme: a path of a folder has no colon before two slashes.
    pub fn is_meant(text: &str) -> bool {
        let scheme = text.split_once("://").map(|(scheme, _)| scheme);
        scheme.is_some_and(|scheme| !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    }
}

impl FromStr for EstUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || "a CA's server is named as est://host[:port][/label]".to_owned();
        let (scheme, rest) = text.split_once("://").ok_or_else(form)?;
        if !scheme.eq_ignore_ascii_case("est") {
            return Err(form());
        }
        let (authority, path) = rest.split_once('/').map_or((rest, ""), |(authority, path)| (authority, path));
        if rest.contains(['?', '#']) {
            return Err("a CA's server has no query and no fragment".to_owned());
        }
        if authority.contains('@') {
            let message = "a CA's server is named without a user; give --user NAME and --token-from SOURCE";
            return Err(message.to_owned());
        }
        if path.starts_with(".well-known") {
            return Err("/.well-known/est is put there by bulla; give the label alone".to_owned());
        }
        let server: ServerName = authority.parse().map_err(|why| format!("the CA's server has a wrong name: {why}"))?;
        let label = match path {
            "" => None,
            "." | ".." => return Err("the label must be a name".to_owned()),
            label if label.contains('/') => return Err("the label is one word without a slash".to_owned()),
            label if label == FULL_CMC || Operation::ALL.iter().any(|operation| operation.name() == label) => {
                return Err(format!("{label} is an operation of EST, and cannot be a label"));
            }
            label if label.len() > LABEL_LENGTH => {
                return Err(format!("the label is longer than {LABEL_LENGTH} characters"));
            }
            label if label.bytes().all(|byte| byte.is_ascii_alphanumeric() || SEGMENT.contains(&byte)) => {
                Some(label.to_owned())
            }
            _ => return Err("the label has characters that no path has".to_owned()),
        };
        Ok(Self { server, label })
    }
}

impl fmt::Display for EstUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.label {
            Some(label) => write!(f, "est://{}/{label}", self.server),
            None => write!(f, "est://{}", self.server),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_by_host_port_and_label() {
        for (text, host, port, label) in [
            ("est://est.example", "est.example", 443, None),
            ("EST://est.example/", "est.example", 443, None),
            ("est://est.example:8443/idevid", "est.example", 8443, Some("idevid")),
            ("est://192.0.2.1:8443/ca:1", "192.0.2.1", 8443, Some("ca:1")),
            ("est://[2001:db8::1]:8443", "2001:db8::1", 8443, None),
        ] {
            assert!(EstUrl::is_meant(text));
            let url: EstUrl = text.parse().unwrap();
            assert_eq!((url.server.host.as_str(), url.server.port, url.label.as_deref()), (host, port, label));
            assert_eq!(url.to_string().parse::<EstUrl>().unwrap(), url);
        }
    }

    #[test]
    fn whatever_else_a_url_may_have_is_refused() {
        for text in [
            "est://",
            "est:///idevid",
            "est://est.example:0",
            "est://est.example:99999",
            "est://est.example:",
            "est://user:secret@est.example",
            "est://est.example/a?b",
            "est://est.example?b",
            "est://est.example/a#b",
            "est://est.example/a/b",
            "est://est.example/.well-known/est",
            "est://est.example/cacerts",
            "est://est.example/..",
            "est://est.example/a%2fb",
            "est://est.example/a b",
            "est://est.example/\u{e4}",
            "https://est.example",
            "scep://est.example",
            &format!("est://est.example/{}", "a".repeat(129)),
        ] {
            assert!(EstUrl::is_meant(text));
            assert!(text.parse::<EstUrl>().is_err(), "{text}");
        }
        for folder in ["acme", "/var/lib/acme", "acme/device", "a:b", "://a", "a b://c", "./est://"] {
            assert!(!EstUrl::is_meant(folder), "{folder}");
        }
    }
}
