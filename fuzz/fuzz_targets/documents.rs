//! What a file is: PEM, DER, and the texts of minisign.

#![no_main]

use std::path::Path;

use bulla::files::{Document, documents, printable};
use bulla_fuzz::{INPUT, assert_printable};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match documents(bytes, Path::new(INPUT), "a document") {
        Ok(found) => {
            for Document { kind, der } in &found {
                let text = Document::to_pem(*kind, der);
                let again = documents(text.as_bytes(), Path::new(INPUT), "a document");
                if let Ok([again]) = again.as_deref() {
                    assert_eq!(again.der, *der);
                }
            }
        }
        Err(error) => assert_printable(printable(&error.to_string())),
    }
});
