/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gossip/pki: an authority of people's own may stand between the CA and a node; a node may not: whoever is a member
 * makes no members.
 */
#include <errno.h>
#include <sys/stat.h>

#include <mbedtls/x509_crt.h>

#include "gossip/pki_priv.h"
#include "tests/lib/pki_bed.h"

#define NOW PKI_BED_NOW

static void make_key(mbedtls_pk_context *key)
{
	mbedtls_pk_init(key);
	assert_int_equal(mbedtls_pk_setup(key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)), 0);
	assert_int_equal(mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*key), pki_random, NULL), 0);
}

struct named {
	mbedtls_pk_context key;
	const char *subject; /* "CN=…" */
	bool is_ca;
	unsigned char der[2048];
	size_t n;
};

static void certify(struct named *who, struct named *by)
{
	mbedtls_x509write_cert w;
	mbedtls_mpi serial;
	int n;

	mbedtls_x509write_crt_init(&w);
	mbedtls_mpi_init(&serial);
	make_key(&who->key);
	mbedtls_x509write_crt_set_md_alg(&w, MBEDTLS_MD_SHA256);
	mbedtls_x509write_crt_set_subject_key(&w, &who->key);
	mbedtls_x509write_crt_set_issuer_key(&w, &by->key);
	assert_int_equal(mbedtls_mpi_lset(&serial, 7), 0);
	assert_int_equal(mbedtls_x509write_crt_set_serial(&w, &serial), 0);
	assert_int_equal(mbedtls_x509write_crt_set_subject_name(&w, who->subject), 0);
	assert_int_equal(mbedtls_x509write_crt_set_issuer_name(&w, by->subject), 0);
	assert_int_equal(mbedtls_x509write_crt_set_validity(&w, "20250101000000", "20350101000000"), 0);
	assert_int_equal(mbedtls_x509write_crt_set_basic_constraints(&w, who->is_ca, -1), 0);
	n = mbedtls_x509write_crt_der(&w, who->der, sizeof(who->der), pki_random, NULL);
	assert_true(n > 0);
	who->n = (size_t)n;
	memmove(who->der, who->der + sizeof(who->der) - n, who->n); /* it is written at the end */
	mbedtls_mpi_free(&serial);
	mbedtls_x509write_crt_free(&w);
}

static void write_pem(mbedtls_pk_context *key, const char *path)
{
	unsigned char pem[4096];

	assert_int_equal(mbedtls_pk_write_key_pem(key, pem, sizeof(pem)), 0);
	pki_bed_write(path, (char *)pem);
}

static void write_der(const struct named *who, const char *path)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(who->der, 1, who->n, f), who->n);
	assert_int_equal(fclose(f), 0);
}

/* last: NULL, or above `above`. */
static int check(struct pki *by, struct named *leaf, struct named *above, struct named *last, struct err *e)
{
	const char *name = leaf->subject + strlen("CN=");
	struct pki_proof proof = {.cert = {leaf->der, above->der, last ? last->der : NULL},
		.cert_n = {leaf->n, above->n, last ? last->n : 0},
		.n = last ? 3 : 2};
	unsigned char sig[PKI_SIGNATURE_MAX], digest[PKI_DIGEST_BYTES];

	pki_sha256("what both said", 14, digest);
	assert_int_equal(mbedtls_pk_sign(&leaf->key, MBEDTLS_MD_SHA256, digest, sizeof(digest), sig, &proof.sig_n,
				 pki_random, NULL),
		0);
	proof.sig = sig;
	*e = (struct err){0};
	return pki_check_proof(by, &proof, name, digest, NOW, e);
}

static void authorities_may_stand_between_and_members_not(void **state)
{
	struct pki_bed b = {.dir = tmpdir_make()};
	struct pki_bed_paths ca = pki_bed_paths(&b, "own", "ca");
	struct pki_order o = pki_bed_order(&b, "own", NOW);
	struct bytes out = {.max = 4096};
	struct named root = {.subject = "CN=root", .is_ca = true}, between = {.subject = "CN=between", .is_ca = true},
		     n3 = {.subject = "CN=n3"}, n4 = {.subject = "CN=n4"};
	struct pki *n1;
	struct err e;

	(void)state;
	certify(&root, &root);
	certify(&between, &root);
	certify(&n3, &between);
	certify(&n4, &n3); /* n3 is a member, and makes another one */
	assert_int_equal(mkdir(o.dir, 0700), 0);
	write_der(&root, ca.cert);
	write_pem(&root.key, ca.key);
	if (pki_issue(&o, "n1", &out, &e) < 0)
		fail_msg("%s", e.text);
	n1 = pki_bed_load(&b, "own", "n1", NOW);
	if (check(n1, &n3, &between, NULL, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(check(n1, &n4, &n3, &between, &e), -EACCES);
	assert_string_equal(e.text, "n4: the certificate is not signed by this cluster's CA");
	assert_int_equal(check(n1, &n3, &n4, NULL, &e), -EACCES); /* without the one between */
	pki_unref(n1);
	mbedtls_pk_free(&root.key);
	mbedtls_pk_free(&between.key);
	mbedtls_pk_free(&n3.key);
	mbedtls_pk_free(&n4.key);
	bytes_done(&out);
	tmpdir_remove(&b.dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(authorities_may_stand_between_and_members_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
