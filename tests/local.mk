# SPDX-License-Identifier: Apache-2.0
# A test program: tests/unit/NAME.c with cmocka, linked with the floors it needs.
TEST_LIBS = libnode.a libsupervisor.a libsupervisor_core.a libbase.a $(EV_LIBS) $(NNG_LIBS) $(MSGPACK_LIBS) $(CGROUP_LIBS) \
	$(SECCOMP_LIBS) $(SQLITE_LIBS) $(YAML_LIBS) $(SYSTEMD_LIBS) $(CMOCKA_LIBS) -lpthread -lm
