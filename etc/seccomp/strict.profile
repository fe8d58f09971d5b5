# SPDX-License-Identifier: Apache-2.0
# seccomp: strict. For a daemon that computes, reads and writes files and speaks over sockets, and may have helpers. A
# refused call kills.

on-refusal kill

allow	@self @memory @futex @clock @timer @signal @poll @io
allow	@file-read @file-write @network @process @resources-read

# Threads and processes, but no new namespaces.
allow	clone if arg0 & 0x7e020000 == 0

# AF_UNIX, AF_INET, AF_INET6, AF_NETLINK (with which a program asks for its addresses).
allow	socket if arg0 == 1
allow	socket if arg0 == 2
allow	socket if arg0 == 10
allow	socket if arg0 == 16

allow	personality if arg0 == 0xffffffff

# What runtimes try first and do without: no such call, instead of the end.
absent	clone3 @io-uring @sandbox @aio
