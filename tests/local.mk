# SPDX-License-Identifier: Apache-2.0
# A test program: tests/unit/NAME.c with cmocka, linked with the floors it needs.
TEST_LIBS = libnode.a libsupervisor.a libsupervisor_core.a libbase.a $(EV_LIBS) $(NNG_LIBS) $(MSGPACK_LIBS) $(CGROUP_LIBS) \
	$(SECCOMP_LIBS) $(SQLITE_LIBS) $(YAML_LIBS) $(SYSTEMD_LIBS) $(CMOCKA_LIBS) -lpthread -lm

check_PROGRAMS += tests/unit/test_mp
TESTS += tests/unit/test_mp
tests_unit_test_mp_SOURCES = %D%/unit/test_mp.c
tests_unit_test_mp_LDADD = $(TEST_LIBS)
