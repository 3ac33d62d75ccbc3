//! What a command says: text for people and JSON for programs, side by side, from one place.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::files::{printable, shown, write_json};
use crate::image::Bad;

/// A report under construction. Text lines and JSON fields are added together, so that neither knows more.
#[derive(Debug)]
pub struct Report {
    lines: Vec<String>,
    fields: Fields,
}

type Fields = BTreeMap<String, Field>;

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Field {
    Value(Value),
    Parts(Vec<Fields>),
    Elements(Box<dyn Elements>),
}

/// The elements of an array of JSON that are made one by one as they are written, since there may be millions of them.
pub trait Elements: fmt::Debug {
    /// Makes them in order.
    fn elements(&self) -> Box<dyn Iterator<Item = Value> + '_>;
}

impl Serialize for dyn Elements {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.elements())
    }
}

impl Report {
    /// Starts a report of a schema, such as `bulla.keygen/1`.
    pub fn new(schema: &str) -> Self {
        Self::of_part().field("schema", schema)
    }

    /// Starts the report of a file that was checked, and holds.
    pub fn good(schema: &str, file: &Path) -> Self {
        Self::of_verdict(schema, file, "good").line(format!("good  {}", shown(file)))
    }

    /// Starts the report of a file that was checked, and does not hold: for what reason, in one line and by its code.
    pub fn bad(schema: &str, file: &Path, bad: &Bad) -> Self {
        let words = printable(&bad.words);
        Self::of_verdict(schema, file, "bad")
            .line(format!("bad   {}: {words} ({})", shown(file), bad.code))
            .field("code", bad.code)
            .field("reason", words)
    }

    fn of_verdict(schema: &str, file: &Path, verdict: &str) -> Self {
        Self::new(schema).field("verdict", verdict).field("file", file.to_string_lossy().into_owned())
    }

    /// Adds what to try, where that is known.
    pub fn hint(self, hint: Option<impl Into<String>>) -> Self {
        match hint.map(Into::into) {
            Some(hint) => self.line(format!("hint: {hint}")).field("hint", hint),
            None => self,
        }
    }

    /// Starts a part of a report.
    pub fn of_part() -> Self {
        Self { lines: Vec::new(), fields: Fields::new() }
    }

    /// Adds a line of text. It must be safe for a terminal: names in it have gone through
    /// [`crate::files::printable`].
    pub fn line(mut self, text: impl Into<String>) -> Self {
        self.lines.push(text.into());
        self
    }

    /// Adds a JSON field.
    pub fn field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), Field::Value(value.into()));
        self
    }

    /// Adds a JSON array.
    pub fn elements(mut self, name: &str, elements: impl Elements + 'static) -> Self {
        self.fields.insert(name.to_owned(), Field::Elements(Box::new(elements)));
        self
    }

    /// Adds `label  value` as text, in columns, and the field `label` with `value`.
    pub fn row(self, label: &str, value: impl Into<String>) -> Self {
        let value = value.into();
        self.line(row(label, &value)).field(&label.replace(' ', "_"), value)
    }

    /// Adds a report as a part of this one: its lines here, its fields as one more element of the array `name`.
    pub fn part(mut self, name: &str, part: Self) -> Self {
        self.lines.extend(part.lines);
        match self.fields.entry(name.to_owned()).or_insert_with(|| Field::Parts(Vec::new())) {
            Field::Parts(parts) => parts.push(part.fields),
            // An array that was empty until now.
            empty => *empty = Field::Parts(vec![part.fields]),
        }
        self
    }

    /// Writes the text.
    pub fn print_text(&self, mut out: impl Write) -> io::Result<()> {
        for line in &self.lines {
            writeln!(out, "{line}")?;
        }
        out.flush()
    }

    /// Writes the JSON object on one line, keys sorted.
    pub fn print_json(&self, out: impl Write) -> io::Result<()> {
        let mut out = BufWriter::new(out);
        write_json(&mut out, &self.fields)?;
        writeln!(out)?;
        out.flush()
    }
}

/// One row of a text report.
pub fn row(label: &str, value: &str) -> String {
    format!("  {label:<10} {value}")
}
