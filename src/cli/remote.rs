//! Flags about a CA's server, shared by `enroll` and `renew`: whom to trust, what to show, how long to wait.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::Context;
use super::error::{Credential, Usage};
use super::est_url::EstUrl;
use super::keys::{self, PassphraseFrom, Unlock};
use super::obtain::ObtainArgs;
use super::trust;
use crate::enroll::est::{self, Client};
use crate::files::{Output, from_hex};
use crate::key::{Digest, Hash, KeyRef, SoftwareKey};
use crate::net::{self, Identity, Proxy, Trust};
use crate::x509::Chain;
use crate::x509::verify::Anchors;

/// Flags about a CA's server.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "CA server")]
pub struct RemoteArgs {
    /// The token that the CA gave out: env:VAR, file:PATH, fd:N or prompt
    #[arg(long, value_name = "SOURCE")]
    token_from: Option<PassphraseFrom>,
    /// The user name that goes with the token, by HTTP Basic; without one the token goes as Bearer
    #[arg(long, value_name = "NAME", requires = "token_from", value_parser = parse_user)]
    user: Option<String>,
    /// The certificate to show to the server, with those of its CAs
    #[arg(long, value_name = "FILE")]
    client_cert: Option<PathBuf>,
    /// The private key of that certificate
    #[arg(long, value_name = "KEY")]
    client_key: Option<KeyRef>,
    /// The passphrase of --client-key: env:VAR, file:PATH, fd:N or prompt
    #[arg(long, value_name = "SOURCE", requires = "client_key")]
    client_passphrase_from: Option<PassphraseFrom>,
    /// Certificates of CAs that vouch for the server and for what it issues
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// Certificates of CAs that vouch for the server alone; what it issues is vouched for by --trust, or by the CA
    /// certificates that it gives out, which --ca-out keeps
    #[arg(long, value_name = "FILE")]
    server_trust: Option<PathBuf>,
    /// The SHA-256 of the CA's root certificate: fetches that root, and trusts it as --trust does
    #[arg(long, value_name = "sha256:HEX", value_parser = parse_fingerprint, conflicts_with_all = ["trust", "server_trust"])]
    ca_fingerprint: Option<Digest>,
    /// Where the root certificates that were fetched go
    #[arg(long, value_name = "FILE")]
    ca_out: Option<PathBuf>,
    /// How long to wait for a CA that decides later, as 30s, 10m, 2h or 1d; without it the exit code is 6
    #[arg(long, value_name = "TIME", value_parser = parse_wait)]
    wait: Option<Duration>,
    /// How long the server may take to connect, and for each request, in seconds; 10 and 30 where not said
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: Option<u64>,
}

/// What is shown of the client in the TLS handshake, and the key behind it.
pub struct ClientCertificate {
    pub identity: Identity,
    pub chain: Chain,
    pub key: Arc<SoftwareKey>,
}

/// A token, and who shows it.
pub struct Secret<'a> {
    pub token: Zeroizing<String>,
    pub user: Option<&'a str>,
}

impl RemoteArgs {
    /// The first of the flags that is given.
    fn first_given(&self) -> Option<&'static str> {
        let Self {
            token_from,
            user,
            client_cert,
            client_key,
            client_passphrase_from,
            trust,
            server_trust,
            ca_fingerprint,
            ca_out,
            wait,
            timeout,
        } = self;
        let given = [
            (token_from.is_some(), "--token-from"),
            (user.is_some(), "--user"),
            (client_cert.is_some(), "--client-cert"),
            (client_key.is_some(), "--client-key"),
            (client_passphrase_from.is_some(), "--client-passphrase-from"),
            (trust.is_some(), "--trust"),
            (server_trust.is_some(), "--server-trust"),
            (ca_fingerprint.is_some(), "--ca-fingerprint"),
            (ca_out.is_some(), "--ca-out"),
            (wait.is_some(), "--wait"),
            (timeout.is_some(), "--timeout"),
        ];
        given.into_iter().find_map(|(is_given, flag)| is_given.then_some(flag))
    }

    /// Refuses flags that do not go together, before anything is opened.
    pub fn check(&self) -> Result<(), Usage> {
        let message = match (&self.trust, &self.server_trust, &self.ca_fingerprint, &self.ca_out) {
            (None, None, None, _) => {
                "say whom to trust: --trust FILE, --server-trust FILE or --ca-fingerprint sha256:HEX"
            }
            (None, Some(_), _, None) => {
                "--server-trust vouches for the server alone; add --ca-out FILE for the CA's roots"
            }
            (Some(_), _, _, Some(_)) => "--ca-out keeps what was fetched, and --trust has it already",
            _ => return Ok(()),
        };
        Err(Usage(message.to_owned()))
    }

    /// What to show to the server as a TLS client: the certificate and key that are given, else those of a certificate that
    /// is renewed, and of its key where that stays.
    pub fn identity(
        &self,
        renewed: Option<&Chain>,
        kept: Option<Arc<SoftwareKey>>,
        context: &Context,
    ) -> anyhow::Result<Option<ClientCertificate>> {
        let chain = match (&self.client_cert, renewed) {
            (Some(path), _) => Chain::read(path)?,
            (None, Some(renewed)) => renewed.clone(),
            (None, None) if self.client_key.is_some() => {
                return Err(Usage("--client-key needs its certificate: add --client-cert FILE".to_owned()).into());
            }
            (None, None) => return Ok(None),
        };
        let key = match (&self.client_key, kept.filter(|_| self.client_cert.is_none())) {
            (Some(reference), _) => {
                let unlock = Unlock {
                    from: self.client_passphrase_from.as_ref(),
                    flag: "--client-passphrase-from",
                    what: "passphrase of the client's key",
                };
                Arc::new(keys::open(reference, unlock, context)?)
            }
            (None, Some(kept)) => kept,
            (None, None) => {
                let message = "a certificate is shown to the server with its key: add --client-key KEY";
                return Err(Usage(message.to_owned()).into());
            }
        };
        let identity = Identity::new(chain.without_root().to_vec(), key.clone())?;
        Ok(Some(ClientCertificate { identity, chain, key }))
    }

    /// Refuses every one of these flags, since the CA is a folder.
    pub fn check_near(&self) -> Result<(), Usage> {
        self.first_given().map_or(Ok(()), |flag| Err(only_with_server(flag)))
    }

    /// Until when it is waited for a CA that decides later.
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.wait.unwrap_or_default()
    }

    /// Where the roots go that are fetched.
    pub fn ca_out(&self, obtain: &ObtainArgs) -> anyhow::Result<Option<Output>> {
        self.ca_out.as_deref().map(|path| obtain.beside("--ca-out", path, false)).transpose()
    }

    /// The token, where one is given.
    pub fn secret(&self) -> anyhow::Result<Option<Secret<'_>>> {
        const WHAT: &str = "token";
        let Some(from) = &self.token_from else { return Ok(None) };
        let bytes = from.secret(WHAT, false)?;
        // What goes into a header field as it is: visible ASCII (RFC 6750 section 2.1 has less). Basic encodes it.
        let fits = |byte: &u8| if self.user.is_some() { !byte.is_ascii_control() } else { byte.is_ascii_graphic() };
        match std::str::from_utf8(&bytes) {
            Ok(text) if !text.is_empty() && bytes.iter().all(fits) => {
                Ok(Some(Secret { token: Zeroizing::new(text.to_owned()), user: self.user.as_deref() }))
            }
            _ => Err(Credential {
                message: "the token is empty, or has characters that no token has".to_owned(),
                hint: "check what --token-from gives".to_owned(),
            }
            .into()),
        }
    }

    /// Opens the way to the server, and finds out whom to believe.
    pub fn connect(&self, url: &EstUrl, identity: Option<Identity>) -> anyhow::Result<Client> {
        let proxy = Proxy::for_server(&url.server, |name| std::env::var(name).ok())?;
        let way = |trust, identity| {
            let client = net::Client { identity, proxy: proxy.clone(), ..net::Client::new(url.server.clone(), trust) };
            let seconds = self.timeout.map(Duration::from_secs);
            let connect_timeout = seconds.unwrap_or(client.connect_timeout);
            Box::new(net::Client { connect_timeout, timeout: seconds.unwrap_or(client.timeout), ..client })
        };
        let read =
            |path: &Option<PathBuf>| path.as_ref().map(|path| trust::anchors(std::slice::from_ref(path))).transpose();
        let (mut anchors, of_server) = (read(&self.trust)?, read(&self.server_trust)?);
        if let Some(fingerprint) = &self.ca_fingerprint {
            // Nobody vouches for this connection: neither the token nor the client's certificate goes over it.
            let anyone = way(Trust::Anyone, None);
            let root = est::bootstrap(anyone, url.server.clone(), url.label.clone(), fingerprint)?;
            anchors = Some(Anchors::new(vec![root])?);
        }
        let Some(of_server) = of_server.or_else(|| anchors.clone()) else {
            return Err(Usage("say whom to trust".to_owned()).into());
        };
        let transport = way(Trust::Anchors(of_server), identity);
        Ok(Client::new(transport, url.server.clone(), url.label.clone(), anchors))
    }
}

/// What is wrong with a flag that only a CA's server can honour.
pub fn only_with_server(flag: &str) -> Usage {
    Usage(format!("{flag} goes with a CA's server, and --ca names a folder"))
}

/// Reads a user name of HTTP Basic, which ends at the first colon (RFC 7617 section 2).
fn parse_user(text: &str) -> Result<String, String> {
    let fits = !text.is_empty() && !text.chars().any(|c| c == ':' || c.is_control());
    fits.then(|| text.to_owned()).ok_or_else(|| "must be a name without a colon".to_owned())
}

/// Reads the SHA-256 of a certificate: `sha256:` and hexadecimal, with or without colons.
fn parse_fingerprint(text: &str) -> Result<Digest, String> {
    let digits = text.strip_prefix("sha256:").map(|digits| digits.replace(':', ""));
    let digest = digits.and_then(|digits| Digest::from_bytes(Hash::Sha256, &from_hex(&digits)?));
    digest.ok_or_else(|| "must be sha256: and 64 hexadecimal digits".to_owned())
}

/// Longest time that is waited for a CA, in seconds: a week. Whoever is slower has a ticket.
const WAIT_LIMIT: u64 = 7 * 86_400;

/// Reads a number of seconds, minutes, hours or days.
fn parse_wait(text: &str) -> Result<Duration, String> {
    let wrong = || "must be a time as 30s, 10m, 2h or 1d, and at most 7d".to_owned();
    let unit = text.chars().last().and_then(|unit| match unit {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3600),
        'd' => Some(86_400),
        _ => None,
    });
    let (number, unit) = text.get(..text.len().saturating_sub(1)).zip(unit).ok_or_else(wrong)?;
    let seconds = number.parse::<u32>().ok().map(|number| u64::from(number) * unit).filter(|all| *all <= WAIT_LIMIT);
    seconds.map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_strictly() {
        for (text, seconds) in [("30s", 30), ("10m", 600), ("2h", 7200), ("7d", WAIT_LIMIT), ("0s", 0)] {
            assert_eq!(parse_wait(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "s", "30", "-1s", "1.5h", "8d", "99999999999s", "1w", "1\u{e4}", "\u{e4}"] {
            assert!(parse_wait(text).is_err(), "{text}");
        }
        let digits = "0123456789abcdef".repeat(4);
        let colons: Vec<&str> = (0..64).step_by(2).map(|at| &digits[at..at + 2]).collect();
        for text in [digits.clone(), digits.to_uppercase(), colons.join(":")] {
            assert_eq!(parse_fingerprint(&format!("sha256:{text}")).unwrap().to_string(), digits);
        }
        for text in ["", "sha256:", "sha256:00", &digits, &format!("sha1:{digits}"), &format!("sha256:{digits}00")] {
            assert!(parse_fingerprint(text).is_err(), "{text}");
        }
        assert!(parse_user("SN-42").is_ok());
        for text in ["", "a:b", "a\nb"] {
            assert!(parse_user(text).is_err(), "{text:?}");
        }
    }
}
