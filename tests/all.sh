#!/bin/sh
# Installs the judges and passes all tests. A fresh clone, Debian 12 and Rust with rustfmt and clippy are enough; the
# network is needed for packages alone, from Debian, crates.io and PyPI.
set -eu
cd "$(dirname "$0")/.."
exec </dev/null
mkdir -p target

step() {
    printf '\n==> %s\n' "$1"
}

step 'judges'
sh tests/install-judges.sh

step 'format'
cargo fmt --check
cargo fmt --check --manifest-path fuzz/Cargo.toml

step 'the README shows the transcript that is run'
sed -n 's/^bulla /$ bulla /p' tests/five-minutes.sh >target/transcript.run
awk '/^## /{here = /first five minutes/} here && /^\$ bulla /' README.md >target/transcript.shown
[ -s target/transcript.run ]
diff -u target/transcript.run target/transcript.shown

step 'bans, licences and sources of the dependencies'
# The release that deny.toml was tried with. A debug build of it takes a third of the time, and it runs for a second.
cargo install --quiet --locked --debug --version 0.20.2 --root target/judges cargo-deny
for manifest in Cargo.toml fuzz/Cargo.toml; do
    target/judges/bin/cargo-deny --locked --manifest-path $manifest check bans licenses sources
done

step 'clippy'
cargo clippy --all-targets --locked -- -D warnings
cargo clippy --manifest-path fuzz/Cargo.toml --target-dir target --locked -- -D warnings

step 'tests'
cargo test --locked

step 'documentation'
RUSTDOCFLAGS='-D warnings' cargo doc --no-deps --locked

step 'fuzz targets'
sh fuzz/run.sh

step 'the first five minutes'
sh tests/five-minutes.sh

printf '\nall passed\n'
