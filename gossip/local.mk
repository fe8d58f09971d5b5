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
	%D%/shape.c \
	%D%/shape.h \
	%D%/wire.c \
	%D%/wire.h
