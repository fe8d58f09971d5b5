# SPDX-License-Identifier: Apache-2.0
"""The package on a kernel that has no Landlock and no controllers of memory and pids: suite/lib/lacks-kernel.sh."""


def run(bed):
    bed.needs_package()
    with bed.guest("drive-package-lacks-kernel") as guest:
        guest.kernel_more = "lsm=lockdown,yama,integrity cgroup_disable=memory cgroup_disable=pids"
        bed.started(guest)
        bed.suite(guest, "lib/lacks-kernel.sh")
