//! Signing in two steps, where the key is not at hand: what is to be signed goes out, a signature comes back.

use serde_json::{Value, json};

use super::format::{Existing, ImageFormat, Maker, Message, Round, Settings};
use super::sign::{check, checked};
use super::{Error, Layout, Source};
use crate::files::{Document, Kind, from_hex, to_hex};
use crate::key::{self, KeyId, PublicKey, Scheme};
use crate::x509::{Certificate, Chain, Time};

/// The schema of a prepared signature.
const SCHEMA: &str = "bulla.prepared/1";

/// Most bytes of a message that is prepared: it stands in the JSON in hexadecimal, which has to be read back.
const PREPARED_LIMIT: u64 = 16 << 20;

/// A signature that is not made yet: how the image was laid out, and what is to be signed of it.
///
/// The image itself stays where it is; [`attach`](Self::attach) lays it out again in the same way, and refuses where
/// that gives something else to sign.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// The format's name.
    pub format: String,
    /// The format's settings.
    pub settings: Settings,
    /// What becomes of signatures that the image has.
    pub existing: Existing,
    /// The public half of the key that is to sign.
    pub key: PublicKey,
    /// The signer's certificate and those above it.
    pub chain: Option<Chain>,
    /// The signing time that is claimed.
    pub time: Time,
    /// The signatures of the rounds before.
    pub signatures: Vec<Vec<u8>>,
    /// The scheme of the signature that is missing.
    pub scheme: Scheme,
    /// What it covers: the message, or its digest where the scheme has a hash and the message is long.
    pub message: Message,
}

/// Most commas and brackets in what is read. What is written has some tens besides those in its settings, and a value takes
/// ten times the memory of its text.
const VALUES_LIMIT: usize = 100_000;

/// How far a signature has come.
pub enum Step {
    /// All are there: the signed image.
    Done(Layout),
    /// The format signs once more, over what it has now.
    Again(Box<Prepared>),
}

impl Prepared {
    /// Lays an image out and returns what is to be signed first.
    pub fn new(
        format: &dyn ImageFormat,
        source: &mut Source<'_>,
        maker: &Maker<'_>,
        settings: &Settings,
    ) -> Result<Self, Error> {
        let key = maker.key()?.clone();
        let plan = format.plan(source, maker, settings)?;
        let Round { scheme, message } = plan.round(&[])?.ok_or(Error::KeyNeeded)?;
        if matches!(&message, Message::Bytes(bytes) if bytes.len() as u64 > PREPARED_LIMIT) {
            return Err(Error::TooLarge { path: source.path().to_owned(), limit: PREPARED_LIMIT });
        }
        Ok(Self {
            format: format.name().to_owned(),
            settings: settings.clone(),
            existing: maker.existing,
            key,
            chain: maker.chain.cloned(),
            time: maker.time,
            signatures: Vec::new(),
            scheme,
            message,
        })
    }

    /// Takes the signature that was made elsewhere: checks it, and places it. An ECDSA signature is DER, or r‖s as
    /// tokens make it.
    pub fn attach(self, format: &dyn ImageFormat, source: &mut Source<'_>, signature: &[u8]) -> Result<Step, Error> {
        let maker =
            Maker { key: Some(&self.key), chain: self.chain.as_ref(), time: self.time, existing: self.existing };
        let plan = format.plan(source, &maker, &self.settings)?;
        // What a second signature covers may be the first one, which says nothing of the image as it is now.
        for (done, signature) in self.signatures.iter().enumerate() {
            let round = plan.round(&self.signatures[..done])?.ok_or(Error::PreparedDiffers)?;
            check(&self.key, &round, signature).map_err(|_| Error::PreparedDiffers)?;
        }
        let round = plan.round(&self.signatures)?.ok_or(Error::PreparedDiffers)?;
        if (&round.scheme, &round.message) != (&self.scheme, &self.message) {
            return Err(Error::PreparedDiffers);
        }
        let signature = checked(&self.key, &round, signature.to_vec())?;
        let signatures = [self.signatures, vec![signature]].concat();
        Ok(match plan.round(&signatures)? {
            None => Step::Done(plan.attach(source, &signatures)?),
            Some(Round { scheme, message }) => Step::Again(Box::new(Self { signatures, scheme, message, ..self })),
        })
    }

    /// The bytes that another tool has to sign: the digest, where [`Message`] is one, else the message.
    pub fn to_be_signed(&self) -> &[u8] {
        match &self.message {
            Message::Bytes(bytes) => bytes,
            Message::Digest(digest) => digest.bytes(),
        }
    }

    /// Writes it as JSON, keys sorted.
    pub fn to_json(&self) -> Value {
        let Self { format, settings, existing, key, chain, time, signatures, scheme, message } = self;
        let settings: serde_json::Map<String, Value> =
            settings.iter().map(|(name, values)| (name.to_owned(), json!(values))).collect();
        let pem = |kind, der: &[u8]| Document::to_pem(kind, der).to_string();
        let chain = chain.as_ref().map(|chain| {
            chain.certificates().iter().map(|each| pem(Kind::Certificate, each.der())).collect::<Vec<_>>()
        });
        let input = match message {
            Message::Bytes(_) => "message",
            Message::Digest(_) => "digest",
        };
        json!({
            "schema": SCHEMA,
            "as": format,
            "settings": settings,
            "existing": existing.name(),
            "public_key": pem(Kind::PublicKey, key.spki()),
            "key_id": key.id().map(|id| id.to_string()),
            "chain": chain,
            "time": time.unix_timestamp(),
            "signatures": signatures.iter().map(|each| to_hex(each)).collect::<Vec<_>>(),
            "scheme": scheme.to_string(),
            "hash": scheme.hash().map(|hash| hash.name()),
            "input": input,
            "to_be_signed": to_hex(self.to_be_signed()),
        })
    }

    /// Reads what [`to_json`](Self::to_json) wrote.
    pub fn from_json(bytes: &[u8]) -> Result<Self, Error> {
        let values = bytes.iter().filter(|byte| b",[{".contains(byte)).count();
        if values > VALUES_LIMIT {
            return Err(Error::Prepared { what: "it has too many values" });
        }
        let value: Value = serde_json::from_slice(bytes).map_err(|_| Error::Prepared { what: "it is no JSON" })?;
        let text = |name: &'static str| value[name].as_str().ok_or(Error::Prepared { what: name });
        if text("schema")? != SCHEMA {
            return Err(Error::Prepared { what: "its schema is another" });
        }
        let mut settings = Settings::default();
        for (name, values) in value["settings"].as_object().ok_or(Error::Prepared { what: "settings" })? {
            for value in values.as_array().ok_or(Error::Prepared { what: "settings" })? {
                settings.add(name, value.as_str().ok_or(Error::Prepared { what: "settings" })?);
            }
        }
        let id = match &value["key_id"] {
            Value::Null => None,
            id => Some(id.as_str().and_then(KeyId::parse).ok_or(Error::Prepared { what: "key_id" })?),
        };
        let key = PublicKey::from_spki(&from_pem(text("public_key")?, Kind::PublicKey, "public_key")?)?.with_id(id);
        let chain = match &value["chain"] {
            Value::Null => None,
            list => {
                let mut certificates = Vec::new();
                for text in list.as_array().ok_or(Error::Prepared { what: "chain" })? {
                    let text = text.as_str().ok_or(Error::Prepared { what: "chain" })?;
                    certificates.push(Certificate::from_der(&from_pem(text, Kind::Certificate, "chain")?)?);
                }
                Some(Chain::new(certificates)?)
            }
        };
        let time = value["time"].as_i64().and_then(|seconds| Time::from_unix_timestamp(seconds).ok());
        let signatures = value["signatures"]
            .as_array()
            .and_then(|list| list.iter().map(|each| each.as_str().and_then(from_hex)).collect::<Option<Vec<_>>>());
        let name = text("scheme")?;
        let scheme = key.key_type().schemes().iter().find(|scheme| scheme.to_string() == name);
        let scheme = *scheme.ok_or(Error::Prepared { what: "scheme" })?;
        let to_be_signed = from_hex(text("to_be_signed")?).ok_or(Error::Prepared { what: "to_be_signed" })?;
        let message = match (text("input")?, scheme.hash()) {
            ("message", _) => Message::Bytes(to_be_signed.into()),
            ("digest", Some(hash)) => Message::Digest(
                key::Digest::from_bytes(hash, &to_be_signed).ok_or(Error::Prepared { what: "to_be_signed" })?,
            ),
            _ => return Err(Error::Prepared { what: "input" }),
        };
        let existing = Existing::ALL.into_iter().find(|each| value["existing"] == each.name());
        Ok(Self {
            format: text("as")?.to_owned(),
            settings,
            existing: existing.ok_or(Error::Prepared { what: "existing" })?,
            key,
            chain,
            time: time.ok_or(Error::Prepared { what: "time" })?,
            signatures: signatures.ok_or(Error::Prepared { what: "signatures" })?,
            scheme,
            message,
        })
    }
}

fn from_pem(text: &str, kind: Kind, what: &'static str) -> Result<Vec<u8>, Error> {
    let path = std::path::Path::new(what);
    match crate::files::documents(text.as_bytes(), path, kind.noun()) {
        Ok(documents) if documents.len() == 1 && documents[0].kind == kind => Ok(documents[0].der.to_vec()),
        _ => Err(Error::Prepared { what }),
    }
}
