#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# image.sh DIR: the guest's disk: Debian 12 with systemd as PID 1, its kernel, the libraries that covey runs with and
# the agent that takes the host's commands. Prints the directory below DIR that holds root.img, vmlinuz and versions;
# made once for what it is made of (this script and tests/vm/guest), then found again. Packages come from where the
# host's own apt has them, through its proxy and by its keys. Needs root. Ends with 77 where a capability is missing.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
suite=bookworm
size=2G
# What boots, what systemd's tools and the tests run; then what covey is linked with (as debian/control will say).
packages="systemd,systemd-sysv,dbus,udev,kmod,procps,iproute2,util-linux,e2fsprogs,\
libev4,libnng1,libmsgpackc2,libcgroup2,libseccomp2,libsqlite3-0,libyaml-0-2,libsystemd0,libcmocka0,init-system-helpers"
kernel=linux-image-cloud-amd64

[ $# -ge 1 ] || { echo "usage: image.sh DIR" >&2; exit 2; }
mkdir -p "$1"
dir=$(cd "$1" && pwd)
key=$(cat "$0" "$here"/guest/* | cksum | cut -d' ' -f1)
image=$dir/image-$key

skip() { # CAPABILITY
	{ echo "skipped, this host lacks: $1" >&2; exit 77; }
}

# The archive that apt takes the suite's packages from.
mirror() {
	apt-get indextargets --format '$(CODENAME) $(COMPONENT) $(SITE)' 'Created-By: Packages' |
		sed -n "s|^$suite main \(https*://[^ ]*\)\$|\1|p" | head -1
}

# All keys that apt would believe, in one file: those of the archive are among them.
keys() { # FILE
	cat /usr/share/keyrings/debian-archive-keyring.gpg /etc/apt/trusted.gpg.d/*.gpg >"$1" 2>/dev/null || true
	sed -n 's/^Signed-By: *//p' /etc/apt/sources.list.d/*.sources 2>/dev/null | sort -u | while read -r file; do
		case $file in
		/usr/share/keyrings/debian-archive-keyring.gpg) ;;
		/*.gpg) cat "$file" >>"$1" ;;
		esac
	done
}

proxies() {
	eval "$(apt-config shell http_proxy Acquire::http::Proxy https_proxy Acquire::https::Proxy)"
	export http_proxy https_proxy
}

kernel_unpack() { # ROOT
	real=$(apt-cache depends "$kernel" | sed -n 's/^  Depends: \(linux-image-[^ ]*\)$/\1/p' | head -1)
	[ -n "$real" ] || skip "the package $kernel"
	mkdir -p "$work/kernel"
	( cd "$work/kernel" && apt-get -q -o APT::Sandbox::User=root download "$real" )
	dpkg-deb -x "$work"/kernel/*.deb "$work/kernel" # not into the root, whose /lib is a link
	mv "$work"/kernel/boot/vmlinuz-* "$work/vmlinuz"
	mkdir -p "$1/usr/lib/modules"
	mv "$work"/kernel/lib/modules/* "$1/usr/lib/modules/"
	chroot "$1" depmod "$(ls "$1/usr/lib/modules")"
	echo "$real $(dpkg-deb -f "$work"/kernel/*.deb Version)" >>"$work/versions"
}

# What a test does not wait for, and where the host's commands arrive.
furnish() { # ROOT
	echo covey-vm >"$1/etc/hostname"
	echo '127.0.0.1 localhost covey-vm' >"$1/etc/hosts"
	echo '/dev/nvme0n1 / ext4 defaults 0 1' >"$1/etc/fstab"
	: >"$1/etc/machine-id"
	mkdir -p "$1/var/log/journal" "$1/usr/lib/covey-vm"
	cp "$here/guest/agent.sh" "$1/usr/lib/covey-vm/"
	cp "$here/guest/covey-vm-agent.service" "$1/etc/systemd/system/"
	for unit in getty@tty1.service serial-getty@ttyS0.service apt-daily.timer apt-daily-upgrade.timer \
		dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
		systemd-pstore.service systemd-update-utmp.service; do
		ln -sf /dev/null "$1/etc/systemd/system/$unit"
	done
	mkdir -p "$1/etc/systemd/system/multi-user.target.wants"
	ln -sf ../covey-vm-agent.service "$1/etc/systemd/system/multi-user.target.wants/"
	rm -rf "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/* "$1"/usr/share/locale/* "$1"/usr/share/doc/*
	rm -f "$1"/etc/apt/sources.list "$1/etc/resolv.conf"
}

build() {
	from=$(mirror)
	[ -n "$from" ] || skip "an apt source of Debian $suite"
	proxies
	keys "$work/keys.gpg"
	mkdir -p "$dir/debs"
	debootstrap --variant=minbase --include="$packages" --keyring="$work/keys.gpg" --cache-dir="$dir/debs" \
		"$suite" "$work/root" "$from"
	kernel_unpack "$work/root"
	furnish "$work/root"
	chroot "$work/root" dpkg-query -W >>"$work/versions"
	mkfs.ext4 -q -F -L covey-vm -d "$work/root" "$work/root.img" "$size"
	rm -rf "$work/root" "$work/kernel" "$work/keys.gpg"
}

# A run of this script of its own, since `set -e` means nothing inside of a condition.
if [ $# -eq 2 ]; then
	work=$2
	build
	exit 0
fi

[ "$(id -u)" -eq 0 ] || skip root
for tool in debootstrap mkfs.ext4 apt-get; do
	command -v "$tool" >/dev/null || skip "$tool"
done
exec 9>"$dir/lock"
flock 9
if [ ! -e "$image/root.img" ]; then
	work=$(mktemp -d "$dir/making-XXXXXX")
	chmod 755 "$work"
	trap 'rm -rf "$work"' EXIT
	trap 'exit 1' HUP INT TERM
	begun=$(date +%s)
	"$0" "$dir" "$work" >"$dir/image.log" 2>&1 9>&- || {
		code=$?
		tail -20 "$dir/image.log" >&2
		echo "making the guest's disk failed; all of it in $dir/image.log" >&2
		exit "$code"
	}
	mv "$work" "$image"
	for old in "$dir"/image-*; do
		[ "$old" = "$image" ] || [ ! -e "$old/root.img" ] || rm -rf "$old"
	done
	echo "made the guest's disk in $(($(date +%s) - begun)) s" >&2
fi
echo "$image"
