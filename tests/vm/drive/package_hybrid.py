# SPDX-License-Identifier: Apache-2.0
"""As package_v1, on a host that has the controllers in v1 and systemd's own hierarchy in v2."""
from drive import package_v1

KERNEL = "systemd.unified_cgroup_hierarchy=0 systemd.legacy_systemd_cgroup_controller=0"
IS_SO = "[ -d /sys/fs/cgroup/memory ] && [ -e /sys/fs/cgroup/unified/cgroup.controllers ]"


def run(bed):
    package_v1.run(bed, "hybrid", KERNEL, IS_SO)
