/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gossip/pki: certificates that are made are those that are taken; nothing is overwritten; each fault of a file or a
 * proof has its sentence, by a clock that is given.
 */
#include "gossip/pki.h"

#include <errno.h>
#include <sys/stat.h>

#include <mbedtls/pk.h>
#include <mbedtls/rsa.h>
#include <mbedtls/x509_csr.h>

#include "gossip/pki_priv.h"
#include "supervisor/spec_words.h"
#include "tests/lib/oom.h"
#include "tests/lib/pki_bed.h"

#define NOW  PKI_BED_NOW
#define YEAR PKI_BED_YEAR

static int setup(void **state)
{
	static struct pki_bed b;

	b = (struct pki_bed){.dir = tmpdir_make()};
	pki_bed_authority(&b, "ours", NOW);
	pki_bed_issue(&b, "ours", "n1", NOW);
	*state = &b;
	return 0;
}

static int teardown(void **state)
{
	struct pki_bed *b = *state;

	tmpdir_remove(&b->dir);
	return 0;
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 0777;
}

static void what_is_made_is_told_and_private(void **state)
{
	struct pki_bed *b = *state;
	struct pki_order o = pki_bed_order(b, "deep/er", NOW);
	struct bytes out = {.max = 4096};
	char want[4 * PATH_MAX];
	struct pki_bed_paths p;

	assert_int_equal(pki_init(&o, &out, NULL), 0);
	assert_int_equal(pki_issue(&o, "n1", &out, NULL), 0);
	(void)snprintf(want, sizeof(want),
		"%s/ca.key: key of the cluster's CA\n"
		"%s/ca.pem: certificate of the cluster's CA, until 2035-12-31\n"
		"%s/n1.key: key of node n1\n"
		"%s/n1.pem: certificate of node n1, until 2028-01-02\n",
		o.dir, o.dir, o.dir, o.dir);
	assert_string_equal(out.v, want);
	p = pki_bed_paths(b, "deep/er", "n1");
	assert_int_equal(mode_of(p.ca), 0644);
	assert_int_equal(mode_of(p.cert), 0644);
	assert_int_equal(mode_of(p.key), 0600);
	p = pki_bed_paths(b, "deep/er", "ca");
	assert_int_equal(mode_of(p.key), 0600);
	bytes_done(&out);
}

static void nothing_is_overwritten_unless_forced(void **state)
{
	struct pki_bed *b = *state;
	struct pki_order o = pki_bed_order(b, "ours", NOW);
	struct pki_bed_paths p = pki_bed_paths(b, "ours", "n1");
	struct bytes out = {.max = 4096};
	struct stat before, after;
	struct err e;

	assert_int_equal(stat(p.cert, &before), 0);
	assert_int_equal(pki_init(&o, &out, &e), -EEXIST);
	assert_int_equal(pki_issue(&o, "n1", &out, &e), -EEXIST);
	assert_non_null(strstr(e.text, "n1.key is there already: nothing was written"));
	assert_int_equal(unlink(p.key), 0);
	assert_int_equal(pki_issue(&o, "n1", &out, &e), -EEXIST);
	assert_non_null(strstr(e.text, "n1.pem is there already"));
	assert_int_equal(access(p.key, F_OK), -1);
	assert_int_equal(stat(p.cert, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(out.n, 0);
	o.force = true;
	assert_int_equal(pki_issue(&o, "n1", &out, &e), 0);
	pki_unref(pki_bed_load(b, "ours", "n1", NOW));
	bytes_done(&out);
}

static void names_that_are_none_are_refused(void **state)
{
	static const char *const bad[] = {"", "N1", "../n1", "a/b", "-a", "n1,OU=x", "ca"};
	struct pki_bed *b = *state;
	struct pki_order o = pki_bed_order(b, "ours", NOW);
	struct bytes out = {.max = 4096};
	struct err e;

	o.check_name = spec_check_node_name;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(pki_issue(&o, bad[i], &out, &e), -EINVAL);
	assert_non_null(strstr(e.text, "the authority's own files"));
	assert_int_equal(out.n, 0);
}

static void refused_issue(struct pki_bed *b, const char *authority, int64_t wall_ms, const char *said)
{
	struct pki_order o = pki_bed_order(b, authority, wall_ms);
	struct bytes out = {.max = 4096};
	struct err e = {0};

	assert_true(pki_issue(&o, "nx", &out, &e) < 0);
	if (!strstr(e.text, said))
		fail_msg("'%s' was not said, but: %s", said, e.text);
	assert_int_equal(access(pki_bed_paths(b, authority, "nx").key, F_OK), -1);
	bytes_done(&out);
}

static void an_authority_that_cannot_sign(void **state)
{
	struct pki_bed *b = *state;
	struct pki_bed_paths ca = pki_bed_paths(b, "ours", "ca"), n1 = pki_bed_paths(b, "ours", "n1"), other;

	refused_issue(b, "nowhere", NOW, "the CA is made by `covey pki init`");
	refused_issue(b, "ours", NOW + 11 * YEAR, "has expired");
	pki_bed_authority(b, "theirs", NOW);
	other = pki_bed_paths(b, "theirs", "ca");
	assert_int_equal(rename(other.key, ca.key), 0);
	refused_issue(b, "ours", NOW, "ca.key is not the key of");
	pki_bed_write(ca.key, "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n");
	refused_issue(b, "ours", NOW, "ca.key: no private key");
	pki_bed_write(ca.key, "");
	refused_issue(b, "ours", NOW, "ca.key: the file is empty");
	assert_int_equal(rename(n1.key, ca.key), 0);
	assert_int_equal(rename(n1.cert, ca.cert), 0);
	refused_issue(b, "ours", NOW, "is no authority's certificate");
	assert_int_equal(unlink(ca.cert), 0);
	refused_issue(b, "ours", NOW, "No such file");
}

static void a_certificate_ends_no_later_than_its_authority(void **state)
{
	struct pki_bed *b = *state;
	struct pki *p;

	p = pki_bed_load(b, "ours", "n1", NOW);
	assert_true(pki_expires_ms(p) - NOW > PKI_NODE_DAYS * 86400000LL - 1000);
	assert_true(pki_expires_ms(p) - NOW <= PKI_NODE_DAYS * 86400000LL);
	pki_unref(p);
	pki_bed_issue(b, "ours", "late", NOW + 9 * YEAR);
	p = pki_bed_load(b, "ours", "late", NOW + 9 * YEAR);
	assert_true(pki_expires_ms(p) <= NOW + PKI_CA_DAYS * 86400000LL);
	assert_true(pki_expires_ms(p) > NOW + PKI_CA_DAYS * 86400000LL - 1000);
	pki_unref(p);
}

/* ---- requests ---- */

static void make_request(mbedtls_pk_context *key, const char *subject, const char *path, bool wrong)
{
	unsigned char pem[8192];
	mbedtls_x509write_csr w;

	mbedtls_x509write_csr_init(&w);
	mbedtls_x509write_csr_set_md_alg(&w, MBEDTLS_MD_SHA256);
	mbedtls_x509write_csr_set_key(&w, key);
	assert_int_equal(mbedtls_x509write_csr_set_subject_name(&w, subject), 0);
	if (wrong) { /* as DER, with a bit of its signature, which comes last, turned */
		int n = mbedtls_x509write_csr_der(&w, pem, sizeof(pem), pki_random, NULL);
		FILE *f = fopen(path, "w");

		assert_true(n > 0);
		pem[sizeof(pem) - 1] ^= 1;
		assert_non_null(f);
		assert_int_equal(fwrite(pem + sizeof(pem) - n, 1, (size_t)n, f), n);
		assert_int_equal(fclose(f), 0);
	} else {
		assert_int_equal(mbedtls_x509write_csr_pem(&w, pem, sizeof(pem), pki_random, NULL), 0);
		pki_bed_write(path, (char *)pem);
	}
	mbedtls_x509write_csr_free(&w);
}

static void make_key(mbedtls_pk_context *key, mbedtls_ecp_group_id curve, unsigned rsa_bits)
{
	mbedtls_pk_init(key);
	assert_int_equal(
		mbedtls_pk_setup(key, mbedtls_pk_info_from_type(rsa_bits ? MBEDTLS_PK_RSA : MBEDTLS_PK_ECKEY)), 0);
	if (rsa_bits)
		assert_int_equal(mbedtls_rsa_gen_key(mbedtls_pk_rsa(*key), pki_random, NULL, rsa_bits, 65537), 0);
	else
		assert_int_equal(mbedtls_ecp_gen_key(curve, mbedtls_pk_ec(*key), pki_random, NULL), 0);
}

static void write_key(mbedtls_pk_context *key, const char *path)
{
	unsigned char pem[8192];

	assert_int_equal(mbedtls_pk_write_key_pem(key, pem, sizeof(pem)), 0);
	pki_bed_write(path, (char *)pem);
}

static void refused_request(struct pki_bed *b, const char *csr, const char *said)
{
	struct pki_order o = pki_bed_order(b, "ours", NOW);
	struct bytes out = {.max = 4096};
	struct err e = {0};

	o.check_name = spec_check_node_name;
	assert_true(pki_sign(&o, csr, &out, &e) < 0);
	if (!strstr(e.text, said))
		fail_msg("'%s' was not said, but: %s", said, e.text);
	assert_int_equal(out.n, 0);
	bytes_done(&out);
}

static void a_request_is_signed_for_its_common_name(void **state)
{
	struct pki_bed *b = *state;
	struct pki_order o = pki_bed_order(b, "ours", NOW);
	struct pki_bed_paths p = pki_bed_paths(b, "ours", "n2");
	const char *csr = tmpdir_path(&b->dir, "n2.csr");
	struct bytes out = {.max = 4096};
	mbedtls_pk_context key;

	make_key(&key, MBEDTLS_ECP_DP_SECP384R1, 0);
	make_request(&key, "O=people,CN=n2", csr, false);
	write_key(&key, p.key);
	assert_int_equal(pki_sign(&o, csr, &out, NULL), 0);
	assert_non_null(strstr(out.v, "/n2.pem: certificate of node n2, until 2028-01-02\n"));
	pki_unref(pki_bed_load(b, "ours", "n2", NOW));
	refused_request(b, csr, "n2.pem is there already");
	make_request(&key, "O=people,CN=n3", csr, true);
	refused_request(b, csr, "not signed by its own key");
	make_request(&key, "O=people", csr, false);
	refused_request(b, csr, "names nobody");
	make_request(&key, "CN=../n2", csr, false);
	refused_request(b, csr, "is no node's name");
	pki_bed_write(csr, "hello\n");
	refused_request(b, csr, "no certificate request");
	pki_bed_write(csr, "");
	refused_request(b, csr, "no certificate request");
	refused_request(b, "/nowhere/x.csr", "No such file");
	mbedtls_pk_free(&key);
	make_key(&key, MBEDTLS_ECP_DP_SECP256K1, 0);
	make_request(&key, "CN=n3", csr, false);
	refused_request(b, csr, "the key must be P-256");
	mbedtls_pk_free(&key);
	bytes_done(&out);
}

/* ---- what a daemon takes ---- */

static void refused_load(const struct pki_bed_paths *p, const char *node, int64_t wall_ms, const char *said)
{
	struct pki *pki = (struct pki *)1;
	struct err e = {0};

	assert_int_equal(pki_load(p->ca, p->cert, p->key, node, wall_ms, &pki, &e), -EINVAL);
	if (!strstr(e.text, said))
		fail_msg("'%s' was not said, but: %s", said, e.text);
	assert_ptr_equal(pki, (struct pki *)1);
}

static void own_files_are_checked_at_once(void **state)
{
	struct pki_bed *b = *state;
	struct pki_bed_paths p = pki_bed_paths(b, "ours", "n1"), q;

	refused_load(&p, "n2", NOW, "n1.pem: the certificate is not for node 'n2' but for CN=n1");
	refused_load(&p, "n1", NOW + 3 * YEAR, "n1.pem: the certificate expired on 2028-01-02");
	refused_load(&p, "n1", NOW - YEAR, "valid only from 2026-01-02T02:04:05");
	pki_bed_authority(b, "theirs", NOW);
	pki_bed_issue(b, "theirs", "n1", NOW);
	q = pki_bed_paths(b, "theirs", "n1");
	(void)snprintf(p.ca, sizeof(p.ca), "%s", q.ca);
	refused_load(&p, "n1", NOW, "n1.pem: the certificate is not signed by this cluster's CA");
	p = pki_bed_paths(b, "ours", "n1");
	(void)snprintf(p.key, sizeof(p.key), "%s", q.key);
	refused_load(&p, "n1", NOW, "n1.key is not the key of");
	p = pki_bed_paths(b, "ours", "n1");
	pki_bed_append(p.cert, p.ca);
	pki_unref(pki_bed_load(b, "ours", "n1", NOW)); /* with its authority's, as some make them */
	for (int i = 0; i < PKI_CHAIN_MAX - 1; i++)
		pki_bed_append(p.cert, p.ca);
	refused_load(&p, "n1", NOW, "n1.pem: 5 certificates, at most 4");
	pki_bed_write(p.cert, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
	refused_load(&p, "n1", NOW, "n1.pem");
	pki_bed_write(p.cert, "\0");
	refused_load(&p, "n1", NOW, "n1.pem: the file is empty");
}

static void memory_that_is_not_there(void **state)
{
	struct pki_bed *b = *state;
	struct pki_bed_paths p = pki_bed_paths(b, "ours", "n1");

	OOM_LOOP (o) {
		struct pki *pki = NULL;
		int rc = pki_load(p.ca, p.cert, p.key, "n1", NOW, &pki, NULL);

		assert_int_equal(rc, oom_hit(&o) ? -ENOMEM : 0);
		pki_unref(pki);
	}
	OOM_LOOP (o) {
		struct pki_order order = pki_bed_order(b, "ours", NOW);
		struct bytes out = {.max = 4096};
		int rc = pki_issue(&order, "n9", &out, NULL);

		if (!oom_hit(&o)) {
			assert_int_equal(rc, 0);
			assert_false(out.failed);
		} else if (rc == 0) {
			assert_true(out.failed); /* the certificate is there, and could not be told */
			assert_int_equal(unlink(pki_bed_paths(b, "ours", "n9").cert), 0);
			assert_int_equal(unlink(pki_bed_paths(b, "ours", "n9").key), 0);
		} else {
			assert_int_equal(access(pki_bed_paths(b, "ours", "n9").cert, F_OK), -1);
			assert_int_equal(access(pki_bed_paths(b, "ours", "n9").key, F_OK), -1);
		}
		bytes_done(&out);
	}
}

/* ---- proofs ---- */

struct shown {
	struct pki_proof proof;
	unsigned char sig[PKI_SIGNATURE_MAX], digest[PKI_DIGEST_BYTES];
};

static void show(struct shown *s, const struct pki *p)
{
	*s = (struct shown){.proof.n = pki_chain_n(p)};
	pki_sha256("what both said", 14, s->digest);
	for (size_t i = 0; i < s->proof.n; i++)
		s->proof.cert[i] = pki_chain_at(p, i, &s->proof.cert_n[i]);
	assert_int_equal(pki_sign_digest(p, s->digest, s->sig, &s->proof.sig_n, NULL), 0);
	s->proof.sig = s->sig;
}

static void proof_ends(struct pki *by, const struct shown *s, const char *name, int64_t wall_ms, const char *said)
{
	struct err e = {0};
	int rc = pki_check_proof(by, &s->proof, name, s->digest, wall_ms, &e);

	assert_int_equal(rc, said ? -EACCES : 0);
	if (said && !strstr(e.text, said))
		fail_msg("'%s' was not said, but: %s", said, e.text);
}

static void a_proof_is_believed_or_not(void **state)
{
	struct pki_bed *b = *state;
	struct pki *n1 = pki_bed_load(b, "ours", "n1", NOW), *n2, *alien;
	struct shown s, t;

	pki_bed_issue(b, "ours", "n2", NOW);
	n2 = pki_bed_load(b, "ours", "n2", NOW);
	show(&s, n2);
	proof_ends(n1, &s, "n2", NOW, NULL);
	proof_ends(n1, &s, "N2", NOW, NULL);
	proof_ends(n1, &s, "n1", NOW, "n1: the certificate is not for node 'n1' but for CN=n2");
	proof_ends(n1, &s, "n", NOW, "not for node 'n'");
	proof_ends(n1, &s, "n2", NOW + 3 * YEAR, "n2: the certificate expired on 2028-01-02");
	proof_ends(n1, &s, "n2", NOW - YEAR, "is a clock wrong?");
	t = s;
	t.digest[31] ^= 1;
	proof_ends(n1, &t, "n2", NOW, "the signature is wrong");
	t = s;
	t.sig[t.proof.sig_n - 1] ^= 1;
	t.proof.sig = t.sig;
	proof_ends(n1, &t, "n2", NOW, "the signature is wrong");
	t.proof.sig_n = 1;
	proof_ends(n1, &t, "n2", NOW, "the signature is wrong");
	t.proof.sig_n = 0;
	proof_ends(n1, &t, "n2", NOW, "showed no certificate");
	t = s;
	t.proof.n = 0;
	proof_ends(n1, &t, "n2", NOW, "showed no certificate");
	t = s;
	t.proof.cert_n[0]--;
	proof_ends(n1, &t, "n2", NOW, "cannot be read");
	show(&t, n1);
	t.proof.cert[0] = s.proof.cert[0]; /* another one's certificate, which is no secret */
	t.proof.cert_n[0] = s.proof.cert_n[0];
	proof_ends(n1, &t, "n2", NOW, "the signature is wrong");
	pki_bed_authority(b, "theirs", NOW);
	pki_bed_issue(b, "theirs", "n2", NOW);
	alien = pki_bed_load(b, "theirs", "n2", NOW);
	show(&s, alien);
	proof_ends(n1, &s, "n2", NOW, "n2: the certificate is not signed by this cluster's CA");
	/* While one authority follows the other, both count. */
	pki_bed_append(pki_bed_paths(b, "ours", "n1").ca, pki_bed_paths(b, "theirs", "n2").ca);
	pki_unref(n1);
	n1 = pki_bed_load(b, "ours", "n1", NOW);
	proof_ends(n1, &s, "n2", NOW, NULL);
	show(&s, n2);
	proof_ends(n1, &s, "n2", NOW, NULL);
	pki_unref(n1);
	pki_unref(n2);
	pki_unref(alien);
}

static void one_certificate_is_one_node(void **state)
{
	struct pki_bed *b = *state;
	struct pki *n1 = pki_bed_load(b, "ours", "n1", NOW), *wild;
	struct shown s;

	pki_bed_issue(b, "ours", "*.x", NOW);
	wild = pki_bed_load(b, "ours", "*.x", NOW);
	show(&s, wild);
	proof_ends(n1, &s, "a.x", NOW, "not for node 'a.x'");
	proof_ends(
		n1, &s, PKI_SERVER_NAME, NOW, NULL); /* which is why a node may not be called that: names have no dot */
	assert_non_null(spec_check_node_name(PKI_SERVER_NAME));
	pki_unref(n1);
	pki_unref(wild);
}

/* RSA is what an authority of people's own often gives; it takes most of a greeting. */
static void rsa_does_too(void **state)
{
	struct pki_bed *b = *state;
	struct pki_order o = pki_bed_order(b, "ours", NOW);
	struct pki_bed_paths p = pki_bed_paths(b, "ours", "n2");
	const char *csr = tmpdir_path(&b->dir, "n2.csr");
	struct bytes out = {.max = 4096};
	mbedtls_pk_context key;
	struct pki *n1, *n2;
	char copy[PATH_MAX + 160];
	struct shown s;

	make_key(&key, MBEDTLS_ECP_DP_NONE, 2048);
	make_request(&key, "CN=n2", csr, false);
	write_key(&key, p.key);
	assert_int_equal(pki_sign(&o, csr, &out, NULL), 0);
	n1 = pki_bed_load(b, "ours", "n1", NOW);
	n2 = pki_bed_load(b, "ours", "n2", NOW);
	show(&s, n2);
	proof_ends(n1, &s, "n2", NOW, NULL);
	(void)snprintf(copy, sizeof(copy), "%s.copy", p.cert);
	pki_bed_append(copy, p.cert);
	for (int i = 1; i < PKI_CHAIN_MAX; i++)
		pki_bed_append(p.cert, copy);
	if (4 * s.proof.cert_n[0] > PKI_CHAIN_BYTES_MAX)
		refused_load(&p, "n2", NOW, "bytes of certificates, at most 3072 fit");
	mbedtls_pk_free(&key);
	pki_unref(n1);
	pki_unref(n2);
	bytes_done(&out);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_made_is_told_and_private),
		TEST(nothing_is_overwritten_unless_forced),
		TEST(names_that_are_none_are_refused),
		TEST(an_authority_that_cannot_sign),
		TEST(a_certificate_ends_no_later_than_its_authority),
		TEST(a_request_is_signed_for_its_common_name),
		TEST(own_files_are_checked_at_once),
		TEST(memory_that_is_not_there),
		TEST(a_proof_is_believed_or_not),
		TEST(one_certificate_is_one_node),
		TEST(rsa_does_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
