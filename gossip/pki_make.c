/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an operator makes: the CA, and certificates for nodes. mbed TLS 2.28 writes certificates but no list of
 * alternative names nor of extended uses; those two are put together here (RFC 5280, 4.2.1.6 and 4.2.1.12).
 */
#include "gossip/pki_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <mbedtls/asn1write.h>
#include <mbedtls/ecp.h>
#include <mbedtls/md.h>
#include <mbedtls/oid.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/x509_csr.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/units.h"

#define CA_NAME	     "covey cluster CA"
#define PEM_MAX	     (16 * 1024)
#define EXT_MAX	     512
#define SERIAL_BYTES 16
#define DAY_MS	     (24 * 3600 * 1000LL)
#define SKEW_MS	     (3600 * 1000LL) /* valid from an hour ago: clocks of other hosts may be behind */

/* The files of one certificate. */
struct paths {
	char *cert, *key; /* owned */
};

static void paths_done(struct paths *p)
{
	free(p->cert);
	free(p->key);
}
#define AUTO_PATHS CLEANUP(paths_done)

static int paths_of(const struct pki_order *o, const char *name, struct paths *ret, struct err *e)
{
	ret->cert = mem_printf("%s/%s.pem", o->dir, name);
	ret->key = mem_printf("%s/%s.key", o->dir, name);
	return ret->cert && ret->key ? 0 : err_set(e, -ENOMEM, "no memory");
}

static int refuse_existing(const struct pki_order *o, const char *path, struct err *e)
{
	if (o->force || faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return err_set(e, -EEXIST, "%s is there already: nothing was written (--force overwrites it)", path);
}

static int check_node(const struct pki_order *o, const char *name, struct err *e)
{
	const char *wrong = o->check_name(name);

	if (wrong)
		return err_set(e, -EINVAL, "'%.80s' is no node's name: %s", name, wrong);
	if (strcmp(name, "ca") == 0)
		return err_set(e, -EINVAL,
			"a node called 'ca' would take the authority's own files, ca.pem and "
			"ca.key: give it another name");
	return 0;
}

/* ---- keys ---- */

static int make_key(mbedtls_pk_context *pk, struct err *e)
{
	int rc = mbedtls_pk_setup(pk, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));

	if (rc == 0)
		rc = mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*pk), pki_random, NULL);
	return rc < 0 ? pki_fault(e, rc, "key", "could not be made") : 0;
}

static int write_key(const char *path, mbedtls_pk_context *pk, struct err *e)
{
	unsigned char pem[PEM_MAX];
	int rc = mbedtls_pk_write_key_pem(pk, pem, sizeof(pem));

	if (rc < 0)
		rc = pki_fault(e, rc, path, "the key could not be written down");
	else
		rc = io_replace_file(AT_FDCWD, path, pem, strlen((const char *)pem), 0600, true, e);
	mbedtls_platform_zeroize(pem, sizeof(pem));
	return rc;
}

/* ---- certificates ---- */

struct making {
	mbedtls_x509write_cert crt;
	mbedtls_pk_context *subject, *issuer; /* borrowed */
	const char *name;		      /* the subject's */
	const char *issuer_name;	      /* "CN=…", as mbed TLS reads it */
	bool is_ca;
	int64_t from_ms, until_ms;
};

/* mbed TLS writes DER backwards, from the end of a buffer. What stands from p to the end of buf becomes a sequence, and
 * that an extension. */
static int set_sequence(struct making *m, const char *oid, size_t oid_n, unsigned char buf[EXT_MAX], unsigned char *p)
{
	unsigned char *end = buf + EXT_MAX;
	int n = mbedtls_asn1_write_len(&p, buf, (size_t)(end - p));

	if (n >= 0)
		n = mbedtls_asn1_write_tag(&p, buf, MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE);
	return n < 0 ? n : mbedtls_x509write_crt_set_extension(&m->crt, oid, oid_n, 0, p, (size_t)(end - p));
}

static int add_names(struct making *m)
{
	const char *const names[] = {PKI_SERVER_NAME, m->name};
	unsigned char buf[EXT_MAX], *p = buf + sizeof(buf);
	int n;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		n = mbedtls_asn1_write_tagged_string(
			&p, buf, MBEDTLS_ASN1_CONTEXT_SPECIFIC | 2, names[i], strlen(names[i])); /* [2] is a dNSName */
		if (n < 0)
			return n;
	}
	return set_sequence(m, MBEDTLS_OID_SUBJECT_ALT_NAME, MBEDTLS_OID_SIZE(MBEDTLS_OID_SUBJECT_ALT_NAME), buf, p);
}

/* A node is the server of links that it takes and the client of those that it dials. */
static int add_uses(struct making *m)
{
	static const char *const uses[] = {MBEDTLS_OID_CLIENT_AUTH, MBEDTLS_OID_SERVER_AUTH};
	unsigned char buf[EXT_MAX], *p = buf + sizeof(buf);
	int n;

	for (size_t i = 0; i < ARRAY_LEN(uses); i++) {
		n = mbedtls_asn1_write_oid(&p, buf, uses[i], strlen(uses[i]));
		if (n < 0)
			return n;
	}
	return set_sequence(
		m, MBEDTLS_OID_EXTENDED_KEY_USAGE, MBEDTLS_OID_SIZE(MBEDTLS_OID_EXTENDED_KEY_USAGE), buf, p);
}

static int add_extensions(struct making *m)
{
	unsigned usage =
		m->is_ca ? MBEDTLS_X509_KU_KEY_CERT_SIGN | MBEDTLS_X509_KU_CRL_SIGN : MBEDTLS_X509_KU_DIGITAL_SIGNATURE;
	int rc = mbedtls_x509write_crt_set_basic_constraints(&m->crt, m->is_ca, m->is_ca ? 0 : -1);

	if (rc == 0)
		rc = mbedtls_x509write_crt_set_key_usage(&m->crt, usage);
	if (rc == 0)
		rc = mbedtls_x509write_crt_set_subject_key_identifier(&m->crt);
	if (rc == 0)
		rc = mbedtls_x509write_crt_set_authority_key_identifier(&m->crt);
	if (rc == 0 && !m->is_ca)
		rc = add_names(m);
	return rc == 0 && !m->is_ca ? add_uses(m) : rc;
}

static int add_serial(struct making *m)
{
	unsigned char v[SERIAL_BYTES];
	mbedtls_mpi serial;
	int rc = pki_random(NULL, v, sizeof(v));

	mbedtls_mpi_init(&serial);
	v[0] = (unsigned char)((v[0] & 0x7f) | 0x40); /* positive, and of full length */
	if (rc == 0)
		rc = mbedtls_mpi_read_binary(&serial, v, sizeof(v));
	if (rc == 0)
		rc = mbedtls_x509write_crt_set_serial(&m->crt, &serial);
	mbedtls_mpi_free(&serial);
	return rc;
}

static void asn1_time(int64_t wall_ms, char out[32])
{
	time_t t = (time_t)(wall_ms / 1000);
	struct tm tm;

	(void)strftime(out, 32, "%Y%m%d%H%M%S", gmtime_r(&t, &tm)); /* 14 digits until the year 9999 */
}

static int describe(struct making *m)
{
	char subject[NAME_MAX_LEN + 8], from[32], until[32];
	int rc;

	(void)snprintf(subject, sizeof(subject), "CN=%s", m->name); /* checked, and of the CA our own: fits */
	asn1_time(m->from_ms, from);
	asn1_time(m->until_ms, until);
	mbedtls_x509write_crt_set_version(&m->crt, MBEDTLS_X509_CRT_VERSION_3);
	mbedtls_x509write_crt_set_md_alg(&m->crt, MBEDTLS_MD_SHA256);
	mbedtls_x509write_crt_set_subject_key(&m->crt, m->subject);
	mbedtls_x509write_crt_set_issuer_key(&m->crt, m->issuer);
	rc = mbedtls_x509write_crt_set_subject_name(&m->crt, subject);
	if (rc == 0)
		rc = mbedtls_x509write_crt_set_issuer_name(&m->crt, m->issuer_name);
	if (rc == 0)
		rc = mbedtls_x509write_crt_set_validity(&m->crt, from, until);
	if (rc == 0)
		rc = add_serial(m);
	return rc == 0 ? add_extensions(m) : rc;
}

static int make_cert(struct making *m, unsigned char pem[PEM_MAX], struct err *e)
{
	int rc;

	mbedtls_x509write_crt_init(&m->crt);
	rc = describe(m);
	if (rc == 0)
		rc = mbedtls_x509write_crt_pem(&m->crt, pem, PEM_MAX, pki_random, NULL);
	mbedtls_x509write_crt_free(&m->crt);
	return rc < 0 ? pki_fault(e, rc, m->name, "the certificate could not be made") : 0;
}

/* What was not there before is not there after a failure either, which may come after the file got its name. */
static void take_back(const struct pki_order *o, const struct paths *p, bool key)
{
	if (o->force)
		return;
	if (key)
		(void)unlink(p->key); /* if one stays, the next order says so */
	(void)unlink(p->cert);	      /* likewise */
}

/* The certificate, and behind its key, where one was made: what can fail but for the disk has not. */
static int write_both(const struct pki_order *o, const struct paths *p, struct making *m, mbedtls_pk_context *made,
	struct bytes *out, struct err *e)
{
	const char *who = m->is_ca ? "the cluster's CA" : m->name, *node = m->is_ca ? "" : "node ";
	char text[UNITS_TEXT_MAX];
	unsigned char pem[PEM_MAX];
	int rc = make_cert(m, pem, e);

	if (rc < 0)
		return rc;
	if (made)
		rc = write_key(p->key, made, e);
	if (rc == 0)
		rc = io_replace_file(AT_FDCWD, p->cert, pem, strlen((const char *)pem), 0644, true, e);
	if (rc < 0) {
		take_back(o, p, made != NULL);
		return rc;
	}
	if (made)
		(void)bytes_fmt(out, "%s: key of %s%s\n", p->key, node, who); /* out->failed tells, of both */
	(void)bytes_fmt(
		out, "%s: certificate of %s%s, until %.10s\n", p->cert, node, who, units_time(text, m->until_ms));
	return 0;
}

/* ---- the CA ---- */

struct ca {
	mbedtls_x509_crt crt;
	mbedtls_pk_context key;
	char name[256]; /* as mbed TLS reads it */
};

static void ca_init(struct ca *ca)
{
	mbedtls_x509_crt_init(&ca->crt);
	mbedtls_pk_init(&ca->key);
}

static void ca_done(struct ca *ca)
{
	mbedtls_x509_crt_free(&ca->crt);
	mbedtls_pk_free(&ca->key);
}
#define AUTO_CA CLEANUP(ca_done)

static int ca_load(const struct pki_order *o, struct ca *ca, struct err *e)
{
	AUTO_PATHS struct paths p = {0};
	int rc;

	ca_init(ca);
	rc = paths_of(o, "ca", &p, e);
	if (rc < 0)
		return rc;
	if (faccessat(AT_FDCWD, p.key, F_OK, 0) < 0 && errno == ENOENT)
		return err_set(e, -ENOENT, "%s is not there: the CA is made by `covey pki init`", p.key);
	rc = pki_read_certs(p.cert, &ca->crt, e);
	if (rc == 0)
		rc = pki_read_key(p.key, &ca->key, e);
	if (rc < 0)
		return rc;
	if (mbedtls_pk_check_pair(&ca->crt.pk, &ca->key) != 0)
		return err_set(e, -EINVAL, "%s is not the key of %s", p.key, p.cert);
	if (!ca->crt.ca_istrue)
		return err_set(e, -EINVAL, "%s is no authority's certificate", p.cert);
	if (pki_time_ms(&ca->crt.valid_to) <= o->wall_ms)
		return err_set(e, -EINVAL,
			"%s has expired: make a new CA with `covey pki init --force`, and new "
			"certificates for all nodes",
			p.cert);
	if (mbedtls_x509_dn_gets(ca->name, sizeof(ca->name), &ca->crt.subject) < 0)
		return err_set(e, -EINVAL, "%s: the name of its subject is too long", p.cert);
	return 0;
}

static int begin(const struct pki_order *o, const struct paths *p, bool key, struct err *e)
{
	int rc = io_mkdirs(o->dir, 0755, e);

	if (rc == 0 && key)
		rc = refuse_existing(o, p->key, e);
	return rc == 0 ? refuse_existing(o, p->cert, e) : rc;
}

int pki_init(const struct pki_order *o, struct bytes *out, struct err *e)
{
	AUTO_PATHS struct paths p = {0};
	mbedtls_pk_context key;
	struct making m = {.subject = &key,
		.issuer = &key,
		.name = CA_NAME,
		.issuer_name = "CN=" CA_NAME,
		.is_ca = true,
		.from_ms = o->wall_ms - SKEW_MS,
		.until_ms = o->wall_ms + PKI_CA_DAYS * DAY_MS};
	int rc = paths_of(o, "ca", &p, e);

	mbedtls_pk_init(&key);
	if (rc == 0)
		rc = begin(o, &p, true, e);
	if (rc == 0)
		rc = make_key(&key, e);
	if (rc == 0)
		rc = write_both(o, &p, &m, &key, out, e);
	mbedtls_pk_free(&key);
	return rc;
}

/* ---- nodes ---- */

/* made: the key where it is ours, else NULL. A node's certificate never outlives its CA's. */
static int certify(const struct pki_order *o, const char *node, mbedtls_pk_context *subject, mbedtls_pk_context *made,
	struct bytes *out, struct err *e)
{
	AUTO_PATHS struct paths p = {0};
	AUTO_CA struct ca ca;
	struct making m = {.subject = subject, .issuer = &ca.key, .name = node, .issuer_name = ca.name};
	int rc;

	ca_init(&ca);
	rc = check_node(o, node, e);
	if (rc == 0)
		rc = paths_of(o, node, &p, e);
	if (rc == 0)
		rc = ca_load(o, &ca, e);
	if (rc == 0)
		rc = begin(o, &p, made != NULL, e);
	if (rc < 0)
		return rc;
	m.from_ms = o->wall_ms - SKEW_MS;
	m.until_ms = MIN(o->wall_ms + PKI_NODE_DAYS * DAY_MS, pki_time_ms(&ca.crt.valid_to));
	return write_both(o, &p, &m, made, out, e);
}

int pki_issue(const struct pki_order *o, const char *node, struct bytes *out, struct err *e)
{
	mbedtls_pk_context key;
	int rc;

	mbedtls_pk_init(&key);
	rc = make_key(&key, e);
	if (rc == 0)
		rc = certify(o, node, &key, &key, out, e);
	mbedtls_pk_free(&key);
	return rc;
}

/* mbed TLS parses a request and does not check its signature: that whoever asks has the key. */
static int check_csr(mbedtls_x509_csr *csr, const char *path, struct err *e)
{
	const mbedtls_md_info_t *md = mbedtls_md_info_from_type(csr->sig_md);
	unsigned char digest[MBEDTLS_MD_MAX_SIZE];
	int rc;

	if (!pki_key_is_usable(&csr->pk))
		return err_set(e, -EINVAL, "%s: the key must be " PKI_USABLE_KEYS, path);
	rc = md ? mbedtls_md(md, csr->cri.p, csr->cri.len, digest) : -1;
	if (rc == 0)
		rc = mbedtls_pk_verify_ext(csr->sig_pk, csr->sig_opts, &csr->pk, csr->sig_md, digest,
			mbedtls_md_get_size(md), csr->sig.p, csr->sig.len);
	return rc == 0 ? 0 : err_set(e, -EINVAL, "%s: the request is not signed by its own key", path);
}

static int csr_name(const mbedtls_x509_csr *csr, const char *path, char name[NAME_MAX_LEN + 1], struct err *e)
{
	const mbedtls_x509_name *at = &csr->subject;

	while (at && MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &at->oid) != 0)
		at = at->next;
	if (!at || at->val.len == 0)
		return err_set(
			e, -EINVAL, "%s: the request names nobody: its common name (CN) must be the node's", path);
	if (at->val.len > NAME_MAX_LEN || memchr(at->val.p, '\0', at->val.len))
		return err_set(e, -EINVAL, "%s: its common name (CN) is no node's name", path);
	memcpy(name, at->val.p, at->val.len);
	name[at->val.len] = '\0';
	return 0;
}

int pki_sign(const struct pki_order *o, const char *path, struct bytes *out, struct err *e)
{
	struct bytes text = {.max = PKI_FILE_MAX};
	char name[NAME_MAX_LEN + 1];
	mbedtls_x509_csr csr;
	int rc = io_read_file(AT_FDCWD, path, &text, e);

	mbedtls_x509_csr_init(&csr);
	if (rc == 0) {
		rc = mbedtls_x509_csr_parse(&csr, (const unsigned char *)text.v, pki_counted(&text));
		if (rc < 0)
			rc = pki_fault(e, rc, path, "no certificate request");
	}
	if (rc == 0)
		rc = check_csr(&csr, path, e);
	if (rc == 0)
		rc = csr_name(&csr, path, name, e);
	if (rc == 0)
		rc = certify(o, name, &csr.pk, NULL, out, e);
	mbedtls_x509_csr_free(&csr);
	bytes_done(&text);
	return rc;
}
