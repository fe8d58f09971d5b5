#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# floors: each #include points down. {cli, node} → {gossip, consensus, scheduler, supervisor} → base; the four never
# include each other; a core (the sources of a lib*_core.a) includes of its own room only the core's headers and the
# rooms' contracts below, and of base/ nothing that allocates, logs or touches files; the command takes from node/
# only the two ends of the control protocol, from supervisor/ only what reads files of agents, and from gossip/ what
# makes certificates.
. "$(dirname "$0")/lib.sh"

# Data that core and edge agree on, without a function that acts.
contracts='supervisor/spec.h supervisor/shim_proto.h'
core_may_not='base/io.h base/log.h base/mem.h'
cli_may='node/mp.h node/control_client.h supervisor/spec.h supervisor/spec_words.h supervisor/seccomp.h gossip/pki.h'

core_files() {
	for mk in $(lint_files local.mk); do
		awk -v dir="${mk%/local.mk}" '
			{ more = /\\$/; sub(/\\$/, "") }
			/_core_a_SOURCES/ { in_core = 1; sub(/^[^=]*=/, "") }
			in_core { gsub(/%D%/, dir); for (i = 1; i <= NF; i++) print $i }
			!more { in_core = 0 }' "$mk"
	done | sort -u
}

lint_check() {
	cores=$(core_files | tr '\n' ' ')
	files=$(lint_files '*.c' '*.h')
	[ -z "$files" ] || awk -v cores="$cores" -v contracts="$contracts" \
		-v core_may_not="$core_may_not" -v cli_may="$cli_may" '
		function set(text, a,    v, n, i) { n = split(text, v, " "); for (i = 1; i <= n; i++) a[v[i]] = 1 }
		function room(path) { sub(/\/.*/, "", path); return path }
		function fault(what) { print FILENAME ":" FNR ": includes " to ": " what }
		BEGIN {
			set(cores, core); set(contracts, contract); set(core_may_not, barred); set(cli_may, for_cli)
			floor["base"] = 0
			floor["gossip"] = floor["consensus"] = floor["scheduler"] = floor["supervisor"] = 1
			floor["node"] = floor["cli"] = 2
			free["tests"] = free["bench"] = 1
		}
		!/^[ \t]*#[ \t]*include[ \t]*"/ { next }
		{
			to = $0; sub(/^[^"]*"/, "", to); sub(/".*/, "", to)
			at = room(FILENAME); below = room(to)
			if (at in free || to == "config.h" || below == "covey") next
			if (index(to, "/") == 0) { fault("say the path from the top of the tree"); next }
			if (at == "include") { fault("what others compile against stands alone"); next }
			if (!(below in floor)) { fault("is on no floor"); next }
			if (at in floor && floor[below] > floor[at]) { fault("points up"); next }
			if (at == "cli") {
				if (below != "cli" && below != "base" && !(to in for_cli)) fault("not for the command")
				next
			}
			if (at != below && floor[at] == floor[below]) { fault("same floor"); next }
			if (!(FILENAME in core)) next
			if (to in barred) fault("a core has no heap, file or log")
			if (at == below && !(to in core) && !(to in contract)) fault("an edge, and this is a core")
		}' $files
}

lint_samples() {
	lint_sample supervisor/local.mk <<-'E'
		libsupervisor_core_a_SOURCES = \
			%D%/replica.c \
			%D%/replica.h
	E
	lint_sample supervisor/replica.c <<-'E'
		#include "supervisor/replica.h"
		#include "supervisor/shim_proto.h"
		#include "supervisor/cgroup.h"
		#include "base/mem.h"
		#include "gossip/member.h"
		#include "node/mp.h"
		#include "replica.h"
	E
	echo '#include "supervisor/spec.h"' | lint_sample base/err.c
	echo '#include "cli/cli.h"' | lint_sample node/node.c
	printf '#include "node/mp.h"\n#include "node/store.h"\n#include "supervisor/cgroup.h"\n' | lint_sample cli/cli.c
	lint_expect 'supervisor/replica.c:3: .*an edge' 'supervisor/replica.c:4: .*no heap' \
		'supervisor/replica.c:5: .*same floor' 'supervisor/replica.c:6: .*points up' \
		'supervisor/replica.c:7: .*say the path' 'base/err.c:1: .*points up' 'node/node.c:1: .*same floor' \
		'cli/cli.c:2: .*not for' 'cli/cli.c:3: .*not for'
	printf '#include <time.h>\n#include "node/mp.h"\n#include "base/io.h"\n#include "supervisor/cgroup.h"\n' |
		lint_sample node/x.c
	printf '#include "base/err.h"\n#include "supervisor/spec.h"\n' | lint_sample supervisor/x.c
	lint_expect_clean
}

lint_run
