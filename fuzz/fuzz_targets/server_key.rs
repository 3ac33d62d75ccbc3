//! Bodies of EST: base64, media types, and the answer of serverkeygen. The first line is the Content-Type.

#![no_main]

use bulla::enroll::est::{MediaType, ServerKey, Wrapping, decode, open_key};
use bulla::key::{KeyFile, SoftwareDecrypter};
use bulla::x509::verify::Anchors;
use bulla_fuzz::{P256, ROOT, SIGNER, assert_printable, now};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return };
    let (line, body) = bytes.split_at(end + 1);
    for wrapping in [Wrapping::Whole, Wrapping::Lines] {
        match decode(&wrapping.encode(body)) {
            Ok(again) => assert_eq!(**again, *body),
            Err(_) => assert!(body.is_empty()),
        }
    }
    match decode(body) {
        Ok(decoded) => assert_eq!(**decode(&Wrapping::of(body).encode(&decoded)).expect("what was written"), **decoded),
        Err(error) => assert_printable(error),
    }
    let media_type = MediaType::parse(std::str::from_utf8(line).unwrap_or_default().trim());
    match ServerKey::read(&media_type, body) {
        Ok(read) => drop(KeyFile::from_document(read.key).open(None)),
        Err(error) => assert_printable(error),
    }
    let key = SoftwareDecrypter::try_from(&*P256).expect("a key that decrypts");
    let anchors = Anchors::new(ROOT.clone()).expect("an anchor");
    let open = |sealed: &[u8]| open_key(sealed, &key, &SIGNER[0], &anchors, now());
    if let Err(error) = ServerKey::read_sealed(&media_type, body, open) {
        assert_printable(error);
    }
});
