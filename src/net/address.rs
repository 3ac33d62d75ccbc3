//! Where a server is, and the way to it.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use zeroize::Zeroizing;

use super::Error;
use crate::files;
use crate::x509::AltName;

/// Where a server is: host name or address, and port. Written `HOST:PORT`, an IPv6 address in brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerName {
    pub host: String,
    pub port: u16,
}

/// The port of HTTP over TLS.
const HTTPS_PORT: u16 = 443;

/// The port of a proxy whose URL names none, as curl has it.
const PROXY_PORT: u16 = 1080;

impl ServerName {
    /// The address, where the host is one.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Whom the server's certificate must be for.
    pub(super) fn alt_name(&self) -> AltName {
        self.address().map_or_else(|| AltName::Dns(self.host.clone()), AltName::Ip)
    }

    /// The value of the Host field, without the port that goes without saying (RFC 9110 section 7.2).
    pub(super) fn authority(&self) -> String {
        match self.port {
            HTTPS_PORT => self.bracketed(),
            _ => self.to_string(),
        }
    }

    /// Reads `HOST[:PORT]`.
    fn parse(text: &str, default_port: u16) -> Result<Self, &'static str> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or("it has no closing bracket")?;
                host.parse::<Ipv6Addr>().map_err(|_| "what is in brackets is no IPv6 address")?;
                (host, if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or("no port follows")?) })
            }
            None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        let digits = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()).then(|| port.parse().ok()).flatten();
        let port = port.map_or(Some(default_port), digits).filter(|port| *port != 0);
        let is_host = host.parse::<IpAddr>().is_ok() || (AltName::dns(host).is_ok() && !host.contains('*'));
        match (is_host, port) {
            (false, _) => Err("the host is no name and no address"),
            (true, None) => Err("the port is no number from 1 to 65535"),
            (true, Some(port)) => Ok(Self { host: host.to_owned(), port }),
        }
    }

    fn bracketed(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }
}

impl FromStr for ServerName {
    type Err = &'static str;

    /// Reads `HOST[:PORT]`, with 443 as the port that goes without saying.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text, HTTPS_PORT)
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.bracketed(), self.port)
    }
}

/// A proxy that is asked for a tunnel by CONNECT (RFC 9110 section 9.3.6).
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    pub server: ServerName,
    /// `user:password`, for Proxy-Authorization.
    pub credentials: Option<Zeroizing<String>>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let credentials = self.credentials.as_ref().map(|_| "..");
        f.debug_struct("Proxy").field("server", &self.server).field("credentials", &credentials).finish()
    }
}

impl Proxy {
    /// The proxy that the environment names for a server, as `variable` tells it: `https_proxy` or `HTTPS_PROXY`, unless
    /// `no_proxy` or `NO_PROXY` excepts the server. The small letters win.
    ///
    /// ```text
    /// https_proxy = [http://][USER[:PASSWORD]@]HOST[:PORT][/]
    /// no_proxy    = "*" | ENTRY, ...     ENTRY = [.]DOMAIN | ADDRESS | NETWORK/BITS, a DOMAIN with all below it
    /// ```
    pub fn for_server(server: &ServerName, variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, Error> {
        let either = |small: &'static str, large: &'static str| {
            let set = |name| variable(name).filter(|value| !value.trim().is_empty()).map(|value| (name, value));
            set(small).or_else(|| set(large))
        };
        let Some((variable, url)) = either("https_proxy", "HTTPS_PROXY") else { return Ok(None) };
        let url = Zeroizing::new(url);
        let excepted = either("no_proxy", "NO_PROXY").map(|(_, value)| value).unwrap_or_default();
        if excepted.split([',', ' ']).map(str::trim).any(|entry| excepts(entry, server)) {
            return Ok(None);
        }
        Self::parse(url.trim()).map(Some).map_err(|why| Error::ProxySetting { variable, why })
    }

    fn parse(url: &str) -> Result<Self, String> {
        let rest = match url.split_once("://") {
            None => url,
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("https") => {
                return Err("proxies that are spoken to by TLS are not supported, only http://".to_owned());
            }
            Some((scheme, _)) if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                return Err(format!("{}:// is not supported, only http://", files::printable(scheme)));
            }
            Some(_) => return Err("it is no URL".to_owned()),
        };
        let (credentials, server) = match rest.rsplit_once('@') {
            Some((credentials, server)) => (Some(credentials), server),
            None => (None, rest),
        };
        let server = ServerName::parse(server.trim_end_matches('/'), PROXY_PORT)?;
        let credentials = match credentials.map(decode_percent) {
            // A password of its own makes a pair (RFC 7617 section 2).
            Some(Some(pair)) if pair.contains(':') => Some(pair),
            Some(Some(user)) => Some(Zeroizing::new(format!("{}:", *user))),
            Some(None) => return Err("its user or password is not percent-encoded text".to_owned()),
            None => None,
        };
        Ok(Self { server, credentials })
    }
}

/// Decodes `%41` (RFC 3986 section 2.1); `None` where that is no text.
fn decode_percent(text: &str) -> Option<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        let (digits, after) = after.split_at_checked(2)?;
        bytes.extend(files::from_hex(digits)?);
        rest = after;
    }
    bytes.extend_from_slice(rest.as_bytes());
    std::str::from_utf8(&bytes).ok().map(|text| Zeroizing::new(text.to_owned()))
}

/// Whether an entry of `no_proxy` excepts a server.
fn excepts(entry: &str, server: &ServerName) -> bool {
    if entry == "*" {
        return true;
    }
    let (network, bits) = entry.split_once('/').map_or((entry, None), |(network, bits)| (network, Some(bits)));
    let network = network.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    match (server.address(), network, bits) {
        (Some(address), Ok(network), None) => address == network,
        (Some(address), Ok(network), Some(bits)) => bits.parse().is_ok_and(|bits| is_within(address, network, bits)),
        (None, Err(_), None) => {
            let domain = entry.trim_start_matches('.').to_ascii_lowercase();
            let host = server.host.to_ascii_lowercase();
            let above = host.strip_suffix(&domain);
            !domain.is_empty() && above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
        }
        _ => false,
    }
}

/// Whether the first `bits` of an address are those of a network of the same family.
fn is_within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let (address, network, length) = match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => (u128::from(u32::from(address)), u32::from(network).into(), 32),
        (IpAddr::V6(address), IpAddr::V6(network)) => (u128::from(address), u128::from(network), 128),
        _ => return false,
    };
    let differing = 128 - (address ^ network).leading_zeros();
    bits <= length && differing <= length - bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_written_as_they_are_read() {
        for (text, host, port, authority) in [
            ("est.example", "est.example", 443, "est.example"),
            ("est.example:8443", "est.example", 8443, "est.example:8443"),
            ("10.0.0.1:443", "10.0.0.1", 443, "10.0.0.1"),
            ("[::1]", "::1", 443, "[::1]"),
            ("[::1]:8443", "::1", 8443, "[::1]:8443"),
        ] {
            let server: ServerName = text.parse().unwrap();
            assert_eq!((server.host.as_str(), server.port, server.authority().as_str()), (host, port, authority));
            assert_eq!(server.to_string().parse(), Ok(server));
        }
        for text in [
            "",
            ":443",
            "a b",
            "a:0",
            "a:65536",
            "a:+1",
            "a:",
            "::1",
            "[::1",
            "[::1]x",
            "[a]:1",
            "*.example",
            "a:1:2",
            "user@host",
            "host/path",
            "a\r\nb",
        ] {
            assert!(text.parse::<ServerName>().is_err(), "{text:?}");
        }
    }

    fn proxy(server: &str, variables: &[(&str, &str)]) -> Result<Option<Proxy>, Error> {
        let variable = |name: &str| variables.iter().find(|(found, _)| *found == name).map(|(_, v)| (*v).to_owned());
        Proxy::for_server(&server.parse().unwrap(), variable)
    }

    #[test]
    fn the_environment_names_a_proxy() {
        let found = |variables: &[_]| {
            let found = proxy("est.example", variables).unwrap()?;
            Some((found.server.to_string(), found.credentials.map(|pair| pair.to_string())))
        };
        let some = |server: &str, pair: Option<&str>| Some((server.to_owned(), pair.map(str::to_owned)));
        assert_eq!(found(&[]), None);
        assert_eq!(found(&[("HTTPS_PROXY", " ")]), None);
        assert_eq!(found(&[("HTTPS_PROXY", "http://p:3128/")]), some("p:3128", None));
        assert_eq!(found(&[("HTTPS_PROXY", "p")]), some("p:1080", None));
        assert_eq!(found(&[("HTTPS_PROXY", "p:1"), ("https_proxy", "q:2")]), some("q:2", None));
        assert_eq!(found(&[("https_proxy", "http://u%40x:p%3A%25@[::1]:3")]), some("[::1]:3", Some("u@x:p:%")));
        assert_eq!(found(&[("https_proxy", "http://u@p:3")]), some("p:3", Some("u:")));
    }

    #[test]
    fn a_setting_that_is_no_proxy_is_named_without_its_password() {
        for (url, word) in [
            ("https://u:hunter2@p:3128", "TLS"),
            ("socks5://u:hunter2@p:1080", "socks5"),
            ("http://u:hunter2@p:99999", "port"),
            ("http://u:hunter2%4@p:1", "percent"),
            ("u:hunter2://p", "no URL"),
        ] {
            let error = proxy("est.example", &[("https_proxy", url)]).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(shown.contains("https_proxy") && shown.contains(word) && !shown.contains("hunter2"), "{shown}");
            assert!(!error.is_transient());
        }
        let shown = format!("{:?}", proxy("e", &[("https_proxy", "http://u:hunter2@p")]).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn servers_are_excepted_by_domain_address_and_network() {
        let is_direct =
            |server: &str, no: &str| proxy(server, &[("https_proxy", "p:1"), ("no_proxy", no)]).unwrap().is_none();
        for (server, no) in [
            ("a.example", "*"),
            ("a.example", "b, a.EXAMPLE"),
            ("x.a.example", "a.example"),
            ("x.a.example", ".a.example"),
            ("10.1.2.3", "10.1.2.3"),
            ("10.1.2.3", "10.0.0.0/8"),
            ("10.1.2.3", "0.0.0.0/0"),
            ("[fd00::1]", "fd00::/8"),
            ("[::1]", "[::1]"),
        ] {
            assert!(is_direct(server, no), "{server} {no}");
        }
        for (server, no) in [
            ("a.example", ""),
            ("xa.example", "a.example"),
            ("a.example", "x.a.example"),
            ("10.1.2.3", "10.1.3.0/24, 11.0.0.0/8, 10.1.2.3/33"),
            ("10.1.2.3", "::/0"),
            ("10.1.2.3", "3"),
            ("[fd00::1]", "fc00::/8"),
        ] {
            assert!(!is_direct(server, no), "{server} {no}");
        }
    }
}
