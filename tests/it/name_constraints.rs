//! Name constraints on certificates that OpenSSL made.

use crate::harness::Lab;

/// A root that excludes `O=Müller Evil`, and a leaf below it: `$organization`, in the string type of `$mask`.
const CHAIN: &str = r#"
printf '%s\n' '[req]' distinguished_name=dn prompt=no x509_extensions=ca string_mask=utf8only '[dn]' O=Root \
    '[ca]' basicConstraints=critical,CA:true keyUsage=critical,keyCertSign subjectKeyIdentifier=hash \
    'nameConstraints=critical,excluded;dirName:evil' '[evil]' $'O=M\xfcller Evil' > ca.cnf
printf '%s\n' '[req]' distinguished_name=dn prompt=no utf8=yes "string_mask=$mask" '[dn]' "O=$organization" \
    '[leaf]' basicConstraints=critical,CA:false keyUsage=critical,digitalSignature authorityKeyIdentifier=keyid > leaf.cnf
new='openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes' &&
$new -x509 -keyout ca.key -out ca.pem -days 30 -config ca.cnf &&
$new -keyout leaf.key -out leaf.csr -config leaf.cnf &&
openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -days 20 -extfile leaf.cnf -extensions leaf -out leaf.pem"#;

/// RFC 5280 section 7.1: the type of a string, its case and its spacing do not count, nor what RFC 4518 takes away or
/// composes. OpenSSL folds the case of ASCII alone, and prepares nothing else.
#[test]
fn an_excluded_name_is_known_in_every_writing() {
    // OpenSSL's bits of a string mask: 4 is TeletexString, 100 UniversalString, 800 BMPString.
    for (mask, organization, is_excluded, openssl_agrees) in [
        ("utf8only", "Müller Evil", true, true),
        ("MASK:0x800", "müller EVIL", true, true),
        ("MASK:0x100", "Müller Evil", true, true),
        ("MASK:0x4", "MÜLLER  evil", true, false),
        ("utf8only", "Mu\u{308}ller Evil", true, false),
        ("utf8only", "Mül\u{200d}ler Evil", true, false),
        ("utf8only", "Muller Evil", false, true),
        ("utf8only", "Müller Evil Ltd", false, true),
    ] {
        let lab = Lab::new();
        lab.shell(&format!("mask='{mask}' organization='{organization}'\n{CHAIN}")).ok();
        let run = lab.bulla("verify-chain leaf.pem --trust ca.pem --purpose any");
        match is_excluded {
            true => assert!(run.exits(3).text().contains("(name-constraint)"), "{mask} {organization}"),
            false => drop(run.ok()),
        }
        if openssl_agrees {
            lab.judge("openssl verify -CAfile ca.pem leaf.pem").exits(if is_excluded { 2 } else { 0 });
        }
    }
}
