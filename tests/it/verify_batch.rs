//! `verify --batch`: what a question is, how each is answered, and what the program makes of all of them.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use bulla::files::to_base64;
use serde_json::{Value, json};

use crate::harness::{Lab, Run};

/// A lab with a message, and the question for each type of key whether openssl's signature over it holds.
fn questions(lab: &Lab) -> Vec<Value> {
    lab.write("message", "firmware");
    let make = [
        ("ec -pkeyopt ec_paramgen_curve:P-256", "dgst -sha384", "ecdsa-sha384"),
        ("ec -pkeyopt ec_paramgen_curve:P-384", "dgst -sha256", "ecdsa-sha256"),
        ("ec -pkeyopt ec_paramgen_curve:P-521", "dgst -sha512", "ecdsa-sha512"),
        ("rsa -pkeyopt rsa_keygen_bits:2048", "dgst -sha512", "rsa-pkcs1-sha512"),
        (
            "rsa -pkeyopt rsa_keygen_bits:2048",
            "dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest",
            "rsa-pss-sha256",
        ),
        ("ed25519", "pkeyutl -rawin", "ed25519"),
    ];
    make.iter()
        .map(|(key, sign, algorithm)| {
            lab.judge(&format!("openssl genpkey -algorithm {key} -out key")).ok();
            lab.judge("openssl pkey -in key -pubout -out key.pub").ok();
            let sign = match sign.strip_prefix("dgst") {
                Some(flags) => format!("openssl dgst -sign key {flags} -out signature message"),
                None => format!("openssl {sign} -sign -inkey key -in message -out signature"),
            };
            lab.judge(&sign).ok();
            json!({"message": to_base64(b"firmware"), "signature": to_base64(&lab.read("signature")),
                "key": String::from_utf8_lossy(&lab.read("key.pub")), "algorithm": algorithm})
        })
        .collect()
}

/// A question with one field of another value.
fn with(question: &Value, field: &str, value: impl Into<Value>) -> Value {
    let mut question = question.clone();
    question[field] = value.into();
    question
}

/// Puts lines to `bulla`; returns what each was answered.
fn ask(lab: &Lab, lines: &[String]) -> (Run, Vec<Value>) {
    lab.write("batch.jsonl", lines.join("\n"));
    let run = lab.bulla("verify --batch batch.jsonl");
    let answers: Vec<Value> = run.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(answers.len(), lines.len(), "{}", run.text());
    for (index, answer) in answers.iter().enumerate() {
        assert_eq!((&answer["schema"], &answer["line"]), (&"bulla.verify-batch/1".into(), &(index + 1).into()));
        assert_eq!(answer["verdict"], if answer["code"].is_null() { "good" } else { "bad" });
        assert_eq!(answer["code"].is_null(), answer["reason"].is_null(), "{answer}");
    }
    (run, answers)
}

#[test]
fn signatures_of_openssl_hold_and_others_do_not() {
    let lab = Lab::new();
    let good = questions(&lab);
    let (run, answers) = ask(&lab, &good.iter().map(Value::to_string).collect::<Vec<_>>());
    run.exits(0);
    assert!(answers.iter().all(|answer| answer["verdict"] == "good"));
    let other = good.iter().map(|question| with(question, "message", to_base64(b"other")).to_string());
    let (run, answers) = ask(&lab, &other.collect::<Vec<_>>());
    run.exits(3);
    assert!(answers.iter().all(|answer| answer["code"] == "signature"));
    // Every algorithm with every other's key.
    for question in &good {
        let lines = good.iter().map(|other| with(question, "algorithm", other["algorithm"].clone()).to_string());
        let (_, answers) = ask(&lab, &lines.collect::<Vec<_>>());
        for (other, answer) in good.iter().zip(answers) {
            assert_eq!(answer["verdict"] == "good", other["algorithm"] == question["algorithm"], "{answer}");
        }
    }
}

#[test]
fn what_is_wrong_with_a_line_is_said() {
    let lab = Lab::new();
    let good = questions(&lab).swap_remove(0);
    lab.judge("openssl genpkey -algorithm x25519 -out x.key").ok();
    lab.judge("openssl pkey -in x.key -pubout -out x.pub").ok();
    lab.judge("openssl genpkey -algorithm rsa -pkeyopt rsa_keygen_bits:1024 -out weak.key").ok();
    lab.judge("openssl pkey -in weak.key -pubout -out weak.pub").ok();
    lab.judge("openssl ecparam -name secp256k1 -genkey -noout -out k1.key").ok();
    lab.judge("openssl pkey -in k1.key -pubout -out k1.pub").ok();
    let file = |name: &str| String::from_utf8_lossy(&lab.read(name)).into_owned();
    let key = good["key"].as_str().expect("a key");
    let without = |field: &str| {
        let mut question = good.clone();
        question.as_object_mut().expect("an object").remove(field);
        question.to_string()
    };
    let line = |field: &str, value: Value| with(&good, field, value).to_string();
    for (question, exit, code, reason) in [
        (line("id", "\u{1b}[31m\u{202e}".into()), 0, "", ""),
        (line("id", 18446744073709551615u64.into()), 0, "", ""),
        (line("signature", "".into()), 3, "signature", "does not match"),
        (line("signature", "AAAA".into()), 3, "signature", "does not match"),
        (line("algorithm", "ecdsa-sha384-p1363".into()), 3, "signature", "does not match"),
        (line("algorithm", "ecdsa-sha256".into()), 3, "signature", "does not match"),
        (line("algorithm", "ed25519".into()), 3, "algorithm", "an EC P-256 key cannot do ed25519"),
        (line("key", "".into()), 3, "malformed", "the public key is malformed"),
        (line("key", "MDkw".into()), 3, "malformed", "the public key is malformed"),
        (line("key", key.replace("PUBLIC", "PRIVATE").into()), 3, "wrong-type", "the key is PEM that says"),
        (line("key", file("x.pub").into()), 3, "key-use", "a key of type X25519 cannot sign"),
        (line("key", file("weak.pub").into()), 3, "weak-key", "RSA-1024 is not accepted"),
        (line("key", file("k1.pub").into()), 3, "unsupported-key", "EC secp256k1"),
        (line("key", file("x.key").into()), 3, "wrong-type", "not a public key"),
        (line("key", [key, key].concat().into()), 3, "wrong-type", "not a public key"),
        (line("key", "not base64".into()), 1, "line", "key is neither PEM nor base64"),
        (line("key", Value::Null), 1, "line", "invalid type: null"),
        (line("message", "AA=A".into()), 1, "line", "message is not base64"),
        (line("message_hex", "00".into()), 1, "line", "message and message_hex are both there"),
        (line("algorithm", "ecdsa-sha1".into()), 1, "unsupported-algorithm", "signature algorithm ecdsa-sha1"),
        (line("algorithm", "ed25519-p1363".into()), 1, "unsupported-algorithm", "ed25519-p1363"),
        (line("algorithm", "x".repeat(5000).into()), 1, "unsupported-algorithm", "is not supported"),
        (line("algorithm", "ECDSA-SHA384".into()), 1, "unsupported-algorithm", "is not supported"),
        (line("id", 1.5.into()), 1, "line", "id is neither a string nor a whole number"),
        (line("id", json!({})), 1, "line", "id is neither a string nor a whole number"),
        (line("hash", "sha384".into()), 1, "line", "unknown field `hash`"),
        (line("message", 5.into()), 1, "line", "invalid type: integer"),
        (without("message"), 1, "line", "there is neither message nor message_hex"),
        (without("signature"), 1, "line", "there is neither signature nor signature_hex"),
        (without("key"), 1, "line", "missing field `key`"),
        (without("algorithm"), 1, "line", "missing field `algorithm`"),
        (good.to_string().replace("{", r#"{"key":"","#), 1, "line", "duplicate field `key`"),
        (format!("{good} {good}"), 1, "line", "the line is not JSON: trailing characters"),
        (format!("[{good}]"), 1, "line", "the line is no JSON object"),
        (json!(["id", "", null, "", null, key, "ecdsa-sha384"]).to_string(), 1, "line", "the line is no JSON object"),
        ("\"text\"".to_owned(), 1, "line", "the line is no JSON object"),
        (String::new(), 1, "line", "the line is no JSON object"),
        ("{".to_owned(), 1, "line", "the line is not JSON: EOF"),
        (format!("{{\"id\":{}", "[".repeat(100_000)), 1, "line", "the line is not JSON: recursion limit"),
        ("x".repeat((1 << 20) + 1), 1, "line", "the line is longer than 1 MiB"),
    ] {
        // Among others, so that one cannot hide another.
        let lines = [good.to_string(), question.clone(), good.to_string()];
        let (run, answers) = ask(&lab, &lines);
        let said = (run.code, answers[1]["code"].as_str().unwrap_or_default());
        let shown: String = question.chars().take(200).collect();
        assert_eq!(said, (Some(exit), code), "{shown} {}", answers[1]);
        let words = answers[1]["reason"].as_str().unwrap_or_default();
        assert!(words.contains(reason) && words.len() < 400, "{shown}: {words}");
        assert!(answers[0]["verdict"] == "good" && answers[2]["verdict"] == "good");
        assert!(!run.text().contains(['\u{1b}', '\u{202e}']));
    }
}

/// A line that is not understood is worse than one that is bad, since not everything was asked.
#[test]
fn the_worst_line_decides() {
    let lab = Lab::new();
    let good = questions(&lab).swap_remove(0).to_string();
    let bad = with(&serde_json::from_str(&good).expect("JSON"), "message", "").to_string();
    let other = "{}".to_owned();
    for (lines, code) in [
        (vec![&good, &good], 0),
        (vec![&good, &bad, &good], 3),
        (vec![&bad, &other, &good], 1),
        (vec![&other, &bad], 1),
    ] {
        ask(&lab, &lines.into_iter().cloned().collect::<Vec<_>>()).0.exits(code);
    }
    lab.write("empty", "");
    lab.refuses("verify --batch empty", 1, "empty is empty, not a batch of questions");
    lab.refuses("verify --batch none", 1, "cannot read batch none");
    lab.refuses("verify --batch .", 1, "cannot read batch .: Is a directory");
    // Nobody listens: the verdict stands.
    let lines = format!("{good}\n").repeat(2000) + &bad;
    lab.write("batch.jsonl", lines);
    lab.shell("$bulla verify --batch batch.jsonl | head -c 1 >/dev/null; exit ${PIPESTATUS[0]}").exits(3);
}

#[test]
fn the_id_and_the_order_of_many_lines_are_kept() {
    let lab = Lab::new();
    let all = questions(&lab);
    let lines: Vec<String> =
        (0..3000).map(|n| with(&all[n % all.len()], "id", format!("no. {n}")).to_string()).collect();
    let (run, answers) = ask(&lab, &lines);
    run.exits(0);
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(answer["id"], format!("no. {n}"));
    }
}

/// Who asks through a pipe gets each answer before the next question.
#[test]
fn a_question_is_answered_at_once() {
    let lab = Lab::new();
    let good = questions(&lab).swap_remove(0);
    let mut command = Command::new(env!("CARGO_BIN_EXE_bulla"));
    command.args(["verify", "--batch", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("bulla");
    let mut asks = child.stdin.take().expect("a pipe");
    let mut answers = BufReader::new(child.stdout.take().expect("a pipe"));
    for n in 1..=3 {
        writeln!(asks, "{good}").expect("a reader");
        let mut answer = String::new();
        answers.read_line(&mut answer).expect("an answer");
        assert_eq!(serde_json::from_str::<Value>(&answer).expect("JSON")["line"], n);
    }
    drop(asks);
    assert!(child.wait().expect("an end").success());
}

#[test]
fn a_batch_goes_with_nothing_that_is_for_one_file() {
    let lab = Lab::new();
    lab.write("batch.jsonl", "{}");
    for words in [
        "batch.jsonl",
        "--as raw",
        "--signature x",
        "--public-key x",
        "--cert x",
        "--trust x",
        "--purpose any",
        "-o x",
        "--at 2026-01-01T00:00:00Z",
        "--min-rsa 3072",
        "--signer-cn x",
        "--min-version 1",
        "--hash sha256",
        "--ecdsa p1363",
        "--decrypt-key x",
        "--decrypt-passphrase-from env:X",
    ] {
        lab.refuses(&format!("verify --batch batch.jsonl {words}"), 2, "--batch");
    }
    for words in ["", "--format json", "--format text", "--progress none", "--color never"] {
        assert!(lab.bulla(&format!("verify --batch batch.jsonl {words}")).exits(1).text().starts_with("{\"code\":"));
    }
    lab.refuses("verify", 2, "--as <FORMAT> <FILE>");
    lab.refuses("verify batch.jsonl", 2, "--as <FORMAT>");
}
