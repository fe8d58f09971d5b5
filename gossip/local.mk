# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libgossip.a
libgossip_a_SOURCES = \
	%D%/hello.c \
	%D%/hello.h \
	%D%/identity.c \
	%D%/identity.h \
	%D%/pki.c \
	%D%/pki.h \
	%D%/pki_keys.c \
	%D%/pki_make.c \
	%D%/pki_priv.h \
	%D%/transport.c \
	%D%/transport.h \
	%D%/transport_dial.c \
	%D%/transport_door.c \
	%D%/transport_engine.c \
	%D%/transport_hello.c \
	%D%/transport_hello.h \
	%D%/transport_io.c \
	%D%/transport_link.c \
	%D%/transport_priv.h \
	%D%/transport_reap.c \
	%D%/transport_tls.c \
	%D%/wire.c \
	%D%/wire.h
# Core: pure, no clock, no descriptor, no heap.
noinst_LIBRARIES += libgossip_core.a
libgossip_core_a_SOURCES = \
	%D%/admit.c \
	%D%/dial.c \
	%D%/guests.c \
	%D%/gossip.c \
	%D%/gossip.h \
	%D%/gossip_check.c \
	%D%/gossip_event.c \
	%D%/gossip_impl.h \
	%D%/gossip_names.c \
	%D%/gossip_pull.c \
	%D%/gossip_view.c \
	%D%/links.c \
	%D%/members.c \
	%D%/msg.h \
	%D%/pack.c \
	%D%/probe.c \
	%D%/profile.c \
	%D%/rings.c \
	%D%/spread.c \
	%D%/state.c \
	%D%/sync.c \
	%D%/take.c \
	%D%/values.c \
	%D%/watch.c
