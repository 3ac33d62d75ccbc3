//! `bulla imgtool sign`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{ArgMatches, ValueEnum};

use super::{format, has_hex_name};
use crate::cli::error::Usage;
use crate::cli::keys::{self, PassphraseFrom};
use crate::cli::report::Report;
use crate::cli::sign::{check_key, report, write};
use crate::cli::{Context, product, progress, signature};
use crate::files::{self, shown, shown_output};
use crate::image::mcuboot::{self, is_hex};
use crate::image::{self, Existing, Maker, Round, Settings, Source};
use crate::key::{KeyRef, PublicKey, Signer, SoftwareKey};

/// Make an MCUboot image of a firmware
///
/// Without a key the image has a hash alone. Flags that are given twice count as they are given last. A signature that
/// another tool made is checked before anything is written.
#[derive(Debug, clap::Args)]
#[command(
    args_override_self = true,
    after_help = "\
Examples:
  $ bulla imgtool sign -k firmware.key -v 1.2.3+4 -H 32 -S 0x8000 --pad-header app.bin app.img
  $ bulla imgtool sign -v 1.2.3 -H 32 -S 0x8000 --pad-header --confirm -x 0x8000 app.bin app.hex
  $ bulla imgtool sign -v 1.2.3 -H 32 -S 0x8000 --vector-to-sign payload blank.bin tbs"
)]
pub struct Args {
    /// The firmware
    #[arg(value_name = "INFILE")]
    infile: PathBuf,
    /// Where the image goes; an existing file is replaced
    #[arg(value_name = "OUTFILE")]
    outfile: PathBuf,
    /// The private key
    #[arg(short, long, value_name = "FILE")]
    key: Option<KeyRef>,
    /// The key's passphrase: env:VAR, file:PATH, fd:N or prompt
    #[arg(long, value_name = "SOURCE", requires = "key")]
    passphrase_from: Option<PassphraseFrom>,
    /// Sign with a key whose private half is public, as those of MCUboot's own repository
    #[arg(long)]
    allow_published_key: bool,
    #[command(flatten)]
    settings: SameSettings,
    /// The address where the image starts in Intel HEX; nothing where OUTFILE is not Intel HEX
    #[arg(short = 'x', long, value_name = "ADDRESS")]
    hex_addr: Option<String>,
    /// Fill the slot, with a trailer for an image that is tried once; --confirm goes before it
    #[arg(long)]
    test: bool,
    /// The images that this one needs, as "(0, 1.2.3+0), (1, 2.0.0)"
    #[arg(short, long, value_name = "LIST")]
    dependencies: Option<String>,
    /// A TLV for the protected area: its number, and its value as text or as 0x and hexadecimal
    #[arg(long, num_args = 2, value_names = ["TAG", "VALUE"], allow_hyphen_values = true)]
    custom_tlv: Vec<String>,
    /// The same with the value in a file
    #[arg(long, num_args = 2, value_names = ["TAG", "FILE"], allow_hyphen_values = true)]
    custom_tlv_file: Vec<String>,
    /// The hash; auto goes with the key
    #[arg(long, value_name = "BITS", value_parser = ["auto", "256", "384", "512"], default_value = "auto")]
    sha: String,
    /// The hash in the key exchange of an encrypted image; auto is 256
    #[arg(long, value_name = "BITS", value_parser = ["auto", "256", "512"], default_value = "auto")]
    hmac_sha: String,
    /// Compression; bulla has none
    #[arg(long, value_name = "METHOD", value_parser = parse_compression, default_value = "disabled")]
    compression: String,
    /// A signature that another tool made, in base64
    #[arg(long, value_name = "FILE", requires = "fix_sig_pubkey", conflicts_with = "key")]
    fix_sig: Option<PathBuf>,
    /// The public half of the key that made it, or that is to sign what --vector-to-sign writes
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    fix_sig_pubkey: Option<PathBuf>,
    /// Write the signature here too, in base64
    #[arg(long, value_name = "FILE")]
    sig_out: Option<PathBuf>,
    /// Write what another tool has to sign instead of the image: the bytes, or their hash
    #[arg(long, value_enum, conflicts_with_all = ["fix_sig", "sig_out"])]
    vector_to_sign: Option<Vector>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Vector {
    Payload,
    Digest,
}

/// When a flag says something. A build gives all its flags to each image that it makes, whether signed and encrypted or
/// not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// It is asked for.
    Asked,
    Always,
    /// Of an image with a signature.
    Signed,
    /// Of an encrypted image.
    Encrypted,
}

/// Settings of the format that are flags of imgtool by the same name, each with its short flag.
const SAME: [(&str, Option<char>, When); 26] = [
    ("version", Some('v'), When::Asked),
    ("header-size", Some('H'), When::Asked),
    ("slot-size", Some('S'), When::Asked),
    ("pad-header", None, When::Always),
    ("pad", None, When::Always),
    ("confirm", None, When::Always),
    ("align", None, When::Always),
    ("max-align", None, When::Always),
    ("max-sectors", Some('M'), When::Always),
    ("overwrite-only", None, When::Always),
    ("endian", Some('e'), When::Always),
    ("load-addr", Some('L'), When::Always),
    ("rom-fixed", Some('F'), When::Always),
    ("erased-val", Some('R'), When::Always),
    ("non-bootable", None, When::Always),
    ("security-counter", Some('s'), When::Always),
    ("boot-record", None, When::Always),
    ("vid", None, When::Always),
    ("cid", None, When::Always),
    ("pure", None, When::Always),
    ("public-key-format", None, When::Signed),
    ("pad-sig", None, When::Signed),
    ("encrypt", Some('E'), When::Always),
    ("encrypt-keylen", None, When::Encrypted),
    ("clear", Some('c'), When::Encrypted),
    ("save-enctlv", None, When::Encrypted),
];

/// What was set by the flags of [`SAME`].
#[derive(Debug)]
struct SameSettings(Settings);

impl SameSettings {
    fn table() -> impl Iterator<Item = (&'static image::Setting, Option<char>, When)> {
        SAME.into_iter().filter_map(|(name, short, when)| {
            let setting = format().settings().iter().find(|setting| setting.name == name)?;
            Some((setting, short, when))
        })
    }

    /// Those that say something of the image.
    fn of(&self, is_signed: bool, is_encrypted: bool) -> Settings {
        let mut settings = Settings::default();
        for (name, values) in self.0.iter() {
            let says_something = SAME.into_iter().any(|(same, _, when)| {
                same == name
                    && match when {
                        When::Asked | When::Always => true,
                        When::Signed => is_signed,
                        When::Encrypted => is_encrypted,
                    }
            });
            if says_something {
                values.iter().for_each(|value| settings.add(name, value.as_str()));
            }
        }
        settings
    }
}

impl clap::Args for SameSettings {
    fn augment_args(command: clap::Command) -> clap::Command {
        Self::table().fold(command, |command, (setting, short, when)| {
            let flag = signature::flag(setting).short(short).required(when == When::Asked);
            command.arg(flag.help_heading("Image"))
        })
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for SameSettings {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut settings = Settings::default();
        Self::table().for_each(|(setting, ..)| signature::take(setting, matches, &mut settings));
        Ok(Self(settings))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args {
    /// The settings of the format that the flags stand for.
    fn settings(&self, is_signed: bool) -> anyhow::Result<Settings> {
        let is_encrypted = self.settings.0.has("encrypt");
        let mut settings = self.settings.of(is_signed, is_encrypted);
        if self.test && !settings.has("confirm") {
            settings.add("test", "");
        }
        if let Some(list) = &self.dependencies {
            settings.add("dependency", list.as_str());
        }
        for pair in self.custom_tlv.chunks(2) {
            settings.add("custom-tlv", pair.join("="));
        }
        for pair in self.custom_tlv_file.chunks(2) {
            let [tag, path] = pair else { continue };
            let bytes = files::read("TLV", Path::new(path), TLV_LIMIT)?;
            settings.add("custom-tlv", format!("{tag}=0x{}", files::to_hex(&bytes)));
        }
        if self.sha != "auto" {
            settings.add("hash", format!("sha{}", self.sha));
        }
        if self.hmac_sha != "auto" && is_encrypted {
            settings.add("hmac-sha", self.hmac_sha.as_str());
        }
        // The address is one of the product as Intel HEX: elsewhere it says nothing.
        match (has_hex_name(&self.outfile), &self.hex_addr) {
            (true, Some(address)) => {
                settings.add("hex", "");
                settings.add("hex-addr", address.as_str());
            }
            (true, None) => settings.add("hex", ""),
            (false, _) => settings.add("bin", ""),
        }
        Ok(settings)
    }
}

/// Longest value of a TLV: its length has 16 bits.
const TLV_LIMIT: u64 = u16::MAX as u64;

/// Reads `--compression`.
fn parse_compression(method: &str) -> Result<String, String> {
    match method {
        "disabled" => Ok(method.to_owned()),
        "lzma2" | "lzma2armthumb" => Err("bulla does not compress images; only disabled is taken".to_owned()),
        _ => Err("must be disabled".to_owned()),
    }
}

pub fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let signer: Option<SoftwareKey> = match &args.key {
        Some(key) => Some(keys::open(key, keys::own(args.passphrase_from.as_ref()), context)?),
        None => None,
    };
    let public = match (&signer, &args.fix_sig_pubkey) {
        (Some(signer), _) => Some(signer.public_key().clone()),
        (None, Some(path)) => Some(PublicKey::read(path)?),
        (None, None) => None,
    };
    let mut settings = args.settings(public.is_some())?;
    match &public {
        Some(public) => check_key(public, args.allow_published_key, context)?,
        None => settings.add("unsigned", ""),
    }
    let maker = Maker { key: public.as_ref(), chain: None, time: context.now, existing: Existing::Refuse };
    let signer = signer.as_ref().map(|signer| signer as &dyn Signer);
    let job = Job { args, settings, maker, signer };
    match args.vector_to_sign {
        Some(vector) => job.export(vector, context),
        None => job.sign(context),
    }
}

/// What is to be done.
struct Job<'a> {
    args: &'a Args,
    settings: Settings,
    maker: Maker<'a>,
    signer: Option<&'a dyn Signer>,
}

impl Job<'_> {
    fn sign(&self, context: &Context) -> anyhow::Result<ExitCode> {
        let Args { infile, outfile, fix_sig, fix_sig_pubkey, .. } = self.args;
        if fix_sig_pubkey.is_some() && fix_sig.is_none() {
            return Err(Usage("--fix-sig-pubkey goes with --fix-sig or --vector-to-sign".to_owned()).into());
        }
        if self.args.sig_out.is_some() && self.maker.key.is_none() {
            return Err(Usage("--sig-out needs a signature: add --key or --fix-sig".to_owned()).into());
        }
        let fixed = fix_sig.as_deref().map(read_signature).transpose()?;
        let output = product::output(outfile, product::REPLACE, context)?;
        let sig_out =
            self.args.sig_out.as_deref().map(|path| product::output(path, product::REPLACE, context)).transpose()?;
        let mut source = hex_or_bytes(progress::open(context, "signing", infile)?)?;
        let signed = match &fixed {
            None => image::sign(format(), &mut source, self.signer, &self.maker, &self.settings),
            Some(signature) => {
                let mut make = |_: &Round| Ok(signature.clone());
                image::sign_by(format(), &mut source, &self.maker, &self.settings, &mut make)
            }
        };
        let signed = signed.map_err(in_words_of_imgtool)?;
        write(&mut source, &signed.layout, output)?;
        drop(source);
        if let Some(sig_out) = sig_out {
            sig_out.write(files::to_base64(&signed.signatures.concat()).as_bytes())?;
        }
        context.done(report(infile, outfile, format(), signed.scheme, self.maker.key))
    }

    /// Writes what another tool has to sign.
    fn export(&self, vector: Vector, context: &Context) -> anyhow::Result<ExitCode> {
        let Args { infile, outfile, .. } = self.args;
        if has_hex_name(outfile) {
            return Err(Usage("what --vector-to-sign writes is not Intel HEX".to_owned()).into());
        }
        if vector == Vector::Digest && self.settings.has("pure") {
            return Err(Usage("--pure signs the payload itself: --vector-to-sign payload".to_owned()).into());
        }
        let output = product::output(outfile, product::REPLACE, context)?;
        let mut source = hex_or_bytes(Source::open(infile, |_| {})?)?;
        let vectors = mcuboot::to_be_signed(&mut source, &self.maker, &self.settings);
        let (payload, digest) = vectors.map_err(in_words_of_imgtool)?;
        match vector {
            Vector::Payload => write(&mut source, &payload, output)?,
            Vector::Digest => output.write(digest.bytes())?,
        }
        drop(source);
        let word = if vector == Vector::Payload { "payload" } else { "digest" };
        let report = Report::new("bulla.imgtool.vector/1")
            .line(format!("{}: the {word} to sign of {}", shown_output(outfile), shown(infile)))
            .field("output", outfile.to_string_lossy().into_owned())
            .field("file", infile.to_string_lossy().into_owned())
            .field("input", word);
        context.done(report)
    }
}

/// Reads a signature in base64.
fn read_signature(path: &Path) -> anyhow::Result<Vec<u8>> {
    let text = image::read_signature(path)?;
    let wrong = || files::Error::WrongKind {
        path: path.to_owned(),
        wanted: "a signature in base64",
        found: "something else".to_owned(),
    };
    Ok(files::from_base64(&text).ok_or_else(wrong)?)
}

/// Refuses a firmware that is not Intel HEX where its name ends so, and one that is elsewhere.
fn hex_or_bytes(mut source: Source<'_>) -> anyhow::Result<Source<'_>> {
    const HEX: &str = "Intel HEX";
    const BYTES: &str = "the bytes of a firmware";
    let path = source.path().to_owned();
    let is_named_hex = has_hex_name(&path);
    let wrong = |wanted, found: &str| files::Error::WrongKind { path, wanted, found: found.to_owned() };
    match (is_named_hex, is_hex(&mut source)?) {
        (true, false) => Err(wrong(HEX, "something else").into()),
        (false, true) => Err(wrong(BYTES, HEX).into()),
        _ => Ok(source),
    }
}

/// Names a setting as its flag is named here.
fn in_words_of_imgtool(error: image::Error) -> image::Error {
    match error {
        image::Error::Setting { name: "hash", why } => image::Error::Setting { name: "sha", why },
        image::Error::Setting { name: "dependency", why } => image::Error::Setting { name: "dependencies", why },
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::At;

    /// Each setting for signing is a flag of imgtool by its name, or one that is turned into it.
    #[test]
    fn every_setting_has_its_flag() {
        let turned = ["test", "dependency", "custom-tlv", "hash", "hmac-sha", "hex", "bin", "hex-addr", "unsigned"];
        // imgtool signs no image that has its header, and so opens none.
        let others = turned.into_iter().chain(["decrypt-key"]);
        let mut flags: Vec<&str> = SAME.into_iter().map(|(name, ..)| name).chain(others).collect();
        let signing = format().settings().iter().filter(|setting| setting.at != At::Verifying);
        let mut settings: Vec<&str> = signing.map(|setting| setting.name).collect();
        flags.sort_unstable();
        settings.sort_unstable();
        assert_eq!(flags, settings);
    }
}
