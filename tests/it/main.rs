//! The tests from outside, in one binary: `bulla` as a program, beside the tools that must agree with it.

mod architecture;
mod bad_ca;
mod bad_input;
mod bad_records;
mod conventions;
mod credentials;
mod enrolling;
mod factory;
mod fixtures;
mod generated;
mod harness;
mod hierarchies;
mod hostile;
mod hostile_images;
mod interop;
mod keeping;
mod large;
mod profiles;
mod records;
mod renewing;
mod revocation;
mod secrets;
mod signing;
mod verify_batch;
mod wycheproof;
