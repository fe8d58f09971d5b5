/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_NET_PRIV_H
#define TESTS_SIM_NET_PRIV_H
/*
 * What the three files of the network share.
 */
#include "tests/sim/net.h"

#define NET_SEGMENT    1448
#define NET_HEADERS    52 /* IPv4 and TCP with timestamps; an acknowledgement is that alone */
#define NET_LENGTH     4  /* in front of each frame */
#define NET_RTO_US     200000
#define NET_RTO_MAX_US 120000000
#define NET_WINDOW     10     /* packets that go out without an acknowledgement */
#define NET_WINDOW_US  300000 /* and for so long */

/* net.c */
bool net_gets_through(struct net *n, uint32_t from, uint32_t to);
void net_count(struct net *n, uint32_t host, size_t payload_bytes);

/* net_tcp.c */
struct net_conn *net_connected(struct net *n, uint32_t from, uint32_t to); /* the end that dialled is open */
void net_open_other(struct net_conn *c); /* the other end's process has it once this arrives */
void net_arrival(struct net *n, struct net_way *w);
void net_retry(struct net *n, struct net_way *w);
void net_end_gone(struct net_conn *c, int side); /* without a word to the other end; the connection may be freed */

/* net_dial.c */
void net_dial_due(struct net *n, struct net_dial *d);
void net_dial_free(struct net *n, struct net_dial *d);

#endif
