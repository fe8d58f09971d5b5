# SPDX-License-Identifier: Apache-2.0
# Core: pure, no clock, no descriptor, no heap. Edge: the rest.
noinst_LIBRARIES += libsupervisor_core.a libsupervisor.a
libsupervisor_core_a_SOURCES = \
	%D%/health.h %D%/plan.h %D%/replica.h
libsupervisor_a_SOURCES = \
	%D%/capability.c \
	%D%/capability.h \
	%D%/spawn.c \
	%D%/spawn_plan.c \
	%D%/cgroup.h %D%/logs.h %D%/probe.h %D%/seccomp.h %D%/shim_proto.h %D%/spawn.h %D%/spec.h
libsupervisor_a_CFLAGS = $(AM_CFLAGS)
