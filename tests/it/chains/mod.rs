//! Our own hard cases for `verify-chain`: purposes, the rules of RFC 5280 one by one, monsters, the command line.
//!
//! Every case names the rule that it is about. OpenSSL gives a second opinion of every chain that is good.

mod command;
mod monsters;
mod names;
mod profile;
mod purposes;
mod search;
mod validity;

use crate::forge::{Forged, bundle};
use crate::harness::Lab;

/// When chains are judged, in the middle of what [`crate::forge::leaf`] is valid for.
const NOW: &str = "2030-01-01T00:00:00Z";

/// Cases, and what went wrong with them.
struct Table {
    lab: Lab,
    cases: usize,
    failures: Vec<String>,
}

/// What is asked: for which purpose and with which flags besides; of a leaf with untrusted certificates after it.
struct Question<'a> {
    /// The section of the RFC and what the case does to it.
    rule: &'a str,
    /// A purpose, then other flags.
    flags: &'a str,
    chain: &'a [Forged],
    trust: &'a [Forged],
}

impl Table {
    fn new() -> Self {
        Self { lab: Lab::new(), cases: 0, failures: Vec::new() }
    }

    /// Accepted, by OpenSSL too.
    fn good(&mut self, rule: &str, flags: &str, chain: &[Forged], trust: &[Forged]) {
        let question = Question { rule, flags, chain, trust };
        self.answer(&question, None);
        self.openssl(&question, true);
    }

    /// Accepted, and refused by OpenSSL. `why` tells who is right.
    fn good_unlike_openssl(&mut self, rule: &str, why: &str, flags: &str, chain: &[Forged], trust: &[Forged]) {
        let question = Question { rule: &format!("{rule} ({why})"), flags, chain, trust };
        self.answer(&question, None);
        self.openssl(&question, false);
    }

    /// Refused with a code.
    fn bad(&mut self, rule: &str, code: &str, flags: &str, chain: &[Forged], trust: &[Forged]) {
        self.answer(&Question { rule, flags, chain, trust }, Some(code));
    }

    /// Asks in JSON and in text: the exit code, the verdict and the stable code, one line without a control character.
    fn answer(&mut self, question: &Question<'_>, code: Option<&str>) {
        self.cases += 1;
        let Question { rule, flags, chain, trust } = question;
        let (leaf, untrusted) = chain.split_first().expect("a leaf");
        self.lab.write("leaf.pem", leaf.pem());
        self.lab.write("trust.pem", bundle(*trust));
        self.lab.write("untrusted.pem", bundle(untrusted));
        let at = if flags.contains("--at") { String::new() } else { format!("--at {NOW}") };
        let untrusted = if untrusted.is_empty() { "" } else { "--untrusted untrusted.pem" };
        let words = format!("verify-chain leaf.pem --trust trust.pem {untrusted} {at} --purpose {flags}");
        let (exit, verdict) = if code.is_some() { (3, "bad") } else { (0, "good") };
        let json = self.lab.bulla(&format!("{words} --format json"));
        let text = self.lab.bulla(&words);
        let told: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap_or_default();
        // A code is the end of a longer one: what is no certificate at all is malformed as well.
        let is_coded = code.is_none_or(|code| told["code"].as_str().is_some_and(|found| found.ends_with(code)));
        let lines = text.text();
        // An anchor that cannot be read is a question that cannot be put.
        let is_answered = match json.code {
            Some(1) => {
                rule.ends_with(", anchor") && told["schema"] == "bulla.error/1" && text.stderr.contains("trust.pem")
            }
            found => {
                found == Some(exit)
                    && told["schema"] == "bulla.verify-chain/1"
                    && told["verdict"] == verdict
                    && (code.is_none() || lines.lines().count() == 1)
                    && json.stderr.is_empty()
                    && text.stderr.is_empty()
            }
        };
        let holds =
            is_answered && is_coded && text.code == json.code && !lines.chars().any(|c| c.is_control() && c != '\n');
        if !holds {
            self.failures.push(format!(
                "{rule} [{flags}]: expected {}, found {:?}\n{lines}{}{}",
                code.unwrap_or("good"),
                json.code,
                told,
                text.stderr
            ));
        }
    }

    /// Asks OpenSSL what was asked last.
    fn openssl(&mut self, question: &Question<'_>, accepts: bool) {
        let flags: Vec<&str> = question.flags.split_whitespace().collect();
        let value = |flag| flags.iter().position(|each| *each == flag).map(|at| flags[at + 1]);
        let purpose = match flags[0] {
            "tls-server" | "webpki" => "sslserver",
            "tls-client" | "idevid" => "sslclient",
            // OpenSSL 3.0 has no purpose of code signing.
            _ => "any",
        };
        let format = &time::format_description::well_known::Rfc3339;
        let at = time::OffsetDateTime::parse(value("--at").unwrap_or(NOW), format).expect("a time").unix_timestamp();
        let host = value("--name").map_or(String::new(), |name| format!("-verify_hostname {name}"));
        let untrusted = if question.chain.len() > 1 { "-untrusted untrusted.pem" } else { "" };
        let run = self.lab.judge(&format!(
            "openssl verify -x509_strict -partial_chain -purpose {purpose} -attime {at} {host} -CAfile trust.pem \
             {untrusted} leaf.pem"
        ));
        if (run.code == Some(0)) != accepts {
            let (rule, flags) = (question.rule, question.flags);
            self.failures.push(format!("{rule} [{flags}]: openssl says\n{}{}", run.text(), run.stderr));
        }
    }

    fn done(self) {
        assert!(
            self.cases > 0 && self.failures.is_empty(),
            "{} failures in {} cases\n\n{}",
            self.failures.len(),
            self.cases,
            self.failures.join("\n")
        );
    }
}
