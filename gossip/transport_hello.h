/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GOSSIP_TRANSPORT_HELLO_H
#define GOSSIP_TRANSPORT_HELLO_H
/*
 * The signed hello (hello.h) as the transport wants it: who we are comes from its owner, the time and the random bytes
 * from the kernel.
 *
 * hello_arg of the transport is a const struct hello_self, read anew when a hello begins: its owner may change it
 * between two turns. What the hooks have as `hello` is a const struct hello: in `up` its peer, and where it was refused
 * its why.
 */
#include "gossip/hello.h"
#include "gossip/transport.h"

extern const struct transport_hello transport_hello_signed;

#endif
