# SPDX-License-Identifier: Apache-2.0
# Our figures beside the peers': programs that dev/bench (or `make bench`) builds and nothing installs, and the harness.
# They are built without sanitizers: what is measured is the real thing.
check_PROGRAMS += %D%/bench-bare
%C%_bench_bare_SOURCES = %D%/bare.c
%C%_bench_bare_CFLAGS = -std=gnu17 -O2 -Wall -Wextra -Wshadow
%C%_bench_bare_LDFLAGS =
%C%_bench_bare_LDADD = $(SECCOMP_LIBS)

check_SCRIPTS += %D%/bench-agent
%D%/bench-agent: $(top_srcdir)/%D%/agent.c $(top_srcdir)/%D%/board.h
	$(AM_V_CC)$(MKDIR_P) %D% && $(SHIM_CC) -std=gnu17 -O2 -static -Wall -Wextra -Wshadow -D_GNU_SOURCE \
		-I$(top_srcdir) -o $@ $(top_srcdir)/%D%/agent.c
CLEANFILES += %D%/bench-agent

.PHONY: bench
bench: %D%/bench-bare %D%/bench-agent

EXTRA_DIST += %D%/agent.c %D%/board.h
EXTRA_DIST += %D%/board.py %D%/cgroups.py %D%/contender.py %D%/control.py %D%/covey.py %D%/deciders.py \
	%D%/decisions.py %D%/flock.py %D%/gossip.py %D%/grpc.py %D%/kills.py %D%/logs.py %D%/main.py %D%/measure.py \
	%D%/mp.py %D%/peers.py %D%/procs.py %D%/results.py %D%/rows.py %D%/runner.py %D%/sessions.py %D%/smoke.py \
	%D%/stats.py
