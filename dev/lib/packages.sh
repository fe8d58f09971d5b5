# SPDX-License-Identifier: Apache-2.0
# The one list of Debian packages, by what they are needed for, and how they come onto the host: packages_need GROUP…
# Root gets what is missing installed; anybody else is told the command. Elsewhere than on Debian nothing is done:
# configure says what it misses.

packages_of() {
	case $1 in
	build) echo gcc libc6-dev make autoconf automake pkg-config libev-dev libnng-dev libmsgpack-dev libcgroup-dev \
		libseccomp-dev libcmocka-dev libsqlite3-dev libyaml-dev libsystemd-dev libmbedtls-dev \
		musl-tools linux-libc-dev ;;
	lint) echo binutils clang-format-14 mandoc ;;
	test) echo xz-utils curl python3 iproute2 nftables ;;
	fuzz) echo clang libclang-rt-dev ;;
	package) echo debhelper lintian fakeroot dpkg-dev ;;
	bench) echo python3 s6 runit supervisor serf etcd-server iproute2 ;;
	model) echo spin gcc libc6-dev ;;
	vm) echo qemu-system-x86 qemu-utils debootstrap e2fsprogs wget python3 ;;
	*) echo "packages_of: no group '$1'" >&2; return 1 ;;
	esac
}

packages_missing() { # GROUP…
	for packages_group; do
		for package in $(packages_of "$packages_group"); do
			[ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
				printf '%s ' "$package"
		done
	done
}

packages_install() {
	DEBIAN_FRONTEND=noninteractive apt-get -q update &&
		DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install $missing
}

packages_need() { # GROUP…
	command -v dpkg-query >/dev/null 2>&1 || return 0
	missing=$(packages_missing "$@")
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" -ne 0 ]; then
		echo "missing Debian packages; as root: apt-get install $missing" >&2
		return 1
	fi
	echo "installing Debian packages: $missing"
	packages_log=$(mktemp)
	if packages_install >"$packages_log" 2>&1; then
		rm -f "$packages_log"
		return 0
	fi
	tail -20 "$packages_log" >&2
	echo "installing Debian packages failed, all of it in $packages_log" >&2
	return 1
}
