//! The syntax of libconfig, in which `sw-description` is written where it is not JSON.
//!
//! ```text
//! file    = *setting
//! setting = name ("=" | ":") value [";" | ","]
//! value   = group | array | list | 1*string | number | boolean
//! group   = "{" *setting "}"                  ; each name once
//! array   = "[" [simple *("," simple)] "]"    ; all of one type
//! list    = "(" [value *("," value)] ")"
//! comment = "#" to the end of the line | "//" to the end of the line | "/*" ... "*/"
//! ```
//!
//! Read as `hyperrealm/libconfig lib/scanner.l` and `lib/grammar.y` have it, but `@include` is refused, since what it
//! names is not signed, and so is what version 1.5 refuses or reads in another way than later ones: a comma before the
//! end of a list, binary and octal numbers, the escapes `\a`, `\b` and `\v`.

use std::collections::BTreeSet;

use super::description::Value;
use crate::image::Bad;

/// Deepest nesting. Descriptions have six levels.
const DEPTH_LIMIT: usize = 64;

/// Reads a file.
pub fn parse(text: &[u8]) -> Result<Value, Bad> {
    let mut parser = Parser { text, at: 0 };
    parser.settings(0).map(Value::Group)
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    /// Reads settings to the end of their group, which at depth 0 is the end of the file.
    fn settings(&mut self, depth: usize) -> Result<Vec<(String, Value)>, Bad> {
        let mut settings: Vec<(String, Value)> = Vec::new();
        let mut names = BTreeSet::new();
        loop {
            match self.next()? {
                None if depth == 0 => return Ok(settings),
                Some(b'}') if depth != 0 => {
                    self.at += 1;
                    return Ok(settings);
                }
                Some(b'@') => return Err(self.bad("@include is not followed")),
                Some(first) if first.is_ascii_alphabetic() || first == b'*' => {}
                _ => return Err(self.bad("a setting is expected")),
            }
            let name = self.word(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'*'));
            if is_boolean(&name) {
                return Err(self.bad("a setting is expected, and a boolean found"));
            }
            if !names.insert(name.clone()) {
                return Err(self.bad(&format!("{name} is set twice")));
            }
            if !matches!(self.next()?, Some(b'=' | b':')) {
                return Err(self.bad("= is expected"));
            }
            self.at += 1;
            settings.push((name, self.value(depth)?));
            if matches!(self.next()?, Some(b';' | b',')) {
                self.at += 1;
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, Bad> {
        let depth = depth + 1;
        if depth > DEPTH_LIMIT {
            return Err(self.bad("it is nested too deeply"));
        }
        let first = self.next()?;
        if matches!(first, Some(b'{' | b'(' | b'[')) {
            self.at += 1;
        }
        match first {
            Some(b'{') => self.settings(depth).map(Value::Group),
            Some(b'(') => self.values(b')', depth).map(Value::List),
            Some(b'[') => {
                let values = self.values(b']', depth)?;
                let is_simple = |value: &Value| !matches!(value, Value::Group(_) | Value::List(_));
                let is_alike = |value: &Value| std::mem::discriminant(value) == std::mem::discriminant(&values[0]);
                if values.iter().all(|value| is_simple(value) && is_alike(value)) {
                    Ok(Value::List(values))
                } else {
                    Err(self.bad("an array has values of several types"))
                }
            }
            Some(b'"') => self.strings(),
            _ => self.scalar(),
        }
    }

    fn values(&mut self, end: u8, depth: usize) -> Result<Vec<Value>, Bad> {
        let mut values = Vec::new();
        if self.next()? == Some(end) {
            self.at += 1;
            return Ok(values);
        }
        loop {
            values.push(self.value(depth)?);
            let next = self.next()?;
            self.at += usize::from(next.is_some());
            match next {
                Some(b',') => {}
                Some(found) if found == end => return Ok(values),
                _ => return Err(self.bad("a comma is expected")),
            }
        }
    }

    /// Reads strings that stand side by side, which are one.
    fn strings(&mut self) -> Result<Value, Bad> {
        let mut bytes = Vec::new();
        while self.next()? == Some(b'"') {
            self.at += 1;
            loop {
                match self.take() {
                    Some(b'"') => break,
                    Some(b'\\') => bytes.push(self.escaped()?),
                    Some(byte) => bytes.push(byte),
                    None => return Err(self.bad("a string does not end")),
                }
            }
        }
        let text = String::from_utf8(bytes).map_err(|_| self.bad("a string is not UTF-8"))?;
        Ok(Value::Text(text))
    }

    /// What a backslash in a string stands for; itself before anything that it is not known with.
    fn escaped(&mut self) -> Result<u8, Bad> {
        let digits = self.text.get(self.at + 1..self.at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let (byte, taken) = match (self.text.get(self.at), digits) {
            (Some(b'a' | b'b' | b'v'), _) => return Err(self.bad("an escape means different things to libconfig")),
            (Some(b'n'), _) => (b'\n', 1),
            (Some(b'r'), _) => (b'\r', 1),
            (Some(b't'), _) => (b'\t', 1),
            (Some(b'f'), _) => (0x0c, 1),
            (Some(b'\\'), _) => (b'\\', 1),
            (Some(b'"'), _) => (b'"', 1),
            (Some(b'x' | b'X'), Some(digits)) => (u8::from_str_radix(digits, 16).unwrap_or(0), 3),
            _ => (b'\\', 0),
        };
        self.at += taken;
        Ok(byte)
    }

    fn scalar(&mut self) -> Result<Value, Bad> {
        let word = self.word(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.' | b'_' | b'*'));
        scalar(&word).ok_or_else(|| self.bad("a value is expected"))
    }

    fn word(&mut self, belongs: impl Fn(u8) -> bool) -> String {
        let start = self.at;
        while self.text.get(self.at).is_some_and(|byte| belongs(*byte)) {
            self.at += 1;
        }
        // Only ASCII belongs to a word.
        String::from_utf8_lossy(&self.text[start..self.at]).into_owned()
    }

    fn take(&mut self) -> Option<u8> {
        let byte = self.text.get(self.at).copied();
        self.at += usize::from(byte.is_some());
        byte
    }

    /// Skips blanks and comments; returns the byte that follows, and stays before it.
    fn next(&mut self) -> Result<Option<u8>, Bad> {
        loop {
            let rest = &self.text[self.at..];
            match rest {
                [b' ' | b'\t' | b'\n' | b'\r' | 0x0c, ..] => self.at += 1,
                [b'#', ..] | [b'/', b'/', ..] => {
                    self.at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
                }
                [b'/', b'*', inside @ ..] => {
                    let end = inside.windows(2).position(|pair| pair == b"*/");
                    self.at += 4 + end.ok_or_else(|| self.bad("a comment does not end"))?;
                }
                _ => return Ok(rest.first().copied()),
            }
        }
    }

    fn bad(&self, words: &str) -> Bad {
        let line = self.text[..self.at].iter().filter(|byte| **byte == b'\n').count() + 1;
        Bad::new("malformed", format!("sw-description, line {line}: {words}"))
    }
}

fn is_boolean(word: &str) -> bool {
    word.eq_ignore_ascii_case("true") || word.eq_ignore_ascii_case("false")
}

/// A number or a boolean.
fn scalar(word: &str) -> Option<Value> {
    if is_boolean(word) {
        return Some(Value::Boolean);
    }
    let digits = word.strip_suffix("LL").or(word.strip_suffix('L')).unwrap_or(word);
    if let Some(hex) = digits.strip_prefix("0x").or(digits.strip_prefix("0X")) {
        let is_hex = hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        // Sixteen digits are a negative number, in two's complement.
        return u64::from_str_radix(hex, 16).ok().filter(|_| is_hex).map(|number| Value::Integer(number as i64));
    }
    if digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-')) {
        return digits.parse().ok().map(Value::Integer);
    }
    let is_float = word.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'));
    word.parse::<f64>().ok().filter(|_| is_float).map(|_| Value::Float)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn group<const N: usize>(settings: [(&str, Value); N]) -> Value {
        Value::Group(settings.map(|(name, value)| (name.to_owned(), value)).into())
    }

    #[test]
    fn what_libconfig_reads_is_read_alike() {
        use Value::{Boolean, Float, Integer, List};
        for (read, value) in [
            ("", group([])),
            ("a = 1", group([("a", Integer(1))])),
            (
                "a : 1, b = 2; c = 3 d = -4",
                group([("a", Integer(1)), ("b", Integer(2)), ("c", Integer(3)), ("d", Integer(-4))]),
            ),
            ("a=0x10;b=0XffL;c=010;d=5LL;e=+7", {
                group([
                    ("a", Integer(16)),
                    ("b", Integer(255)),
                    ("c", Integer(10)),
                    ("d", Integer(5)),
                    ("e", Integer(7)),
                ])
            }),
            ("a = 0xffffffffffffffff", group([("a", Integer(-1))])),
            ("a=1.5;b=.5;c=2.;d=-1e3;e=1.0E+2", {
                group([("a", Float), ("b", Float), ("c", Float), ("d", Float), ("e", Float)])
            }),
            ("a = TRUE; b = false", group([("a", Boolean), ("b", Boolean)])),
            ("truest = 1", group([("truest", Integer(1))])),
            ("*a-b_c* = 1", group([("*a-b_c*", Integer(1))])),
            (r#"a = "x" "y" /* z */ "z""#, group([("a", text("xyz"))])),
            ("a = \"one\ntwo\"", group([("a", text("one\ntwo"))])),
            (r##"a = "# // /* \"\\\t\x41\X7a\xc3\xa9""##, group([("a", text("# // /* \"\\\tAzé"))])),
            // A backslash before anything else is itself.
            (r##"a = "#RE:^1\.[023]$ \q \xg1""##, group([("a", text(r"#RE:^1\.[023]$ \q \xg1"))])),
            ("# one\n// two\n/* three\n * / four */ a = 1 // five", group([("a", Integer(1))])),
            ("a = {}; b = (); c = [];", group([("a", group([])), ("b", List(vec![])), ("c", List(vec![]))])),
            ("a = ( 1, \"x\", { b = (2); }, [3, 4] )", {
                let inner = group([("b", List(vec![Integer(2)]))]);
                group([("a", List(vec![Integer(1), text("x"), inner, List(vec![Integer(3), Integer(4)])]))])
            }),
        ] {
            assert_eq!(parse(read.as_bytes()), Ok(value), "{read}");
        }
    }

    #[test]
    fn what_libconfig_refuses_is_refused() {
        for (read, line) in [
            ("a", 1),
            ("a =", 1),
            ("= 1", 1),
            ("1 = 1", 1),
            ("true = 1", 1),
            ("\na = 1\na = 2", 3),
            ("a = 1;; b = 2", 1),
            ("a = {", 1),
            ("a = }", 1),
            ("a = 1 }", 1),
            ("a = { b = 1 )", 1),
            ("a = (1 2)", 1),
            ("a = (,)", 1),
            ("a = (1,)", 1),
            ("a = [1,]", 1),
            ("a = 0b1", 1),
            ("a = \"\\b\"", 1),
            ("a = [1, \"x\"]", 1),
            ("a = [{}]", 1),
            ("a = [(1)]", 1),
            ("a = \"x", 1),
            ("a = \"\\xff\"", 1),
            ("a = 1 /* ", 1),
            ("a = 1.2.3", 1),
            ("a = 1-2", 1),
            ("a = 0x", 1),
            ("a = 0x11111111111111111", 1),
            ("a = 9223372036854775808", 1),
            ("a = nan", 1),
            ("a = 1e", 1),
            ("@include \"other\"", 1),
            ("a = 1 \0", 1),
            ("\u{feff}a = 1", 1),
        ] {
            let bad = parse(read.as_bytes()).expect_err(read);
            assert!(bad.words.starts_with(&format!("sw-description, line {line}: ")), "{read}: {}", bad.words);
        }
        let nested = |depth: usize| parse(format!("a = {}{}", "(".repeat(depth), ")".repeat(depth)).as_bytes());
        assert!(nested(DEPTH_LIMIT).is_ok());
        assert!(nested(DEPTH_LIMIT + 1).is_err() && nested(1_000_000).is_err());
    }
}
