#!/bin/sh
# Installs the outside tools that judge our output, on Debian 12, as root or through sudo: only what is missing.
set -eu

# Without its standard plugins strongSwan's pki knows neither ECDSA nor Ed25519.
packages='openssl gnutls-bin strongswan-pki libstrongswan-standard-plugins rauc swupdate squashfs-tools cpio'

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing=
for package in $packages; do
    installed "$package" || missing="$missing $package"
done

if [ -n "$missing" ]; then
    sudo=
    [ "$(id -u)" -eq 0 ] || sudo=sudo
    $sudo apt-get update -qq >&2
    # shellcheck disable=SC2086  # a list of packages
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing >&2
fi

# Not from the tools themselves: swupdate does not know its own version.
# shellcheck disable=SC2086  # a list of packages
dpkg-query -W -f '${Package} ${Version}\n' $packages
