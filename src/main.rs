//! The `bulla` binary: parse, run, exit.

fn main() -> std::process::ExitCode {
    bulla::cli::main()
}
