/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates: one set for accepting, one for dialling, made anew when they are read again; a link keeps its own.
 *
 * What the parsers let pass (a key of another certificate, a chain that does not lead to the CA, dates, the name) is
 * found before anybody meets it. Where there is RSA each new pair shakes hands with itself for that, since it is the
 * first use of the keys too: what mbed TLS 2.28 keeps of one it makes then, without a lock, and nng shakes hands on
 * several threads. With keys on curves the checks alone do, for a quarter of the time: many hosts start at once.
 */
#include "gossip/transport_priv.h"

#include <errno.h>
#include <stdio.h>

#include <nng/supplemental/tls/engine.h>

#define TRY_MS 5000

struct trial {
	nng_stream_listener *listener;
	nng_stream_dialer *dialer;
	nng_aio *accept, *dial, *rx, *tx;
	nng_stream *server, *client;
};

static int try_alloc(struct trial *y, nng_tls_config *server, nng_tls_config *client)
{
	char url[64];
	int rv, port = 0;

	if (nng_aio_alloc(&y->accept, NULL, NULL) != 0 || nng_aio_alloc(&y->dial, NULL, NULL) != 0 ||
		nng_aio_alloc(&y->rx, NULL, NULL) != 0 || nng_aio_alloc(&y->tx, NULL, NULL) != 0)
		return NNG_ENOMEM;
	rv = nng_stream_listener_alloc(&y->listener, "tls+tcp://127.0.0.1:0");
	if (rv == 0)
		rv = nng_stream_listener_set_ptr(y->listener, NNG_OPT_TLS_CONFIG, server);
	if (rv == 0)
		rv = nng_stream_listener_listen(y->listener);
	if (rv == 0)
		rv = nng_stream_listener_get_int(y->listener, NNG_OPT_TCP_BOUND_PORT, &port);
	(void)snprintf(url, sizeof(url), "tls+tcp://127.0.0.1:%d", port); /* fits */
	if (rv == 0)
		rv = nng_stream_dialer_alloc(&y->dialer, url);
	if (rv == 0)
		rv = nng_stream_dialer_set_ptr(y->dialer, NNG_OPT_TLS_CONFIG, client);
	return rv;
}

static int try_connect(struct trial *y)
{
	nng_aio_set_timeout(y->accept, TRY_MS);
	nng_aio_set_timeout(y->dial, TRY_MS);
	nng_stream_listener_accept(y->listener, y->accept);
	nng_stream_dialer_dial(y->dialer, y->dial);
	nng_aio_wait(y->dial);
	if (nng_aio_result(y->dial) != 0)
		nng_aio_cancel(y->accept);
	else
		y->client = nng_aio_get_output(y->dial, 0);
	nng_aio_wait(y->accept);
	if (nng_aio_result(y->accept) == 0)
		y->server = nng_aio_get_output(y->accept, 0);
	return y->client && y->server ? 0 : -1;
}

/* One byte from the client: both ends have verified each other when it arrives. */
static int try_talk(struct trial *y)
{
	char out = 1, in = 0;
	nng_iov to = {.iov_buf = &out, .iov_len = 1}, from = {.iov_buf = &in, .iov_len = 1};

	(void)nng_aio_set_iov(y->rx, 1, &from); /* one always fits */
	(void)nng_aio_set_iov(y->tx, 1, &to);
	nng_aio_set_timeout(y->rx, TRY_MS);
	nng_stream_recv(y->server, y->rx);
	nng_stream_send(y->client, y->tx);
	nng_aio_wait(y->rx);
	nng_stream_close(y->server);
	nng_stream_close(y->client);
	nng_aio_wait(y->tx);
	return nng_aio_result(y->rx);
}

static void try_done(struct trial *y)
{
	nng_stream_free(y->client);
	nng_stream_free(y->server);
	nng_stream_dialer_free(y->dialer);
	nng_stream_listener_free(y->listener);
	nng_aio_free(y->accept);
	nng_aio_free(y->dial);
	nng_aio_free(y->rx);
	nng_aio_free(y->tx);
}

static int bad(struct err *e)
{
	return err_set(e, -EKEYREJECTED,
		"tls: our certificate does not pass our own check: it has expired, or is for another name, or is not "
		"of this CA or of this key");
}

static int try_pair(nng_tls_config *server, nng_tls_config *client, struct err *e)
{
	struct trial y = {0};
	int rv = try_alloc(&y, server, client);

	/* A host without a loopback interface does without. */
	if (rv == 0 && try_connect(&y) == 0)
		rv = try_talk(&y);
	try_done(&y);
	if (rv == NNG_ENOMEM)
		return err_set(e, -ENOMEM, "out of memory while trying the certificates");
	return rv == NNG_ECRYPTO || rv == NNG_EPEERAUTH || rv == NNG_ECONNSHUT || rv == NNG_ECLOSED ? bad(e) : 0;
}

static int check(const struct transport_tls *tls, nng_tls_config *server, nng_tls_config *client, struct err *e)
{
	switch (transport_engine_judge(tls)) {
	case TRANSPORT_JUDGED_GOOD:
		return 0;
	case TRANSPORT_JUDGED_BAD:
		return bad(e);
	default:
		return try_pair(server, client, e);
	}
}

static int fill(nng_tls_config *c, const struct transport_tls *tls, struct err *e)
{
	int rv = nng_tls_config_auth_mode(c, NNG_TLS_AUTH_MODE_REQUIRED);

	if (rv == 0)
		rv = nng_tls_config_ca_chain(c, tls->ca, NULL);
	if (rv != 0)
		return err_set(e, -EINVAL, "tls.ca: no certificates in PEM (%s)", nng_strerror(rv));
	rv = nng_tls_config_own_cert(c, tls->cert, tls->key, NULL);
	if (rv == 0)
		rv = nng_tls_config_server_name(c, tls->server_name); /* else no name is checked */
	if (rv != 0)
		return err_set(e, -EINVAL, "tls.cert, tls.key: no certificate and key in PEM (%s)", nng_strerror(rv));
	return 0;
}

int transport_tls_make(
	const struct transport_tls *tls, nng_tls_config **ret_server, nng_tls_config **ret_client, struct err *e)
{
	nng_tls_config *server = NULL, *client = NULL;
	int rc = 0;

	if (!tls->server_name || !*tls->server_name)
		return err_set(e, -EINVAL, "tls: no name to check");
	if (transport_engine_use() != 0)
		return err_set(e, -ENOTSUP, "tls: this libnng takes no engine of version %d", NNG_TLS_ENGINE_VERSION);
	if (nng_tls_config_alloc(&server, NNG_TLS_MODE_SERVER) != 0 ||
		nng_tls_config_alloc(&client, NNG_TLS_MODE_CLIENT) != 0)
		rc = err_set(e, -ENOMEM, "out of memory for certificates");
	if (rc == 0)
		rc = fill(server, tls, e);
	if (rc == 0)
		rc = fill(client, tls, e);
	if (rc == 0)
		rc = check(tls, server, client, e);
	if (rc < 0) {
		if (server)
			nng_tls_config_free(server);
		if (client)
			nng_tls_config_free(client);
		return rc;
	}
	*ret_server = server;
	*ret_client = client;
	return 0;
}
