#!/bin/sh
# RAUC as the judge of a detached CMS signature over a "plain" bundle.
#
#   rauc.sh prepare DIR                                   writes DIR/payload, the bytes to sign
#   rauc.sh judge DIR SIGNATURE ROOT.pem [INTERMEDIATE.pem]
#
# Exit status: 0 accepted, 1 refused, 99 the judge gave no verdict. The signer must pass RAUC's default
# certificate purpose and check-purpose=codesign. INTERMEDIATE is not used: RAUC takes intermediates from the
# CMS alone, and a signature that lacks them must be refused here.
set -eu
export LC_ALL=C

# An unexpected failure must never look like a verdict.
status=99
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"; exit "$status"' EXIT
trap 'exit 99' HUP INT TERM

prepare() {
    mkdir "$work/bundle"
    head -c 8192 /dev/zero >"$work/bundle/rootfs.img"
    cat >"$work/bundle/manifest.raucm" <<MANIFEST
[update]
compatible=judge
version=1

[image.rootfs]
filename=rootfs.img
size=8192
sha256=$(sha256sum "$work/bundle/rootfs.img" | cut -d' ' -f1)
MANIFEST
    # Without file times and owners the payload is the same on each run.
    mksquashfs "$work/bundle" "$work/payload" -all-root -all-time 0 -mkfs-time 0 -no-progress -quiet >&2
    mv "$work/payload" "$1/payload"
    status=0
}

big_endian_u64() {
    for shift in 56 48 40 32 24 16 8 0; do
        # shellcheck disable=SC2059  # the format is the byte
        printf "\\$(printf %03o $(($1 >> shift & 255)))"
    done
}

# The signature does not hold; it is no CMS, or has no size RAUC takes; it is attached.
refusals='signature verification failed|Invalid bundle format|Verified inline signature by'

# ask PURPOSE ROOT
ask() {
    printf '[system]\ncompatible=judge\nbootloader=noop\n[keyring]\npath=%s\n' "$2" >"$work/system.conf"
    [ "$1" = default ] || printf 'check-purpose=%s\n' "$1" >>"$work/system.conf"
    code=0
    rauc --conf="$work/system.conf" info "$work/bundle.raucb" >"$work/said" 2>&1 || code=$?
    cat "$work/said" >&2
    if [ "$code" -eq 0 ] && grep -q 'Verified detached signature by' "$work/said"; then
        echo "rauc, $1 purpose: accepted" >&2
    elif [ "$code" -eq 1 ] && grep -qE "$refusals" "$work/said"; then
        echo "rauc, $1 purpose: refused" >&2
        refused=1
    else
        echo "rauc, $1 purpose: no verdict (exit $code)" >&2
        exit 99
    fi
}

judge() {
    root=$(realpath -e "$3")
    cat "$1/payload" "$2" >"$work/bundle.raucb"
    size=$(stat -c %s "$2")
    big_endian_u64 "$size" >>"$work/bundle.raucb"
    refused=0
    ask default "$root"
    ask codesign "$root"
    status=$refused
}

case "${1-}/$#" in
    prepare/2) prepare "$2" ;;
    judge/[45]) judge "$2" "$3" "$4" ;;
    *) echo 'usage: rauc.sh prepare DIR | judge DIR SIGNATURE ROOT.pem [INTERMEDIATE.pem]' >&2 ;;
esac
