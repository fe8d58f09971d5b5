# SPDX-License-Identifier: Apache-2.0
# The daemon is a library plus main.c, so that tests and fuzzers link the daemon.
noinst_LIBRARIES += libnode.a
libnode_a_SOURCES = \
	%D%/adopt.c \
	%D%/adopt.h \
	%D%/answer.c \
	%D%/answer.h \
	%D%/apply.c \
	%D%/apply.h \
	%D%/change.c \
	%D%/change.h \
	%D%/config.c \
	%D%/config.h \
	%D%/config_addr.c \
	%D%/control.c \
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
	%D%/counted.c \
	%D%/counted.h \
	%D%/datalock.c \
	%D%/datalock.h \
	%D%/events.c \
	%D%/events.h \
	%D%/host.c \
	%D%/host.h \
	%D%/http.c \
	%D%/http.h \
	%D%/http_guard.c \
	%D%/http_guard.h \
	%D%/http_parse.c \
	%D%/http_parse.h \
	%D%/lag.c \
	%D%/lag.h \
	%D%/launch.c \
	%D%/local.c \
	%D%/local.h \
	%D%/metrics.c \
	%D%/metrics.h \
	%D%/mp.c \
	%D%/mp.h \
	%D%/mp_json.c \
	%D%/mp_write.c \
	%D%/nng_setup.c \
	%D%/nng_setup.h \
	%D%/node.c \
	%D%/node.h \
	%D%/node_run.h \
	%D%/ops.c \
	%D%/ops.h \
	%D%/page.c \
	%D%/page.h \
	%D%/poll.c \
	%D%/poll.h \
	%D%/poll_events.c \
	%D%/poll_logs.c \
	%D%/poll_priv.h \
	%D%/renew.c \
	%D%/renew.h \
	%D%/report.c \
	%D%/report.h \
	%D%/report_explain.c \
	%D%/report_priv.h \
	%D%/report_top.c \
	%D%/roster.c \
	%D%/roster.h \
	%D%/runner.c \
	%D%/runner.h \
	%D%/runner_parts.h \
	%D%/runner_probe.c \
	%D%/runner_shim.c \
	%D%/sample.c \
	%D%/sample.h \
	%D%/shimfiles.c \
	%D%/shimfiles.h \
	%D%/shimlink.c \
	%D%/shimlink.h \
	%D%/signals.c \
	%D%/signals.h \
	%D%/status.c \
	%D%/status.h \
	%D%/store.c \
	%D%/store.h \
	%D%/store_backup.c \
	%D%/store_load.c \
	%D%/store_next.c \
	%D%/store_next.h \
	%D%/store_priv.h \
	%D%/store_schema.c \
	%D%/store_thread.c \
	%D%/sysstat.c \
	%D%/sysstat.h \
	%D%/systemd.c \
	%D%/systemd.h \
	%D%/trim.c \
	%D%/trim.h \
	%D%/verbs.c \
	%D%/verbs.h \
	%D%/version.c \
	%D%/version.h

sbin_PROGRAMS += coveyd
coveyd_SOURCES = %D%/main.c
coveyd_LDADD = libnode.a libgossip.a libgossip_core.a libsupervisor.a libsupervisor_core.a libbase.a \
	$(EV_LIBS) $(NNG_LIBS) $(MSGPACK_LIBS) $(TLS_LIBS) \
	$(CGROUP_LIBS) $(SECCOMP_LIBS) $(SQLITE_LIBS) $(YAML_LIBS) -lpthread -lm
