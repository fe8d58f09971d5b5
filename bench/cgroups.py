# SPDX-License-Identifier: Apache-2.0
"""Cgroups of a session: named after the harness's pid, found in every hierarchy, removed when it ends."""
import os

ROOT = "/sys/fs/cgroup"


def hierarchies():
    """Mount points of all hierarchies, v1 and v2."""
    found = []
    with open("/proc/self/mounts", encoding="ascii", errors="replace") as mounts:
        for line in mounts:
            fields = line.split()
            if fields[2] in ("cgroup", "cgroup2"):
                found.append(fields[1])
    return found


def is_v2():
    return os.path.exists(os.path.join(ROOT, "cgroup.controllers"))


def remove(name):
    """Removes NAME and all below it, in every hierarchy; returns what could not be removed."""
    left = []
    for mount in hierarchies():
        top = os.path.join(mount, name)
        for path, _, _ in os.walk(top, topdown=False):
            try:
                os.rmdir(path)
            except FileNotFoundError:
                pass
            except OSError as e:
                left.append(f"{path}: {e.strerror}")
    return left


def count(name):
    """Groups of NAME in the hierarchy where there are most."""
    most = 0
    for mount in hierarchies():
        most = max(most, sum(1 for _ in os.walk(os.path.join(mount, name))) - 1)
    return max(most, 0)
