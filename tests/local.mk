# SPDX-License-Identifier: Apache-2.0
# A test program is one line: tests/unit/NAME (pure or cheap) or tests/edge/NAME (real cgroups, processes, sockets), made
# of the .c file of that name with cmocka and linked with every floor. Exit status 77: this host lacks what it names.
TEST_LIBS = libnode.a libsupervisor.a libsupervisor_core.a libbase.a $(EV_LIBS) $(NNG_LIBS) $(MSGPACK_LIBS) $(CGROUP_LIBS) \
	$(SECCOMP_LIBS) $(SQLITE_LIBS) $(YAML_LIBS) $(SYSTEMD_LIBS) $(CMOCKA_LIBS) -lpthread -lm
LDADD = $(TEST_LIBS)

test_programs =
test_programs += %D%/unit/test_arena
test_programs += %D%/edge/test_seccomp
test_programs += %D%/unit/test_bytes
test_programs += %D%/unit/test_err
test_programs += %D%/unit/test_io
test_programs += %D%/unit/test_list
test_programs += %D%/unit/test_log
test_programs += %D%/unit/test_map
test_programs += %D%/unit/test_mp
test_programs += %D%/unit/test_rng
test_programs += %D%/unit/test_seccomp_profile
test_programs += %D%/unit/test_sm
test_programs += %D%/unit/test_units

check_PROGRAMS += $(test_programs)
TESTS += $(test_programs)
EXTRA_DIST += %D%/lib/faults.h %D%/lib/oom.h %D%/lib/test.h %D%/lib/tmpdir.h %D%/lib/wait.h
