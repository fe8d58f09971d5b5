# SPDX-License-Identifier: Apache-2.0
seccompdir = $(datadir)/covey/seccomp
dist_seccomp_DATA = $(seccomp_profiles)
