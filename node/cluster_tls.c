/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates: read when gossip begins and when they are read again. Two readers have them: the transport (PEM texts,
 * for TLS) and the hello (struct pki, for signatures). Both take the new ones or neither does.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/io.h"
#include "node/cluster_priv.h"

#define DAY_MS INT64_C(86400000)

void cluster_pems_done(struct cluster_pems *p)
{
	bytes_done(&p->ca);
	bytes_done(&p->cert);
	bytes_done(&p->key);
}

struct transport_tls cluster_tls(const struct cluster_pems *p)
{
	return (struct transport_tls){
		.ca = p->ca.v, .cert = p->cert.v, .key = p->key.v, .server_name = PKI_SERVER_NAME};
}

static int read_one(const char *path, struct bytes *ret, struct err *e)
{
	bytes_init(ret, PKI_FILE_MAX);
	return io_read_file(AT_FDCWD, path, ret, e);
}

static void warn_of_end(const struct cluster *c, const struct pki *p)
{
	int64_t days = (pki_expires_ms(p) - c->n->now.wall_ms) / DAY_MS;

	if (days < PKI_WARN_DAYS)
		log_warn("tls.cert: the certificate ends in %" PRId64 " day%s: 'covey pki issue %s' makes a new one",
			days, days == 1 ? "" : "s", c->n->cfg->name);
}

int cluster_tls_read(const struct cluster *c, struct cluster_pems *ret, struct pki **ret_pki, struct err *e)
{
	const struct config *cfg = c->n->cfg;
	struct pki *pki;
	int rc = pki_load(cfg->tls_ca, cfg->tls_cert, cfg->tls_key, cfg->name, c->n->now.wall_ms, &pki, e);

	if (rc < 0)
		return rc;
	rc = read_one(cfg->tls_ca, &ret->ca, e);
	if (rc == 0)
		rc = read_one(cfg->tls_cert, &ret->cert, e);
	if (rc == 0)
		rc = read_one(cfg->tls_key, &ret->key, e);
	if (rc < 0) {
		pki_unref(pki);
		return rc;
	}
	warn_of_end(c, pki);
	*ret_pki = pki;
	return 0;
}

int cluster_reload(struct cluster *c, struct err *e)
{
	CLEANUP(cluster_pems_done) struct cluster_pems pems = {0};
	struct transport_tls tls;
	struct pki *pki;
	int rc;

	if (c->n->cfg->gossip.insecure || !c->t)
		return 0; /* what could not be begun is tried again anyway */
	rc = cluster_tls_read(c, &pems, &pki, e);
	if (rc < 0)
		return rc;
	tls = cluster_tls(&pems);
	rc = transport_set_tls(c->t, &tls, e);
	if (rc < 0) {
		pki_unref(pki);
		return rc;
	}
	pki_unref(c->pki);
	c->pki = pki;
	cluster_link_self(c);
	return 0;
}
