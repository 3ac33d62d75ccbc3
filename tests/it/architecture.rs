//! The order of the house: who may name whom, and which crate has which owner.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The rank of each top-level module. A module names only lower ranks, never a sibling.
const RANKS: [(&str, u8); 10] = [
    ("files", 0),
    ("key", 1),
    ("x509", 2),
    ("cms", 3),
    ("net", 3),
    ("store", 4),
    ("enroll", 4),
    ("image", 4),
    ("ca", 5),
    ("cli", 6),
];

/// Crates with behaviour, and the one module that may name each.
const OWNERS: [(&str, &str); 27] = [
    ("ring", "key"),
    ("aws_lc_rs", "key"),
    ("p256", "key"),
    ("p384", "key"),
    ("pkcs8", "key"),
    ("sec1", "key"),
    ("blake2", "key"),
    ("rcgen", "x509"),
    ("x509_parser", "x509"),
    ("stringprep", "x509"),
    ("toml", "x509"),
    ("base64", "files"),
    ("pem", "files"),
    ("rustls", "net"),
    ("tokio", "net"),
    ("tokio_rustls", "net"),
    ("hyper", "net"),
    ("hyper_util", "net"),
    ("http_body_util", "net"),
    ("rusqlite", "store"),
    ("clap", "cli"),
    ("clap_complete", "cli"),
    ("clap_mangen", "cli"),
    ("anyhow", "cli"),
    ("indicatif", "cli"),
    ("rpassword", "cli"),
    ("anstream", "cli"),
];

/// Most lines of a file.
const LINES: usize = 900;

/// Everything that is wrong with a source file; `module` is the top-level module that it belongs to.
fn offences(module: &str, source: &str) -> Vec<String> {
    let code = without_text(source);
    let mut found = Vec::new();
    let rank = |name: &str| RANKS.iter().find(|(module, _)| *module == name).map(|(_, rank)| *rank);
    let own = rank(module);
    for named in top_modules(&code) {
        let allowed = match (own, rank(&named)) {
            _ if named == module => true,
            (Some(own), Some(rank)) => rank < own,
            _ => false,
        };
        if !allowed {
            found.push(format!("{module} names crate::{named}"));
        }
    }
    for (name, owner) in OWNERS {
        if module != owner && names_crate(&code, name) {
            found.push(format!("{module} names {name}, which belongs to {owner}"));
        }
    }
    if code.contains("super::super") {
        found.push(format!("{module} climbs by super::super, where no rank is seen"));
    }
    if words(&code).any(|word| word == "unsafe") {
        found.push(format!("{module} has unsafe code"));
    }
    if source.lines().count() > LINES {
        found.push(format!("{module} has a file of {} lines", source.lines().count()));
    }
    found
}

/// The names that stand directly behind `crate::`, in groups too.
fn top_modules(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.extend(words(rest).next().map(str::to_owned));
            continue;
        };
        let mut depth = 0;
        let mut expected = true;
        for (index, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => expected = true,
                _ if expected && !c.is_whitespace() => {
                    found.extend(words(&group[index..]).next().map(str::to_owned));
                    expected = false;
                }
                _ => {}
            }
        }
    }
    found
}

/// Whether a path starts with a crate's name.
fn names_crate(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let starts = before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':');
        let rest = &code[at + name.len()..];
        // `use name;` and `use name as ...` name it as much as a path does.
        let ends = rest.starts_with("::") || (code[..at].ends_with("use ") && rest.starts_with([';', ' ']));
        starts && ends
    })
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// The code without comments and the content of strings.
fn without_text(source: &str) -> String {
    let mut code = String::new();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(raw) = rest.strip_prefix("r#\"") {
            raw.find("\"#").map_or(rest.len(), |end| end + 5)
        } else if c == '"' {
            end_of_string(rest)
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\'") {
            3
        } else {
            code.push(c);
            c.len_utf8()
        };
        rest = &rest[skipped..];
    }
    code
}

fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    for (index, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return index + 1,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    text.len()
}

/// Every source file, with the top-level module that it belongs to.
fn sources() -> Vec<(String, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let below = path.strip_prefix(&root).expect("below src");
            let module = below.components().next().expect("a name").as_os_str().to_string_lossy();
            found.push((module.trim_end_matches(".rs").to_owned(), path));
        }
    }
    found
}

#[test]
fn every_module_names_only_lower_ranks_and_its_own_crates() {
    let mut wrong = Vec::new();
    let mut modules = BTreeSet::new();
    let sources = sources();
    for (module, path) in sources.iter().filter(|(module, _)| module != "lib" && module != "main") {
        let source = fs::read_to_string(path).expect("a source file");
        wrong.extend(offences(module, &source).into_iter().map(|offence| format!("{}: {offence}", path.display())));
        modules.insert(module.as_str());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(modules, RANKS.iter().map(|(module, _)| *module).collect(), "each module has a rank");
}

#[test]
fn the_binary_is_thin_and_the_library_forbids_unsafe_code() {
    let read =
        |name: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(name)).expect(name);
    let main = without_text(&read("main.rs"));
    let named: Vec<&str> = main.match_indices("bulla::").map(|(at, _)| &main[at..]).collect();
    assert!(!named.is_empty() && named.iter().all(|path| path.starts_with("bulla::cli::")), "{main}");
    let library = without_text(&read("lib.rs"));
    assert!(library.contains("#![forbid(unsafe_code)]"));
    let logic: Vec<&str> = words(&library).filter(|word| matches!(*word, "fn" | "struct" | "enum" | "impl")).collect();
    assert!(logic.is_empty(), "lib.rs is a facade, and holds {logic:?}");
}

#[test]
fn the_scanner_sees_what_it_must_and_nothing_else() {
    for (module, source, wrong) in [
        ("x509", "use crate::key::Signer;", None),
        ("x509", "use crate::x509::Name;", None),
        ("x509", "use crate::cms::Signing;", Some("x509 names crate::cms")),
        ("x509", "fn f() { crate::image::sign() }", Some("x509 names crate::image")),
        ("store", "use crate::enroll::Ask;", Some("store names crate::enroll")),
        ("image", "use crate::{files, key::{self, cli}, x509};", None),
        ("image", "use crate::{\n    files::{self, ca},\n    ca::Ca,\n};", Some("image names crate::ca")),
        ("image", "use crate::unheard::Of;", Some("image names crate::unheard")),
        ("files", "use super::super::cli;", Some("files climbs by super::super, where no rank is seen")),
        ("files", "// crate::cli and \"unsafe\"\n/* crate::ca */ let text = \"crate::cli \\\" unsafe\"; // \"", None),
        ("files", "let quote = '\"'; use crate::cli;", Some("files names crate::cli")),
        ("files", "let text = r#\"crate::cli\"#;", None),
        ("x509", "ring::rand::fill()", Some("x509 names ring, which belongs to key")),
        ("x509", "use ring;", Some("x509 names ring, which belongs to key")),
        ("x509", "string::String; der::pem::x; self::ring::x", None),
        ("cms", "anyhow::bail!()", Some("cms names anyhow, which belongs to cli")),
        ("key", "ring::rand::fill(); pkcs8::spki()", None),
        ("key", "unsafe { }", Some("key has unsafe code")),
        ("key", "#![forbid(unsafe_code)]", None),
    ] {
        assert_eq!(offences(module, source), wrong.map(str::to_owned).into_iter().collect::<Vec<_>>(), "{source}");
    }
    assert_eq!(offences("key", &"\n".repeat(LINES + 1)), ["key has a file of 901 lines"]);
}
