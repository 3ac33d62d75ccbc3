//! How long a process takes that does nothing: `bulla --version` beside `openssl version`. A factory line starts one for
//! each step of each device. Goal: at most 1.

use std::path::Path;
use std::process::Stdio;

mod measure;
use measure::{BULLA, command, in_turn, run};

const ROUNDS: usize = 300;

fn main() {
    let here = Path::new(".");
    let [bulla, openssl] =
        in_turn(ROUNDS, [&mut || run(here, BULLA, "--version"), &mut || run(here, "openssl", "version")]);
    let version = command(here, "openssl", "version").stdout(Stdio::piped()).output().expect("openssl");
    println!("median of {ROUNDS} processes each, in turn, beside {}", String::from_utf8_lossy(&version.stdout).trim());
    println!("{:24} {:>8}  {:>5}", "", "ms", "ratio");
    for (what, time) in [("openssl version", openssl), ("bulla --version", bulla)] {
        println!("{what:24} {:8.2}  {:5.2}", time.as_secs_f64() * 1e3, time.as_secs_f64() / openssl.as_secs_f64());
    }
}
