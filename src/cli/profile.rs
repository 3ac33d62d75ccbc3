//! `bulla profile`.

use std::path::Path;

use crate::x509::Profile;

/// Finds a profile by its name, or by its file where the text looks like a path.
pub fn find(text: &str, own: Option<&Path>) -> anyhow::Result<Profile> {
    if text.contains('/') || text.ends_with(".toml") {
        return Ok(Profile::read(Path::new(text))?);
    }
    if let Some(path) = own.map(|own| own.join(format!("{text}.toml"))).filter(|path| path.is_file()) {
        return Ok(Profile::read(&path)?);
    }
    Ok(Profile::named(text)?)
}
