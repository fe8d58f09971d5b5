/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CLUSTER_ADDRESS_H
#define NODE_CLUSTER_ADDRESS_H
/*
 * Which of this host's addresses others dial, where gossip.bind is every one.
 */
#include <netinet/in.h>

#include "base/err.h"
#include "node/config.h"

#define CLUSTER_ADDRESS_HOST_MAX INET6_ADDRSTRLEN

/* An address of bind's family, without its port. -EADDRNOTAVAIL: there is none, or several; it may be other later. */
int cluster_address_find(const struct config_gossip *g, char ret[CLUSTER_ADDRESS_HOST_MAX], struct err *e);

#endif
