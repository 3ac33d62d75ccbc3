#!/bin/sh
# SWUpdate as the judge of a detached CMS signature over a sw-description.
#
#   swupdate.sh prepare DIR                               writes DIR/payload, the bytes to sign, and DIR/image.bin
#   swupdate.sh judge DIR SIGNATURE ROOT.pem [INTERMEDIATE.pem]
#
# Exit status: 0 accepted, 1 refused, 99 the judge gave no verdict. The signer must pass the default certificate
# purpose and codeSigning. INTERMEDIATE is given as trusted next to ROOT: Debian's build does not take it from the CMS.
set -eu
export LC_ALL=C

# An unexpected failure must never look like a verdict.
status=99
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"; exit "$status"' EXIT
trap 'exit 99' HUP INT TERM

prepare() {
    # 2022.12 asks for its own result once the archive is written to a socket; one that fits into the socket's
    # buffer can be written before the installer has begun, which reads as failure (upstream commit e6b2081b).
    head -c 4194304 /dev/zero >"$1/image.bin"
    cat >"$1/payload" <<DESCRIPTION
software = {
    version = "1.0.0";
    hardware-compatibility: [ "1.0" ];
    images: (
        {
            filename = "image.bin";
            type = "raw";
            device = "/dev/null";
            sha256 = "$(sha256sum "$1/image.bin" | cut -d' ' -f1)";
        }
    );
}
DESCRIPTION
    status=0
}

# run OPTION...: one run, with sockets and files of its own
run() {
    rm -rf "$work/run"
    mkdir "$work/run"
    code=0
    TMPDIR=$work/run timeout 20 swupdate -v -c -i "$work/archive/bundle.swu" -k "$work/trust.pem" -H judge:1.0 "$@" \
        >"$work/said" 2>&1 || code=$?
    cat "$work/said" >&2
}

said() {
    grep -qE "$1" "$work/said"
}

# The signature does not hold; its signer is not trusted for the purpose; it is no CMS.
refusals='Signature verification failed|Authentication of all signatures failed|cannot be parsed as DER-encoded CMS'

# ask PURPOSE OPTION...
ask() {
    purpose=$1
    shift
    for _ in 1 2 3; do
        run "$@"
        if [ "$code" -eq 0 ] && said 'Verified OK' && said 'SWUPDATE successful'; then
            echo "swupdate, $purpose purpose: accepted" >&2
            return
        elif [ "$code" -eq 1 ] && said "$refusals"; then
            echo "swupdate, $purpose purpose: refused" >&2
            refused=1
            return
        fi
        echo "swupdate, $purpose purpose: no verdict (exit $code)" >&2
    done
    exit 99
}

judge() {
    mkdir "$work/archive"
    # Unlike cat, awk ends each file with a newline.
    awk 1 "$3" ${4:+"$4"} >"$work/trust.pem"
    cp "$1/payload" "$work/archive/sw-description"
    cp "$2" "$work/archive/sw-description.sig"
    cp "$1/image.bin" "$work/archive/image.bin"
    cd "$work/archive"
    # The signature comes second, or it is not found.
    printf '%s\n' sw-description sw-description.sig image.bin | cpio --quiet -o -H crc >bundle.swu
    refused=0
    ask default
    ask codeSigning --cert-purpose codeSigning
    status=$refused
}

case "${1-}/$#" in
    prepare/2) prepare "$2" ;;
    judge/[45]) shift; judge "$@" ;;
    *) echo 'usage: swupdate.sh prepare DIR | judge DIR SIGNATURE ROOT.pem [INTERMEDIATE.pem]' >&2 ;;
esac
