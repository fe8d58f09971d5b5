# SPDX-License-Identifier: Apache-2.0
# Core: pure, no clock, no descriptor, no heap. It has no edge: node/ fills what it reads, and does what it says.
noinst_LIBRARIES += libscheduler_core.a
libscheduler_core_a_SOURCES = \
	%D%/decide.c \
	%D%/decide.h \
	%D%/decide_drain.c \
	%D%/decide_impl.h \
	%D%/decide_rollout.c \
	%D%/decide_settle.c \
	%D%/decide_slot.c \
	%D%/explain.c \
	%D%/explain.h \
	%D%/place.c \
	%D%/place.h \
	%D%/place_why.c \
	%D%/rank.c \
	%D%/rank.h \
	%D%/sched.c \
	%D%/sched.h \
	%D%/sched_fault.c \
	%D%/sentence.h
