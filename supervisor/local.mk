# SPDX-License-Identifier: Apache-2.0
# Core: pure, no clock, no descriptor, no heap. Edge: the rest.
noinst_LIBRARIES += libsupervisor_core.a libsupervisor.a
libsupervisor_core_a_SOURCES = \
	%D%/health.c \
	%D%/health.h \
	%D%/plan.c \
	%D%/plan.h \
	%D%/replica.c \
	%D%/replica.h \
	%D%/replica_end.c \
	%D%/replica_explain.c \
	%D%/replica_impl.h \
	%D%/replica_probe.c \
	%D%/replica_view.c \
	%D%/restart.c \
	%D%/restart.h
libsupervisor_a_SOURCES = \
	%D%/capability.c \
	%D%/capability.h \
	%D%/probe.c \
	%D%/seccomp.c \
	%D%/seccomp_compile.c \
	%D%/seccomp_impl.h \
	%D%/seccomp_learn.c \
	%D%/seccomp_names.c \
	%D%/seccomp_profile.c \
	%D%/spawn.c \
	%D%/spawn_plan.c \
	%D%/spec_all.c \
	%D%/spec_check.c \
	%D%/spec_expand.c \
	%D%/spec_fault.c \
	%D%/spec_hash.c \
	%D%/spec_hash.h \
	%D%/spec_parse.c \
	%D%/spec_table.c \
	%D%/spec_table.h \
	%D%/spec_words.c \
	%D%/spec_words.h \
	%D%/yaml.c \
	%D%/yaml.h \
	%D%/yaml_node.c \
	%D%/yaml_table.c \
	%D%/yaml_type.c \
	%D%/cgroup.h %D%/logs.h %D%/probe.h %D%/seccomp.h %D%/shim_proto.h %D%/spawn.h %D%/spec.h
libsupervisor_a_CFLAGS = $(AM_CFLAGS)

# The profiles of etc/seccomp are built in.
seccomp_profiles = etc/seccomp/default.profile etc/seccomp/groups.profile etc/seccomp/strict.profile
nodist_libsupervisor_a_SOURCES = %D%/seccomp_builtin.c
CLEANFILES += %D%/seccomp_builtin.c
EXTRA_DIST += %D%/seccomp_builtin.awk
%D%/seccomp_builtin.c: %D%/seccomp_builtin.awk $(seccomp_profiles)
	$(AM_V_GEN)$(MKDIR_P) %D% && \
	( cd $(srcdir) && $(AWK) -f %D%/seccomp_builtin.awk $(seccomp_profiles) ) >$@.new && mv $@.new $@
