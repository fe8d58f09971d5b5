/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What both halves of pki.h stand on: reading files, random bytes, times, and mbed TLS's failures in a sentence.
 */
#include "gossip/pki_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <mbedtls/asn1.h>
#include <mbedtls/ecp.h>
#include <mbedtls/error.h>
#include <mbedtls/pem.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/sha256.h>

#include "base/io.h"

int pki_random(void *arg, unsigned char *out, size_t n)
{
	(void)arg;
	while (n > 0) {
		ssize_t got = getrandom(out, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return MBEDTLS_ERR_PK_HW_ACCEL_FAILED;
		out += got;
		n -= (size_t)got;
	}
	return 0;
}

/* Its codes are two in one, -(module's | below's): the words of the first are those of the room that failed. */
static bool is_no_memory(int rc)
{
	int low = -rc & 0x7f, high = -rc & 0xff80;

	return low == -MBEDTLS_ERR_ASN1_ALLOC_FAILED || low == -MBEDTLS_ERR_MPI_ALLOC_FAILED ||
	       high == -MBEDTLS_ERR_X509_ALLOC_FAILED || high == -MBEDTLS_ERR_PK_ALLOC_FAILED ||
	       high == -MBEDTLS_ERR_ECP_ALLOC_FAILED || high == -MBEDTLS_ERR_PEM_ALLOC_FAILED;
}

int pki_fault(struct err *e, int rc, const char *path, const char *what)
{
	char words[128] = "";

	if (is_no_memory(rc))
		return err_set(e, -ENOMEM, "%s: %s: no memory", path, what);
	mbedtls_strerror(rc, words, sizeof(words));
	return err_set(e, -EINVAL, "%s: %s (%s)", path, what, words);
}

static void wipe(struct bytes *b)
{
	if (b->v)
		mbedtls_platform_zeroize(b->v, b->cap);
	bytes_done(b);
}

size_t pki_counted(const struct bytes *b)
{
	return strstr(b->v, "-----BEGIN ") ? b->n + 1 : b->n;
}

int pki_read_certs(const char *path, mbedtls_x509_crt *ret, struct err *e)
{
	struct bytes text = {.max = PKI_FILE_MAX};
	int rc;

	mbedtls_x509_crt_init(ret);
	rc = io_read_file(AT_FDCWD, path, &text, e);
	if (rc == 0 && text.n == 0)
		rc = err_set(e, -EINVAL, "%s: the file is empty", path);
	if (rc == 0) {
		rc = mbedtls_x509_crt_parse(ret, (const unsigned char *)text.v, pki_counted(&text));
		if (rc > 0)
			rc = err_set(e, -EINVAL, "%s: %d of the certificates in it cannot be read", path, rc);
		else if (rc < 0)
			rc = pki_fault(e, rc, path, "no certificate");
	}
	bytes_done(&text);
	return rc;
}

int pki_read_key(const char *path, mbedtls_pk_context *ret, struct err *e)
{
	struct bytes text = {.max = PKI_FILE_MAX};
	int rc;

	mbedtls_pk_init(ret);
	rc = io_read_file(AT_FDCWD, path, &text, e);
	if (rc == 0 && text.n == 0)
		rc = err_set(e, -EINVAL, "%s: the file is empty", path);
	if (rc == 0) {
		rc = mbedtls_pk_parse_key(ret, (const unsigned char *)text.v, pki_counted(&text), NULL, 0);
		if (rc == MBEDTLS_ERR_PK_PASSWORD_REQUIRED || rc == MBEDTLS_ERR_PK_PASSWORD_MISMATCH)
			rc = err_set(e, -EINVAL, "%s: the key has a password, which nobody could type", path);
		else if (rc < 0)
			rc = pki_fault(e, rc, path, "no private key");
		else if (!pki_key_is_usable(ret))
			rc = err_set(e, -EINVAL, "%s: the key must be " PKI_USABLE_KEYS, path);
	}
	wipe(&text);
	return rc;
}

bool pki_key_is_usable(const mbedtls_pk_context *pk)
{
	size_t bits = mbedtls_pk_get_bitlen(pk);
	mbedtls_ecp_group_id curve;

	if (mbedtls_pk_can_do(pk, MBEDTLS_PK_RSA))
		return bits >= 2048 && bits <= 4096;
	if (!mbedtls_pk_can_do(pk, MBEDTLS_PK_ECDSA))
		return false;
	curve = mbedtls_pk_ec(*pk)->grp.id;
	return curve == MBEDTLS_ECP_DP_SECP256R1 || curve == MBEDTLS_ECP_DP_SECP384R1;
}

int64_t pki_time_ms(const mbedtls_x509_time *t)
{
	struct tm tm = {.tm_year = t->year - 1900,
		.tm_mon = t->mon - 1,
		.tm_mday = t->day,
		.tm_hour = t->hour,
		.tm_min = t->min,
		.tm_sec = t->sec};

	return (int64_t)timegm(&tm) * 1000;
}

void pki_sha256(const void *v, size_t n, unsigned char ret[PKI_DIGEST_BYTES])
{
	int rc = mbedtls_sha256_ret(v, n, ret, 0);

	assert(rc == 0); /* in software it has nothing to fail */
}
