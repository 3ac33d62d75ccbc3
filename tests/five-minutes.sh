#!/bin/sh
# The first five minutes: a device's identity and a signed firmware image, from nothing, offline.
# Builds bulla where BULLA does not name a binary, and works in a folder of its own.
set -eu
cd "$(dirname "$0")/.."
if [ -z "${BULLA:-}" ]; then
    cargo build --release --locked
    BULLA=${CARGO_TARGET_DIR:-$PWD/target}/release/bulla
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
bulla() {
    printf '$ bulla'
    for word; do
        case $word in
            *' '*) printf ' "%s"' "$word" ;;
            *) printf ' %s' "$word" ;;
        esac
    done
    printf '\n'
    "$BULLA" "$@"
}
# The image: any file will do, so the tool signs itself.
cp "$BULLA" app.bin

bulla ca init acme --name "Acme" --no-passphrase
bulla keygen -o device.key
bulla csr device.key --profile idevid --serial SN-42 -o device.csr
bulla enroll device.csr --profile idevid --ca acme -o device.pem
bulla keygen -o firmware.key
bulla enroll --key firmware.key --profile firmware --cn "Acme firmware 2026" --ca acme -o firmware.pem
bulla sign app.bin --as cms --key firmware.key --cert firmware.pem -o app.bin.p7s
bulla verify app.bin --as cms --signature app.bin.p7s --trust acme/firmware/root.pem
