//! Finding a path: RFC 5280 section 6.1 and RFC 4158, with anchors of every kind, loops, and CAs of one name.

use std::slice::from_ref;

use super::Table;
use crate::forge::*;

fn name_constraints(kind: u8, host: &str) -> Extension {
    critical(NAME_CONSTRAINTS, sequence(&[tlv(kind, sequence(&[dns(host)]))]))
}

#[test]
fn path_lengths() {
    let mut table = Table::new();
    let top = |length| [root("Root").with(basic_constraints(true, Some(length)))];
    let chain = [leaf("leaf", "C"), ca("C", "B"), ca("B", "A"), ca("A", "Root")];
    for length in [3, 4, 127] {
        table.good("4.2.1.9: an anchor's pathLen", "any", &chain, &top(length));
    }
    for length in [0, 1, 2] {
        table.bad("4.2.1.9: an anchor's pathLen", "path-length", "any", &chain, &top(length));
    }
    let limited = |place: usize, length| {
        let mut chain = chain.clone();
        chain[place] = chain[place].clone().with(basic_constraints(true, Some(length)));
        chain
    };
    table.good("4.2.1.9: 0 over a leaf", "any", &limited(1, 0), &[root("Root")]);
    table.bad("4.2.1.9: 0 over a CA", "path-length", "any", &limited(2, 0), &[root("Root")]);
    table.good("4.2.1.9: 1 over a CA", "any", &limited(2, 1), &[root("Root")]);
    table.bad("4.2.1.9: 1 over two CAs", "path-length", "any", &limited(3, 1), &[root("Root")]);
    // A CA that is the leaf does not count (section 4.2.1.9: the last certificate is not an intermediate one).
    let last = [ca("B", "A"), ca("A", "Root").with(basic_constraints(true, Some(0)))];
    table.good("4.2.1.9: the last one does not count", "any", &last, &[root("Root")]);
    // Self-issued ones do not count either: the same name, a new key signed by the old one.
    let rolled = Forged { subject: common_name("A"), issuer: common_name("A"), ..ca("A2", "A") };
    let below = Forged { issuer: common_name("A"), ..leaf("leaf", "A2") };
    let over = ca("A", "Root").with(basic_constraints(true, Some(0)));
    table.good(
        "6.1.4 (l): self-issued ones do not count",
        "any",
        &[below.clone(), rolled.clone(), over.clone()],
        &[root("Root")],
    );
    let twice = Forged { issuer: common_name("A"), ..ca("C", "A2") };
    table.bad("6.1.4 (l): others do", "path-length", "any", &[leaf("leaf", "C"), twice, rolled, over], &[root("Root")]);
    for (length, code) in [(3, None), (2, Some("path-length")), (0, Some("path-length"))] {
        let flags = format!("any --max-path-length {length}");
        match code {
            None => table.good("6.1.2 (k): asked for", &flags, &chain, &[root("Root")]),
            Some(code) => table.bad("6.1.2 (k): asked for", code, &flags, &chain, &[root("Root")]),
        }
    }
    table.done();
}

#[test]
fn anchors() {
    let mut table = Table::new();
    let chain = [leaf("leaf", "CA"), ca("CA", "Root")];
    table.good("6.1.1 (d): an anchor that is no root", "any", &chain[..1], &[ca("CA", "Root")]);
    table.good("6.1.1 (d): the root beside it is not needed", "any", &chain, &[ca("CA", "Root")]);
    table.good("6.1.1 (d): two anchors, one of them right", "any", &chain, &[root("Other"), root("Root")]);
    table.good(
        "6.1.1 (d): the root among the untrusted too",
        "any",
        &[&chain[..], &[root("Root")]].concat(),
        &[root("Root")],
    );
    table.good(
        "4158 2.4.2: twenty times the same",
        "any",
        &[&chain[..], &vec![ca("CA", "Root"); 20]].concat(),
        &vec![root("Root"); 20],
    );
    table.bad("6.1.1 (d): another root", "untrusted", "any", &chain, &[root("Other")]);
    table.bad("6.1.1 (d): the intermediate forgotten", "untrusted", "any", &chain[..1], &[root("Root")]);
    table.bad(
        "6.1.1 (d): the root is not trusted for being there",
        "untrusted",
        "any",
        &[&chain[..], &[root("Root")]].concat(),
        &[root("Other")],
    );
    let impostor = Forged { public_key: public_key("Impostor"), ..root("Root") };
    table.bad(
        "6.1.3 (a) (1): a root of that name with another key",
        "key-identifier",
        "any",
        &chain,
        &[impostor.clone().with(subject_key("Impostor"))],
    );
    table.bad("6.1.3 (a) (1): and the same identifier", "certificate-signature", "any", &chain, from_ref(&impostor));
    table.good_unlike_openssl(
        "4158 3.5: both, the right one last",
        "OpenSSL tries one way alone",
        "any",
        &chain,
        &[impostor, root("Root")],
    );
    let own = Forged { signer: "leaf".to_owned(), ..leaf("leaf", "leaf") };
    table.bad("a leaf that signs itself", "untrusted", "any", from_ref(&own), &[root("Root")]);
    table.bad("a leaf is not its own anchor", "untrusted", "any", from_ref(&own), from_ref(&own));
    table.bad("a root is not its own anchor", "untrusted", "any", &[root("Root")], &[root("Root")]);
    table.bad(
        "a leaf is no anchor",
        "not-a-ca",
        "any",
        &[leaf("below", "leaf")],
        &[leaf("leaf", "Root").without(KEY_USAGE)],
    );
    for (rule, trust, code) in [
        ("5937: permitted", root("Root").with(name_constraints(0xa0, "example")), None),
        ("5937: not permitted", root("Root").with(name_constraints(0xa0, "test")), Some("name-constraint")),
        ("5937: excluded", root("Root").with(name_constraints(0xa1, "gw.example")), Some("name-constraint")),
    ] {
        let chain = [leaf("leaf", "CA").with(alt_name(&[dns("gw.example")])), ca("CA", "Root")];
        match code {
            None => table.good(rule, "any", &chain, &[trust]),
            Some(code) => table.bad(rule, code, "any", &chain, &[trust]),
        }
    }
    table.done();
}

#[test]
fn loops_and_crossings() {
    let mut table = Table::new();
    let two = [leaf("leaf", "A"), ca("A", "B"), ca("B", "A")];
    table.bad("4158 2.4.2: a loop of two", "untrusted", "any", &two, &[root("Root")]);
    table.good_unlike_openssl(
        "4158 2.4.2: a way out of it",
        "OpenSSL tries one way alone",
        "any",
        &[&two[..], &[ca("B", "Root")]].concat(),
        &[root("Root")],
    );
    let three = [leaf("leaf", "A"), ca("A", "B"), ca("B", "C"), ca("C", "A")];
    table.bad("4158 2.4.2: a loop of three", "untrusted", "any", &three, &[root("Root")]);
    table.good_unlike_openssl(
        "4158 2.4.2: a way out of it",
        "OpenSSL tries one way alone",
        "any",
        &[&three[..], &[ca("C", "Root")]].concat(),
        &[root("Root")],
    );
    table.good(
        "4158 2.4.2: the way out first",
        "any",
        &[leaf("leaf", "A"), ca("A", "Root"), ca("A", "B"), ca("B", "A")],
        &[root("Root")],
    );
    // Two roots that vouch for each other: either one is enough.
    let crossed = [leaf("leaf", "CA"), ca("CA", "Old"), ca("Old", "New"), ca("New", "Old")];
    for trust in ["Old", "New"] {
        table.good("4158 3.3: cross-certificates", "any", &crossed, &[root(trust)]);
    }
    // The first way leads to a CA that is over, the second does not.
    let over = |each: Forged| each.valid("200101000000Z", "210101000000Z");
    table.good(
        "4158 3.5: a way that is over",
        "any",
        &[leaf("leaf", "CA"), over(ca("CA", "Old")), ca("CA", "New")],
        &[root("Old"), root("New")],
    );
    // A way that ends at an anchor for other uses, and one that does not.
    let server = leaf("leaf", "CA").with(extended_key_usage(&[SERVER]));
    let narrow = root("Old").with(extended_key_usage(&[CLIENT]));
    table.good_unlike_openssl(
        "4158 3.5: an anchor for something else",
        "OpenSSL tries one way alone",
        "tls-server",
        &[server.clone(), ca("CA", "Old"), ca("CA", "New")],
        &[narrow.clone(), root("New")],
    );
    table.bad(
        "4158 3.5: that anchor alone",
        "purpose",
        "tls-server",
        &[server, ca("CA", "Old"), ca("CA", "New")],
        &[narrow],
    );
    // A CA that certified its new key with its old one, and the old one with the new one (RFC 4210 section 4.4).
    let named = |who: &str, issuer: &str| Forged {
        subject: common_name("Root"),
        issuer: common_name("Root"),
        ..ca(who, issuer)
    };
    let (old, new) =
        (named("Old key", "Old key").without(AUTHORITY_KEY), named("New key", "New key").without(AUTHORITY_KEY));
    let rolled = [named("New key", "Old key"), named("Old key", "New key")];
    for signer in ["Old key", "New key"] {
        let device = Forged { issuer: common_name("Root"), ..leaf("leaf", signer) };
        for anchor in [&old, &new] {
            table.good(
                "4210 4.4: a root with a new key",
                "any",
                &[from_ref(&device), &rolled].concat(),
                from_ref(anchor),
            );
        }
    }
    // One name, one key, two certificates of it: without constraint and with.
    let narrow = ca("CA", "Root").with(basic_constraints(true, Some(0)));
    let chain = [leaf("leaf", "Sub"), ca("Sub", "CA"), narrow.clone(), ca("CA", "Root")];
    table.good_unlike_openssl(
        "4158 2.4.2: the certificate that allows it",
        "OpenSSL tries one way alone",
        "any",
        &chain,
        &[root("Root")],
    );
    table.bad("4.2.1.9: the one that does not", "path-length", "any", &chain[..3], &[root("Root")]);
    table.done();
}

#[test]
fn the_longest_chain() {
    let mut table = Table::new();
    let chain = |cas: usize| {
        let names: Vec<String> = (0..cas).map(|place| format!("CA {place}")).collect();
        let mut chain = vec![leaf("leaf", "CA 0")];
        for place in 0..cas {
            chain.push(ca(&names[place], names.get(place + 1).map_or("Root", String::as_str)));
        }
        chain
    };
    table.good("ten certificates", "any", &chain(8), &[root("Root")]);
    table.bad("eleven certificates", "chain-too-long", "any", &chain(9), &[root("Root")]);
    table.bad("a thousand in a line", "chain-too-long", "any", &chain(1000), &[root("Root")]);
    table.done();
}
