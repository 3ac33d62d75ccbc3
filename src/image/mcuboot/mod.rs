//! Images of MCUboot.

pub mod envelope;
