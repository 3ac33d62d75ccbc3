//! Where the product of a command goes, and how one structure is encoded.

use std::path::Path;

use clap::ValueEnum;

use super::error::Usage;
use super::{Context, Format};
use crate::files::{self, Creation, Document, Kind, Output};

/// PEM or DER.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Encoding {
    #[default]
    Pem,
    Der,
}

/// How products are made where the command line is another tool's: a build runs again and finds those of the run before.
pub const REPLACE: Creation = Creation { private: false, replace: true };

/// Looks at an output before the work starts. Standard output cannot take both a product and a JSON report.
pub fn output(path: &Path, creation: Creation, context: &Context) -> anyhow::Result<Output> {
    let output = Output::new(path, creation)?;
    if output.is_stdout() && context.format == Format::Json {
        let message = "standard output cannot take the product and the JSON report both";
        return Err(Usage(message.to_owned()).into());
    }
    Ok(output)
}

/// Looks at the name of a folder that is to be made.
pub fn folder(path: &Path) -> Result<&Path, Usage> {
    match path.to_str() {
        Some("") => Err(Usage("the folder has no name".to_owned())),
        Some("-") => Err(Usage("a folder is made, which standard output cannot take".to_owned())),
        _ => Ok(path),
    }
}

/// Writes one structure as PEM or DER.
pub fn write(output: Output, kind: Kind, der: &[u8], encoding: Encoding) -> Result<(), files::Error> {
    match encoding {
        Encoding::Pem => output.write(Document::to_pem(kind, der).as_bytes()),
        Encoding::Der => output.write(der),
    }
}
