# SPDX-License-Identifier: Apache-2.0
# The command is a library plus main.c, so that tests link the command.
noinst_LIBRARIES += libcli.a
libcli_a_SOURCES = \
	%D%/call.c \
	%D%/call.h \
	%D%/change.c \
	%D%/cli.c \
	%D%/cli.h \
	%D%/cmd_apply.c \
	%D%/cmd_change.c \
	%D%/cmd_cluster.c \
	%D%/cmd_events.c \
	%D%/cmd_logs.c \
	%D%/cmd_logs_agent.c \
	%D%/cmd_pki.c \
	%D%/cmd_reload.c \
	%D%/cmd_status.c \
	%D%/cmd_tell.c \
	%D%/cmd_top.c \
	%D%/cmd_voters.c \
	%D%/commands.c \
	%D%/complete.c \
	%D%/complete.h \
	%D%/diff.c \
	%D%/diff.h \
	%D%/field.c \
	%D%/field.h \
	%D%/follow.c \
	%D%/follow.h \
	%D%/help.c \
	%D%/logs.h \
	%D%/merge.c \
	%D%/merge.h \
	%D%/options.c \
	%D%/options.h \
	%D%/table.c \
	%D%/table.h \
	%D%/text.c \
	%D%/view.c \
	%D%/view.h \
	%D%/when.c \
	%D%/when.h

CLI_LIBS = libcli.a libnode.a libgossip.a libgossip_core.a libsupervisor.a libsupervisor_core.a libbase.a \
	$(MSGPACK_LIBS) $(SECCOMP_LIBS) $(YAML_LIBS) $(TLS_LIBS)
bin_PROGRAMS += covey
covey_SOURCES = %D%/main.c
covey_LDADD = $(CLI_LIBS)
