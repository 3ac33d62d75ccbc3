//! TLS: keys of ours in rustls, and who judges the other end's certificates.
//!
//! Chains are judged by [`verify::path`] and handshake signatures are checked by [`PublicKey::verify`](crate::key::PublicKey::verify),
//! like all others: rustls brings the protocol alone.

use std::fmt;
use std::io;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName as TlsName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, CommonState, DigitallySignedStruct, DistinguishedName,
    OtherError, PeerMisbehaved, ProtocolVersion, ServerConfig, SignatureAlgorithm, SignatureScheme,
};

use super::{Error, Peer, TlsVersion};
use crate::key::{self, Hash, Input, KeyType, Scheme, Signer};
use crate::x509::verify::{self, Anchors, Purpose, Rules};
use crate::x509::{AltName, Certificate, Time};

/// Most certificates that a peer may show: the longest chain that is ever followed. rustls bounds their message to 64 KiB.
const CERTIFICATES_LIMIT: usize = 10;

/// Most bytes of issuers' names that a server hints at. TLS has room for 65535 (RFC 5246 section 7.4.4); with more the
/// server gives no hint, and clients show what they have.
const HINTS_LIMIT: usize = 32 << 10;

/// RFC 9266 section 2: the label of the binding.
const BINDING_LABEL: &[u8] = b"EXPORTER-Channel-Binding";

/// The ciphers and key exchanges, shared by all connections.
static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(rustls::crypto::ring::default_provider()));

/// Both versions that are safe. Whoever offers both gets the newer.
pub(super) const VERSIONS: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

/// The versions that a client speaks: the one that is asked for, or all.
pub(super) fn versions(only: Option<TlsVersion>) -> &'static [&'static rustls::SupportedProtocolVersion] {
    match only {
        // As they stand there.
        Some(TlsVersion::V1_3) => VERSIONS.split_at(1).0,
        Some(TlsVersion::V1_2) => VERSIONS.split_at(1).1,
        None => VERSIONS,
    }
}

/// The signatures of handshakes: TLS's number, our scheme, and the key that TLS 1.3 ties it to (RFC 8446 section 4.2.3), the
/// preferred first. RSA of PKCS#1 v1.5 is for TLS 1.2 alone.
const SCHEMES: [(SignatureScheme, Scheme, Option<KeyType>); 10] = [
    (SignatureScheme::ECDSA_NISTP256_SHA256, Scheme::Ecdsa(Hash::Sha256), Some(KeyType::P256)),
    (SignatureScheme::ECDSA_NISTP384_SHA384, Scheme::Ecdsa(Hash::Sha384), Some(KeyType::P384)),
    (SignatureScheme::ECDSA_NISTP521_SHA512, Scheme::Ecdsa(Hash::Sha512), Some(KeyType::P521)),
    (SignatureScheme::ED25519, Scheme::Ed25519, Some(KeyType::Ed25519)),
    (SignatureScheme::RSA_PSS_SHA256, Scheme::RsaPss(Hash::Sha256), None),
    (SignatureScheme::RSA_PSS_SHA384, Scheme::RsaPss(Hash::Sha384), None),
    (SignatureScheme::RSA_PSS_SHA512, Scheme::RsaPss(Hash::Sha512), None),
    (SignatureScheme::RSA_PKCS1_SHA256, Scheme::RsaPkcs1(Hash::Sha256), None),
    (SignatureScheme::RSA_PKCS1_SHA384, Scheme::RsaPkcs1(Hash::Sha384), None),
    (SignatureScheme::RSA_PKCS1_SHA512, Scheme::RsaPkcs1(Hash::Sha512), None),
];

/// What one end of a connection proves itself with.
#[derive(Clone, Debug)]
pub struct Identity {
    certificates: Vec<Certificate>,
    signer: Arc<dyn Signer>,
    key: Arc<CertifiedKey>,
}

impl Identity {
    /// Takes a chain, leaf first, and the key of the leaf, wherever that lives. The whole chain is shown to the peer.
    pub fn new(certificates: Vec<Certificate>, signer: Arc<dyn Signer>) -> Result<Self, Error> {
        let unfit = |why: &str| Err(Error::Identity { why: why.to_owned() });
        match certificates.first() {
            Some(leaf) if leaf.spki() == signer.public_key().spki() => {}
            Some(_) => return unfit("the certificate is for another key"),
            None => return unfit("there is no certificate"),
        }
        let key = TlsKey(signer.clone());
        if key.schemes().next().is_none() {
            return unfit(&format!("TLS has no signatures by a key of type {}", key.0.public_key().key_type()));
        }
        let shown = certificates.iter().map(|certificate| CertificateDer::from(certificate.der().to_vec())).collect();
        Ok(Self { certificates, signer, key: Arc::new(CertifiedKey::new(shown, Arc::new(key))) })
    }

    /// The certificates, leaf first.
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// Signs with the key of the leaf.
    pub fn signer(&self) -> &dyn Signer {
        self.signer.as_ref()
    }
}

/// Lends a [`Signer`] to rustls.
#[derive(Debug)]
struct TlsKey(Arc<dyn Signer>);

impl TlsKey {
    /// What this key signs handshakes with.
    fn schemes(&self) -> impl Iterator<Item = (SignatureScheme, Scheme)> {
        let key_type = self.0.public_key().key_type();
        let fits = move |tied: Option<KeyType>| tied.is_none_or(|tied| tied == key_type);
        SCHEMES
            .into_iter()
            .filter(move |(_, scheme, tied)| fits(*tied) && self.0.schemes().contains(scheme))
            .map(|(number, scheme, _)| (number, scheme))
    }
}

impl rustls::sign::SigningKey for TlsKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn rustls::sign::Signer>> {
        let (number, scheme) = self.schemes().find(|(number, _)| offered.contains(number))?;
        Some(Box::new(TlsSigner { signer: self.0.clone(), number, scheme }))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        match self.0.public_key().key_type() {
            KeyType::P256 | KeyType::P384 | KeyType::P521 => SignatureAlgorithm::ECDSA,
            KeyType::Ed25519 => SignatureAlgorithm::ED25519,
            KeyType::Rsa(_) => SignatureAlgorithm::RSA,
        }
    }
}

#[derive(Debug)]
struct TlsSigner {
    signer: Arc<dyn Signer>,
    number: SignatureScheme,
    scheme: Scheme,
}

impl rustls::sign::Signer for TlsSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        let failed = |error: key::Error| rustls::Error::Other(OtherError(Arc::new(error)));
        self.signer.sign(self.scheme, Input::Message(message)).map_err(failed)
    }

    fn scheme(&self) -> SignatureScheme {
        self.number
    }
}

/// Checks a handshake's signature by the key of a certificate.
fn verify_signature(
    version: TlsVersion,
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, rustls::Error> {
    let wrong_scheme = rustls::Error::PeerMisbehaved(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme);
    let Some((_, scheme, tied)) = SCHEMES.into_iter().find(|(number, ..)| *number == signed.scheme) else {
        return Err(wrong_scheme);
    };
    let key = read(certificate)?.public_key().map_err(|_| CertificateError::BadEncoding)?;
    let fits = match version {
        TlsVersion::V1_2 => true,
        TlsVersion::V1_3 => {
            !matches!(scheme, Scheme::RsaPkcs1(_)) && tied.is_none_or(|key_type| key_type == key.key_type())
        }
    };
    if !fits {
        return Err(wrong_scheme);
    }
    match key.verify(scheme, Input::Message(message), signed.signature()) {
        Ok(()) => Ok(HandshakeSignatureValid::assertion()),
        Err(_) => Err(CertificateError::BadSignature.into()),
    }
}

fn read(certificate: &CertificateDer<'_>) -> Result<Certificate, rustls::Error> {
    Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding.into())
}

/// Reads what a peer showed, its own certificate first.
fn read_all(leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>]) -> Result<Vec<Certificate>, rustls::Error> {
    if others.len() >= CERTIFICATES_LIMIT {
        let why = format!("the peer showed more than {CERTIFICATES_LIMIT} certificates");
        return Err(rustls::Error::General(why));
    }
    std::iter::once(leaf).chain(others).map(read).collect()
}

fn known_schemes() -> Vec<SignatureScheme> {
    SCHEMES.iter().map(|(number, ..)| *number).collect()
}

/// Judges a server; `None` takes anyone who holds the key of the certificate that is shown.
///
/// RFC 7030 section 3.6.1 would also take a server of any name whose certificate is for id-kp-cmcRA. That is not done: a
/// client here knows the name of the server that it asks.
#[derive(Debug)]
struct ServerJudge(Option<(Anchors, AltName)>);

/// Carries a refusal through rustls, which takes errors alone.
#[derive(Debug)]
struct Refused(verify::Refusal);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Refused {}

impl ServerCertVerifier for ServerJudge {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _name: &TlsName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let shown = read_all(leaf, others)?;
        let (Some((anchors, name)), [leaf, others @ ..]) = (&self.0, shown.as_slice()) else {
            return Ok(ServerCertVerified::assertion());
        };
        let now = i64::try_from(now.as_secs()).ok().and_then(|now| Time::from_unix_timestamp(now).ok());
        let now = now.ok_or(rustls::Error::FailedToGetCurrentTime)?;
        let rules = Rules { name: Some(name.clone()), ..Rules::new(Purpose::TlsServer, now) };
        match verify::path(leaf, others, anchors, &rules) {
            Ok(_) => Ok(ServerCertVerified::assertion()),
            Err(refusal) => Err(CertificateError::Other(OtherError(Arc::new(Refused(refusal)))).into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_signature(TlsVersion::V1_2, message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_signature(TlsVersion::V1_3, message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        known_schemes()
    }
}

/// Whether a server wants certificates of its clients. Which of them it believes is decided where a request is authorised.
#[derive(Clone, Debug, Default)]
pub struct ClientAuth {
    /// Whether the handshake fails without one.
    pub is_required: bool,
    /// Whose certificates clients are told to show (RFC 8446 section 4.2.4); any, where there are none. A hint, no rule.
    pub issuers: Vec<Certificate>,
}

/// Takes any certificate that can be read.
#[derive(Debug)]
struct ClientJudge {
    is_required: bool,
    hints: Vec<DistinguishedName>,
}

impl ClientCertVerifier for ClientJudge {
    fn client_auth_mandatory(&self) -> bool {
        self.is_required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        read_all(leaf, others).map(|_| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_signature(TlsVersion::V1_2, message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_signature(TlsVersion::V1_3, message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        known_schemes()
    }
}

/// The server's identity, which can be replaced while it runs: handshakes that begin afterwards show the new one.
#[derive(Clone, Debug)]
pub struct ServerIdentity(Arc<RwLock<Identity>>);

impl ServerIdentity {
    pub(super) fn new(identity: Identity) -> Self {
        Self(Arc::new(RwLock::new(identity)))
    }

    /// Puts another identity in place of the present one.
    pub fn replace(&self, identity: Identity) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = identity;
    }

    /// The present identity.
    pub fn current(&self) -> Identity {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ResolvesServerCert for ServerIdentity {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).key.clone())
    }
}

/// How a server does TLS.
///
/// Sessions are not resumed: a resumed one shows no certificates, and a client's may have been revoked since. Without them
/// there is no early data either, which could be replayed.
pub(super) fn server_config(
    versions: &[&'static rustls::SupportedProtocolVersion],
    identity: ServerIdentity,
    clients: &ClientAuth,
) -> Result<Arc<ServerConfig>, Error> {
    let name = |issuer: &Certificate| DistinguishedName::from(issuer.subject().der().to_vec());
    let mut hints: Vec<_> = clients.issuers.iter().map(name).collect();
    if hints.iter().map(|hint| hint.as_ref().len()).sum::<usize>() > HINTS_LIMIT {
        hints.clear();
    }
    let judge = ClientJudge { is_required: clients.is_required, hints };
    let mut config = ServerConfig::builder_with_provider(PROVIDER.clone())
        .with_protocol_versions(versions)
        .map_err(|error| Error::Identity { why: error.to_string() })?
        .with_client_cert_verifier(Arc::new(judge))
        .with_cert_resolver(Arc::new(identity));
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// How a client does TLS: whom it takes for the server, and what it shows where the server asks. Whatever hints the server
/// gives, the one identity is shown.
pub(super) fn client_config(
    versions: &[&'static rustls::SupportedProtocolVersion],
    trust: Option<(Anchors, AltName)>,
    identity: Option<&Identity>,
) -> Result<Arc<ClientConfig>, Error> {
    let builder = ClientConfig::builder_with_provider(PROVIDER.clone())
        .with_protocol_versions(versions)
        .map_err(|error| Error::Identity { why: error.to_string() })?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(ServerJudge(trust)));
    let mut config = match identity {
        Some(identity) => {
            let resolver: Arc<dyn ResolvesClientCert> = Arc::new(SingleCertAndKey::from(identity.key.clone()));
            builder.with_client_cert_resolver(resolver)
        }
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// What a finished handshake tells of the other end. `export` is the connection's exporter (RFC 8446 section 7.5).
pub(super) fn peer<'a>(
    address: Option<std::net::IpAddr>,
    connection: &CommonState,
    export: impl FnOnce([u8; 32], &'static [u8], Option<&'a [u8]>) -> Result<[u8; 32], rustls::Error>,
) -> Result<Peer, rustls::Error> {
    let certificates = connection.peer_certificates().unwrap_or_default().iter().map(read).collect::<Result<_, _>>()?;
    let (version, binding) = match connection.protocol_version() {
        // RFC 9266 section 2: the context has zero length.
        Some(ProtocolVersion::TLSv1_3) => (TlsVersion::V1_3, Some(export([0; 32], BINDING_LABEL, Some(&[]))?)),
        _ => (TlsVersion::V1_2, None),
    };
    Ok(Peer { address, certificates, version, binding })
}

/// Why TLS failed.
pub(super) enum Failure {
    /// The server's certificates are refused.
    Untrusted(verify::Refusal),
    /// Our own key did not sign; the words of whoever keeps it.
    Signing(String),
    /// Anything else of TLS.
    Other(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untrusted(refusal) => refusal.fmt(f),
            Self::Signing(why) => write!(f, "the key did not sign: {why}"),
            Self::Other(why) => f.write_str(why),
        }
    }
}

/// What rustls says in an error of a stream, if it is one of TLS.
pub(super) fn failure(error: &io::Error) -> Option<Failure> {
    Some(match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(why))) => {
            match why.downcast_ref::<Refused>() {
                Some(Refused(refusal)) => Failure::Untrusted(refusal.clone()),
                None => Failure::Other(why.to_string()),
            }
        }
        rustls::Error::Other(OtherError(why)) if why.is::<key::Error>() => Failure::Signing(why.to_string()),
        rustls::Error::AlertReceived(alert) => Failure::Other(format!("the other end refused: {}", alert_name(*alert))),
        error => Failure::Other(error.to_string()),
    })
}

/// The name of an alert (RFC 8446 section 6) as words: "unknown ca", "certificate required".
fn alert_name(alert: AlertDescription) -> String {
    let Some(name) = alert.as_str() else { return format!("alert {}", u8::from(alert)) };
    let mut words = String::new();
    let mut follows_lower = false;
    for c in name.chars() {
        if c.is_ascii_uppercase() && follows_lower {
            words.push(' ');
        }
        follows_lower = c.is_ascii_lowercase();
        words.push(c);
    }
    words.to_ascii_lowercase()
}
