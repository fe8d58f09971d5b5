/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_SHIM_IPC_H
#define SUPERVISOR_SHIM_IPC_H
/*
 * What outlives the processes that made it: shared memory, semaphores and message queues of System V, and POSIX message
 * queues where they are mounted. That memory would stay charged to a group that is gone, and whoever is given
 * the uid next would own it.
 */
#include <stdint.h>

/* Removes all of a uid. Quick where the host has none of anybody. */
void ipc_remove(uint32_t uid);

#endif
