#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What configure says when something is missing: each library in turn is hidden from it, and the sentence must name the
# Debian package. Then what it refuses, and that without musl the shim is built with glibc, static as well; and that
# it goes on where pkg-config does not know libcgroup.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
red=0

fault() {
	echo "$0:1: $*"
	red=1
}

# refused WHAT PATTERN ARGUMENTS…: configure must end non-zero, saying PATTERN.
refused() {
	what=$1
	pattern=$2
	shift 2
	rm -rf "$work/b"
	mkdir "$work/b"
	if ( cd "$work/b" && "$top/configure" -q "$@" ) >"$work/said" 2>&1; then
		fault "$what: configure found nothing wrong"
	elif ! grep -Eq "$pattern" "$work/said"; then
		fault "$what: '$pattern' was not said, but: $(tail -3 "$work/said")"
	else
		echo "ok: $what"
	fi
}

# A header that stands in front of the real one and does not compile: as good as missing.
hidden() { # HEADER PACKAGE
	rm -rf "$work/include"
	mkdir -p "$work/include/$(dirname "$1")"
	echo '#error hidden' >"$work/include/$1"
	refused "$1 missing" "error: .* not found: install the Debian package $2 " CPPFLAGS="-I$work/include"
}

hidden ev.h libev-dev
hidden nng/nng.h libnng-dev
hidden mbedtls/x509_crt.h libmbedtls-dev
hidden libcgroup.h libcgroup-dev
hidden seccomp.h libseccomp-dev
hidden sqlite3.h libsqlite3-dev
hidden yaml.h libyaml-dev
hidden systemd/sd-daemon.h libsystemd-dev
mkdir -p "$work/no-pc"
refused 'msgpack missing' 'install the Debian package libmsgpack-dev ' PKG_CONFIG_LIBDIR="$work/no-pc"
refused 'cmocka missing' 'install the Debian package libcmocka-dev ' PKG_CONFIG_LIBDIR="$work/no-pc" \
	MSGPACK_CFLAGS=-I/usr/include MSGPACK_LIBS=-lmsgpackc
refused 'no asserts' 'asserts' CPPFLAGS=-DNDEBUG

rm -rf "$work/b"
mkdir "$work/b"
cd "$work/b"
"$top/configure" -q --without-musl PKG_CONFIG_LIBDIR="$work/no-pc" MSGPACK_CFLAGS=-I/usr/include \
	MSGPACK_LIBS=-lmsgpackc CMOCKA_CFLAGS=-I/usr/include CMOCKA_LIBS=-lcmocka >"$work/said" 2>&1 ||
	fault "without musl: configure failed: $(tail -3 "$work/said")"
grep -q 'musl-tools' "$work/said" || fault "without musl: the package musl-tools was not named"
! grep -q 'define COVEY_CGROUP_VERSION' config.h || fault "a version of libcgroup that pkg-config does not know"
if make -s covey-shim >"$work/said" 2>&1; then
	! readelf -dW covey-shim | grep -q NEEDED || fault "without musl: covey-shim is not static"
	echo "ok: covey-shim with glibc"
else
	fault "without musl: covey-shim does not build: $(tail -3 "$work/said")"
fi
exit $red
