# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libconsensus.a
libconsensus_a_SOURCES = \
	%D%/wire.c \
	%D%/wire.h
# Core: pure, no clock, no descriptor, no heap.
noinst_LIBRARIES += libconsensus_core.a
libconsensus_core_a_SOURCES = \
	%D%/acceptor.c \
	%D%/acceptor.h \
	%D%/acceptor_check.c \
	%D%/acceptor_impl.h \
	%D%/acceptor_lease.c \
	%D%/acceptor_reg.c \
	%D%/acceptor_sets.c \
	%D%/acceptor_store.c \
	%D%/ballot.c \
	%D%/ballot.h \
	%D%/keyed.c \
	%D%/keyed.h \
	%D%/lease.c \
	%D%/lease.h \
	%D%/msg.c \
	%D%/msg.h \
	%D%/pace.c \
	%D%/pace.h \
	%D%/proposer.c \
	%D%/proposer.h \
	%D%/quorum.c \
	%D%/quorum.h \
	%D%/registers.c \
	%D%/registers.h \
	%D%/registers_impl.h \
	%D%/registers_check.c \
	%D%/registers_era.c \
	%D%/registers_known.c \
	%D%/registers_voters.c \
	%D%/registers_work.c \
	%D%/rules.h \
	%D%/value.c \
	%D%/value.h \
	%D%/voters.c \
	%D%/voters.h
# The same with its rules as switches (consensus/rules.h): for the tests that leave one out, and for nothing else.
check_LIBRARIES += libconsensus_mutants.a
libconsensus_mutants_a_SOURCES = $(libconsensus_core_a_SOURCES)
libconsensus_mutants_a_CPPFLAGS = $(AM_CPPFLAGS) -DCONSENSUS_MUTANTS
