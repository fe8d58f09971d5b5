# SPDX-License-Identifier: Apache-2.0
# seccomp: default. What ordinary daemons, shells and language runtimes need; nothing that administers the host, looks
# into other processes or widens what the kernel exposes. A refused call returns EPERM and is counted by name.

allow	@self @memory @futex @clock @timer @signal @poll @io @aio
allow	@file-read @file-write @file-special @file-owner
allow	@network @process @credentials @resources @ipc @sandbox

# Threads and processes, but no new namespaces: none of CLONE_NEWNS, CGROUP, UTS, IPC, USER, PID and NET.
allow	clone if arg0 & 0x7e020000 == 0

# AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET (which also takes a capability).
allow	socket if arg0 == 1
allow	socket if arg0 == 2
allow	socket if arg0 == 10
allow	socket if arg0 == 16
allow	socket if arg0 == 17

# Asking for the execution domain, and the two of Linux itself, with and without UNAME26.
allow	personality if arg0 == 0xffffffff
allow	personality if arg0 == 0
allow	personality if arg0 == 0x0008
allow	personality if arg0 == 0x20000
allow	personality if arg0 == 0x20008

# Answered as by a kernel without them (ENOSYS), so that libraries do it the older way: the flags of clone3 lie in
# memory where no filter can check them, and io_uring would do calls past this filter.
absent	clone3 @io-uring
