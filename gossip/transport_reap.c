/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ends links where nobody waits for it. Closing a TLS stream of nng's takes the stream's mutex, which a thread of nng's
 * holds while it computes a handshake, and stopping an aio waits for its callback: on a busy host that is long, and the
 * caller's thread has heartbeats to send. One thread; a link counts among TRANSPORT_LINKS_MAX until it is free.
 */
#include "gossip/transport_priv.h"

#include <errno.h>
#include <stdlib.h>

#define STACK_BYTES ((size_t)256 * 1024) /* nng's closing goes a few calls deep */

static void free_link(struct transport_link *k)
{
	transport_dial_free(k);
	transport_io_free(k); /* no callback of the link's runs any more */
	free(k);
}

static void *run(void *arg)
{
	struct transport *t = arg;

	pthread_mutex_lock(&t->lock);
	while (!t->closing || !list_is_empty(&t->dying)) {
		struct transport_link *k;

		if (list_is_empty(&t->dying)) {
			(void)pthread_cond_wait(&t->to_reap, &t->lock); /* cannot fail with both as they are */
			continue;
		}
		k = LIST_ENTRY(t->dying.next, struct transport_link, ready);
		list_del(&k->ready);
		pthread_mutex_unlock(&t->lock);
		free_link(k);
		pthread_mutex_lock(&t->lock);
		t->reaping--;
		pthread_mutex_unlock(&t->lock);
		t->hooks->wake(t->arg); /* somebody may wait for the place */
		pthread_mutex_lock(&t->lock);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

int transport_reap_begin(struct transport *t)
{
	pthread_attr_t small;
	int rc;

	if (pthread_attr_init(&small) != 0)
		return -EAGAIN;
	(void)pthread_attr_setstacksize(&small, STACK_BYTES); /* a valid size; else the default stays */
	rc = pthread_create(&t->reaper, &small, run, t);
	(void)pthread_attr_destroy(&small);
	t->has_reaper = rc == 0;
	return rc == 0 ? 0 : -EAGAIN;
}

void transport_reap_add(struct transport_link *k)
{
	struct transport *t = k->t;

	pthread_mutex_lock(&t->lock);
	k->gone = true;
	list_del(&k->ready); /* of those that something fired for */
	list_add_tail(&t->dying, &k->ready);
	t->reaping++;
	(void)pthread_cond_signal(&t->to_reap); /* cannot fail */
	pthread_mutex_unlock(&t->lock);
}

void transport_reap_end(struct transport *t)
{
	if (!t->has_reaper)
		return;
	pthread_mutex_lock(&t->lock);
	t->closing = true;
	(void)pthread_cond_signal(&t->to_reap); /* cannot fail */
	pthread_mutex_unlock(&t->lock);
	(void)pthread_join(t->reaper, NULL); /* it is there, and nobody else's to join */
}
