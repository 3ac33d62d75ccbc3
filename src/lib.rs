//! bulla
pub mod files;
pub mod key;
pub mod x509;
pub mod store;
pub mod enroll;
pub mod ca;
pub mod cms;
pub mod image;
pub mod cli;
