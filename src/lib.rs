//! Device identities and firmware signatures.
//!
//! `bulla` makes device keys and certificate requests, runs a CA that issues certificates for them, signs firmware, and
//! verifies it as a device would. The program is a thin binary over this library.
//!
//! # The map of the house
//!
//! A module names only modules of a lower rank, never a sibling, so that there are no cycles; a test enforces it.
//!
//! | rank | module | what it owns |
//! |---|---|---|
//! | 0 | [`files`] | what a file is, reading, writing whole or not at all |
//! | 1 | [`key`] | algorithms, keys, signing and checking signatures |
//! | 2 | [`x509`] | names, profiles, requests, certificates, issuing, revocation, judging chains, lint |
//! | 3 | [`cms`] | SignedData, EnvelopedData |
//! | 3 | [`net`] | HTTP over TLS, both ends |
//! | 4 | [`store`] | the CA's records |
//! | 4 | [`enroll`] | asking for a certificate, deciding about it, accepting it; the protocols |
//! | 4 | [`image`] | formats of signed images, and the verdict |
//! | 5 | [`ca`] | the embedded CA |
//! | 6 | [`cli`] | the command line |
//!
//! # Two journeys
//!
//! *A device's key*: [`key::KeyRef`] names it, [`key::KeyFile`] opens it, [`x509::Request::new`] asks for a certificate
//! with it, an [`enroll::Enroller`] gets one from an [`enroll::Authority`], and [`enroll::accept`] checks what came back
//! before [`files::Output`] stores it.
//!
//! *A firmware image*: an [`image::Source`] reads it, an [`image::ImageFormat`] plans where its bytes and signatures
//! stand, a [`key::Signer`] signs, and an [`image::Layout`] is written; back again, the format reads what was signed, an
//! [`image::Policy`] says whom to trust, [`x509::verify::path`] finds a chain to there, and the answer is an
//! [`image::Verdict`].

#![forbid(unsafe_code)]

pub mod ca;
pub mod cli;
pub mod cms;
pub mod enroll;
pub mod files;
pub mod image;
pub mod key;
pub mod net;
pub mod store;
pub mod x509;
