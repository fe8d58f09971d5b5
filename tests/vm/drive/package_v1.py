# SPDX-License-Identifier: Apache-2.0
"""The package on a host of cgroup v1: installed, run, and removed as on v2, and nothing that systemd is told to do to
the daemon reaches an agent.
"""
SCRIPTS = ("package-install.sh", "package-units.sh")
KERNEL = "systemd.unified_cgroup_hierarchy=0 systemd.legacy_systemd_cgroup_controller=1"
IS_SO = "[ -d /sys/fs/cgroup/memory ] && [ -d /sys/fs/cgroup/systemd ] && [ ! -d /sys/fs/cgroup/unified ]"


def run(bed, name="v1", kernel=KERNEL, is_so=IS_SO):
    bed.needs_package()
    with bed.guest(f"drive-package-{name}") as guest:
        guest.kernel_more = kernel
        bed.started(guest)
        guest.check(is_so)
        for script in SCRIPTS:
            bed.suite(guest, script)
    bed.say(f"{' and '.join(SCRIPTS)} on {name}")
