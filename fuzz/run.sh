#!/bin/sh
# run.sh [SECONDS [TARGET...]] : builds the fuzz targets, makes their first inputs, and runs each for so many seconds;
# without a number shortly, as CI does. Stable Rust and a C++ compiler are enough; cargo-fuzz works too, with `-s none`.
set -eu
cd "$(dirname "$0")/.."
seconds=${1-}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- $(cd fuzz/fuzz_targets && ls | sed 's/\.rs$//')

cargo build --locked --quiet
# Its flags stand in fuzz/.cargo, which counts there alone.
(cd fuzz && cargo build --release --locked --quiet)
sh fuzz/seeds.sh target/debug/bulla fuzz/corpus/seeds

# What a reader may take: 256 MiB, and a second. A target does in one go what a user does in several, is slower for the
# counters and checks in it, and shares the machine: hence ten times as long.
limits='-rss_limit_mb=256 -timeout=10'
# The longest of the first inputs, a bundle of two blocks with its digest tree and signature, has 14 KiB.
limits="$limits -max_len=16384"

cd fuzz
host=$(rustc -vV | sed -n 's/^host: //p')
for target; do
    mkdir -p "corpus/seeds/$target" "artifacts/$target"
    if [ -n "$seconds" ]; then
        found=corpus/$target
        end=-max_total_time=$seconds
    else
        found=corpus/short
        rm -rf "$found"
        end='-runs=10000 -seed=1'
    fi
    mkdir -p "$found"
    # shellcheck disable=SC2086  # several flags
    "target/$host/release/$target" $limits $end -artifact_prefix="artifacts/$target/" \
        "$found" "corpus/seeds/$target" >target/log 2>&1 || { cat target/log; exit 1; }
    printf '%s: %s\n' "$target" "$(grep DONE target/log)"
done
