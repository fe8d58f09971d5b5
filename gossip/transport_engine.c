/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS for nng's streams, by nng's own interface for that (nng/supplemental/tls/engine.h), with the mbed TLS that nng
 * would use too. nng's engine leaves all at mbed TLS's defaults and says nothing of it: the first curve of these is
 * P-521, and each signature and check makes the table of its curve anew (pki_keys.c says more). Ours: TLS 1.2, X25519
 * or the curves that certificates may have, suites with AEAD, tables that stay. A handshake costs an end half of what
 * it did.
 *
 * Old and new nodes meet: whoever listens takes the first curve and suite of its own that the other has too.
 *
 * What is not here: CRLs, several certificates, passwords of keys. All calls come from nng's threads, those of one
 * stream one at a time; the configuration is only read by then, keys of RSA aside: see transport_tls.c.
 */
#include "gossip/transport_priv.h"

#include <string.h>

#include <mbedtls/oid.h>
#include <mbedtls/ssl.h>
#include <nng/supplemental/tls/engine.h>

#include "gossip/pki_priv.h"

#define NAME_MAX_BYTES 256

struct nng_tls_engine_config {
	mbedtls_ssl_config ssl;
	mbedtls_x509_crt ca, chain;
	mbedtls_pk_context key;
	char name[NAME_MAX_BYTES]; /* that the other end must have; "": any */
};

struct nng_tls_engine_conn {
	void *lower; /* nng's: where bytes go and come from */
	mbedtls_ssl_context ssl;
};

static const mbedtls_ecp_group_id curves[] = {
	MBEDTLS_ECP_DP_CURVE25519, MBEDTLS_ECP_DP_SECP256R1, MBEDTLS_ECP_DP_SECP384R1, MBEDTLS_ECP_DP_NONE};

static const int suites[] = {MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, 0};

/* In the words of nng's own engine, which transport_io.c explains. */
static int nng_of(int rc)
{
	switch (rc) {
	case 0:
		return 0;
	case MBEDTLS_ERR_SSL_WANT_READ:
	case MBEDTLS_ERR_SSL_WANT_WRITE:
		return NNG_EAGAIN;
	case MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE:
	case MBEDTLS_ERR_SSL_CA_CHAIN_REQUIRED:
	case MBEDTLS_ERR_X509_CERT_VERIFY_FAILED:
	case MBEDTLS_ERR_SSL_NO_USABLE_CIPHERSUITE:
		return NNG_EPEERAUTH;
	case MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY:
	case MBEDTLS_ERR_SSL_CONN_EOF:
		return NNG_ECONNSHUT;
	case MBEDTLS_ERR_SSL_ALLOC_FAILED:
	case MBEDTLS_ERR_MPI_ALLOC_FAILED:
	case MBEDTLS_ERR_X509_ALLOC_FAILED:
	case MBEDTLS_ERR_PK_ALLOC_FAILED:
	case MBEDTLS_ERR_ECP_ALLOC_FAILED:
		return NNG_ENOMEM;
	default:
		return NNG_ECRYPTO;
	}
}

/* ---- streams ---- */

static int send_lower(void *arg, const unsigned char *v, size_t n)
{
	int rv = nng_tls_engine_send(arg, v, &n);

	return rv == 0 ? (int)n : rv == NNG_EAGAIN ? MBEDTLS_ERR_SSL_WANT_WRITE : MBEDTLS_ERR_SSL_CONN_EOF;
}

static int recv_lower(void *arg, unsigned char *v, size_t n)
{
	int rv = nng_tls_engine_recv(arg, v, &n);

	return rv == 0 ? (int)n : rv == NNG_EAGAIN ? MBEDTLS_ERR_SSL_WANT_READ : MBEDTLS_ERR_SSL_CONN_EOF;
}

static int conn_init(nng_tls_engine_conn *k, void *lower, nng_tls_engine_config *c)
{
	int rc;

	k->lower = lower;
	mbedtls_ssl_init(&k->ssl);
	mbedtls_ssl_set_bio(&k->ssl, lower, send_lower, recv_lower, NULL);
	rc = mbedtls_ssl_setup(&k->ssl, &c->ssl);
	if (rc == 0 && *c->name)
		rc = mbedtls_ssl_set_hostname(&k->ssl, c->name); /* else no name is checked */
	return nng_of(rc);
}

/* Also one that conn_init never saw: it is zeroed then. */
static void conn_fini(nng_tls_engine_conn *k)
{
	mbedtls_ssl_free(&k->ssl);
}

static void conn_close(nng_tls_engine_conn *k)
{
	(void)mbedtls_ssl_close_notify(&k->ssl); /* the end is told by TCP too */
}

static int conn_handshake(nng_tls_engine_conn *k)
{
	return nng_of(mbedtls_ssl_handshake(&k->ssl));
}

static int conn_recv(nng_tls_engine_conn *k, uint8_t *v, size_t *n)
{
	int rc = mbedtls_ssl_read(&k->ssl, v, *n);

	if (rc <= 0)
		return nng_of(rc == 0 ? MBEDTLS_ERR_SSL_CONN_EOF : rc);
	*n = (size_t)rc;
	return 0;
}

static int conn_send(nng_tls_engine_conn *k, const uint8_t *v, size_t *n)
{
	int rc = mbedtls_ssl_write(&k->ssl, v, *n);

	if (rc < 0)
		return nng_of(rc);
	*n = (size_t)rc;
	return 0;
}

static bool conn_verified(nng_tls_engine_conn *k)
{
	return mbedtls_ssl_get_verify_result(&k->ssl) == 0;
}

/* ---- configurations ---- */

static int config_auth(nng_tls_engine_config *c, nng_tls_auth_mode mode)
{
	mbedtls_ssl_conf_authmode(&c->ssl, mode == NNG_TLS_AUTH_MODE_REQUIRED	? MBEDTLS_SSL_VERIFY_REQUIRED
					   : mode == NNG_TLS_AUTH_MODE_OPTIONAL ? MBEDTLS_SSL_VERIFY_OPTIONAL
										: MBEDTLS_SSL_VERIFY_NONE);
	return 0;
}

static void config_fini(nng_tls_engine_config *c)
{
	mbedtls_ssl_config_free(&c->ssl);
	mbedtls_x509_crt_free(&c->ca);
	mbedtls_x509_crt_free(&c->chain);
	mbedtls_pk_free(&c->key); /* which wipes it */
}

static int config_init(nng_tls_engine_config *c, nng_tls_mode mode)
{
	int rc;

	mbedtls_ssl_config_init(&c->ssl);
	mbedtls_x509_crt_init(&c->ca);
	mbedtls_x509_crt_init(&c->chain);
	mbedtls_pk_init(&c->key);
	rc = mbedtls_ssl_config_defaults(&c->ssl,
		mode == NNG_TLS_MODE_SERVER ? MBEDTLS_SSL_IS_SERVER : MBEDTLS_SSL_IS_CLIENT,
		MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
	if (rc != 0) {
		config_fini(c);
		return nng_of(rc);
	}
	mbedtls_ssl_conf_min_version(&c->ssl, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
	mbedtls_ssl_conf_max_version(&c->ssl, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
	mbedtls_ssl_conf_curves(&c->ssl, curves);
	mbedtls_ssl_conf_ciphersuites(&c->ssl, suites);
	mbedtls_ssl_conf_rng(&c->ssl, pki_random, NULL);
	return config_auth(c, mode == NNG_TLS_MODE_SERVER ? NNG_TLS_AUTH_MODE_NONE : NNG_TLS_AUTH_MODE_REQUIRED);
}

static int config_server(nng_tls_engine_config *c, const char *name)
{
	size_t n = name ? strlen(name) : 0;

	if (n >= sizeof(c->name))
		return NNG_EINVAL;
	memcpy(c->name, name ? name : "", n + 1);
	return 0;
}

static int parse(mbedtls_x509_crt *ret, const char *pem)
{
	int rc = mbedtls_x509_crt_parse(ret, (const unsigned char *)pem, strlen(pem) + 1); /* its NUL says PEM */

	return rc > 0 ? NNG_ECRYPTO : nng_of(rc); /* > 0: so many could not be read */
}

static int config_ca_chain(nng_tls_engine_config *c, const char *certs, const char *crl)
{
	int rv = crl ? NNG_ENOTSUP : parse(&c->ca, certs);

	if (rv == 0)
		rv = nng_of(pki_keep_tables(&c->ca));
	if (rv == 0)
		mbedtls_ssl_conf_ca_chain(&c->ssl, &c->ca, NULL);
	return rv;
}

static int config_own_cert(nng_tls_engine_config *c, const char *cert, const char *key, const char *password)
{
	int rv = password || mbedtls_pk_get_type(&c->key) != MBEDTLS_PK_NONE ? NNG_ENOTSUP : parse(&c->chain, cert);

	if (rv == 0)
		rv = nng_of(mbedtls_pk_parse_key(
			&c->key, (const unsigned char *)key, strlen(key) + 1, NULL, 0)); /* as PEM */
	if (rv == 0)
		rv = nng_of(pki_keep_table(&c->key));
	return rv == 0 ? nng_of(mbedtls_ssl_conf_own_cert(&c->ssl, &c->chain, &c->key)) : rv;
}

static int config_version(nng_tls_engine_config *c, nng_tls_version min, nng_tls_version max)
{
	(void)c;
	return min <= NNG_TLS_1_2 && max >= NNG_TLS_1_2 ? 0 : NNG_ENOTSUP;
}

/* ---- our own certificate, as the other end will judge it ---- */

static bool may_shake(const mbedtls_x509_crt *crt)
{
	return mbedtls_x509_crt_check_key_usage(crt, MBEDTLS_X509_KU_DIGITAL_SIGNATURE) == 0 &&
	       mbedtls_x509_crt_check_extended_key_usage(
		       crt, MBEDTLS_OID_SERVER_AUTH, MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH)) == 0 &&
	       mbedtls_x509_crt_check_extended_key_usage(
		       crt, MBEDTLS_OID_CLIENT_AUTH, MBEDTLS_OID_SIZE(MBEDTLS_OID_CLIENT_AUTH)) == 0;
}

static enum transport_judged judge(
	mbedtls_x509_crt *ca, mbedtls_x509_crt *chain, const mbedtls_pk_context *key, const char *server_name)
{
	uint32_t flags = 0;

	for (const mbedtls_x509_crt *at = ca; at; at = at->next)
		if (mbedtls_pk_get_type(&at->pk) != MBEDTLS_PK_ECKEY)
			return TRANSPORT_JUDGED_TRY;
	if (mbedtls_pk_get_type(key) != MBEDTLS_PK_ECKEY || !pki_key_is_usable(key))
		return TRANSPORT_JUDGED_TRY;
	return mbedtls_pk_check_pair(&chain->pk, key) == 0 && may_shake(chain) &&
			       mbedtls_x509_crt_verify(chain, ca, NULL, server_name, &flags, NULL, NULL) == 0
		       ? TRANSPORT_JUDGED_GOOD
		       : TRANSPORT_JUDGED_BAD;
}

enum transport_judged transport_engine_judge(const struct transport_tls *tls)
{
	enum transport_judged ret = TRANSPORT_JUDGED_TRY;
	mbedtls_x509_crt ca, chain;
	mbedtls_pk_context key;

	mbedtls_x509_crt_init(&ca);
	mbedtls_x509_crt_init(&chain);
	mbedtls_pk_init(&key);
	if (parse(&ca, tls->ca) == 0 && parse(&chain, tls->cert) == 0 &&
		mbedtls_pk_parse_key(&key, (const unsigned char *)tls->key, strlen(tls->key) + 1, NULL, 0) == 0)
		ret = judge(&ca, &chain, &key, tls->server_name);
	mbedtls_x509_crt_free(&ca);
	mbedtls_x509_crt_free(&chain);
	mbedtls_pk_free(&key); /* which wipes it */
	return ret;
}

static const nng_tls_engine_config_ops config_ops = {
	.size = sizeof(nng_tls_engine_config),
	.init = config_init,
	.fini = config_fini,
	.server = config_server,
	.auth = config_auth,
	.ca_chain = config_ca_chain,
	.own_cert = config_own_cert,
	.version = config_version,
};

static const nng_tls_engine_conn_ops conn_ops = {
	.size = sizeof(nng_tls_engine_conn),
	.init = conn_init,
	.fini = conn_fini,
	.close = conn_close,
	.handshake = conn_handshake,
	.recv = conn_recv,
	.send = conn_send,
	.verified = conn_verified,
};

/* nng copies the operations, and takes them as if it wrote to them. */
static const nng_tls_engine engine = {
	.version = NNG_TLS_ENGINE_VERSION,
	.config_ops = (nng_tls_engine_config_ops *)&config_ops,
	.conn_ops = (nng_tls_engine_conn_ops *)&conn_ops,
	.name = "covey",
	.description = "mbed TLS, as covey wants it",
};

int transport_engine_use(void)
{
	return nng_tls_engine_register(&engine);
}
