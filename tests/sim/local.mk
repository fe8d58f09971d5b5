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
	%D%/node_prime.c \
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
# Whole nodes: what is below node/ is in these, and stands before libnode.a.
sim_whole = \
	%D%/disaster.c \
	%D%/disaster.h \
	%D%/mixed.c \
	%D%/mixed.h \
	%D%/mixed_priv.h \
	%D%/mixed_truth.c \
	%D%/mixed_value.c \
	%D%/mixed_wire.c \
	%D%/whole.c \
	%D%/whole.h \
	%D%/whole_disk.c \
	%D%/whole_heal.c \
	%D%/whole_launch.c \
	%D%/whole_link.c \
	%D%/whole_loop.c \
	%D%/whole_priv.h \
	%D%/whole_run.c \
	%D%/whole_run.h \
	%D%/whole_shim.c \
	%D%/whole_store.c \
	%D%/whole_truth.c \
	%D%/whole_truth.h
# What the next version says and keeps: mixed.h.
sim_mixed_ldflags = -Wl,--wrap=agree_root,--wrap=agree_step,--wrap=shape_put_fields,--wrap=wire_encode \
	-Wl,--wrap=wire_msg_encode,--wrap=wire_msg_size,--wrap=register_cfg_put \
	-Wl,--wrap=register_agent_read,--wrap=register_agent_write \
	-Wl,--wrap=register_root_read,--wrap=register_root_write
sim_whole_ldflags = $(AM_LDFLAGS) -Wl,--wrap=cluster_register_send,--wrap=council_hint_chosen,--wrap=council_seen_heard
sim_libs_before = libsim.a libnode.a libnode_core.a libgossip.a libgossip_core.a libconsensus.a
sim_libs_after = libscheduler_core.a libsupervisor.a libsupervisor_core.a libbase.a $(MSGPACK_LIBS) $(SECCOMP_LIBS) \
	$(YAML_LIBS) $(TLS_LIBS) -lm
%C%_covey_sim_SOURCES = %D%/main.c $(sim_whole)
%C%_covey_sim_LDFLAGS = $(sim_whole_ldflags) $(sim_mixed_ldflags)
%C%_covey_sim_LDADD = $(sim_libs_before) libconsensus_core.a $(sim_libs_after)

# The same with one of its rules left out (consensus/rules.h): covey-sim-mutants --mutant M7 …
check_PROGRAMS += %D%/covey-sim-mutants
%C%_covey_sim_mutants_SOURCES = $(%C%_covey_sim_SOURCES)
%C%_covey_sim_mutants_CPPFLAGS = $(AM_CPPFLAGS) -DCONSENSUS_MUTANTS
%C%_covey_sim_mutants_LDFLAGS = $(sim_whole_ldflags) $(sim_mixed_ldflags)
%C%_covey_sim_mutants_LDADD = $(sim_libs_before) libconsensus_mutants.a $(sim_libs_after)

# Some seeds of small clusters with every kind of fault.
sim_tests = %D%/along.sh %D%/mixed.sh %D%/mutants.sh %D%/short.sh
TESTS += $(sim_tests)
EXTRA_DIST += $(sim_tests) %D%/mutants.txt %D%/seeds.txt

test_programs += tests/unit/test_sim_net
tests_unit_test_sim_net_LDADD = libsim.a libbase.a $(CMOCKA_LIBS)
