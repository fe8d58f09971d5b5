# SPDX-License-Identifier: Apache-2.0
# What the scripts of this folder share. Each runs as root in a guest with systemd as PID 1, with the package at
# $COVEY_DEB and a newer one at $COVEY_DEB_NEXT, leaves the guest as it found it, and ends with 0, or 77 when the guest
# lacks what it names, or says what was wrong.
set -eu
suite_name=$(basename "$0" .sh)
suite_bound_s=${SUITE_BOUND_S:-300} # an emulated guest is slow

fault() {
	echo "$suite_name: $*" >&2
	systemctl --no-pager --full status coveyd covey-agents >&2 2>/dev/null || true
	journalctl --no-pager -n 40 -u coveyd -u covey-agents >&2 2>/dev/null || true
	exit 1
}

lacks() { # WHAT
	echo "skipped, this guest lacks: $1" && exit 77
}

[ "$(id -u)" -eq 0 ] || lacks "root"
[ -d /run/systemd/system ] || lacks "systemd as PID 1"
[ -f "${COVEY_DEB:-}" ] || lacks "the package (COVEY_DEB)"

# wait_for WHAT COMMAND…: until the command succeeds; looked at often, within a generous bound.
wait_for() {
	what=$1
	shift
	end=$(($(date +%s) + suite_bound_s))
	until "$@" >/dev/null 2>&1; do
		[ "$(date +%s)" -lt $end ] || fault "waited $suite_bound_s s: $what"
		sleep 0.1
	done
}

install_deb() { # DEB [options of apt-get]
	deb=$1
	shift
	DEBIAN_FRONTEND=noninteractive apt-get -y --no-install-recommends "$@" install "$deb" >/tmp/apt.log 2>&1 ||
		DEBIAN_FRONTEND=noninteractive dpkg -i "$deb" >>/tmp/apt.log 2>&1 ||
		{ cat /tmp/apt.log >&2; fault "cannot install $deb"; }
}

purge() {
	DEBIAN_FRONTEND=noninteractive dpkg --purge covey >/dev/null 2>&1 || true
}

fresh() { # the package newly installed, nothing of before
	purge
	install_deb "$COVEY_DEB"
	wait_for "covey status" covey status
	trap purge EXIT
	trap 'exit 1' HUP INT TERM
}

pid_of() { # REPLICA
	covey status "${1%.*}" --json | tr ',{}' '\n\n\n' | awk -F: -v id="\"$1\"" '
		/^ *"id" *:/ { gsub(/ /, "", $2); at = $2 == id }
		at && /^ *"pid" *:/ { gsub(/ /, "", $2); if ($2 != "null") print $2; exit }'
}

runs() { # REPLICA; the scripts have pids of their own to compare with
	runs_as=$(pid_of "$1") && [ -n "$runs_as" ] && [ "$runs_as" != 0 ] && [ -d "/proc/$runs_as" ]
}

gone() { # PID
	[ ! -d "/proc/$1" ] || grep -q '^State:[[:space:]]*[ZX]' "/proc/$1/status"
}

group_of() { # PID: by the hierarchy that systemd goes by
	sed -n 's/^[0-9]*:name=systemd:\///p; s/^0::\///p' "/proc/$1/cgroup" | head -1
}

shim_of() { # PID of an agent
	sed -n 's/^PPid:[[:space:]]*//p' "/proc/$1/status"
}

# define NAME STOP-SIGNAL: an agent that says in /srv/NAME.said by which signal it was stopped.
define() {
	cat >"/tmp/$1.yaml" <<-EOF
		name: $1
		command: [/bin/sh, -c, "trap 'echo $2 >>/srv/$1.said; exit 0' $2; while :; do sleep 60 & wait; done"]
		user: root
		sandbox: {writable: [/srv]}
		stop: {signal: $2, timeout: 60s}
	EOF
	covey apply --timeout "${suite_bound_s}s" "/tmp/$1.yaml" >/dev/null || fault "apply $1"
}

all_capabilities() { # as a definition lists them
	first=
	for name in CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE \
		NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT \
		SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE \
		AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ \
		PERFMON BPF CHECKPOINT_RESTORE; do
		printf '%sCAP_%s' "$first" $name
		first=', '
	done
}
