/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_DATALOCK_H
#define NODE_DATALOCK_H
/*
 * One daemon a data_dir: flock on DATA_DIR/lock, which holds the pid of its holder for the others to name.
 */
#include "base/err.h"

/*
 * Takes the lock, waiting up to 2 s: a child that a daemon vforked just before it was killed may hold it for a
 * moment. -EBUSY: another daemon has it, the sentence names its pid. *ret_fd is the caller's to close, which unlocks;
 * it is close-on-exec.
 */
int datalock_take(const char *data_dir, int *ret_fd, struct err *e);

#endif
