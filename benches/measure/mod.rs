//! What the benches share: commands with a stopwatch, the median, the number of rounds.
//!
//! A figure is what a user waits for beside what he would use instead, both measured in turn in one run: compare the
//! ratio, since the times are this machine's.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The binary under measurement, built as it is released.
pub const BULLA: &str = env!("CARGO_BIN_EXE_bulla");

/// Runs a program to its end, words split at blanks, and returns how long that took. It must succeed.
pub fn run(folder: &Path, program: &str, words: &str) -> Duration {
    let mut command = command(folder, program, words);
    let started = Instant::now();
    let output = command.output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let took = started.elapsed();
    assert!(output.status.success(), "{program} {words}: {}", String::from_utf8_lossy(&output.stderr));
    took
}

/// A program in a folder, words split at blanks, that nobody listens to.
pub fn command(folder: &Path, program: &str, words: &str) -> Command {
    let mut command = Command::new(program);
    command.args(words.split_whitespace()).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// Runs the ways of doing one thing in turn, `rounds` times each after one that is not counted, and returns the median
/// of each.
pub fn in_turn<const N: usize>(rounds: usize, mut ways: [&mut dyn FnMut() -> Duration; N]) -> [Duration; N] {
    let mut times = [const { Vec::new() }; N];
    for round in 0..=rounds {
        for (way, times) in ways.iter_mut().zip(&mut times) {
            let took = way();
            if round > 0 {
                times.push(took);
            }
        }
    }
    times.map(|mut times| {
        times.sort();
        times[times.len() / 2]
    })
}
