# SPDX-License-Identifier: Apache-2.0
# The simulator: real cores in virtual time (doc/TESTING.md). Its parts are a library, so that they have tests too.
check_LIBRARIES += libsim.a
libsim_a_SOURCES = \
	%D%/faults.c \
	%D%/faults.h \
	%D%/faults_kinds.c \
	%D%/faults_priv.h \
	%D%/figures.c \
	%D%/figures.h \
	%D%/heap.c \
	%D%/heap.h \
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
	%D%/runs.c \
	%D%/runs.h \
	%D%/scenarios.c \
	%D%/sim.c \
	%D%/sim.h \
	%D%/story.c \
	%D%/story.h

check_PROGRAMS += %D%/covey-sim
%C%_covey_sim_SOURCES = %D%/main.c
%C%_covey_sim_LDADD = libsim.a libgossip.a libgossip_core.a libbase.a

# Some seeds of small clusters with every kind of fault.
sim_tests = %D%/short.sh
TESTS += $(sim_tests)
EXTRA_DIST += $(sim_tests) %D%/seeds.txt

test_programs += tests/unit/test_sim_net
tests_unit_test_sim_net_LDADD = libsim.a libbase.a $(CMOCKA_LIBS)
