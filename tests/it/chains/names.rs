//! Whom a certificate is for: RFC 9525 section 6, RFC 5280 section 4.2.1.6.

use super::{Question, Table};
use crate::forge::*;
use crate::harness::Lab;

/// A server of many names; `Root` issued it.
fn server() -> Forged {
    leaf("cn.example", "Root").with(extended_key_usage(&[SERVER])).with(alt_name(&[
        dns("gw.example"),
        dns("*.wild.example"),
        dns("f*.part.example"),
        dns("a.*.middle.example"),
        dns("under_score.example"),
        dns("xn--bcher-kva.example"),
        dns("*"),
        dns("nul.example\0.evil.test"),
        dns("dot.example."),
        dns("192.0.2.9"),
        tlv(0x87, [192, 0, 2, 1]),
        tlv(0x87, [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        tlv(0x86, "urn:dev:mac:0024befffe804ff1"),
        tlv(0x86, "coaps://gw.example/a"),
        tlv(0x81, "Line-7@factory.example"),
    ]))
}

#[test]
fn every_form_of_name() {
    let mut table = Table::new();
    for (rule, asked) in [
        ("9525 6.3: a host", "gw.example"),
        ("9525 6.3: case does not count", "GW.Example"),
        ("9525 6.3: in so many words", "dns:gw.example"),
        ("9525 6.3: a wildcard is one label", "a.wild.example"),
        ("9525 6.3: an A-label", "xn--bcher-kva.example"),
        ("9525 6.5: an address", "192.0.2.1"),
        ("9525 6.5: in so many words", "ip:192.0.2.1"),
        ("9525 6.5: an address of IPv6", "2001:db8::1"),
        ("9525 6.5: written at length", "ip:2001:0DB8:0:0:0:0:0:1"),
        ("5280 4.2.1.6: a URI", "uri:urn:dev:mac:0024befffe804ff1"),
        ("5280 4.2.1.6: an e-mail address", "email:Line-7@factory.example"),
        ("5280 7.5: case of the host does not count", "email:Line-7@Factory.Example"),
    ] {
        table.named(rule, asked, None);
    }
    for (rule, asked) in [
        ("9525 6.3: another host", "other.example"),
        ("9525 6.3: the common name is no name of a server", "cn.example"),
        ("9525 6.3: a wildcard is not its own domain", "wild.example"),
        ("9525 6.3: a wildcard is not two labels", "a.b.wild.example"),
        ("9525 6.3: part of a label is no wildcard", "foo.part.example"),
        ("9525 6.3: a wildcard in the middle is none", "a.b.middle.example"),
        ("9525 6.3: a wildcard is no name that can be asked for", "*.wild.example"),
        ("1034 3.5: an underscore is in no host", "under_score.example"),
        ("9525 6.3: a wildcard alone", "localhost"),
        ("9525 6.3: what stands before NUL", "nul.example"),
        ("9525 6.3: what stands before a last dot", "dot.example"),
        ("9525 6.5: an address in a DNS name", "192.0.2.9"),
        ("9525 6.5: another address", "192.0.2.2"),
        ("9525 6.5: an address of IPv4 within IPv6", "::ffff:192.0.2.1"),
        ("5280 4.2.1.6: case of a URI counts", "uri:urn:dev:mac:0024BEFFFE804FF1"),
        ("5280 4.2.1.6: a URI with more", "uri:coaps://gw.example/ab"),
        ("5280 7.5: case of the local part counts", "email:line-7@factory.example"),
    ] {
        table.named(rule, asked, Some("name"));
    }
    let plain = [leaf("gw.example", "Root")];
    table.bad("9525 6.3: no subjectAltName", "name", "tls-server --name gw.example", &plain, &[root("Root")]);
    table.done();
}

impl Table {
    /// Asks for a name. OpenSSL is not asked: it has a flag for some forms of name, and none for others.
    fn named(&mut self, rule: &str, asked: &str, code: Option<&str>) {
        let flags = format!("any --name {asked}");
        self.answer(&Question { rule, flags: &flags, chain: &[server()], trust: &[root("Root")] }, code);
    }
}

#[test]
fn what_is_no_name_cannot_be_asked_for() {
    let lab = Lab::new();
    lab.write("leaf.pem", server().pem());
    lab.write("root.pem", root("Root").pem());
    for asked in
        ["", "dns:", "dns:a b", "ip:gw.example", "ip:1.2.3", "uri:x", "email:a", "dir:CN=x", "a..b", "\u{202e}x"]
    {
        let words = ["verify-chain", "leaf.pem", "--trust", "root.pem", "--purpose", "any", "--name", asked];
        lab.refuses_args(words, 2, "--name");
    }
}
