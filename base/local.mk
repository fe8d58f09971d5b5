# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libbase.a
libbase_a_SOURCES = %D%/aio.h %D%/arena.c %D%/arena.h %D%/bytes.c %D%/bytes.h %D%/clock.h %D%/err.c \
	%D%/err.h %D%/io.c %D%/io.h %D%/limits.h %D%/list.h %D%/log.c %D%/log.h %D%/map.c %D%/map.h \
	%D%/mem.c %D%/mem.h %D%/rng.c %D%/rng.h %D%/shape.c %D%/shape.h %D%/sm.c %D%/sm.h %D%/sum.c \
	%D%/sum.h %D%/units.c %D%/units.h %D%/unpack.c %D%/unpack.h %D%/utf8.c %D%/utf8.h %D%/util.h
