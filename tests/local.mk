# SPDX-License-Identifier: Apache-2.0
# A test program is one line: tests/unit/NAME (pure or cheap) or tests/edge/NAME (real cgroups, processes, sockets),
# made of the .c file of that name with cmocka and linked with every floor. Exit status 77: this host lacks what it
# names.
TEST_LIBS = libtest.a libcli.a libnode.a libnode_core.a libgossip.a libgossip_core.a libconsensus.a \
	libconsensus_core.a libscheduler_core.a libsupervisor.a libsupervisor_core.a libbase.a $(EV_LIBS) $(NNG_LIBS) \
	$(MSGPACK_LIBS) $(CGROUP_LIBS) $(SECCOMP_LIBS) $(SQLITE_LIBS) $(YAML_LIBS) $(TLS_LIBS) $(CMOCKA_LIBS) \
	-lpthread -lm
LDADD = $(TEST_LIBS)

# What test programs share and is more than a header.
check_LIBRARIES += libtest.a
libtest_a_SOURCES = \
	%D%/lib/daemon.c \
	%D%/lib/daemon_done.c \
	%D%/lib/daemon.h \
	%D%/lib/cluster_bed.c \
	%D%/lib/cluster_bed.h \
	%D%/lib/control_bed.c \
	%D%/lib/control_bed.h \
	%D%/lib/fault_vfs.c \
	%D%/lib/fault_vfs.h \
	%D%/lib/gossip_bed.c \
	%D%/lib/gossip_bed.h \
	%D%/lib/link_bed.c \
	%D%/lib/link_bed.h \
	%D%/lib/shimkit.c \
	%D%/lib/shimkit.h \
	%D%/lib/shimkit_fds.c \
	%D%/lib/shimkit_groups.c

test_programs =
test_programs += %D%/edge/test_cgroup
test_programs += %D%/edge/test_adoption
test_programs += %D%/edge/test_agents
test_programs += %D%/edge/test_ops
test_programs += %D%/edge/test_pid_reuse
test_programs += %D%/edge/test_probe_change
test_programs += %D%/edge/test_reboot
test_programs += %D%/edge/test_takeover
test_programs += %D%/unit/test_spawn_plan
test_programs += %D%/edge/test_agent_faults
test_programs += %D%/edge/test_control
test_programs += %D%/edge/test_cli_change
test_programs += %D%/edge/test_cli_fail
test_programs += %D%/edge/test_cli_files
test_programs += %D%/edge/test_cli_follow
test_programs += %D%/edge/test_cli_pki
test_programs += %D%/edge/test_cli_read
test_programs += %D%/edge/test_cluster
test_programs += %D%/edge/test_cluster_address
test_programs += %D%/edge/test_cluster_register
test_programs += %D%/edge/test_cluster_trust
test_programs += %D%/edge/test_control_abuse
test_programs += %D%/edge/test_council
test_programs += %D%/edge/test_recall
test_programs += %D%/edge/test_recover
test_programs += %D%/edge/test_coveyd
test_programs += %D%/edge/test_daemon_faults
test_programs += %D%/edge/test_daemon_store
test_programs += %D%/edge/test_events
test_programs += %D%/edge/test_datalock
test_programs += %D%/edge/test_home
test_programs += %D%/edge/test_http
test_programs += %D%/edge/test_logs
test_programs += %D%/edge/test_long_names
test_programs += %D%/edge/test_shim
test_programs += %D%/edge/test_status
test_programs += %D%/edge/test_store_kill
test_programs += %D%/edge/test_verbs
test_programs += %D%/edge/test_votes_kill
test_programs += %D%/edge/test_renew
test_programs += %D%/edge/test_transport
test_programs += %D%/edge/test_transport_abuse
test_programs += %D%/edge/test_transport_hello
test_programs += %D%/edge/test_transport_net
test_programs += %D%/edge/test_transport_reap
test_programs += %D%/edge/test_transport_tls
test_programs += %D%/unit/test_arena
test_programs += %D%/edge/test_probe
test_programs += %D%/edge/test_seccomp
test_programs += %D%/edge/test_seccomp_none
test_programs += %D%/edge/test_shim_again
test_programs += %D%/edge/test_shim_daemon
test_programs += %D%/edge/test_shim_files
test_programs += %D%/edge/test_shim_down
test_programs += %D%/edge/test_lease
test_programs += %D%/edge/test_shim_fuse
test_programs += %D%/edge/test_shim_log
test_programs += %D%/edge/test_shim_probe
test_programs += %D%/edge/test_shim_sandbox
test_programs += %D%/edge/test_shim_seccomp
test_programs += %D%/unit/test_bytes
test_programs += %D%/unit/test_cgroup_fake
test_programs += %D%/unit/test_cgroup_fake_v2
test_programs += %D%/unit/test_cgroup_home
test_programs += %D%/unit/test_cluster_set
tests_unit_test_cluster_set_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=cluster_arm,--wrap=cluster_event_paced
test_programs += %D%/unit/test_complete
test_programs += %D%/unit/test_config
test_programs += %D%/unit/test_council_figures
test_programs += %D%/unit/test_counted
test_programs += %D%/unit/test_diff
test_programs += %D%/unit/test_enough
test_programs += %D%/unit/test_fetch
test_programs += %D%/unit/test_fetch_away
test_programs += %D%/unit/test_err
test_programs += %D%/unit/test_events
test_programs += %D%/unit/test_explain
test_programs += %D%/unit/test_gossip_faults
test_programs += %D%/unit/test_gossip_identity
test_programs += %D%/unit/test_gossip_cut
test_programs += %D%/unit/test_gossip_life
test_programs += %D%/unit/test_gossip_msg
test_programs += %D%/unit/test_gossip_rules
test_programs += %D%/unit/test_gossip_story
test_programs += %D%/unit/test_gossip_values
test_programs += %D%/unit/test_gossip_dial
test_programs += %D%/unit/test_gossip_waiting
test_programs += %D%/unit/test_health
test_programs += %D%/unit/test_http_guard
test_programs += %D%/unit/test_http_parse
test_programs += %D%/unit/test_io
test_programs += %D%/unit/test_lag
test_programs += %D%/unit/test_list
test_programs += %D%/unit/test_log
test_programs += %D%/unit/test_man
test_programs += %D%/unit/test_logs
test_programs += %D%/unit/test_map
test_programs += %D%/unit/test_merge
test_programs += %D%/unit/test_metrics
test_programs += %D%/unit/test_mp
test_programs += %D%/unit/test_ops_rows
test_programs += %D%/unit/test_options
test_programs += %D%/unit/test_parcel
test_programs += %D%/unit/test_recall
test_programs += %D%/unit/test_plan
test_programs += %D%/unit/test_plan_walk
test_programs += %D%/unit/test_agree
test_programs += %D%/unit/test_agree_recover
test_programs += %D%/unit/test_agree_root
test_programs += %D%/unit/test_agree_voters
test_programs += %D%/unit/test_electorate
test_programs += %D%/unit/test_register_agent
test_programs += %D%/unit/test_register_def
test_programs += %D%/unit/test_register_more
test_programs += %D%/unit/test_register_root
test_programs += %D%/unit/test_register_view
test_programs += %D%/unit/test_replica
test_programs += %D%/unit/test_replica_adopt
test_programs += %D%/unit/test_replica_busy
test_programs += %D%/unit/test_replica_health
test_programs += %D%/unit/test_replica_stop
test_programs += %D%/unit/test_replica_table
test_programs += %D%/unit/test_report
test_programs += %D%/unit/test_restart
test_programs += %D%/unit/test_rng
test_programs += %D%/unit/test_runner_decided
tests_unit_test_runner_decided_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=cluster_set
test_programs += %D%/unit/test_runner_found
test_programs += %D%/unit/test_runner_ids
test_programs += %D%/unit/test_scheduler_decide
test_programs += %D%/unit/test_scheduler_explain
test_programs += %D%/unit/test_scheduler_fault
test_programs += %D%/unit/test_scheduler_place
test_programs += %D%/unit/test_scheduler_property
test_programs += %D%/unit/test_scheduler_rank
test_programs += %D%/unit/test_scheduler_rollout
test_programs += %D%/unit/test_seccomp_profile
test_programs += %D%/unit/test_seccomp_program
test_programs += %D%/unit/test_shim_logline
test_programs += %D%/unit/test_shim_parts
test_programs += %D%/unit/test_shim_plan
test_programs += %D%/unit/test_shimlink
test_programs += %D%/unit/test_sm
test_programs += %D%/unit/test_spec
test_programs += %D%/unit/test_spec_all
test_programs += %D%/unit/test_store
test_programs += %D%/unit/test_store_faults
test_programs += %D%/unit/test_store_group
test_programs += %D%/unit/test_store_next
test_programs += %D%/unit/test_store_next_files
test_programs += %D%/unit/test_sum
test_programs += %D%/unit/test_sysstat
test_programs += %D%/unit/test_table
test_programs += %D%/unit/test_units
test_programs += %D%/unit/test_unpack
test_programs += %D%/unit/test_votes
test_programs += %D%/unit/test_votes_damage
test_programs += %D%/unit/test_votes_faults
test_programs += %D%/unit/test_wire
test_programs += %D%/unit/test_fuse_page
test_programs += %D%/unit/test_holding
test_programs += %D%/unit/test_holding_more
tests_unit_test_holding_LDADD = libnode_core.a libscheduler_core.a libconsensus_core.a libbase.a $(CMOCKA_LIBS)
tests_unit_test_holding_more_LDADD = libnode_core.a libscheduler_core.a libconsensus_core.a libbase.a \
	$(CMOCKA_LIBS)
test_programs += %D%/unit/test_holding_swarm
tests_unit_test_holding_swarm_SOURCES = %D%/unit/test_holding_swarm.c %D%/lib/holding_bed.c %D%/lib/holding_bed.h
tests_unit_test_holding_swarm_LDADD = libconsensus_bed.a libnode_core.a libscheduler_core.a libconsensus_core.a \
	libsim.a libbase.a $(CMOCKA_LIBS)
test_programs += %D%/unit/test_hello
test_programs += %D%/unit/test_hello_frames
test_programs += %D%/unit/test_identity
test_programs += %D%/unit/test_pki
test_programs += %D%/unit/test_pki_chains
test_programs += %D%/unit/test_yaml

# The consensus core: alone, in a bed of hosts in virtual time, and with each of its rules left out.
check_LIBRARIES += libconsensus_bed.a
libconsensus_bed_a_SOURCES = \
	%D%/lib/acceptor_story.h \
	%D%/lib/consensus_bed.c \
	%D%/lib/consensus_bed.h \
	%D%/lib/consensus_bed_lease.c \
	%D%/lib/consensus_bed_net.c \
	%D%/lib/consensus_bed_ops.c \
	%D%/lib/consensus_bed_proc.c \
	%D%/lib/consensus_bed_true.c \
	%D%/lib/consensus_bed_voters.c \
	%D%/lib/consensus_story.h \
	%D%/lib/proposer_story.h \
	%D%/lib/registers_bed.c \
	%D%/lib/registers_bed.h \
	%D%/lib/registers_bed_ask.c
test_programs += %D%/unit/test_consensus_acceptor
test_programs += %D%/unit/test_consensus_acceptor_has
test_programs += %D%/unit/test_consensus_acceptor_lease
test_programs += %D%/unit/test_consensus_acceptor_sets
test_programs += %D%/unit/test_consensus_ballot
test_programs += %D%/unit/test_consensus_lease
test_programs += %D%/unit/test_consensus_mutants
test_programs += %D%/unit/test_consensus_mutants_lease
test_programs += %D%/unit/test_consensus_pace
test_programs += %D%/unit/test_consensus_proposer
test_programs += %D%/unit/test_consensus_proposer_lease
test_programs += %D%/unit/test_consensus_proposer_read
test_programs += %D%/unit/test_consensus_quorum
test_programs += %D%/unit/test_consensus_registers
test_programs += %D%/unit/test_consensus_swarm
test_programs += %D%/unit/test_consensus_voters
test_programs += %D%/unit/test_consensus_wire
tests_unit_test_consensus_acceptor_LDADD = libconsensus_core.a libbase.a $(CMOCKA_LIBS)
tests_unit_test_consensus_acceptor_has_LDADD = libconsensus_core.a libbase.a $(CMOCKA_LIBS)
tests_unit_test_consensus_acceptor_lease_LDADD = libconsensus_core.a libbase.a $(CMOCKA_LIBS)
tests_unit_test_consensus_acceptor_sets_LDADD = libconsensus_core.a libbase.a $(CMOCKA_LIBS)
tests_unit_test_consensus_ballot_LDADD = libconsensus_core.a libbase.a $(CMOCKA_LIBS)
tests_unit_test_consensus_lease_LDADD = libconsensus_core.a libbase.a $(CMOCKA_LIBS)
tests_unit_test_consensus_mutants_LDADD = libconsensus_bed.a libconsensus_mutants.a libsim.a libbase.a $(CMOCKA_LIBS)
tests_unit_test_consensus_mutants_lease_LDADD = libconsensus_bed.a libconsensus_mutants.a libsim.a libbase.a \
	$(CMOCKA_LIBS)
tests_unit_test_consensus_pace_LDADD = libconsensus_core.a libbase.a $(CMOCKA_LIBS)
tests_unit_test_consensus_proposer_LDADD = libconsensus_core.a libbase.a $(CMOCKA_LIBS)
tests_unit_test_consensus_proposer_lease_LDADD = libconsensus_core.a libbase.a $(CMOCKA_LIBS)
tests_unit_test_consensus_proposer_read_LDADD = libconsensus_core.a libbase.a $(CMOCKA_LIBS)
tests_unit_test_consensus_quorum_LDADD = libconsensus_core.a libbase.a $(CMOCKA_LIBS)
check_LIBRARIES += libagree_bed.a
libagree_bed_a_SOURCES = \
	%D%/lib/agree_bed.c \
	%D%/lib/agree_bed.h \
	%D%/lib/root_bed.c \
	%D%/lib/root_bed.h
agree_libs = libagree_bed.a libconsensus_bed.a libnode_core.a libscheduler_core.a libconsensus_core.a libsim.a \
	libbase.a $(CMOCKA_LIBS)
tests_unit_test_agree_LDADD = $(agree_libs)
tests_unit_test_agree_recover_LDADD = $(agree_libs)
tests_unit_test_agree_root_LDADD = $(agree_libs)
tests_unit_test_agree_voters_LDADD = $(agree_libs)
tests_unit_test_consensus_registers_LDADD = libconsensus_bed.a libconsensus_core.a libsim.a libbase.a $(CMOCKA_LIBS)
tests_unit_test_consensus_swarm_LDADD = libconsensus_bed.a libconsensus_core.a libsim.a libbase.a $(CMOCKA_LIBS)
tests_unit_test_consensus_voters_LDADD = libconsensus_core.a libbase.a $(CMOCKA_LIBS)

include tests/sim/local.mk

# Those with threads, for the thread sanitizer.
threaded_programs =
threaded_programs += %D%/edge/test_adoption
threaded_programs += %D%/edge/test_agents
threaded_programs += %D%/edge/test_control
threaded_programs += %D%/edge/test_control_abuse
threaded_programs += %D%/edge/test_events
threaded_programs += %D%/edge/test_http
threaded_programs += %D%/edge/test_store_kill
threaded_programs += %D%/edge/test_transport
threaded_programs += %D%/edge/test_transport_abuse
threaded_programs += %D%/edge/test_transport_hello
threaded_programs += %D%/edge/test_transport_reap
threaded_programs += %D%/edge/test_transport_tls
threaded_programs += %D%/unit/test_events
threaded_programs += %D%/unit/test_store
threaded_programs += %D%/unit/test_store_faults
threaded_programs += %D%/unit/test_store_group
threaded_programs += %D%/edge/test_votes_kill
threaded_programs += %D%/unit/test_votes
threaded_programs += %D%/unit/test_votes_faults

check_PROGRAMS += $(test_programs)
TESTS += $(test_programs)
EXTRA_DIST += %D%/dist/configure.sh
EXTRA_DIST += %D%/e2e/smoke.sh
EXTRA_DIST += %D%/lib/certs.h
EXTRA_DIST += %D%/lib/cgroup_bed.h
EXTRA_DIST += %D%/lib/consensus_msgs.h
EXTRA_DIST += %D%/lib/fail_io.h
EXTRA_DIST += %D%/lib/faults.h
EXTRA_DIST += %D%/lib/fake_daemon.h
EXTRA_DIST += %D%/lib/following.h
EXTRA_DIST += %D%/lib/fetch_bed.h
EXTRA_DIST += %D%/lib/gossip_msgs.h
EXTRA_DIST += %D%/lib/gossip_same.h
EXTRA_DIST += %D%/lib/groups.h
EXTRA_DIST += %D%/lib/hello_bed.h
EXTRA_DIST += %D%/lib/holding_story.h
EXTRA_DIST += %D%/lib/json.h
EXTRA_DIST += %D%/lib/lsan.supp
EXTRA_DIST += %D%/lib/oom.h
EXTRA_DIST += %D%/lib/pki_bed.h
EXTRA_DIST += %D%/lib/places.h
EXTRA_DIST += %D%/lib/store_bed.h
EXTRA_DIST += %D%/lib/sched_bed.h
EXTRA_DIST += %D%/lib/seeds.h
EXTRA_DIST += %D%/lib/proc.h
EXTRA_DIST += %D%/lib/register_bed.h
EXTRA_DIST += %D%/lib/replica_story.h
EXTRA_DIST += %D%/lib/roster_bed.h
EXTRA_DIST += %D%/lib/talk.h
EXTRA_DIST += %D%/lib/test.h
EXTRA_DIST += %D%/lib/tmpdir.h
EXTRA_DIST += %D%/lib/trace.h
EXTRA_DIST += %D%/lib/tsan.supp
EXTRA_DIST += %D%/lib/votes_bed.h
EXTRA_DIST += %D%/lib/wait.h
EXTRA_DIST += %D%/model/register.pml %D%/model/voters.pml
EXTRA_DIST += %D%/vm/bed.py %D%/vm/cases.py %D%/vm/guest.py %D%/vm/line.py %D%/vm/main.py %D%/vm/image.sh
EXTRA_DIST += %D%/vm/guest/agent.sh %D%/vm/guest/covey-vm-agent.service %D%/vm/guest/run-test.sh
EXTRA_DIST += %D%/vm/suite/delegated.sh %D%/vm/suite/limits.sh
EXTRA_DIST += %D%/vm/drive/power.py

# A fuzz target is tests/fuzz/fuzz_NAME.c, with LLVMFuzzerTestOneInput and its corpus in tests/fuzz/corpus/NAME: a
# program of libFuzzer's with --enable-fuzzers (dev/fuzz), else a test that replays the corpus. Its lines here:
#   fuzz_programs += %D%/fuzz/fuzz_NAME
#   tests_fuzz_fuzz_NAME_SOURCES = %D%/fuzz/fuzz_NAME.c $(fuzz_main)
#   tests_fuzz_fuzz_NAME_LDFLAGS = $(fuzz_ldflags)
fuzz_programs =
fuzz_ldflags = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)

fuzz_programs += %D%/fuzz/fuzz_config
tests_fuzz_fuzz_config_SOURCES = %D%/fuzz/fuzz_config.c $(fuzz_main)
tests_fuzz_fuzz_config_LDFLAGS = $(fuzz_ldflags)
fuzz_programs += %D%/fuzz/fuzz_consensus_core
tests_fuzz_fuzz_consensus_core_SOURCES = %D%/fuzz/fuzz_consensus_core.c $(fuzz_main)
tests_fuzz_fuzz_consensus_core_LDFLAGS = $(fuzz_ldflags)
fuzz_programs += %D%/fuzz/fuzz_consensus_wire
tests_fuzz_fuzz_consensus_wire_SOURCES = %D%/fuzz/fuzz_consensus_wire.c $(fuzz_main)
tests_fuzz_fuzz_consensus_wire_LDFLAGS = $(fuzz_ldflags)
fuzz_programs += %D%/fuzz/fuzz_control
tests_fuzz_fuzz_control_SOURCES = %D%/fuzz/fuzz_control.c $(fuzz_main)
tests_fuzz_fuzz_control_LDFLAGS = $(fuzz_ldflags)
fuzz_programs += %D%/fuzz/fuzz_fetch
tests_fuzz_fuzz_fetch_SOURCES = %D%/fuzz/fuzz_fetch.c $(fuzz_main)
tests_fuzz_fuzz_fetch_LDFLAGS = $(fuzz_ldflags)
fuzz_programs += %D%/fuzz/fuzz_gossip_core
tests_fuzz_fuzz_gossip_core_SOURCES = %D%/fuzz/fuzz_gossip_core.c $(fuzz_main)
tests_fuzz_fuzz_gossip_core_LDFLAGS = $(fuzz_ldflags)
fuzz_programs += %D%/fuzz/fuzz_gossip_hello
tests_fuzz_fuzz_gossip_hello_SOURCES = %D%/fuzz/fuzz_gossip_hello.c $(fuzz_main)
tests_fuzz_fuzz_gossip_hello_LDFLAGS = $(fuzz_ldflags)
fuzz_programs += %D%/fuzz/fuzz_gossip_wire
tests_fuzz_fuzz_gossip_wire_SOURCES = %D%/fuzz/fuzz_gossip_wire.c $(fuzz_main)
tests_fuzz_fuzz_gossip_wire_LDFLAGS = $(fuzz_ldflags)
fuzz_programs += %D%/fuzz/fuzz_http
tests_fuzz_fuzz_http_SOURCES = %D%/fuzz/fuzz_http.c $(fuzz_main)
tests_fuzz_fuzz_http_LDFLAGS = $(fuzz_ldflags)
fuzz_programs += %D%/fuzz/fuzz_mp
tests_fuzz_fuzz_mp_SOURCES = %D%/fuzz/fuzz_mp.c $(fuzz_main)
tests_fuzz_fuzz_mp_LDFLAGS = $(fuzz_ldflags)
fuzz_programs += %D%/fuzz/fuzz_register
tests_fuzz_fuzz_register_SOURCES = %D%/fuzz/fuzz_register.c $(fuzz_main)
tests_fuzz_fuzz_register_LDFLAGS = $(fuzz_ldflags)
fuzz_programs += %D%/fuzz/fuzz_spec
tests_fuzz_fuzz_spec_SOURCES = %D%/fuzz/fuzz_spec.c $(fuzz_main)
tests_fuzz_fuzz_spec_LDFLAGS = $(fuzz_ldflags)

fuzz_programs += %D%/fuzz/fuzz_profile
tests_fuzz_fuzz_profile_SOURCES = %D%/fuzz/fuzz_profile.c $(fuzz_main)
tests_fuzz_fuzz_profile_LDFLAGS = $(fuzz_ldflags)

fuzz_programs += %D%/fuzz/fuzz_notify
tests_fuzz_fuzz_notify_SOURCES = %D%/fuzz/fuzz_notify.c $(fuzz_main)
tests_fuzz_fuzz_notify_LDFLAGS = $(fuzz_ldflags)

fuzz_programs += %D%/fuzz/fuzz_plan
tests_fuzz_fuzz_plan_SOURCES = %D%/fuzz/fuzz_plan.c $(fuzz_main)
tests_fuzz_fuzz_plan_LDFLAGS = $(fuzz_ldflags)

EXTRA_DIST += %D%/fuzz/corpus
if FUZZERS
fuzz_main =
else
fuzz_main = %D%/fuzz/replay.c
TESTS += $(fuzz_programs)
endif
check_PROGRAMS += $(fuzz_programs)
.PHONY: fuzzers
fuzzers: $(fuzz_programs)

# Style is a test: each of these proves first that it can fail (tests/lint/lib.sh).
lint_programs =
lint_programs += %D%/lint/floors.sh
lint_programs += %D%/lint/format.sh
lint_programs += %D%/lint/hardening.sh
lint_programs += %D%/lint/headers.sh
lint_programs += %D%/lint/man.sh
lint_programs += %D%/lint/names.sh
lint_programs += %D%/lint/operations.sh
lint_programs += %D%/lint/purity.sh
lint_programs += %D%/lint/tidy.sh
lint_programs += %D%/lint/words.sh
TESTS += $(lint_programs)
EXTRA_DIST += $(lint_programs) %D%/lint/lib.sh %D%/lint/tidy.awk

TESTS += %D%/edge/test_completion.sh
EXTRA_DIST += %D%/edge/test_completion.sh

# Real daemons on a network of namespaces, and an agent that says when it ran.
TESTS += %D%/e2e/test_bed.sh
check_SCRIPTS += %D%/e2e/agent/diary
%D%/e2e/agent/diary: $(top_srcdir)/%D%/e2e/agent/diary.c
	$(AM_V_CC)$(MKDIR_P) %D%/e2e/agent && $(SHIM_CC) -std=gnu17 -O2 -static -Wall -Wextra -Wshadow -D_GNU_SOURCE \
		-o $@ $(top_srcdir)/%D%/e2e/agent/diary.c
CLEANFILES += %D%/e2e/agent/diary
EXTRA_DIST += %D%/e2e/agent/diary.c
EXTRA_DIST += %D%/e2e/test_bed.sh %D%/e2e/bed/diary.py %D%/e2e/bed/fleet.py %D%/e2e/bed/main.py %D%/e2e/bed/net.py \
	%D%/e2e/bed/work.py
EXTRA_DIST += %D%/e2e/cases/alone.py %D%/e2e/cases/away.py %D%/e2e/cases/churn.py %D%/e2e/cases/crowd.py \
	%D%/e2e/cases/cuts.py %D%/e2e/cases/elsewhere.py %D%/e2e/cases/failover.py %D%/e2e/cases/few.py \
	%D%/e2e/cases/full.py %D%/e2e/cases/identity.py %D%/e2e/cases/join.py %D%/e2e/cases/killed.py \
	%D%/e2e/cases/leave.py %D%/e2e/cases/lost.py %D%/e2e/cases/maintain.py %D%/e2e/cases/oneway.py \
	%D%/e2e/cases/partition.py %D%/e2e/cases/paused.py %D%/e2e/cases/power.py %D%/e2e/cases/race.py \
	%D%/e2e/cases/recover.py %D%/e2e/cases/rolling.py %D%/e2e/cases/silent.py %D%/e2e/cases/soak.py \
	%D%/e2e/cases/template.py %D%/e2e/cases/trust.py %D%/e2e/cases/voter_full.py %D%/e2e/cases/wiped.py

# A test that fails now and then is run where it fails more often (dev/rough).
TESTS += %D%/edge/test_rough.sh
EXTRA_DIST += %D%/edge/test_rough.sh

# The benchmarks' harness starts and stops the floor and the peers (bench/).
TESTS += %D%/edge/test_bench_smoke.sh
EXTRA_DIST += %D%/edge/test_bench_smoke.sh %D%/edge/bench_figures.py

if SANITIZED
lint_sanitized = yes
endif
AM_TESTS_ENVIRONMENT = \
	TOP='$(abs_top_srcdir)'; BUILD='$(abs_top_builddir)'; LINT_CC='$(CC)'; LINT_SANITIZED='$(lint_sanitized)'; \
	LINT_CPPFLAGS='-I$(abs_top_builddir) $(MSGPACK_CFLAGS)'; \
	LINT_PROGRAMS='$(sbin_PROGRAMS) $(bin_PROGRAMS) covey-shim covey-hold'; \
	TSAN_OPTIONS="suppressions=$(abs_top_srcdir)/tests/lib/tsan.supp $$TSAN_OPTIONS"; \
	LSAN_OPTIONS="suppressions=$(abs_top_srcdir)/tests/lib/lsan.supp print_suppressions=0 $$LSAN_OPTIONS"; \
	export TOP BUILD LINT_CC LINT_SANITIZED LINT_CPPFLAGS LINT_PROGRAMS TSAN_OPTIONS LSAN_OPTIONS;

.PHONY: lint
lint: all
	@$(AM_TESTS_ENVIRONMENT) red=0; for l in $(lint_programs); do \
		$(srcdir)/$$l || [ $$? -eq 77 ] || red=1; \
	done; exit $$red

# The package in a guest with systemd.
EXTRA_DIST += %D%/vm/drive/package_reboot.py %D%/vm/suite/lib/package.sh %D%/vm/suite/lib/reboot.sh \
	%D%/vm/suite/package-faults.sh %D%/vm/suite/package-inherit.sh %D%/vm/suite/package-install.sh \
	%D%/vm/suite/package-journal.sh %D%/vm/suite/package-units.sh %D%/vm/suite/package-upgrade.sh \
	%D%/vm/suite/package-downgrade.sh %D%/vm/suite/package-lacks.sh %D%/vm/suite/package-plain.sh \
	%D%/vm/suite/package-restarts.sh %D%/vm/suite/lib/lacks-kernel.sh %D%/vm/drive/package_boot.py \
	%D%/vm/drive/package_hybrid.py %D%/vm/drive/package_lacks_kernel.py %D%/vm/drive/package_v1.py \
	%D%/vm/suite/lib/attempts.pl %D%/vm/suite/package-escape.sh %D%/vm/suite/package-shares.sh
