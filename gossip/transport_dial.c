/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From an address to a stream, or to the reason why there is none. Each dial has a dialler of nng's of its own, so that
 * its name is looked up anew; it stays with its link, since stopping it may wait for nng.
 */
#include "gossip/transport_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static void on_dial(void *arg)
{
	transport_link_fire(arg, TRANSPORT_FIRED_DIAL);
}

bool transport_dial_url(bool tls, const char *address, char *ret, size_t n)
{
	static const char may[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]";
	const char *colon = strrchr(address, ':');
	int len;

	if (!colon || colon == address || strspn(colon + 1, "0123456789") != strlen(colon + 1) || !colon[1] ||
		strspn(address, may) != strlen(address))
		return false;
	len = snprintf(ret, n, "%s://%s", tls ? "tls+tcp" : "tcp", address);
	return len > 0 && (size_t)len < n;
}

void transport_dial_name(nng_stream *s, const char *option, char ret[TRANSPORT_ADDR_MAX])
{
	char host[INET6_ADDRSTRLEN] = "?";
	nng_sockaddr sa;

	(void)strcpy(ret, "?"); /* it may be gone already */
	if (nng_stream_get_addr(s, option, &sa) != 0)
		return;
	if (sa.s_family == NNG_AF_INET && inet_ntop(AF_INET, &sa.s_in.sa_addr, host, sizeof(host)))
		(void)snprintf(ret, TRANSPORT_ADDR_MAX, "%s:%d", host, ntohs(sa.s_in.sa_port)); /* fits */
	if (sa.s_family == NNG_AF_INET6 && inet_ntop(AF_INET6, sa.s_in6.sa_addr, host, sizeof(host)))
		(void)snprintf(ret, TRANSPORT_ADDR_MAX, "[%s]:%d", host, ntohs(sa.s_in6.sa_port));
}

/* The dialler, with everything set. */
static int make(struct transport_link *k, const char *url)
{
	int rv = nng_stream_dialer_alloc(&k->dialer, url);

	if (rv == 0)
		rv = nng_stream_dialer_set_bool(k->dialer, NNG_OPT_TCP_NODELAY, true);
	if (rv == 0)
		rv = nng_stream_dialer_set_bool(k->dialer, NNG_OPT_TCP_KEEPALIVE, true);
	if (rv == 0 && k->t->tls)
		rv = nng_stream_dialer_set_ptr(k->dialer, NNG_OPT_TLS_CONFIG, k->t->client);
	if (rv == 0)
		rv = nng_aio_alloc(&k->dial, on_dial, k);
	return rv;
}

int transport_dial(struct transport *t, const char *address, uint64_t token, int64_t now_ms, struct err *e)
{
	struct transport_link *k;
	char url[STRING_MAX];
	int rv;

	if (!transport_dial_url(t->tls, address, url, sizeof(url)))
		return err_set(e, -EINVAL, "'%.64s' is no HOST:PORT", address);
	if (t->st.dialling >= TRANSPORT_DIALS_MAX)
		return err_set(e, -EBUSY, "%zu others are being dialled", t->st.dialling);
	k = transport_link_new(t);
	if (!k)
		return err_set(e, -EBUSY, "there are %d links", TRANSPORT_LINKS_MAX);
	k->dialled = true;
	k->token = token;
	rv = make(k, url);
	if (rv != 0) {
		transport_link_free(k);
		return err_set(e, rv == NNG_ENOMEM ? -ENOMEM : -EINVAL, "dial '%.64s': %s", address, nng_strerror(rv));
	}
	t->st.dialled++;
	k->deadline_ms = now_ms + t->limits.dial_ms;
	nng_aio_set_timeout(k->dial, NNG_DURATION_INFINITE); /* ours is told from the kernel's */
	nng_stream_dialer_dial(k->dialer, k->dial);
	return 0;
}

void transport_dial_end(struct transport_link *k, int64_t now_ms)
{
	int rv = nng_aio_result(k->dial);
	nng_stream *stream = rv == 0 ? nng_aio_get_output(k->dial, 0) : NULL;

	if (stream) {
		nng_aio_set_output(k->dial, 0, NULL); /* taken */
		transport_link_begin(k, stream, now_ms);
	} else if (rv == NNG_ECONNREFUSED) {
		transport_link_failed(k, TRANSPORT_REFUSED, "connection refused");
	} else if (rv == NNG_EADDRINVAL) {
		transport_link_failed(k, TRANSPORT_UNREACHABLE, "there is no such name");
	} else {
		transport_link_failed(k, TRANSPORT_UNREACHABLE, nng_strerror(rv));
	}
}

void transport_dial_free(struct transport_link *k)
{
	nng_stream *stream;

	if (k->dialer)
		nng_stream_dialer_close(k->dialer);
	if (k->dial) {
		nng_aio_stop(k->dial); /* its callback has run after this */
		stream = nng_aio_result(k->dial) == 0 ? nng_aio_get_output(k->dial, 0) : NULL;
		nng_stream_free(stream); /* it came through when nobody wanted it any more */
		nng_aio_free(k->dial);
	}
	nng_stream_dialer_free(k->dialer);
	k->dial = NULL;
	k->dialer = NULL;
}
