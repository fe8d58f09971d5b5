# SPDX-License-Identifier: Apache-2.0
# Core: pure, no clock, no descriptor, no heap. Edge: the rest.
noinst_LIBRARIES += libsupervisor_core.a libsupervisor.a
libsupervisor_core_a_SOURCES = \
	%D%/health.c \
	%D%/health.h \
	%D%/plan.c \
	%D%/plan.h \
	%D%/plan_assigned.c \
	%D%/plan_impl.h \
	%D%/replica.c \
	%D%/replica.h \
	%D%/replica_end.c \
	%D%/replica_explain.c \
	%D%/replica_found.c \
	%D%/replica_impl.h \
	%D%/replica_probe.c \
	%D%/replica_view.c \
	%D%/restart.c \
	%D%/restart.h
libsupervisor_a_SOURCES = \
	%D%/capability.c \
	%D%/capability.h \
	%D%/logs.c \
	%D%/probe.c \
	%D%/cgroup.c \
	%D%/cgroup.h \
	%D%/cgroup_find.c \
	%D%/cgroup_home.c \
	%D%/cgroup_home.h \
	%D%/cgroup_impl.h \
	%D%/cgroup_lib.c \
	%D%/cgroup_lib.h \
	%D%/cgroup_read.c \
	%D%/cgroup_steps.c \
	%D%/cgroup_v1.c \
	%D%/cgroup_v2.c \
	%D%/seccomp.c \
	%D%/seccomp_compile.c \
	%D%/seccomp_impl.h \
	%D%/seccomp_learn.c \
	%D%/seccomp_names.c \
	%D%/seccomp_profile.c \
	%D%/seccomp_program.c \
	%D%/spawn.c \
	%D%/spawn_clone.c \
	%D%/spawn_clone.h \
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

# covey-shim: one small static program, by a compiler and flags of its own; libc alone, none of our archives.
libsupervisor_core_a_SOURCES += \
	%D%/shim/bpf.c %D%/shim/bpf.h \
	%D%/shim/fusejudge.c %D%/shim/fusejudge.h \
	%D%/shim/kernel.h \
	%D%/shim/logline.c %D%/shim/logline.h \
	%D%/shim/notifymsg.c %D%/shim/notifymsg.h \
	%D%/shim/planread.c %D%/shim/planread.h \
	%D%/shim/text.c %D%/shim/text.h
shim_sources = \
	%D%/shim/bpf.c \
	%D%/shim/child.c \
	%D%/shim/control.c \
	%D%/shim/fuse.c \
	%D%/shim/fusejudge.c \
	%D%/shim/group.c \
	%D%/shim/groupfiles.c \
	%D%/shim/ipc.c \
	%D%/shim/life.c \
	%D%/shim/logfile.c \
	%D%/shim/logline.c \
	%D%/shim/logpump.c \
	%D%/shim/loop.c \
	%D%/shim/main.c \
	%D%/shim/notify.c \
	%D%/shim/notifymsg.c \
	%D%/shim/os.c \
	%D%/shim/pidns.c \
	%D%/shim/planread.c \
	%D%/shim/prepare.c \
	%D%/shim/probe.c \
	%D%/shim/record.c \
	%D%/shim/refuse.c \
	%D%/shim/sandbox.c \
	%D%/shim/sockets.c \
	%D%/shim/start.c \
	%D%/shim/stray.c \
	%D%/shim/text.c
shim_headers = \
	base/limits.h base/util.h %D%/shim_proto.h \
	%D%/shim/bpf.h \
	%D%/shim/fuse.h \
	%D%/shim/fusejudge.h \
	%D%/shim/group.h \
	%D%/shim/groupfiles.h \
	%D%/shim/ipc.h \
	%D%/shim/kernel.h \
	%D%/shim/logfile.h \
	%D%/shim/logline.h \
	%D%/shim/logpump.h \
	%D%/shim/notifymsg.h \
	%D%/shim/os.h \
	%D%/shim/planread.h \
	%D%/shim/sandbox.h \
	%D%/shim/shim.h \
	%D%/shim/start.h \
	%D%/shim/stray.h \
	%D%/shim/text.h
SHIM_DEFINE = -I$(top_srcdir) -D_GNU_SOURCE
SHIM_COMPILE = -std=gnu17 -Os -g -static -fno-pie -fstack-protector-strong -ffunction-sections -fno-common \
	-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wundef \
	-Wimplicit-fallthrough -Wvla -Wframe-larger-than=3000
# No relro: at a fixed address nothing is relocated, and its page would be there a thousand times.
SHIM_LINK = -no-pie -Wl,--gc-sections -Wl,-z,norelro,-z,noexecstack
covey-shim: $(shim_sources) $(shim_headers) Makefile
	$(AM_V_CCLD)$(SHIM_CC) $(SHIM_DEFINE) $(SHIM_COMPILE) $(SHIM_LINK) -o $@ $(filter %.c,$^)
coveylibexecdir = $(libexecdir)/covey
coveylibexec_SCRIPTS = covey-shim
CLEANFILES += covey-shim
EXTRA_DIST += $(shim_sources) $(shim_headers)

# covey-hold: what covey-agents.service runs; made as the shim is, of its parts.
hold_sources = %D%/hold/main.c %D%/shim/os.c %D%/shim/text.c
covey-hold: $(hold_sources) $(shim_headers) Makefile
	$(AM_V_CCLD)$(SHIM_CC) $(SHIM_DEFINE) $(SHIM_COMPILE) $(SHIM_LINK) -o $@ $(filter %.c,$^)
coveylibexec_SCRIPTS += covey-hold
CLEANFILES += covey-hold
EXTRA_DIST += %D%/hold/main.c
