# SPDX-License-Identifier: Apache-2.0
seccompdir = $(datadir)/covey/seccomp
dist_seccomp_DATA = $(seccomp_profiles)

# Examples: what `make install` puts aside for a person to copy, and dev/up runs.
examplesdir = $(docdir)/examples
dist_examples_DATA = %D%/coveyd.yaml
exampleagentsdir = $(examplesdir)/agents.d
dist_exampleagents_DATA = \
	%D%/agents.d/hello.yaml \
	%D%/agents.d/report.yaml \
	%D%/agents.d/ticker.yaml \
	%D%/agents.d/worker.yaml

# For systemd. The units say where the programs are.
systemdsystemunit_DATA =
if SYSTEMD
systemdsystemunit_DATA += %D%/covey-agents.service %D%/coveyd.service
sysusersdir = $(prefix)/lib/sysusers.d
tmpfilesdir = $(prefix)/lib/tmpfiles.d
sysusers_DATA = %D%/sysusers/covey.conf
tmpfiles_DATA = %D%/tmpfiles/covey.conf
endif
%D%/%.service: $(top_srcdir)/%D%/%.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) %D% && $(SED) -e 's|@''sbindir@|$(sbindir)|g' -e 's|@''bindir@|$(bindir)|g' \
		-e 's|@''libexecdir@|$(libexecdir)|g' -e 's|@''localstatedir@|$(localstatedir)|g' $< >$@.new && \
		mv $@.new $@
%D%/sysusers/covey.conf: $(top_srcdir)/%D%/covey.sysusers.conf
	$(AM_V_GEN)$(MKDIR_P) %D%/sysusers && cp $< $@
%D%/tmpfiles/covey.conf: $(top_srcdir)/%D%/covey.tmpfiles.conf
	$(AM_V_GEN)$(MKDIR_P) %D%/tmpfiles && cp $< $@
CLEANFILES += %D%/covey-agents.service %D%/coveyd.service %D%/sysusers/covey.conf %D%/tmpfiles/covey.conf
EXTRA_DIST += %D%/covey-agents.service.in %D%/coveyd.service.in %D%/covey.sysusers.conf %D%/covey.tmpfiles.conf

# Completion: each shell looks for a file of the command's name.
bashcompdir = $(datadir)/bash-completion/completions
zshcompdir = $(datadir)/zsh/site-functions
bashcomp_DATA = %D%/completion/covey
dist_zshcomp_DATA = %D%/completion/_covey
%D%/completion/covey: $(top_srcdir)/%D%/completion/covey.bash
	$(AM_V_GEN)$(MKDIR_P) %D%/completion && cp $< $@
CLEANFILES += %D%/completion/covey
EXTRA_DIST += %D%/completion/covey.bash
