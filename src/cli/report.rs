//! What a command says: text for people and JSON for programs, side by side, from one place.

use std::io::{self, Write};
use std::path::Path;

use serde_json::{Map, Value};

use crate::files::{json_line, printable, shown};
use crate::image::Bad;

/// A report under construction. Text lines and JSON fields are added together, so that neither knows more.
#[derive(Debug)]
pub struct Report {
    lines: Vec<String>,
    fields: Map<String, Value>,
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
        Self { lines: Vec::new(), fields: Map::new() }
    }

    /// Adds a line of text. It must be safe for a terminal: names in it have gone through
    /// [`crate::files::printable`].
    pub fn line(mut self, text: impl Into<String>) -> Self {
        self.lines.push(text.into());
        self
    }

    /// Adds a JSON field.
    pub fn field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
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
        let array = self.fields.entry(name).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(parts) = array {
            parts.push(Value::Object(part.fields));
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
    pub fn print_json(&self, mut out: impl Write) -> io::Result<()> {
        writeln!(out, "{}", json_line(&Value::Object(self.fields.clone())))?;
        out.flush()
    }
}

/// One row of a text report.
pub fn row(label: &str, value: &str) -> String {
    format!("  {label:<10} {value}")
}
