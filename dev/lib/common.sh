# SPDX-License-Identifier: Apache-2.0
# What the scripts in dev/ share: where the tree is, and --help, which shows the comment at the head of the script.
set -eu
dev_self=$0
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/dev/lib/packages.sh"

dev_help() { # the comment below SPDX, without its marks
	sed -n '3,/^[^#]/{/^#/!q;s/^# \{0,1\}//;p}' "$dev_self"
}

dev_usage() { # WHAT WAS WRONG
	echo "$(basename "$dev_self"): $*; see $dev_self --help" >&2
	exit 2
}

dev_die() {
	echo "$(basename "$dev_self"): $*" >&2
	exit 1
}

# dev_configure DIR [options]: DIR is ready for make. Options count when it is configured the first time. Several
# builds of one tree may start at a time: only one of them makes configure.
dev_configure() {
	mkdir -p "$1"
	dev_dir=$(cd "$1" && pwd)
	shift
	[ "$dev_dir" != "$top" ] || dev_usage "build out of tree"
	(
		flock 9
		cd "$top" || exit 1
		[ -x configure ] && [ -f Makefile.in ] && [ -z "$(find configure.ac -newer configure)" ] ||
			autoreconf -fi >/dev/null
	) 9<"$top/configure.ac"
	# A directory configured before keeps its options: make runs config.status again when configure is newer.
	[ -f "$dev_dir/Makefile" ] || ( cd "$dev_dir" && "$top/configure" -q "$@" )
}

# dev_quietly LOG COMMAND…: nothing to see unless it fails.
dev_quietly() {
	dev_log=$1
	shift
	"$@" >"$dev_log" 2>&1 || { tail -30 "$dev_log" >&2; dev_die "failed: $*; all of it in $dev_log"; }
}
