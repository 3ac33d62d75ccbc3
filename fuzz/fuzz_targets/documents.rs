//! What a file is: PEM, DER, and the texts of minisign.

#![no_main]

use std::path::Path;

use bulla::files::{Document, Kind, documents, printable};
use bulla_fuzz::{INPUT, assert_printable};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match documents(bytes, Path::new(INPUT), "a document") {
        Ok(found) => {
            for Document { kind, der } in &found {
                let text = Document::to_pem(*kind, der);
                let again = documents(text.as_bytes(), Path::new(INPUT), "a document");
                // What is encrypted in the traditional way has headers, which are not kept.
                assert!(
                    *kind == Kind::TraditionalEncryptedKey
                        || matches!(again.as_deref(), Ok([again]) if again.der == *der && again.kind == *kind)
                );
            }
        }
        Err(error) => assert_printable(printable(&error.to_string())),
    }
});
