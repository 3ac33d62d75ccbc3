//! The tests from outside, in one binary: `bulla` as a program, beside the tools that must agree with it.

mod harness;
