# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libgossip.a
libgossip_a_SOURCES = \
	%D%/transport.c \
	%D%/transport.h \
	%D%/transport_dial.c \
	%D%/transport_io.c \
	%D%/transport_link.c \
	%D%/transport_priv.h \
	%D%/transport_tls.c
