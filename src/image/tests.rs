//! The law of every format, held by one table.

use std::path::Path;

use super::sign::make;
use super::*;
use crate::key::{Hash, KeyType, Signer, SoftwareKey};
use crate::x509::issue::{self, Serial};
use crate::x509::verify::{Anchors, Purpose, Rules};
use crate::x509::{Certificate, Chain, Name, Names, Profile, Request, Time, Variables, Wanted, no_expiry};

/// A firmware signer right under a root, and who trusts it.
struct Signatory {
    key: SoftwareKey,
    chain: Chain,
    policy: Policy,
}

impl Signatory {
    fn maker(&self, existing: Existing) -> Maker<'_> {
        Maker { key: Some(self.key.public_key()), chain: Some(&self.chain), time: now(), existing }
    }
}

fn now() -> Time {
    Time::from_unix_timestamp(1_800_000_000).unwrap()
}

fn signatory(key_type: KeyType) -> Signatory {
    let root_key = SoftwareKey::generate(KeyType::P256).unwrap();
    let root_profile = Profile::named("firmware-root").unwrap();
    let mut variables = Variables::default();
    variables.set("name", "Test");
    variables.set("title", "Test Firmware Root CA");
    let names = root_profile.names(&Name::empty(), &[], &variables, None).unwrap();
    let root = issue::root(&root_profile, &names, &root_key, (now(), no_expiry())).unwrap();
    let key = SoftwareKey::generate(key_type).unwrap();
    let profile = Profile::named("firmware").unwrap();
    let subject = Name::new(&[(Name::COMMON_NAME, "signer")]).unwrap();
    let names = Names { subject: subject.clone(), alt_names: Vec::new() };
    let wanted = Wanted { subject, ..Wanted::default() };
    let request = Request::new(&profile, &wanted, &key).unwrap().prove().unwrap();
    let (scheme, serial) = (KeyType::P256.usual_scheme(), Serial::new(now()).unwrap());
    let validity = (now(), no_expiry());
    let to_be_signed = issue::to_be_signed(&profile, &request, &names, &root, scheme, serial, validity).unwrap();
    let leaf = issue::sign(&to_be_signed, &root_key, scheme).unwrap();
    let trust = Trust::Anchors(Anchors::new(vec![root.clone()]).unwrap());
    let policy = Policy {
        trust,
        untrusted: Vec::new(),
        rules: Rules::new(Purpose::Firmware, now()),
        demands: Demands::default(),
    };
    Signatory { key, chain: Chain::new(vec![leaf, root]).unwrap(), policy }
}

/// A way to sign: a format with settings for both times, the key types that it takes, an image of its kind, and how
/// many bytes of its product may change without a change of what is said (versions in CMS, paddings).
struct Row {
    format: &'static str,
    settings: &'static [(&'static str, &'static str)],
    keys: &'static [KeyType],
    image: fn() -> Vec<u8>,
    mute: usize,
}

const ALL_KEYS: &[KeyType] = &[KeyType::P256, KeyType::P384, KeyType::Ed25519, KeyType::Rsa(2048)];

/// Bytes of a CMS message that say nothing: its version, and that of the SignerInfo.
const CMS_MUTE: usize = 2;

/// What OpenSSL takes in CMS.
const OPENSSL_KEYS: &[KeyType] = &[KeyType::P256, KeyType::P384, KeyType::Rsa(2048)];

fn any_file() -> Vec<u8> {
    b"firmware image".repeat(100)
}

/// An image with room for a header of 64 bytes.
fn blank_start() -> Vec<u8> {
    [vec![0; 64], any_file()].concat()
}

/// Every format stands here.
const ROWS: &[Row] = &[
    Row { format: "raw", settings: &[], keys: ALL_KEYS, image: any_file, mute: 0 },
    Row {
        format: "raw",
        settings: &[("ecdsa", "p1363")],
        keys: &[KeyType::P256, KeyType::P384],
        image: any_file,
        mute: 0,
    },
    Row { format: "cms", settings: &[], keys: ALL_KEYS, image: any_file, mute: CMS_MUTE },
    Row {
        format: "cms",
        settings: &[("hash", "sha384"), ("rsa", "pkcs1")],
        keys: &[KeyType::Rsa(2048)],
        image: any_file,
        mute: CMS_MUTE,
    },
    // The untrusted comment is not signed, nor is the key id in twelve characters of base64.
    Row { format: "minisign", settings: &[], keys: &[KeyType::Ed25519], image: any_file, mute: 20 + 12 },
    Row {
        format: "minisign",
        settings: &[("untrusted-comment", ""), ("trusted-comment", "board\t1.2.3"), ("require-prehashed", "")],
        keys: &[KeyType::Ed25519],
        image: any_file,
        mute: 12,
    },
    Row {
        format: "rauc",
        settings: &[("bundle-format", "plain")],
        keys: OPENSSL_KEYS,
        image: rauc::tests::squashfs,
        mute: CMS_MUTE,
    },
    Row { format: "rauc", settings: &[], keys: OPENSSL_KEYS, image: rauc::tests::squashfs, mute: CMS_MUTE },
    Row {
        format: "mcuboot",
        settings: &[("version", "1.2.3+4"), ("pad-header", "")],
        keys: ALL_KEYS,
        image: any_file,
        mute: 0,
    },
    Row {
        format: "mcuboot",
        settings: &[
            ("version", "1.2.3+4"),
            ("header-size", "0x40"),
            ("slot-size", "0x1000"),
            ("max-align", "16"),
            ("erased-val", "0"),
            ("endian", "big"),
            ("security-counter", "auto"),
            ("dependency", "(1, 1.0.0)"),
            ("boot-record", "app"),
            ("custom-tlv", "0xa0=text"),
            ("vid", "example.com"),
            ("cid", "board"),
            ("public-key-format", "full"),
            ("pad-sig", ""),
        ],
        keys: &[KeyType::P256, KeyType::P384],
        image: blank_start,
        mute: 0,
    },
    Row {
        format: "mcuboot",
        settings: &[("version", "1"), ("pad-header", ""), ("pure", "")],
        keys: &[KeyType::Ed25519],
        image: any_file,
        mute: 0,
    },
    // No device reads what stands in the signature sector besides its one block, every fourth byte of which is tried.
    Row {
        format: "esp32",
        settings: &[],
        keys: &[KeyType::Rsa(3072), KeyType::P256, KeyType::P384],
        image: any_file,
        mute: (4096 - 1216 + 16) / 4,
    },
    Row {
        format: "swupdate",
        settings: &[],
        keys: &[KeyType::P256, KeyType::P384, KeyType::Rsa(2048)],
        image: swupdate::tests::update,
        // In each of four headers ten numbers of eight digits that mean nothing to the device. The checksum of its entry
        // covers what may change in the CMS.
        mute: 4 * 80,
    },
];

impl Row {
    fn format(&self) -> &'static dyn ImageFormat {
        format_named(self.format).unwrap()
    }

    /// The settings that count at a time.
    fn settings(&self, at: At) -> Settings {
        self.settings_where(|counts| counts == At::Both || counts == at)
    }

    fn settings_where(&self, is_wanted: impl Fn(At) -> bool) -> Settings {
        let mut settings = Settings::default();
        for (name, value) in self.settings {
            let setting = self.format().settings().iter().find(|setting| setting.name == *name).unwrap();
            if is_wanted(setting.at) {
                settings.add(name, *value);
            }
        }
        settings
    }

    fn sign(&self, signatory: &Signatory, image: &[u8]) -> Result<Vec<u8>, Error> {
        self.sign_as(signatory, image, Existing::Refuse, &self.settings(At::Signing))
    }

    /// Signs an image that is signed already: what was set for its content stands in it, and what the device is like is
    /// said again.
    fn sign_again(&self, signatory: &Signatory, image: &[u8], existing: Existing) -> Result<Vec<u8>, Error> {
        self.sign_as(signatory, image, existing, &self.settings_where(|at| at == At::Both))
    }

    fn sign_as(
        &self,
        signatory: &Signatory,
        image: &[u8],
        existing: Existing,
        settings: &Settings,
    ) -> Result<Vec<u8>, Error> {
        with_source(image, |source| {
            let signer: &dyn Signer = &signatory.key;
            let signed = sign(self.format(), source, Some(signer), &signatory.maker(existing), settings)?;
            source.bytes_of(&signed.layout, MESSAGE_LIMIT)
        })
    }

    /// Judges a product: a signature over `image`, or a signed image.
    fn verify(&self, signatory: &Signatory, image: &[u8], product: &[u8]) -> Verdict {
        let is_detached = self.format().is_detached();
        let evidence = Evidence {
            signature: is_detached.then_some(Detached { path: Path::new("signature"), bytes: product }),
            signer: Some(signatory.chain.leaf()),
            policy: &signatory.policy,
        };
        let settings = self.settings(At::Verifying);
        let judged = if is_detached { image } else { product };
        with_source(judged, |source| verify(self.format(), source, &evidence, &settings)).unwrap()
    }
}

fn with_source<T>(image: &[u8], work: impl FnOnce(&mut Source<'_>) -> T) -> T {
    work(&mut Source::from_bytes(Path::new("image"), image.to_vec(), |_| {}))
}

/// Checks each row with each of its types of key; RSA keys take their time to make, so that there is one of each type.
fn each(mut check: impl FnMut(&Row, &Signatory, &[u8])) {
    let mut signatories: Vec<Signatory> = Vec::new();
    for row in ROWS {
        for key_type in row.keys {
            let found = signatories.iter().position(|found| found.key.public_key().key_type() == *key_type);
            let at = found.unwrap_or_else(|| {
                signatories.push(signatory(*key_type));
                signatories.len() - 1
            });
            check(row, &signatories[at], &(row.image)());
        }
    }
}

#[test]
fn every_format_has_a_row_and_every_setting_one_meaning() {
    for format in FORMATS {
        assert!(ROWS.iter().any(|row| row.format == format.name()), "{} has no row", format.name());
        for setting in format.settings() {
            for other in FORMATS.iter().flat_map(|format| format.settings()) {
                assert!(setting.name != other.name || setting.takes == other.takes, "--{}", setting.name);
            }
        }
    }
}

/// What was signed is good; another image, a changed product at any byte, a longer and a shorter one are bad.
#[test]
fn what_was_signed_is_good_and_nothing_else_is() {
    each(|row, signatory, image| {
        let name = format!("{} {}", row.format, signatory.key.public_key().key_type());
        let product = row.sign(signatory, image).unwrap();
        match row.verify(signatory, image, &product) {
            Verdict::Good(good) => {
                assert_eq!(good.path.as_ref().map(|path| &path.chain), Some(&signatory.chain), "{name}");
            }
            Verdict::Bad(bad) => panic!("{name}: {bad:?}"),
        }
        let is_bad = |image: &[u8], product: &[u8]| matches!(row.verify(signatory, image, product), Verdict::Bad(_));
        assert!(is_bad(image, &[&product[..], &[0]].concat()), "{name}: a byte more");
        let step = (product.len() / 2000).max(1);
        for end in (0..product.len()).step_by(step) {
            // A text may lack its last line end.
            assert!(is_bad(image, &product[..end]) || product[end..] == *b"\n", "{name}: cut at {end}");
        }
        let mut mute = 0;
        for at in (0..product.len()).step_by(step) {
            let mut changed = product.clone();
            changed[at] ^= 1;
            mute += usize::from(!is_bad(image, &changed));
        }
        assert!(mute <= row.mute, "{name}: {mute} bytes may change");
        if row.format().is_detached() {
            let mut other = image.to_vec();
            other[700] ^= 1;
            assert!(is_bad(&other, &product), "{name}: another image");
            assert!(is_bad(&image[1..], &product), "{name}: a shorter image");
        }
    });
}

/// Reading finds what was planned: the same rounds, each with its signature.
#[test]
fn what_is_read_is_what_was_planned() {
    each(|row, signatory, image| {
        let maker = signatory.maker(Existing::Refuse);
        let mut made = Vec::new();
        let product = with_source(image, |source| {
            let plan = row.format().plan(source, &maker, &row.settings(At::Signing)).unwrap();
            let mut signatures = Vec::new();
            while let Some(round) = plan.round(&signatures).unwrap() {
                let signature = make(&signatory.key, &round).unwrap();
                signatures.push(signature.clone());
                made.push((round, signature));
            }
            let layout = plan.attach(source, &signatures).unwrap();
            source.bytes_of(&layout, MESSAGE_LIMIT).unwrap()
        });
        let evidence = Evidence {
            signature: row.format().is_detached().then_some(Detached { path: Path::new("signature"), bytes: &product }),
            signer: Some(signatory.chain.leaf()),
            policy: &signatory.policy,
        };
        let settings = row.settings(At::Verifying);
        let judged = if row.format().is_detached() { image } else { &product };
        let reading = with_source(judged, |source| row.format().read(source, &evidence, &settings));
        let reading = reading.unwrap_or_else(|fault| panic!("{}: {fault:?}", row.format));
        let found: Vec<_> = reading.signatories.into_iter().flat_map(|signatory| signatory.rounds).collect();
        assert_eq!(found, made, "{}", row.format);
    });
}

/// In two steps comes what comes in one, and nothing is attached that does not hold.
#[test]
fn two_steps_make_what_one_makes() {
    each(|row, signatory, image| {
        let key = signatory.key.public_key();
        let maker = signatory.maker(Existing::Refuse);
        let mut prepared = with_source(image, |source| {
            Prepared::new(row.format(), source, &maker, &row.settings(At::Signing)).unwrap()
        });
        let product = loop {
            let json = prepared.to_json().to_string();
            let read = Prepared::from_json(json.as_bytes()).unwrap();
            assert_eq!(read, prepared);
            let round = Round { scheme: prepared.scheme, message: prepared.message.clone() };
            let signature = make(&signatory.key, &round).unwrap();
            let mut wrong = signature.clone();
            let last = wrong.len() - 1;
            wrong[last] ^= 1;
            with_source(image, |source| {
                let refused = read.clone().attach(row.format(), source, &wrong);
                assert!(matches!(refused, Err(Error::Key(_))), "{}", row.format);
            });
            let other = Prepared { message: Message::Digest(Hash::Sha256.digest(b"other")), ..read.clone() };
            with_source(image, |source| {
                let refused = other.attach(row.format(), source, &signature);
                assert!(matches!(refused, Err(Error::PreparedDiffers)), "{}", row.format);
            });
            let mut changed = image.to_vec();
            changed[image.len() / 2] ^= 1;
            with_source(&changed, |source| {
                let refused = read.clone().attach(row.format(), source, &signature);
                assert!(refused.is_err(), "{}: an image that was changed meanwhile", row.format);
            });
            let signature = match prepared.scheme {
                crate::key::Scheme::Ecdsa(_) => key.ecdsa_to_p1363(&signature).unwrap(),
                _ => signature,
            };
            let step = with_source(image, |source| match read.attach(row.format(), source, &signature).unwrap() {
                Step::Done(layout) => Ok(source.bytes_of(&layout, MESSAGE_LIMIT).unwrap()),
                Step::Again(next) => Err(next),
            });
            match step {
                Ok(product) => break product,
                Err(next) => prepared = *next,
            }
        };
        match signatory.key.public_key().key_type() {
            // RSA-PSS has a random salt.
            KeyType::Rsa(_) => {
                assert!(matches!(row.verify(signatory, image, &product), Verdict::Good(_)), "{}", row.format);
            }
            _ => assert_eq!(product, row.sign(signatory, image).unwrap(), "{}", row.format),
        }
    });
}

#[test]
fn an_empty_image_is_neither_signed_nor_good() {
    each(|row, signatory, image| {
        assert!(matches!(row.sign(signatory, b""), Err(Error::Empty { .. })), "{}", row.format);
        let product = if row.format().is_detached() { row.sign(signatory, image).unwrap() } else { Vec::new() };
        match row.verify(signatory, b"", &product) {
            Verdict::Bad(bad) => assert_eq!(bad.code, "empty", "{}", row.format),
            Verdict::Good(_) => panic!("{}", row.format),
        }
    });
}

/// A signed image is not signed as if it had no signature. Where a second signature can be added, both hold, and without
/// the second the image is what it was.
#[test]
fn a_second_signature_is_added_or_refused_and_never_lost() {
    each(|row, first, image| {
        if row.format().is_detached() {
            return;
        }
        let name = row.format;
        let second = self::signatory(first.key.public_key().key_type());
        let product = row.sign(first, image).unwrap();
        for existing in [Existing::Refuse, Existing::Keep] {
            let again = row.sign_again(first, &product, existing);
            assert!(matches!(again, Err(Error::Unfit(_))), "{name} {existing:?}: {again:?}");
        }
        let replaced = row.sign_again(&second, &product, Existing::Replace).unwrap();
        assert!(matches!(row.verify(&second, image, &replaced), Verdict::Good(_)), "{name}");
        assert!(matches!(row.verify(first, image, &replaced), Verdict::Bad(_)), "{name}");
        let both = match row.sign_again(&second, &product, Existing::Keep) {
            Ok(both) => both,
            Err(Error::Unfit(_)) => return,
            Err(error) => panic!("{name}: {error}"),
        };
        for signatory in [first, &second] {
            let verdict = row.verify(signatory, image, &both);
            assert!(matches!(verdict, Verdict::Good(_)), "{name}: {verdict:?}");
        }
        let without = |signatory: &Signatory, image: &[u8]| {
            with_source(image, |source| {
                let layout = row.format().remove(source, signatory.key.public_key())?;
                source.bytes_of(&layout, MESSAGE_LIMIT)
            })
        };
        assert_eq!(without(&second, &both).unwrap(), product, "{name}");
        let verdict = row.verify(&second, image, &without(first, &both).unwrap());
        assert!(matches!(verdict, Verdict::Good(_)), "{name}: {verdict:?}");
        let nobody = self::signatory(first.key.public_key().key_type());
        assert!(matches!(without(&nobody, &both), Err(Error::Unfit(Unfit::NotByKey))), "{name}");
    });
}

/// Whatever the bytes are: a verdict, a description, a refusal to sign, and no panic.
#[test]
fn what_is_broken_is_answered() {
    for row in ROWS {
        let signatory = self::signatory(row.keys[0]);
        let image = (row.image)();
        let product = row.sign(&signatory, &image).unwrap();
        // Knuth's MMIX generator: the same bytes each time.
        let mut state: u64 = 1;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        for _ in 0..400 {
            let mut broken = product.clone();
            for _ in 0..=random(4) {
                // Lengths and counts stand at the ends of images and signatures.
                let span = if random(2) == 0 { 64 } else { broken.len() };
                let from_end = random(2) == 0;
                let at = random(span.min(broken.len()));
                let at = if from_end { broken.len() - 1 - at } else { at };
                broken[at] = [0, 1, 0x7f, 0x80, 0xff, random(256) as u8][random(6)];
            }
            broken.truncate(if random(4) == 0 { random(broken.len()) + 1 } else { broken.len() });
            let _ = row.verify(&signatory, &image, &broken);
            with_source(&broken, |source| {
                source.seekable().unwrap();
                let _ = row.format().describe(source);
                let _ = row.format().remove(source, signatory.key.public_key());
            });
            for existing in Existing::ALL {
                let _ = row.sign_as(&signatory, &broken, existing, &row.settings(At::Signing));
            }
        }
    }
}

#[test]
fn demands_are_met_or_the_image_is_bad() {
    let mut signatory = signatory(KeyType::P256);
    let image = any_file();
    let row = &ROWS[0];
    let signature = row.sign(&signatory, &image).unwrap();
    let spki = signatory.key.public_key().fingerprint().to_string();
    let demand = |change: fn(&mut Demands)| {
        let mut demands = Demands::default();
        change(&mut demands);
        demands
    };
    for (demands, code) in [
        (Demands { signer_spki: Some(spki.to_uppercase()), ..Demands::default() }, None),
        (demand(|demands| demands.signer_spki = Some("00".repeat(32))), Some("signer")),
        (demand(|demands| demands.signer_cn = Some("signer".to_owned())), None),
        (demand(|demands| demands.signer_cn = Some("sign".to_owned())), Some("signer")),
        (demand(|demands| demands.signer_san = x509::AltName::dns("a.example").ok()), Some("signer")),
        (demand(|demands| demands.min_version = Some("1".to_owned())), Some("version")),
        (demand(|demands| demands.min_security_counter = Some(0)), Some("security-counter")),
        (demand(|demands| demands.hardware = Some("board".to_owned())), Some("hardware")),
    ] {
        signatory.policy.demands = demands;
        let found = match row.verify(&signatory, &image, &signature) {
            Verdict::Good(_) => None,
            Verdict::Bad(bad) => Some(bad.code),
        };
        assert_eq!(found, code, "{:?}", signatory.policy.demands);
    }
}

/// A certificate that is trusted as it is, and one that is not.
#[test]
fn trust_may_be_in_a_key_or_a_certificate() {
    each(|row, signatory, image| {
        let product = row.sign(signatory, image).unwrap();
        let stranger = self::signatory(signatory.key.public_key().key_type());
        let trusting = |trust: Trust| Signatory {
            key: SoftwareKey::generate(KeyType::P256).unwrap(),
            chain: signatory.chain.clone(),
            policy: Policy { trust, ..signatory.policy.clone() },
        };
        let certificate = |signatory: &Signatory| -> Certificate { signatory.chain.leaf().clone() };
        for (trust, is_good) in [
            (Trust::Key(signatory.key.public_key().clone()), true),
            (Trust::Key(stranger.key.public_key().clone()), false),
            (Trust::Certificate(Box::new(certificate(signatory))), true),
            (Trust::Certificate(Box::new(certificate(&stranger))), false),
            (stranger.policy.trust.clone(), false),
        ] {
            let verdict = row.verify(&trusting(trust.clone()), image, &product);
            assert_eq!(matches!(verdict, Verdict::Good(_)), is_good, "{} {trust:?}: {verdict:?}", row.format);
        }
    });
}
