#!/bin/sh
# Installs the outside tools that judge our output, on Debian 12, as root or through sudo: only what is missing.
set -eu
cd "$(dirname "$0")/.."

# Without its standard plugins strongSwan's pki knows neither ECDSA nor Ed25519.
packages='openssl gnutls-bin strongswan-pki libstrongswan-standard-plugins rauc swupdate squashfs-tools cpio minisign'
# EST clients: strongSwan's fetches with curl, BouncyCastle's is a library of Java. ecj compiles that in a tenth of the JDK's
# size.
packages="$packages libstrongswan-extra-plugins curl default-jre-headless libbcpkix-java ecj"
# Outside hands: sqlite3 from Python, another time of day; ensurepip for what comes from PyPI.
packages="$packages python3 python3-venv faketime"
# libFuzzer is C++.
packages="$packages g++"

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

# What comes from PyPI, each in a folder of its own, at exactly the versions of its list; done already, it needs no
# network.
from_pypi() {
    venv=target/judges/$1
    list=tests/judges/$2.txt
    shift 2
    pins=$(sha256sum <"$list")
    [ "$(cat "$venv/pins" 2>/dev/null)" = "$pins" ] && return
    rm -rf "$venv"
    mkdir -p target/judges
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: "$@" --require-hashes -r "$list" >&2
    printf '%s\n' "$pins" >"$venv/pins"
}

version() {
    "target/judges/$1/bin/python" -c "from importlib.metadata import version; print('$2', version('$2'))"
}

# The EST client of BouncyCastle, a command of our own around it.
est_client() {
    source=tests/judges/EstClient.java
    classes=target/judges/java
    [ -f $classes/EstClient.class ] && [ ! $source -nt $classes/EstClient.class ] && return
    java=/usr/share/java
    ecj -17 -proc:none -cp $java/bcprov.jar:$java/bcutil.jar:$java/bcpkix.jar -d $classes $source >&2
}

est_client
from_pypi pkilint pkilint
from_pypi firmware firmware --no-binary esptool
from_pypi pkits pkits
version pkilint pkilint
version firmware imgtool
version firmware esptool
version pkits cryptography_vectors
