/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS links: only those whose certificates are of the cluster's CA, of today and for the name come up, at both ends; a
 * bad certificate of our own is found before anybody meets it; new certificates are for new links.
 */
#include <errno.h>
#include <mbedtls/ssl.h>
#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>
#include <stdatomic.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "tests/lib/certs.h"
#include "tests/lib/link_bed.h"
#include "tests/lib/test.h"

#define ANY    "127.0.0.1:0"
#define ROUNDS 100

static const struct transport_limits usual = {.dial_ms = 0};
static const struct transport_tls node = {certs_ca, certs_node, certs_node_key, CERTS_NAME};
static const struct transport_tls node2 = {certs_ca, certs_node2, certs_node2_key, CERTS_NAME};
static const struct transport_tls other = {certs_otherca, certs_other, certs_other_key, CERTS_NAME};
static const struct transport_tls named = {certs_ca, certs_named, certs_named_key, CERTS_OTHER_NAME};

static int say(struct link_end *x, const void *v, size_t n)
{
	return transport_send(x->t, x->last, v, n, wait_mono_ms());
}

static void test_frames_go_both_ways(void **state)
{
	struct link_end a = {0}, b = {.echoes = true};
	char v[TRANSPORT_FRAME_MAX];

	(void)state;
	memset(v, 'v', sizeof(v));
	link_open(&a, ANY, &node, usual);
	link_open(&b, ANY, &node2, usual);
	link_dial_end(&a, &b, 1);
	LINK_UNTIL(a.up == 1 && b.up == 1, &a, &b);
	for (size_t i = 0; i < 20; i++) {
		size_t n = i % 2 ? sizeof(v) : 40;

		assert_int_equal(say(&a, v, n), 0);
		LINK_UNTIL(a.frames == i + 1, &a, &b);
		assert_int_equal(a.got_n, n);
	}
	assert_int_equal(say(&a, v, sizeof(v)), 0);
	transport_hang_up(a.t, a.last, true, wait_mono_ms());
	LINK_UNTIL(b.down == 1, &a, &b);
	assert_int_equal(b.frames, 21);
	link_close(&a);
	link_close(&b);
}

/* a dials b; neither has a link. */
static void refuse_each_other(
	const struct transport_tls *ta, const struct transport_tls *tb, const char *why_a, const char *why_b)
{
	struct link_end a = {0}, b = {0};

	link_open(&a, ANY, ta, usual);
	link_open(&b, ANY, tb, usual);
	link_dial_end(&a, &b, 1);
	LINK_UNTIL(a.failed == 1 && b.turned_away == 1, &a, &b);
	assert_int_equal(a.outcomes[TRANSPORT_TURNED_AWAY], 1);
	if (!strstr(a.why, why_a))
		fail_msg("who dialled: %s", a.why);
	if (!strstr(b.why, why_b))
		fail_msg("who was dialled: %s", b.why);
	assert_int_equal(a.up + b.up, 0);
	link_close(&a);
	link_close(&b);
}

static void test_another_ca_is_refused(void **state)
{
	(void)state;
	refuse_each_other(&node, &other, "another CA", "TLS");
	refuse_each_other(&other, &node, "another CA", "TLS");
}

static void test_another_name_is_refused(void **state)
{
	(void)state;
	refuse_each_other(&node, &named, "another name", "TLS");
}

static void test_plain_tcp_and_tls_do_not_meet(void **state)
{
	(void)state;
	refuse_each_other(NULL, &node, "closed", "no TLS at all");
	refuse_each_other(&node, NULL, "TLS", "speaks TLS, and this node does not");
}

static void on_done(void *arg)
{
	atomic_store((atomic_bool *)arg, true);
}

/* A client of nng's own, with what no transport would take: its recv ends when it was refused. */
static void knock(struct link_end *b, const char *cert, const char *key)
{
	nng_tls_config *c = NULL;
	nng_stream_dialer *d = NULL;
	nng_stream *s;
	nng_aio *aio = NULL;
	atomic_bool done = false;
	size_t before = b->turned_away;
	char url[96], byte;
	nng_iov iov = {.iov_buf = &byte, .iov_len = 1};

	(void)snprintf(url, sizeof(url), "tls+tcp://127.0.0.1:%d", transport_port(b->t)); /* fits */
	assert_int_equal(nng_tls_config_alloc(&c, NNG_TLS_MODE_CLIENT), 0);
	assert_int_equal(nng_tls_config_ca_chain(c, certs_ca, NULL), 0);
	assert_int_equal(nng_tls_config_server_name(c, CERTS_NAME), 0);
	if (cert)
		assert_int_equal(nng_tls_config_own_cert(c, cert, key, NULL), 0);
	assert_int_equal(nng_stream_dialer_alloc(&d, url), 0);
	assert_int_equal(nng_stream_dialer_set_ptr(d, NNG_OPT_TLS_CONFIG, c), 0);
	assert_int_equal(nng_aio_alloc(&aio, on_done, &done), 0);
	nng_stream_dialer_dial(d, aio);
	LINK_UNTIL(atomic_load(&done), b);
	assert_int_equal(nng_aio_result(aio), 0);
	atomic_store(&done, false);
	s = nng_aio_get_output(aio, 0);
	assert_int_equal(nng_aio_set_iov(aio, 1, &iov), 0);
	nng_stream_recv(s, aio);
	LINK_UNTIL(b->turned_away == before + 1, b);
	LINK_UNTIL(atomic_load(&done), b);
	assert_int_not_equal(nng_aio_result(aio), 0);
	nng_stream_free(s);
	nng_aio_free(aio);
	nng_stream_dialer_free(d);
	nng_tls_config_free(c);
}

static void test_no_certificate_and_an_expired_one_are_refused(void **state)
{
	struct link_end a = {0}, b = {0};

	(void)state;
	link_open(&b, ANY, &node, usual);
	knock(&b, NULL, NULL);
	assert_non_null(strstr(b.why, "no certificate"));
	knock(&b, certs_expired, certs_expired_key);
	assert_non_null(strstr(b.why, "expired"));
	knock(&b, certs_other, certs_other_key);
	assert_int_equal(b.up, 0);
	link_open(&a, NULL, &node2, usual);
	link_dial_end(&a, &b, 1);
	LINK_UNTIL(b.up == 1 && a.up == 1, &a, &b);
	link_close(&a);
	link_close(&b);
}

static void test_our_own_bad_certificates_are_found_first(void **state)
{
	const struct {
		struct transport_tls tls;
		int rc;
		const char *why;
	} bad[] = {
		{{certs_ca, certs_expired, certs_expired_key, CERTS_NAME}, -EKEYREJECTED, "has expired"},
		{{certs_ca, certs_other, certs_other_key, CERTS_NAME}, -EKEYREJECTED, "of this CA"},
		{{certs_ca, certs_named, certs_named_key, CERTS_NAME}, -EKEYREJECTED, "another name"},
		{{certs_ca, certs_node, certs_node2_key, CERTS_NAME}, -EKEYREJECTED, "of this key"},
		{{"nonsense", certs_node, certs_node_key, CERTS_NAME}, -EINVAL, "tls.ca"},
		{{certs_ca, "", certs_node_key, CERTS_NAME}, -EINVAL, "tls.cert"},
		{{certs_ca, certs_node, certs_node, CERTS_NAME}, -EINVAL, "tls.key"},
		{{certs_ca, certs_node, certs_node_key, ""}, -EINVAL, "no name"},
		{{certs_ca, certs_node, certs_node_key, NULL}, -EINVAL, "no name"},
	};
	struct link_end x = {0}, good = {0};
	struct err e;

	(void)state;
	link_open(&good, ANY, &node, usual);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(link_try_open(&x, ANY, &bad[i].tls, usual, &e), bad[i].rc);
		if (!strstr(e.text, bad[i].why))
			fail_msg("%s", e.text);
		assert_int_equal(transport_set_tls(good.t, &bad[i].tls, &e), bad[i].rc);
	}
	link_open(&x, NULL, &node2, usual);
	link_dial_end(&x, &good, 1); /* it goes on with what it had */
	LINK_UNTIL(x.up == 1 && good.up == 1, &x, &good);
	link_close(&x);
	link_close(&good);
}

/* It is its CA that changes here, so that one sees who uses which. */
static void test_new_certificates_are_for_new_links(void **state)
{
	struct link_end old = {0}, new = {0}, b = {.echoes = true};
	struct err e;

	(void)state;
	link_open(&old, NULL, &node, usual);
	link_open(&new, NULL, &other, usual);
	link_open(&b, ANY, &node2, usual);
	link_dial_end(&old, &b, 1);
	LINK_UNTIL(old.up == 1 && b.up == 1, &old, &b);
	if (transport_set_tls(b.t, &other, &e) < 0)
		fail_msg("%s", e.text);
	link_dial_end(&new, &b, 2);
	LINK_UNTIL(new.up == 1 && b.up == 2, &new, &b);
	assert_int_equal(say(&old, "still here", 10), 0);
	LINK_UNTIL(old.frames == 1, &old, &b);
	link_dial_end(&old, &b, 3);
	LINK_UNTIL(old.failed == 1, &old, &b);
	assert_int_equal(old.down, 0);
	if (transport_set_tls(old.t, &other, &e) < 0)
		fail_msg("%s", e.text);
	link_dial_end(&old, &b, 4);
	LINK_UNTIL(old.up == 2 && b.up == 3, &old, &b);
	link_close(&old);
	link_close(&new);
	link_close(&b);
}

static void test_silent_and_half_open_peers_are_bounded(void **state)
{
	static const unsigned char half[] = {0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03};
	struct link_end a = {0};
	int fds[100];
	size_t most = 0, before = link_fds();

	(void)state;
	link_open(&a, ANY, &node, (struct transport_limits){.hello_ms = 1000, .pending = 16});
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = link_raw(&a);
		if (i % 2)
			assert_int_equal(send(fds[i], half, sizeof(half), 0), sizeof(half));
		link_turn((struct link_end *[]){&a}, 1);
		most = MAX(most, link_stats(&a).pending);
	}
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		LINK_UNTIL(link_raw_closed(fds[i]), &a);
		most = MAX(most, link_stats(&a).pending);
		(void)close(fds[i]); /* the test's own */
	}
	assert_int_equal(most, 16);
	link_close(&a);
	WAIT_UNTIL(link_fds() <= before, WAIT_BOUND_S);
}

static void test_many_dials_leave_nothing(void **state)
{
	struct link_end a = {0}, b = {0};

	(void)state;
	link_open(&a, ANY, &node, usual);
	link_open(&b, ANY, &node2, usual);
	link_dial_and_close(&a, &b, ROUNDS / 2); /* the allocator has its size */
	(void)link_dials_leave_nothing(&a, &b, ROUNDS, 512);
	link_close(&a);
	link_close(&b);
}

/* ---- mbed TLS as it is by itself: what nodes before ours are made of ---- */

static int raw_send(void *arg, const unsigned char *v, size_t n)
{
	ssize_t rc = send(*(int *)arg, v, n, MSG_NOSIGNAL | MSG_DONTWAIT);

	return rc >= 0 ? (int)rc : errno == EAGAIN ? MBEDTLS_ERR_SSL_WANT_WRITE : MBEDTLS_ERR_SSL_CONN_EOF;
}

static unsigned char heard[16384]; /* of the last shake(), as it came */
static size_t n_heard;

static int raw_recv(void *arg, unsigned char *v, size_t n)
{
	ssize_t rc = recv(*(int *)arg, v, n, MSG_DONTWAIT);

	if (rc > 0 && n_heard + (size_t)rc <= sizeof(heard)) {
		memcpy(heard + n_heard, v, (size_t)rc);
		n_heard += (size_t)rc;
	}
	return rc > 0 ? (int)rc : rc < 0 && errno == EAGAIN ? MBEDTLS_ERR_SSL_WANT_READ : MBEDTLS_ERR_SSL_CONN_EOF;
}

static int kernels(void *arg, unsigned char *v, size_t n)
{
	(void)arg;
	return getrandom(v, n, 0) == (ssize_t)n ? 0 : -1;
}

static bool is_over(int rc)
{
	return rc != MBEDTLS_ERR_SSL_WANT_READ && rc != MBEDTLS_ERR_SSL_WANT_WRITE;
}

/* Over fd, with x at its other end. curves: NULL: all, the first of them P-521. Returns what mbed TLS says. */
static int shake(int fd, int endpoint, const mbedtls_ecp_group_id *curves, struct link_end *x)
{
	mbedtls_ssl_config c;
	mbedtls_ssl_context ssl;
	mbedtls_x509_crt ca, cert;
	mbedtls_pk_context key;
	int rc;

	n_heard = 0;
	mbedtls_ssl_config_init(&c);
	mbedtls_ssl_init(&ssl);
	mbedtls_x509_crt_init(&ca);
	mbedtls_x509_crt_init(&cert);
	mbedtls_pk_init(&key);
	assert_int_equal(mbedtls_x509_crt_parse(&ca, (const unsigned char *)certs_ca, strlen(certs_ca) + 1), 0);
	assert_int_equal(mbedtls_x509_crt_parse(&cert, (const unsigned char *)certs_node, strlen(certs_node) + 1), 0);
	assert_int_equal(
		mbedtls_pk_parse_key(&key, (const unsigned char *)certs_node_key, strlen(certs_node_key) + 1, NULL, 0),
		0);
	assert_int_equal(
		mbedtls_ssl_config_defaults(&c, endpoint, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT), 0);
	mbedtls_ssl_conf_authmode(&c, MBEDTLS_SSL_VERIFY_REQUIRED);
	mbedtls_ssl_conf_ca_chain(&c, &ca, NULL);
	mbedtls_ssl_conf_rng(&c, kernels, NULL);
	assert_int_equal(mbedtls_ssl_conf_own_cert(&c, &cert, &key), 0);
	if (curves)
		mbedtls_ssl_conf_curves(&c, curves);
	assert_int_equal(mbedtls_ssl_setup(&ssl, &c), 0);
	if (endpoint == MBEDTLS_SSL_IS_CLIENT)
		assert_int_equal(mbedtls_ssl_set_hostname(&ssl, CERTS_NAME), 0);
	mbedtls_ssl_set_bio(&ssl, &fd, raw_send, raw_recv, NULL);
	LINK_UNTIL(is_over(rc = mbedtls_ssl_handshake(&ssl)), x);
	mbedtls_ssl_free(&ssl);
	mbedtls_ssl_config_free(&c);
	mbedtls_x509_crt_free(&ca);
	mbedtls_x509_crt_free(&cert);
	mbedtls_pk_free(&key);
	return rc;
}

static void test_nodes_of_before_are_met(void **state)
{
	struct link_end b = {0};
	char address[TRANSPORT_ADDR_MAX];
	int fd, at = link_raw_listen(1, address);

	(void)state;
	link_open(&b, ANY, &node2, usual);
	fd = link_raw(&b);
	assert_int_equal(shake(fd, MBEDTLS_SSL_IS_CLIENT, NULL, &b), 0);
	(void)close(fd); /* the test's own; so below */
	link_dial(&b, address, 1);
	LINK_UNTIL((fd = accept(at, NULL, NULL)) >= 0, &b);
	assert_int_equal(shake(fd, MBEDTLS_SSL_IS_SERVER, NULL, &b), 0);
	(void)close(fd);
	(void)close(at);
	link_close(&b);
}

/* That the other end, which listens, chose: in its ServerKeyExchange (RFC 8422, 5.4). -1: there was none. */
static int curve_heard(void)
{
	for (size_t at = 0; at + 12 <= n_heard; at += 5 + ((size_t)heard[at + 3] << 8 | heard[at + 4]))
		if (heard[at] == 22 && heard[at + 5] == 12 && heard[at + 9] == 3)
			return heard[at + 10] << 8 | heard[at + 11];
	return -1;
}

static void test_slow_curves_are_not_used(void **state)
{
	static const mbedtls_ecp_group_id some[] = {
		MBEDTLS_ECP_DP_SECP521R1, MBEDTLS_ECP_DP_SECP256R1, MBEDTLS_ECP_DP_CURVE25519, MBEDTLS_ECP_DP_NONE};
	struct link_end b = {0};
	int fd;

	(void)state;
	link_open(&b, ANY, &node2, usual);
	fd = link_raw(&b);
	assert_int_equal(shake(fd, MBEDTLS_SSL_IS_CLIENT, NULL, &b), 0);
	assert_int_equal(curve_heard(), 23); /* P-256: of a long list mbed TLS reads the beginning */
	(void)close(fd);		     /* the test's own; so below */
	fd = link_raw(&b);
	assert_int_equal(shake(fd, MBEDTLS_SSL_IS_CLIENT, some, &b), 0);
	assert_int_equal(curve_heard(), 29); /* X25519 */
	(void)close(fd);
	link_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames_go_both_ways),
		cmocka_unit_test(test_another_ca_is_refused),
		cmocka_unit_test(test_another_name_is_refused),
		cmocka_unit_test(test_plain_tcp_and_tls_do_not_meet),
		cmocka_unit_test(test_no_certificate_and_an_expired_one_are_refused),
		cmocka_unit_test(test_our_own_bad_certificates_are_found_first),
		cmocka_unit_test(test_new_certificates_are_for_new_links),
		cmocka_unit_test(test_silent_and_half_open_peers_are_bounded),
		cmocka_unit_test(test_many_dials_leave_nothing),
		cmocka_unit_test(test_nodes_of_before_are_met),
		cmocka_unit_test(test_slow_curves_are_not_used),
	};

	return cmocka_run_group_tests(tests, link_setup, link_teardown);
}
