/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a daemon holds: its own chain and key, the CA's certificates, and the judgement of a peer's proof. Whether a
 * certificate is valid now is judged by the clock that is given, not by mbed TLS's own look at the system's.
 *
 * Half of what a signature costs, or its check, is a table of multiples of the curve's base point. mbed TLS 2.28 makes
 * it anew for each when the key is of the type that files have; for keys of its type ECDSA, which are the same but for
 * that, it keeps it with the key. So those that stay are of that type here, and a peer's key borrows a curve that
 * stays.
 */
#include "gossip/pki_priv.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include <mbedtls/ecdsa.h>
#include <mbedtls/md.h>
#include <mbedtls/oid.h>

#include "base/mem.h"
#include "base/units.h"

enum pki_curve { CURVE_P256, CURVE_P384, PKI_CURVE_MAX };

struct pki {
	unsigned refs;
	mbedtls_x509_crt ca, chain;
	mbedtls_pk_context key;
	int64_t expires_ms;
	mbedtls_ecp_group curves[PKI_CURVE_MAX]; /* with their tables once somebody had a key on them */
};

/* By a use of the curve's base point. 0, or mbed TLS's. */
static int make_table(mbedtls_ecp_group *g)
{
	mbedtls_ecp_point point;
	mbedtls_mpi two;
	int rc;

	mbedtls_ecp_point_init(&point);
	mbedtls_mpi_init(&two);
	rc = mbedtls_mpi_lset(&two, 2);
	if (rc == 0)
		rc = mbedtls_ecp_mul(g, &point, &two, &g->G, pki_random, NULL);
	mbedtls_ecp_point_free(&point);
	mbedtls_mpi_free(&two);
	return rc;
}

int pki_keep_table(mbedtls_pk_context *pk)
{
	if (mbedtls_pk_get_type(pk) != MBEDTLS_PK_ECKEY)
		return 0;
	pk->pk_info = mbedtls_pk_info_from_type(MBEDTLS_PK_ECDSA);
	return make_table(&mbedtls_pk_ec(*pk)->grp);
}

int pki_keep_tables(mbedtls_x509_crt *crt)
{
	int rc = 0;

	for (; crt && rc == 0; crt = crt->next)
		rc = pki_keep_table(&crt->pk);
	return rc;
}

/* ---- judging a chain ---- */

struct judged {
	int64_t wall_ms;
	int64_t expired_ms, future_ms; /* of a certificate that was not valid: since when, from when; 0: none */
	int64_t expires_ms;	       /* the first end of those that were */
};

/* Called by mbed TLS for each certificate of the path, the CA's first. */
static int judge_time(void *arg, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
	struct judged *j = arg;
	int64_t from = pki_time_ms(&crt->valid_from), to = pki_time_ms(&crt->valid_to);

	(void)depth;
	*flags &= ~(uint32_t)(MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE); /* by another clock */
	if (j->wall_ms > to && !j->expired_ms)
		j->expired_ms = to;
	if (j->wall_ms < from && !j->future_ms)
		j->future_ms = from;
	j->expires_ms = MIN(j->expires_ms, to);
	return 0;
}

#define BAD_STRENGTH (MBEDTLS_X509_BADCERT_BAD_MD | MBEDTLS_X509_BADCERT_BAD_PK | MBEDTLS_X509_BADCERT_BAD_KEY)

/* The chain leads to the CA and is valid now. whose: how the sentence begins. */
static int judge_chain(const struct pki *p, mbedtls_x509_crt *chain, const char *whose, int64_t wall_ms,
	int64_t *ret_expires_ms, struct err *e)
{
	struct judged j = {.wall_ms = wall_ms, .expires_ms = INT64_MAX};
	char text[UNITS_TEXT_MAX];
	uint32_t flags = 0;
	/* mbed TLS writes to neither the CA's certificates nor the chain's. */
	int rc = mbedtls_x509_crt_verify(chain, (mbedtls_x509_crt *)&p->ca, NULL, NULL, &flags, judge_time, &j);

	if (rc != 0 && rc != MBEDTLS_ERR_X509_CERT_VERIFY_FAILED)
		return pki_fault(e, rc, whose, "the certificate cannot be checked");
	if (flags & BAD_STRENGTH)
		return err_set(e, -EACCES, "%s: the certificate has a hash or key that is too weak", whose);
	if (flags)
		return err_set(e, -EACCES, "%s: the certificate is not signed by this cluster's CA", whose);
	if (j.expired_ms)
		return err_set(e, -EACCES, "%s: the certificate expired on %.10s (by this host's clock)", whose,
			units_time(text, j.expired_ms));
	if (j.future_ms)
		return err_set(e, -EACCES, "%s: the certificate is valid only from %s on: is a clock wrong?", whose,
			units_time(text, j.future_ms));
	if (ret_expires_ms)
		*ret_expires_ms = j.expires_ms;
	return 0;
}

static bool same_name(const mbedtls_asn1_buf *b, const char *name)
{
	return b->len == strlen(name) && strncasecmp((const char *)b->p, name, b->len) == 0;
}

/*
 * RFC 6125, 6.4.4: the common name counts where there are no alternative ones. No wildcards, which mbed TLS would take:
 * one certificate would be any node.
 */
static bool is_for(const mbedtls_x509_crt *crt, const char *name)
{
	if (!(crt->ext_types & MBEDTLS_X509_EXT_SUBJECT_ALT_NAME)) {
		for (const mbedtls_x509_name *at = &crt->subject; at; at = at->next)
			if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &at->oid) == 0 && same_name(&at->val, name))
				return true;
		return false;
	}
	for (const mbedtls_x509_sequence *at = &crt->subject_alt_names; at; at = at->next)
		if ((at->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK) == MBEDTLS_X509_SAN_DNS_NAME &&
			same_name(&at->buf, name))
			return true;
	return false;
}

/* How a sentence tells whom a certificate is for. */
static void name_of(const mbedtls_x509_crt *crt, char *out, size_t n)
{
	if (mbedtls_x509_dn_gets(out, n, &crt->subject) < 0)
		out[0] = '\0';
	for (char *c = out; *c; c++)
		*c = *c < ' ' || *c > '~' ? '?' : *c;
}

static int judge_name(const mbedtls_x509_crt *crt, const char *whose, const char *name, struct err *e)
{
	char subject[96];

	if (is_for(crt, name))
		return 0;
	name_of(crt, subject, sizeof(subject));
	return err_set(e, -EACCES, "%s: the certificate is not for node '%s' but for %s", whose, name,
		*subject ? subject : "another");
}

/* ---- loading ---- */

static int check_size(const struct pki *p, const char *cert, struct err *e)
{
	size_t n = 0, bytes = 0;

	for (const mbedtls_x509_crt *at = &p->chain; at; at = at->next) {
		n++;
		bytes += at->raw.len;
	}
	if (n > PKI_CHAIN_MAX)
		return err_set(
			e, -EINVAL, "%s: %zu certificates, at most %d are shown to peers", cert, n, PKI_CHAIN_MAX);
	if (bytes > PKI_CHAIN_BYTES_MAX)
		return err_set(e, -EINVAL, "%s: %zu bytes of certificates, at most %d fit into a greeting", cert, bytes,
			PKI_CHAIN_BYTES_MAX);
	return 0;
}

static int check_own(struct pki *p, const char *cert, const char *key, const char *node, int64_t wall_ms, struct err *e)
{
	int rc;

	if (mbedtls_pk_check_pair(&p->chain.pk, &p->key) != 0)
		return err_set(e, -EINVAL, "%s is not the key of %s", key, cert);
	rc = check_size(p, cert, e);
	if (rc == 0)
		rc = judge_name(&p->chain, cert, node, e);
	if (rc == 0)
		rc = judge_chain(p, &p->chain, cert, wall_ms, &p->expires_ms, e);
	if (rc == 0 && !is_for(&p->chain, PKI_SERVER_NAME))
		rc = err_set(e, -EINVAL,
			"%s: the certificate must be for '" PKI_SERVER_NAME "' too (a second alternative "
			"name), as `covey pki` makes them: TLS asks for it",
			cert);
	return rc == -EACCES ? -EINVAL : rc;
}

int pki_load(const char *ca, const char *cert, const char *key, const char *node, int64_t wall_ms, struct pki **ret,
	struct err *e)
{
	struct pki *p = mem_zalloc(1, sizeof(*p));
	int rc;

	if (!p)
		return err_set(e, -ENOMEM, "no memory");
	p->refs = 1;
	mbedtls_x509_crt_init(&p->chain);
	mbedtls_pk_init(&p->key);
	for (size_t i = 0; i < PKI_CURVE_MAX; i++)
		mbedtls_ecp_group_init(&p->curves[i]);
	rc = pki_read_certs(ca, &p->ca, e);
	if (rc == 0)
		rc = pki_read_certs(cert, &p->chain, e);
	if (rc == 0)
		rc = pki_read_key(key, &p->key, e);
	if (rc == 0 && pki_keep_tables(&p->ca) != 0)
		rc = err_set(e, -ENOMEM, "%s: no memory", ca);
	if (rc == 0)
		rc = check_own(p, cert, key, node, wall_ms, e);
	if (rc == 0 && pki_keep_table(&p->key) != 0) /* only now: what compares the pair wants both of one type */
		rc = err_set(e, -ENOMEM, "%s: no memory", key);
	if (rc < 0) {
		pki_unref(p);
		return rc;
	}
	*ret = p;
	return 0;
}

struct pki *pki_ref(struct pki *p)
{
	p->refs++;
	return p;
}

void pki_unref(struct pki *p)
{
	if (!p || --p->refs > 0)
		return;
	mbedtls_x509_crt_free(&p->ca);
	mbedtls_x509_crt_free(&p->chain);
	mbedtls_pk_free(&p->key); /* which wipes it */
	for (size_t i = 0; i < PKI_CURVE_MAX; i++)
		mbedtls_ecp_group_free(&p->curves[i]);
	free(p);
}

int64_t pki_expires_ms(const struct pki *p)
{
	return p->expires_ms;
}

size_t pki_chain_n(const struct pki *p)
{
	size_t n = 0;

	for (const mbedtls_x509_crt *at = &p->chain; at; at = at->next)
		n++;
	return n;
}

const unsigned char *pki_chain_at(const struct pki *p, size_t i, size_t *ret_n)
{
	const mbedtls_x509_crt *at = &p->chain;

	while (i-- > 0)
		at = at->next;
	*ret_n = at->raw.len;
	return at->raw.p;
}

/* ---- proofs ---- */

int pki_sign_digest(const struct pki *p, const unsigned char *digest, unsigned char *sig, size_t *ret_n, struct err *e)
{
	/* Signing changes nothing of the key but what mbed TLS keeps for its own speed. */
	int rc = mbedtls_pk_sign((mbedtls_pk_context *)&p->key, MBEDTLS_MD_SHA256, digest, PKI_DIGEST_BYTES, sig, ret_n,
		pki_random, NULL);

	return rc < 0 ? pki_fault(e, rc, "this node's key", "cannot sign") : 0;
}

/* The curve, with its table; NULL: no memory. */
static const mbedtls_ecp_group *curve_of(struct pki *p, mbedtls_ecp_group_id id)
{
	mbedtls_ecp_group *g = &p->curves[id == MBEDTLS_ECP_DP_SECP256R1 ? CURVE_P256 : CURVE_P384];

	if (g->T)
		return g;
	if (mbedtls_ecp_group_load(g, id) == 0 && make_table(g) == 0)
		return g;
	mbedtls_ecp_group_free(g); /* as it was */
	return NULL;
}

/* As mbedtls_pk_verify, which does it with keys that are not on a curve. */
static bool is_signed_by(
	struct pki *p, mbedtls_pk_context *pk, const unsigned char *digest, const unsigned char *sig, size_t n)
{
	const mbedtls_ecp_group *g =
		mbedtls_pk_can_do(pk, MBEDTLS_PK_ECDSA) ? curve_of(p, mbedtls_pk_ec(*pk)->grp.id) : NULL;
	mbedtls_ecdsa_context borrowed;

	if (!g)
		return mbedtls_pk_verify(pk, MBEDTLS_MD_SHA256, digest, PKI_DIGEST_BYTES, sig, n) == 0;
	borrowed = (mbedtls_ecdsa_context){.grp = *g, .Q = mbedtls_pk_ec(*pk)->Q}; /* read only, and not freed */
	return mbedtls_ecdsa_read_signature(&borrowed, digest, PKI_DIGEST_BYTES, sig, n) == 0;
}

int pki_check_proof(struct pki *p, const struct pki_proof *proof, const char *name, const unsigned char *digest,
	int64_t wall_ms, struct err *e)
{
	mbedtls_x509_crt chain;
	int rc = 0;

	if (proof->n == 0 || proof->sig_n == 0)
		return err_set(e, -EACCES, "%s: showed no certificate", name);
	mbedtls_x509_crt_init(&chain);
	for (size_t i = 0; i < proof->n && rc == 0; i++) {
		rc = mbedtls_x509_crt_parse_der(&chain, proof->cert[i], proof->cert_n[i]);
		if (rc < 0)
			rc = pki_fault(e, rc, name, "the certificate cannot be read");
	}
	if (rc == 0)
		rc = judge_chain(p, &chain, name, wall_ms, NULL, e);
	if (rc == 0)
		rc = judge_name(&chain, name, name, e);
	if (rc == 0 && !pki_key_is_usable(&chain.pk))
		rc = err_set(e, -EACCES, "%s: the certificate's key must be " PKI_USABLE_KEYS, name);
	if (rc == 0 && !is_signed_by(p, &chain.pk, digest, proof->sig, proof->sig_n))
		rc = err_set(e, -EACCES,
			"%s: the signature is wrong: replayed, passed on, or not by this certificate's key", name);
	mbedtls_x509_crt_free(&chain);
	return rc == -EINVAL ? -EACCES : rc;
}
