# SPDX-License-Identifier: Apache-2.0
# The daemon is a library plus main.c, so that tests and fuzzers link the daemon.
noinst_LIBRARIES += libnode.a
libnode_a_SOURCES = \
	%D%/control.c \
	%D%/config.c \
	%D%/config.h \
	%D%/config_addr.c \
	%D%/control.h \
	%D%/control_client.c \
	%D%/control_client.h \
	%D%/control_conn.c \
	%D%/control_frame.c \
	%D%/control_frame.h \
	%D%/control_peer.c \
	%D%/control_priv.h \
	%D%/control_request.c \
	%D%/control_socket.c \
	%D%/datalock.c \
	%D%/datalock.h \
	%D%/events.c \
	%D%/events.h \
	%D%/http.c \
	%D%/http.h \
	%D%/metrics.c \
	%D%/http_guard.c \
	%D%/http_guard.h \
	%D%/http_parse.c \
	%D%/http_parse.h \
	%D%/metrics.h \
	%D%/mp.c \
	%D%/mp.h \
	%D%/mp_json.c \
	%D%/mp_write.c \
	%D%/nng_setup.c \
	%D%/nng_setup.h \
	%D%/store.c \
	%D%/store.h \
	%D%/store_backup.c \
	%D%/store_load.c \
	%D%/store_priv.h \
	%D%/store_schema.c \
	%D%/store_thread.c \
	%D%/sysstat.c \
	%D%/sysstat.h
