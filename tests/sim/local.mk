# SPDX-License-Identifier: Apache-2.0
# The simulator: real cores in virtual time.
check_PROGRAMS += %D%/covey-sim
%C%_covey_sim_SOURCES = \
	%D%/faults.c \
	%D%/faults.h \
	%D%/faults_kinds.c \
	%D%/faults_priv.h \
	%D%/figures.c \
	%D%/figures.h \
	%D%/heap.c \
	%D%/heap.h \
	%D%/main.c \
	%D%/net.c \
	%D%/net.h \
	%D%/net_dial.c \
	%D%/net_priv.h \
	%D%/net_tcp.c \
	%D%/node.c \
	%D%/node.h \
	%D%/node_edge.c \
	%D%/node_priv.h \
	%D%/oracle.c \
	%D%/oracle.h \
	%D%/oracle_end.c \
	%D%/oracle_priv.h \
	%D%/pack.c \
	%D%/pack.h \
	%D%/runs.c \
	%D%/runs.h \
	%D%/scenarios.c \
	%D%/sim.c \
	%D%/sim.h \
	%D%/story.c \
	%D%/story.h
%C%_covey_sim_LDADD = libgossip_core.a libbase.a
