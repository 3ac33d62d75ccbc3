//! Flags that say what a signature is, shared by `sign` and `verify`.

use std::collections::BTreeMap;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Arg, ArgAction, ArgGroup, ArgMatches};

use super::Context;
use super::error::Usage;
use super::keys::{self, PassphraseFrom, Unlock};
use crate::image::{self, At, FORMATS, ImageFormat, Setting, Settings, Source, Takes, format_named};
use crate::key::KeyRef;

/// A format, as `--as` names it.
#[derive(Clone, Copy)]
pub struct FormatArg(&'static dyn ImageFormat);

impl FormatArg {
    /// The format.
    pub fn format(self) -> &'static dyn ImageFormat {
        self.0
    }

    /// Reads the name of a format.
    pub fn parser() -> impl TypedValueParser<Value = Self> {
        let names = FORMATS.iter().map(|format| PossibleValue::new(format.name()).help(format.about()));
        // Only names of formats get this far.
        PossibleValuesParser::new(names).map(|name| Self(format_named(&name).unwrap_or(FORMATS[0])))
    }
}

impl std::fmt::Debug for FormatArg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.name())
    }
}

/// What an image is that is not of the format which was said, where another format knows it.
pub fn other_format(format: &dyn ImageFormat, source: &mut Source<'_>) -> Option<String> {
    // A detached signature may be over an image of any format.
    if format.is_detached() {
        return None;
    }
    // A hint is all that depends on it.
    let (found, description) = image::recognise(source).ok()??;
    let is_other = found.name() != format.name() && matches!(format.describe(source), Ok(None));
    is_other.then(|| format!("the file is of another format: {}, --as {}", description.kind, found.name()))
}

/// The flag of a setting, of the same name.
pub fn flag(setting: &Setting) -> Arg {
    let arg = Arg::new(setting.name).long(setting.name).help(setting.help);
    match setting.takes {
        Takes::Nothing => arg.action(ArgAction::SetTrue),
        Takes::One(what) => arg.value_name(what).action(ArgAction::Set).allow_hyphen_values(true),
        Takes::Many(what) => arg.value_name(what).action(ArgAction::Append).allow_hyphen_values(true),
        Takes::OneOf(words) => {
            // The last word says what it is: the purpose of check-purpose.
            let word = setting.name.rsplit('-').next().unwrap_or_default().to_ascii_uppercase();
            arg.value_name(word).value_parser(PossibleValuesParser::new(words)).action(ArgAction::Set)
        }
        Takes::PrivateKey => arg.value_name("FILE").action(ArgAction::Set),
    }
}

/// Takes over what was given by the flag of a setting.
pub fn take(Setting { name, takes, .. }: &Setting, matches: &ArgMatches, settings: &mut Settings) {
    match takes {
        Takes::Nothing if matches.get_flag(name) => settings.add(name, ""),
        Takes::Nothing => {}
        Takes::One(_) | Takes::Many(_) | Takes::OneOf(_) | Takes::PrivateKey => {
            let values = matches.get_many::<String>(name).into_iter().flatten();
            values.for_each(|value| settings.add(name, value.as_str()));
        }
    }
}

/// The flag for the passphrase of the key that a setting names: `decrypt-passphrase-from` for `decrypt-key`.
fn passphrase_flag(setting: &Setting) -> Option<String> {
    (setting.takes == Takes::PrivateKey).then(|| format!("{}-passphrase-from", setting.name.trim_end_matches("-key")))
}

/// What was set of the formats: one flag for each setting, made from the table of formats.
#[derive(Debug)]
pub struct FormatSettings<const SIGNING: bool> {
    settings: Settings,
    /// Where the passphrases of keys come from, by the name of the key's setting.
    passphrases: BTreeMap<&'static str, PassphraseFrom>,
}

impl<const SIGNING: bool> FormatSettings<SIGNING> {
    fn counts(setting: &Setting) -> bool {
        matches!((setting.at, SIGNING), (At::Both, _) | (At::Signing, true) | (At::Verifying, false))
    }

    /// The settings, where all of them are of this format, with the keys among them opened.
    pub fn of(&self, format: &dyn ImageFormat, context: &Context) -> anyhow::Result<Settings> {
        let of_format =
            |name: &str| format.settings().iter().any(|setting| setting.name == name && Self::counts(setting));
        if let Some((name, _)) = self.settings.iter().find(|(name, _)| !of_format(name)) {
            return Err(Usage(format!("--{name} does not go with --as {}", format.name())).into());
        }
        let mut settings = self.settings.clone();
        self.open(&mut settings, context)?;
        Ok(settings)
    }

    /// Settings that were read elsewhere, with the keys among them opened. None may be given here.
    pub fn of_prepared(&self, mut settings: Settings, context: &Context) -> anyhow::Result<Settings> {
        if let Some((name, _)) = self.settings.iter().next() {
            return Err(Usage(format!("--{name} belongs to --prepare, and what was prepared has it")).into());
        }
        self.open(&mut settings, context)?;
        Ok(settings)
    }

    fn open(&self, settings: &mut Settings, context: &Context) -> anyhow::Result<()> {
        for (setting, _) in Self::table() {
            let (name, Some(flag)) = (setting.name, passphrase_flag(setting)) else { continue };
            let flag = format!("--{flag}");
            match (settings.text(name), self.passphrases.get(name)) {
                (Some(path), from) => {
                    let unlock = Unlock { from, flag: &flag, what: "passphrase of the key that decrypts" };
                    let key = keys::open_decrypter(&KeyRef::File(path.into()), unlock, context)?;
                    settings.open(name, key);
                }
                (None, Some(_)) => return Err(Usage(format!("{flag} needs --{name} FILE")).into()),
                (None, None) => {}
            }
        }
        Ok(())
    }

    /// Each setting once, with the names of the formats that have it.
    fn table() -> Vec<(&'static Setting, Vec<&'static str>)> {
        let mut table: Vec<(&Setting, Vec<&str>)> = Vec::new();
        for format in FORMATS {
            for setting in format.settings().iter().filter(|setting| Self::counts(setting)) {
                match table.iter_mut().find(|(found, _)| found.name == setting.name) {
                    Some((_, formats)) => formats.push(format.name()),
                    None => table.push((setting, vec![format.name()])),
                }
            }
        }
        table
    }
}

impl<const SIGNING: bool> clap::Args for FormatSettings<SIGNING> {
    fn augment_args(command: clap::Command) -> clap::Command {
        // What does not go with any of them names the group.
        let names = Self::table()
            .into_iter()
            .flat_map(|(setting, _)| [Some(setting.name.to_owned()), passphrase_flag(setting)]);
        let group = ArgGroup::new("FormatSettings").multiple(true).args(names.flatten());
        Self::table().into_iter().fold(command.group(group), |command, (setting, formats)| {
            let heading = format!("With --as {}", formats.join(", "));
            let command = command.arg(flag(setting).help_heading(heading.clone()));
            match passphrase_flag(setting) {
                None => command,
                Some(name) => command.arg(
                    Arg::new(name.clone())
                        .long(name)
                        .value_name("SOURCE")
                        .value_parser(clap::value_parser!(PassphraseFrom))
                        .help("That key's passphrase: env:VAR, file:PATH, fd:N or prompt")
                        .help_heading(heading),
                ),
            }
        })
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl<const SIGNING: bool> clap::FromArgMatches for FormatSettings<SIGNING> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let (mut settings, mut passphrases) = (Settings::default(), BTreeMap::new());
        for (setting, _) in Self::table() {
            take(setting, matches, &mut settings);
            let from = passphrase_flag(setting).and_then(|flag| matches.get_one::<PassphraseFrom>(&flag).cloned());
            passphrases.extend(from.map(|from| (setting.name, from)));
        }
        Ok(Self { settings, passphrases })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
