# SPDX-License-Identifier: Apache-2.0
# The daemon that dev/up starts and dev/down ends: where it lives, and who is it. Sourced after common.sh.

local_place() { # DIR, or nothing for the host's own places
	if [ -n "${1:-}" ]; then
		mkdir -p "$1"
		state=$(cd "$1" && pwd)
		run=$state/run
		# Two of them at a time do not share a group, nor a port.
		parent=covey-dev-$(printf '%s' "$state" | cksum | cut -d' ' -f1)
		port=$((20000 + $(printf '%s' "$state" | cksum | cut -d' ' -f1) % 12000))
	else
		state=/var/lib/covey-dev
		run=/run/covey-dev
		parent=covey-dev
		port=7948
	fi
	all_state=$state all_run=$run all_parent=$parent all_port=$port
	local_names
}

local_names() {
	socket=$run/covey.sock
	pid_file=$state/coveyd.pid
	log=$state/coveyd.log
}

local_node() { # N, of a cluster on this machine, after local_place: all of the above is that node's now
	state=$all_state/n$1
	run=$all_run/n$1
	parent=$all_parent-n$1
	port=$((all_port + $1))
	gossip_port=$((all_port + 100 + $1))
	local_names
}

local_nodes() { # the numbers of those that there are
	for dir_of in "$all_state"/n[0-9]*; do
		[ ! -d "$dir_of" ] || echo "${dir_of##*/n}"
	done | sort -n
}

local_is_covey() { # PID: whether it is a daemon or a shim of ours (a number may have been given to another process)
	case $(readlink "/proc/$1/exe" 2>/dev/null) in
	*/coveyd | */covey-shim | */coveyd' (deleted)' | */covey-shim' (deleted)') return 0 ;;
	esac
	return 1
}

local_pid() { # the daemon's, if it runs
	pid=$(cat "$pid_file" 2>/dev/null) || return 1
	[ -n "$pid" ] && local_is_covey "$pid" && echo "$pid"
}

local_end() { # PID: asks it to end and waits for it; the agents stay
	kill -TERM "$1" 2>/dev/null || return 0
	turns=0
	while [ -d "/proc/$1" ] && [ $turns -lt 300 ]; do
		sleep 0.1
		turns=$((turns + 1))
	done
	[ ! -d "/proc/$1" ] || kill -KILL "$1" 2>/dev/null || true
}
