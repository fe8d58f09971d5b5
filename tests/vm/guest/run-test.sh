#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run-test.sh PROGRAM: runs a test program where systemd has delegated a subtree of cgroup v2 to it: the test itself in
# a leaf, since a group that gives controllers to its children may hold no process, and its groups beside the leaf.
set -eu
own=$(sed -n 's/^0:://p' /proc/self/cgroup)
mkdir "/sys/fs/cgroup$own/test"
echo $$ >"/sys/fs/cgroup$own/test/cgroup.procs"
COVEY_TEST_GROUP=${own#/}
export COVEY_TEST_GROUP
exec "$1"
