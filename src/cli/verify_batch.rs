//! `bulla verify --batch`: many bare signatures, a question a line and an answer a line, both in JSON.
//!
//! What a line is and how it is answered stands in the help of `--batch`. The lines that can be read without waiting are
//! shared out to the processors, so that a file goes fast and who asks through a pipe is answered at once.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::num::NonZero;
use std::path::Path;
use std::process::ExitCode;
use std::thread;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::error::code_of_key;
use super::progress::Progress;
use super::{Context, deliver};
use crate::files::{self, from_base64, from_hex, json_line, printable};
use crate::image::Bad;
use crate::key::{Error, Input, PublicKey, Scheme};

/// Longest line. A message in a batch is a record or a manifest; an image is verified by itself, in constant memory. So
/// each processor holds a few MiB at most.
const LINE_LIMIT: usize = 1 << 20;

/// Bytes that are read ahead: some hundred lines, which take each processor longer than to start a thread for them.
const READ_AHEAD: usize = 256 << 10;

/// Most characters of what is quoted in a reason: the names of all fields, and one that is not among them.
const QUOTE_LIMIT: usize = 200;

/// A line, or `None` where it is longer than [`LINE_LIMIT`].
type Line = Option<Vec<u8>>;

/// How a line comes out, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Good,
    Bad,
    NotUnderstood,
}

/// Why a line is not good.
#[derive(Clone, Debug)]
struct Refused {
    outcome: Outcome,
    bad: Bad,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    id: Option<Id>,
    message: Option<String>,
    message_hex: Option<String>,
    signature: Option<String>,
    signature_hex: Option<String>,
    key: String,
    algorithm: String,
}

/// What the answer to a line is known by, even where nothing else of the line is understood.
#[derive(Deserialize)]
struct Named {
    id: Option<Id>,
}

#[derive(Deserialize, Serialize)]
#[serde(untagged, expecting = "id is neither a string nor a whole number")]
enum Id {
    Number(u64),
    Text(String),
}

pub fn run(path: &Path, context: &Context) -> anyhow::Result<ExitCode> {
    let mut reader = BufReader::with_capacity(READ_AHEAD, files::open("batch", path)?);
    let mut progress = Progress::new(context, "verifying", files::size(path));
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let mut judges: Vec<Judge> = (0..processors).map(|_| Judge::default()).collect();
    let (mut lines_done, mut bytes_done) = (0, 0);
    let mut worst = None;
    loop {
        let lines = read_lines(&mut reader).map_err(|source| files::Error::Read {
            what: "batch",
            path: path.to_owned(),
            source,
        })?;
        if lines.is_empty() {
            break;
        }
        for (answers, outcome) in share_out(&lines, lines_done, &mut judges) {
            deliver(io::stdout().write_all(answers.as_bytes()))?;
            worst = worst.max(Some(outcome));
        }
        lines_done += lines.len();
        bytes_done += lines.iter().flatten().map(|line| line.len() as u64).sum::<u64>();
        progress.observe(bytes_done);
    }
    deliver(io::stdout().flush())?;
    match worst {
        Some(Outcome::Good) => Ok(ExitCode::SUCCESS),
        Some(Outcome::Bad) => Ok(ExitCode::from(3)),
        Some(Outcome::NotUnderstood) => Ok(ExitCode::from(1)),
        None => {
            let (wanted, found) = ("a batch of questions", "empty".to_owned());
            Err(files::Error::WrongKind { path: path.to_owned(), wanted, found }.into())
        }
    }
}

/// Reads one line and those behind it that are there already; none at the end.
fn read_lines(reader: &mut BufReader<impl Read>) -> io::Result<Vec<Line>> {
    let mut lines = Vec::new();
    while let Some(line) = read_line(reader)? {
        lines.push(line);
        if !reader.buffer().contains(&b'\n') {
            break;
        }
    }
    Ok(lines)
}

fn read_line(reader: &mut impl BufRead) -> io::Result<Option<Line>> {
    let mut line = Vec::new();
    reader.take(LINE_LIMIT as u64 + 1).read_until(b'\n', &mut line)?;
    if line.len() > LINE_LIMIT && line.last() != Some(&b'\n') {
        reader.skip_until(b'\n')?;
        return Ok(Some(None));
    }
    Ok((!line.is_empty()).then_some(Some(line)))
}

/// Answers lines, each judge as many as the others; `before` is the number of lines before them. Returns the answers in
/// order, with the worst outcome among them.
fn share_out(lines: &[Line], before: usize, judges: &mut [Judge]) -> Vec<(String, Outcome)> {
    let share = lines.len().div_ceil(judges.len());
    thread::scope(|scope| {
        let shares = lines.chunks(share).zip(judges).enumerate();
        let running: Vec<_> = shares
            .map(|(index, (lines, judge))| scope.spawn(move || judge.answer(lines, before + index * share)))
            .collect();
        running.into_iter().map(|thread| thread.join().expect("no line makes a judge panic")).collect()
    })
}

/// Answers lines one by one.
#[derive(Default)]
struct Judge {
    /// The key of the last line: the next one mostly has the same.
    last: Option<(String, Result<PublicKey, Refused>)>,
}

impl Judge {
    fn answer(&mut self, lines: &[Line], before: usize) -> (String, Outcome) {
        let (mut answers, mut worst) = (String::new(), Outcome::Good);
        for (index, line) in lines.iter().enumerate() {
            let (id, found) = self.judge(line.as_deref());
            let verdict = if found.is_ok() { "good" } else { "bad" };
            let mut answer =
                json!({"schema": "bulla.verify-batch/1", "line": before + index + 1, "id": id, "verdict": verdict});
            if let Err(Refused { outcome, bad }) = found {
                answer["code"] = bad.code.into();
                answer["reason"] = printable(&bad.words).into();
                worst = worst.max(outcome);
            }
            answers.push_str(&json_line(&answer));
            answers.push('\n');
        }
        (answers, worst)
    }

    fn judge(&mut self, line: Option<&[u8]>) -> (Option<Id>, Result<(), Refused>) {
        let Some(line) = line else {
            let words = format!("the line is longer than {} MiB", LINE_LIMIT >> 20);
            return (None, Err(Refused::not_understood(words)));
        };
        // serde takes an array for a structure too, its fields in order.
        if line.trim_ascii_start().first() != Some(&b'{') {
            return (None, Err(Refused::not_understood("the line is no JSON object")));
        }
        match serde_json::from_slice::<Question>(line) {
            Ok(mut question) => (question.id.take(), self.verify(question)),
            Err(error) => {
                let id = serde_json::from_slice::<Named>(line).ok().and_then(|named| named.id);
                (id, Err(Refused::no_question(&error)))
            }
        }
    }

    fn verify(&mut self, question: Question) -> Result<(), Refused> {
        let Question { id: _, message, message_hex, signature, signature_hex, key, algorithm } = question;
        let message = octets("message", message, message_hex)?;
        let mut signature = octets("signature", signature, signature_hex)?;
        let (scheme, is_p1363) = scheme(&algorithm)?;
        let key = self.key(&key)?;
        // A key of another type is told by what follows.
        if is_p1363 && key.key_type().curve().is_some() {
            signature = key.ecdsa_from_p1363(&signature).map_err(|error| Refused::bad("signature", error))?;
        }
        key.verify(scheme, Input::Message(&message), &signature).map_err(|error| match error {
            Error::Scheme { .. } => Refused::bad("algorithm", error),
            error => Refused::bad("signature", error),
        })
    }

    /// The key that a text holds, read once where lines repeat it.
    fn key(&mut self, text: &str) -> Result<&PublicKey, Refused> {
        let same = self.last.take().filter(|(last, _)| last == text);
        let (_, key) = self.last.insert(same.unwrap_or_else(|| (text.to_owned(), read_key(text))));
        key.as_ref().map_err(|refused| refused.clone())
    }
}

impl Refused {
    fn bad(code: &'static str, words: impl std::fmt::Display) -> Self {
        Self { outcome: Outcome::Bad, bad: Bad::new(code, words) }
    }

    fn not_understood(words: impl std::fmt::Display) -> Self {
        Self { outcome: Outcome::NotUnderstood, bad: Bad::new("line", words) }
    }

    /// An object that is not of the form of a question. Of what is in it the names of fields are quoted alone: a value
    /// may be what nobody is to see.
    fn no_question(error: &serde_json::Error) -> Self {
        let words = error.to_string();
        // The position is that of a line in itself.
        let words = quote(words.split(" at line ").next().unwrap_or_default());
        Self::not_understood(if error.is_data() { words } else { format!("the line is not JSON: {words}") })
    }
}

fn quote(text: &str) -> String {
    text.chars().take(QUOTE_LIMIT).collect()
}

/// The bytes of a field that is given in one of two ways.
fn octets(name: &str, base64: Option<String>, hex: Option<String>) -> Result<Vec<u8>, Refused> {
    match (base64, hex) {
        (Some(text), None) => {
            from_base64(text.as_bytes()).ok_or_else(|| Refused::not_understood(format!("{name} is not base64")))
        }
        (None, Some(text)) => {
            from_hex(&text).ok_or_else(|| Refused::not_understood(format!("{name}_hex is not hexadecimal")))
        }
        (None, None) => Err(Refused::not_understood(format!("there is neither {name} nor {name}_hex"))),
        (Some(_), Some(_)) => Err(Refused::not_understood(format!("{name} and {name}_hex are both there"))),
    }
}

/// The scheme of a name, and whether an ECDSA signature is r‖s (IEEE P1363).
fn scheme(name: &str) -> Result<(Scheme, bool), Refused> {
    let (of_scheme, is_p1363) = match name.strip_suffix("-p1363") {
        Some(of_scheme) => (of_scheme, true),
        None => (name, false),
    };
    match of_scheme.parse() {
        Ok(scheme) if !is_p1363 || matches!(scheme, Scheme::Ecdsa(_)) => Ok((scheme, is_p1363)),
        _ => {
            let error = Error::UnsupportedAlgorithm { found: quote(name) };
            Err(Refused { outcome: Outcome::NotUnderstood, bad: Bad::new(code_of_key(&error), error) })
        }
    }
}

/// Reads a key. One that is refused is wrong evidence; text that is no encoding of anything is no question.
fn read_key(text: &str) -> Result<PublicKey, Refused> {
    let key = if text.contains("-----BEGIN ") {
        PublicKey::from_file(text.as_bytes(), Path::new("the key"))
    } else {
        let spki =
            from_base64(text.as_bytes()).ok_or_else(|| Refused::not_understood("key is neither PEM nor base64"))?;
        PublicKey::from_spki(&spki)
    };
    key.map_err(|error| Refused::bad(code_of_key(&error), error))
}
