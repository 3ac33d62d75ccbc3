//! `bulla imgtool dumpinfo`.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::{ArgPredicate, PossibleValuesParser, TypedValueParser};
use serde_json::{Map, Value, json};

use super::format;
use crate::cli::verify::bad_report;
use crate::cli::{Context, Format, deliver, inspect, product};
use crate::files::{Output, json_line, to_base64, to_hex};
use crate::image::mcuboot::{Area, Dump, Fields, Header, Tlv, Trailer};
use crate::image::{Fault, Source};

/// Say what stands in an MCUboot image
///
/// Header, TLV areas and trailer, as they stand there: nothing is verified. YAML and JSON have the names and values of
/// imgtool's.
#[derive(Debug, clap::Args)]
#[command(
    args_override_self = true,
    after_help = "\
Examples:
  $ bulla imgtool dumpinfo app.signed.bin
  $ bulla imgtool dumpinfo app.signed.bin -f json
  $ bulla imgtool dumpinfo app.signed.bin -o app.yaml"
)]
pub struct Args {
    /// The image
    #[arg(value_name = "IMGFILE")]
    imgfile: PathBuf,
    /// Where it goes, instead of standard output; an existing file is replaced
    #[arg(short, long, value_name = "FILE")]
    outfile: Option<PathBuf>,
    /// How it is written: human, yaml or json; yaml where it goes to a file, else human
    #[arg(short, long, value_name = "FORMAT", value_parser = form(), default_value = "human",
        default_value_if("outfile", ArgPredicate::IsPresent, "yaml"), hide_default_value = true)]
    format: Format,
    /// Print nothing to standard output
    #[arg(short, long)]
    silent: bool,
}

/// The words of imgtool for [`Format`].
fn form() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(["human", "yaml", "json"]).map(|word| match word.as_str() {
        "yaml" => Format::Yaml,
        "json" => Format::Json,
        _ => Format::Text,
    })
}

pub fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let output = args.outfile.as_deref().map(|path| Output::new(path, product::REPLACE)).transpose()?;
    let mut source = Source::open(&args.imgfile, |_| {})?;
    let described = format().describe(&mut source)?;
    let dump = match Dump::read(&mut source) {
        Ok(dump) => dump,
        Err(Fault::Bad(bad)) => return context.answer(bad_report(&args.imgfile, format(), &bad), 3),
        Err(Fault::Error(error)) => return Err(error.into()),
    };
    let name = args.imgfile.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut text = Vec::new();
    match (args.format, described) {
        (Format::Json, _) => writeln!(text, "{}", json_line(&Node::of(name, &dump).json()))?,
        (Format::Text, Some(description)) => inspect::described(format(), description).print_text(&mut text)?,
        (Format::Yaml | Format::Text, _) => writeln!(text, "{}", Node::of(name, &dump).yaml("").trim_start())?,
    }
    match output {
        Some(output) => output.write(&text)?,
        None if args.silent => {}
        None => deliver(io::stdout().write_all(&text).and_then(|()| io::stdout().flush()))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What an image is, in the names of imgtool (`scripts/imgtool/dumpinfo.py`), before it is known how it is written.
#[derive(Debug)]
enum Node {
    Number(u64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Node>),
    Map(Vec<(&'static str, Node)>),
}

impl Node {
    fn of(filename: String, dump: &Dump) -> Self {
        let Dump { header, protected, unprotected, trailer } = dump;
        let head =
            |area: &Area| Self::map([("magic", Self::number(area.magic)), ("tlv_tot", Self::number(area.total))]);
        let tlvs = |area: &Area| Self::List(area.tlvs.iter().map(Self::of_tlv).collect());
        Self::map([
            ("filename", Self::Text(filename)),
            ("header", Self::of_header(header)),
            (
                "tlv_area",
                Self::map([
                    ("tlv_hdr_prot", protected.as_ref().map_or(Self::map([]), head)),
                    ("tlvs_prot", protected.as_ref().map_or(Self::List(Vec::new()), tlvs)),
                    ("tlv_hdr", head(unprotected)),
                    ("tlvs", tlvs(unprotected)),
                ]),
            ),
            ("trailer", trailer.as_ref().map_or(Self::map([]), Self::of_trailer)),
        ])
    }

    fn of_header(header: &Header) -> Self {
        let Header { endian: _, load_address, header_size, protected_size, image_size, flags, version } = header;
        Self::map([
            ("magic", Self::number(Header::MAGIC)),
            ("load_addr", Self::number(*load_address)),
            ("hdr_size", Self::number(*header_size)),
            ("protected_tlv_size", Self::number(*protected_size)),
            ("img_size", Self::number(*image_size)),
            ("flags", Self::number(*flags)),
            ("version", Self::Text(version.to_string())),
        ])
    }

    fn of_tlv(tlv: &Tlv) -> Self {
        Self::map([
            ("type", Self::number(tlv.kind)),
            ("type_name", Self::Text(tlv.name().unwrap_or("UNKNOWN").to_owned())),
            ("len", Self::Number(tlv.value.len() as u64)),
            ("data", Self::Bytes(tlv.value.clone())),
        ])
    }

    fn of_trailer(Trailer { magic, fields }: &Trailer) -> Self {
        let mut rows = vec![("magic", Self::Bytes(magic.to_vec()))];
        if let Some(Fields { image_ok, copy_done, swap_info, swap_size, keys }) = fields {
            rows.extend([
                ("image_ok", Self::number(*image_ok)),
                ("copy_done", Self::number(*copy_done)),
                ("swap_info", Self::number(*swap_info)),
                ("swap_size", Self::number(*swap_size)),
            ]);
            rows.extend(keys.map(|keys| ("key_field_len", Self::Number(keys))));
        }
        Self::Map(rows)
    }

    fn number(number: impl Into<u64>) -> Self {
        Self::Number(number.into())
    }

    fn map<const N: usize>(rows: [(&'static str, Self); N]) -> Self {
        Self::Map(rows.into())
    }

    /// Bytes are hexadecimal.
    fn json(&self) -> Value {
        match self {
            Self::Number(number) => json!(number),
            Self::Text(text) => json!(text),
            Self::Bytes(bytes) => json!(to_hex(bytes)),
            Self::List(items) => items.iter().map(Self::json).collect(),
            Self::Map(rows) => {
                rows.iter().map(|(name, node)| ((*name).to_owned(), node.json())).collect::<Map<_, _>>().into()
            }
        }
    }

    /// What follows `name:` or `-`. Bytes are `!!binary`; text is quoted as in JSON, of which YAML is a superset.
    fn yaml(&self, indent: &str) -> String {
        let deeper = format!("{indent}  ");
        match self {
            Self::Number(number) => format!(" {number}"),
            Self::Text(text) => format!(" {}", json_line(&json!(text))),
            Self::Bytes(bytes) => format!(" !!binary {}", json_line(&json!(to_base64(bytes)))),
            Self::List(items) if items.is_empty() => " []".to_owned(),
            Self::List(items) => items.iter().map(|item| format!("\n{indent}-{}", item.yaml(&deeper))).collect(),
            Self::Map(rows) if rows.is_empty() => " {}".to_owned(),
            Self::Map(rows) => {
                rows.iter().map(|(name, node)| format!("\n{indent}{name}:{}", node.yaml(&deeper))).collect()
            }
        }
    }
}
