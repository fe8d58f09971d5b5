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
