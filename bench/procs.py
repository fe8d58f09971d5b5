# SPDX-License-Identifier: Apache-2.0
"""Processes of a session: who they are, what memory and time they take, and how they are ended.

The harness has two processes: a *guard*, the subreaper of everything that is started, and its child, the *worker*,
which measures. Whatever happens to the worker, the guard ends what is left. All that hangs below the guard and is
neither worker nor agent is the contender's: supervisors, shims, loggers.
"""
import ctypes
import os
import resource
import signal
import time

PR_SET_CHILD_SUBREAPER = 36
AGENT = "bench-agent"
TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def become_subreaper():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def raise_files_limit():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def read(path, size=65536):
    """A small file's text, or None when the process is gone."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(fd, size).decode("latin-1")
    except OSError:
        return None
    finally:
        os.close(fd)


def stat(pid):
    """(comm, state, ppid, utime + stime in ticks) of a process, or None."""
    text = read(f"/proc/{pid}/stat")
    if not text:
        return None
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    return head.partition("(")[2], fields[0], int(fields[1]), int(fields[11]) + int(fields[12])


def descendants(root):
    """pid → comm of all living processes below root."""
    children, comms = {}, {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        s = stat(int(name))
        if s and s[1] not in "ZX":
            children.setdefault(s[2], []).append(int(name))
            comms[int(name)] = s[0]
    found, todo = {}, [root]
    while todo:
        for pid in children.get(todo.pop(), ()):
            if pid not in found:
                found[pid] = comms[pid]
                todo.append(pid)
    return found


def is_alive(pid):
    s = stat(pid)
    return s is not None and s[1] not in "ZX"


def kill(pid, sig):
    try:
        os.kill(pid, sig)
        return True
    except ProcessLookupError:
        return False


def kill_tree(root, spare=(), reap=lambda: None):
    """Ends all below root but `spare`, by pid, until none is left; what cannot be ended is returned after 30 s. reap is
    called between: the first process of a pid namespace ends when all the others of it are reaped.
    """
    end = time.monotonic() + 30
    left = {}
    while time.monotonic() < end:
        left = {p: c for p, c in descendants(root).items() if p not in spare}
        if not left:
            return {}
        for pid in left:
            kill(pid, signal.SIGSTOP)  # so that nothing restarts what is killed
        for pid in left:
            kill(pid, signal.SIGKILL)
        time.sleep(0.02)
        reap()
    return left


def supervisors(guard, worker):
    """Everything of the contender but its agents: [pid]."""
    return [p for p, comm in descendants(guard).items() if p != worker and comm != AGENT]


def cpu_ns(pids):
    """Time on a processor of all threads of these, in ns (schedstat; ticks where the kernel has none)."""
    total = 0
    for pid in pids:
        try:
            threads = os.listdir(f"/proc/{pid}/task")
        except OSError:
            continue
        for t in threads:
            text = read(f"/proc/{pid}/task/{t}/schedstat")
            if text:
                total += int(text.split()[0])
            else:
                s = stat(f"{pid}/task/{t}")
                total += s[3] * TICK_NS if s else 0
    return total


def field_kb(text, name):
    for line in text.splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    return 0


def pss(pids):
    """Proportional set size of these together, bytes."""
    total = 0
    for pid in pids:
        text = read(f"/proc/{pid}/smaps_rollup")
        total += field_kb(text, "Pss:") if text else 0
    return total * 1024


def locked(pids):
    """Bytes of it that are locked in memory."""
    total = 0
    for pid in pids:
        text = read(f"/proc/{pid}/smaps_rollup")
        total += field_kb(text, "Locked:") if text else 0
    return total * 1024


def kernel(pids):
    """Page tables and kernel stacks of these, bytes (a stack is 16 KiB on x86-64)."""
    total = 0
    for pid in pids:
        text = read(f"/proc/{pid}/status")
        if text:
            total += field_kb(text, "VmPTE:") + 16 * field_kb(text, "Threads:")
    return total * 1024


def slab():
    """The kernel's slab and per-CPU memory, bytes: a difference of two readings tells what cgroups cost."""
    text = read("/proc/meminfo")
    return 1024 * (field_kb(text, "Slab:") + field_kb(text, "Percpu:"))
