//! `--as minisign`: the signature file of minisign, detached. Written prehashed; read prehashed or legacy.
//!
//! ```text
//! minisig = "untrusted comment: " comment LF base64(signature) LF       ; jedisct1/minisign src/minisign.c, sig_load
//!           "trusted comment: " comment LF base64(global) LF
//! signature = algorithm 2  key id 8  ed25519 64
//! algorithm = "ED" / "Ed"       ; Ed25519 over BLAKE2b-512 of the file; over the file itself, legacy
//! global    = ed25519 64        ; Ed25519 over the other signature's 64 bytes and the trusted comment
//! ```
//!
//! Neither the untrusted comment nor the key id is signed. What minisign refuses is refused; beyond that, base64 must be
//! the only one for its bytes, and nothing may follow.

use std::path::Path;

use super::{
    Bad, Description, Error, Evidence, Facts, Fault, ImageFormat, Layout, MESSAGE_LIMIT, Maker, Message, Named, Piece,
    Plan, Reading, Round, Setting, Settings, Signatory, Source, Takes, Trust, Unfit,
};
use crate::files::Commented;
use crate::key::{Blake2b, KeyId, KeyType, Scheme};
use crate::x509::Time;

/// The format.
pub struct Minisign;

const TRUSTED_COMMENT: Setting = Setting::signing(
    "trusted-comment",
    Takes::One("TEXT"),
    "A line of text that is signed too; by default the time and the file's name",
);
const UNTRUSTED_COMMENT: Setting =
    Setting::signing("untrusted-comment", Takes::One("TEXT"), "A line of text that is not signed");
const REQUIRE_PREHASHED: Setting = Setting::verifying(
    "require-prehashed",
    Takes::Nothing,
    "Refuse a legacy signature, which goes over the file itself and not its digest",
);

/// What stands before the comment that is signed.
const TRUSTED: &str = "trusted comment: ";

/// Most bytes of a comment with what stands before it and the line end: one less than minisign's buffers
/// (jedisct1/minisign `src/minisign.h`, COMMENTMAXBYTES and TRUSTEDCOMMENTMAXBYTES).
const UNTRUSTED_LIMIT: usize = 1023;
const TRUSTED_LIMIT: usize = 8191;

/// No signature file is larger: the two comments, and 192 bytes and line ends.
const FILE_LIMIT: u64 = 16 << 10;

/// Ed25519 over BLAKE2b-512 of the file, and over the file itself.
const PREHASHED: &[u8; 2] = b"ED";
const LEGACY: &[u8; 2] = b"Ed";

struct Planned {
    id: KeyId,
    digest: [u8; 64],
    trusted: String,
    untrusted: String,
}

impl ImageFormat for Minisign {
    fn name(&self) -> &'static str {
        "minisign"
    }

    fn about(&self) -> &'static str {
        "The signature file of minisign, for Ed25519 keys"
    }

    fn settings(&self) -> &'static [Setting] {
        &[TRUSTED_COMMENT, UNTRUSTED_COMMENT, REQUIRE_PREHASHED]
    }

    fn is_detached(&self) -> bool {
        true
    }

    fn plan(&self, source: &mut Source<'_>, maker: &Maker<'_>, settings: &Settings) -> Result<Box<dyn Plan>, Error> {
        let key = maker.key()?;
        if key.key_type() != KeyType::Ed25519 {
            return Err(Unfit::KeyType { key: key.key_type(), format: self.name(), takes: "Ed25519" }.into());
        }
        let trusted = match settings.text(TRUSTED_COMMENT.name) {
            Some(text) => text.to_owned(),
            None => usual_comment(maker.time, source.path())?,
        };
        let untrusted = settings.text(UNTRUSTED_COMMENT.name).unwrap_or("signature from bulla").to_owned();
        check_comment(&TRUSTED_COMMENT, &trusted, TRUSTED, TRUSTED_LIMIT)?;
        check_comment(&UNTRUSTED_COMMENT, &untrusted, Commented::UNTRUSTED, UNTRUSTED_LIMIT)?;
        let (digest, _) = prehash(source)?;
        Ok(Box::new(Planned { id: KeyId::of(key), digest, trusted, untrusted }))
    }

    fn read(&self, source: &mut Source<'_>, evidence: &Evidence<'_>, settings: &Settings) -> Result<Reading, Fault> {
        let Minisig { algorithm, id, signature, trusted, global, .. } = Minisig::parse(evidence.signature()?)?;
        if algorithm == Algorithm::Legacy && settings.has(REQUIRE_PREHASHED.name) {
            return Err(Bad::new("algorithm", "the signature is a legacy one, and a prehashed one is asked for").into());
        }
        if let Trust::Key(key) = &evidence.policy.trust
            && let Some(expected) = key.id().filter(|expected| *expected != id)
        {
            let words = format!("the signature is by key {id}, and key {expected} is trusted");
            return Err(Bad::new("key-id", words).into());
        }
        let (message, covered) = match algorithm {
            Algorithm::Prehashed => {
                let (digest, length) = prehash(source)?;
                (digest.to_vec(), length)
            }
            Algorithm::Legacy => {
                let bytes = source.bytes(MESSAGE_LIMIT)?;
                let length = bytes.len() as u64;
                (bytes, length)
            }
        };
        let over_comment = round([&signature, trusted.as_bytes()].concat());
        let signatory = Signatory {
            named: Named::Nobody,
            rounds: vec![(round(message), signature), (over_comment, global)],
            digest: None,
            certificates: Vec::new(),
            rule: None,
            signing_time: None,
        };
        let facts = Facts { covered, remarks: vec![("trusted comment", trusted)], ..Facts::default() };
        Ok(Reading { signatories: vec![signatory], facts, content: None })
    }

    fn describe(&self, source: &mut Source<'_>) -> Result<Option<Description>, Error> {
        let length = source.seekable()?;
        if length > FILE_LIMIT {
            return Ok(None);
        }
        let Ok(found) = Minisig::parse(&source.span(0..length)?) else { return Ok(None) };
        let algorithm = match found.algorithm {
            Algorithm::Prehashed => "Ed25519 over BLAKE2b-512",
            Algorithm::Legacy => "Ed25519 over the file itself, legacy",
        };
        let rows = vec![
            ("algorithm", algorithm.to_owned()),
            ("key id", found.id.to_string()),
            ("trusted comment", found.trusted),
            ("untrusted comment", found.untrusted),
        ];
        Ok(Some(Description { kind: "minisign signature", rows }))
    }
}

impl Plan for Planned {
    fn round(&self, signatures: &[Vec<u8>]) -> Result<Option<Round>, Error> {
        Ok(match signatures {
            [] => Some(round(self.digest.to_vec())),
            [signature] => Some(round([signature, self.trusted.as_bytes()].concat())),
            _ => None,
        })
    }

    fn attach(&self, _source: &mut Source<'_>, signatures: &[Vec<u8>]) -> Result<Layout, Error> {
        let [signature, global] = signatures else { return Err(Error::Prepared { what: "signatures" }) };
        let signature = [PREHASHED, &self.id.bytes()[..], signature].concat();
        let lines = [
            Commented::write(Commented::UNTRUSTED, &self.untrusted, &signature),
            Commented::write(TRUSTED, &self.trusted, global),
        ];
        Ok(Layout::new(lines.map(|lines| Piece::Bytes(lines.as_bytes().to_vec()))))
    }
}

fn round(message: Vec<u8>) -> Round {
    Round { scheme: Scheme::Ed25519, message: Message::Bytes(message.into()) }
}

/// Reads the whole image; returns its BLAKE2b-512 and its length.
fn prehash(source: &mut Source<'_>) -> Result<([u8; 64], u64), Error> {
    let mut hasher = Blake2b::default();
    let length = source.stream(|bytes| {
        hasher.update(bytes);
        Ok(())
    })?;
    Ok((hasher.finish(), length))
}

/// The trusted comment that minisign writes; standard input has no name to say.
fn usual_comment(time: Time, path: &Path) -> Result<String, Error> {
    let time = time.unix_timestamp();
    let name = path.file_name().filter(|_| path != Path::new("-"));
    let Some(name) = name else { return Ok(format!("timestamp:{time}\thashed")) };
    let name = name.to_str().filter(|name| is_line(name));
    let name =
        name.ok_or_else(|| Error::setting(TRUSTED_COMMENT.name, "the file's name is no line of text; say another"))?;
    Ok(format!("timestamp:{time}\tfile:{name}\thashed"))
}

/// Whether minisign takes a text as trusted comment: no control characters but the tabulator (`is_printable` in
/// jedisct1/minisign `src/minisign.c`).
fn is_line(text: &str) -> bool {
    text.chars().all(|c| c == '\t' || !c.is_control())
}

fn check_comment(setting: &Setting, text: &str, mark: &str, limit: usize) -> Result<(), Error> {
    if !is_line(text) {
        return Err(Error::setting(setting.name, "it is no line of text: it has control characters"));
    }
    let most = limit - mark.len() - 1;
    if text.len() > most {
        return Err(Error::setting(setting.name, format!("it has {} bytes, and {most} are the most", text.len())));
    }
    Ok(())
}

/// What a signature file says, before anything of it is believed.
struct Minisig {
    algorithm: Algorithm,
    id: KeyId,
    signature: Vec<u8>,
    global: Vec<u8>,
    trusted: String,
    untrusted: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Prehashed,
    Legacy,
}

impl Minisig {
    fn parse(mut text: &[u8]) -> Result<Self, Bad> {
        let bad = |why: &str| Bad::new("malformed", format!("the minisign signature cannot be read: {why}"));
        let first = Commented::take(&mut text, Commented::UNTRUSTED, UNTRUSTED_LIMIT).map_err(bad)?;
        let second = Commented::take(&mut text, TRUSTED, TRUSTED_LIMIT)
            .map_err(|why| bad(&format!("of the trusted comment, {why}")))?;
        if !text.is_empty() {
            return Err(bad("more follows it"));
        }
        let parts = first.data.split_first_chunk::<2>().and_then(|(algorithm, rest)| {
            let (id, signature) = rest.split_first_chunk::<8>()?;
            (signature.len() == 64).then_some((algorithm, *id, signature))
        });
        let (algorithm, id, signature) = parts.ok_or_else(|| bad("it has another length"))?;
        if second.data.len() != 64 {
            return Err(bad("the signature of the trusted comment has another length"));
        }
        let trusted = str::from_utf8(second.comment).ok().filter(|text| is_line(text));
        let algorithm = match algorithm {
            PREHASHED => Algorithm::Prehashed,
            LEGACY => Algorithm::Legacy,
            _ => return Err(Bad::new("algorithm", "the signature is of an algorithm that minisign does not have")),
        };
        Ok(Self {
            algorithm,
            id: KeyId::from_bytes(id),
            signature: signature.to_vec(),
            global: second.data.to_vec(),
            trusted: trusted.ok_or_else(|| bad("the trusted comment has control characters"))?.to_owned(),
            untrusted: String::from_utf8_lossy(first.comment).into_owned(),
        })
    }
}
