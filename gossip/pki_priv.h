/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GOSSIP_PKI_PRIV_H
#define GOSSIP_PKI_PRIV_H
/*
 * What the two halves of pki.h share.
 */
#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>

#include "gossip/pki.h"

/* mbed TLS's source of random bytes: the kernel's. */
int pki_random(void *arg, unsigned char *out, size_t n);
/* "path: what: mbed TLS's words". Returns -EINVAL, or -ENOMEM where that is what rc means. */
int pki_fault(struct err *e, int rc, const char *path, const char *what);
/* How many bytes mbed TLS is to be told of a file's: it knows PEM by the NUL behind it, which counts then. */
size_t pki_counted(const struct bytes *b);

/* A file's certificates, or key, of which there must be one at least. ret is initialised, also after a failure. */
int pki_read_certs(const char *path, mbedtls_x509_crt *ret, struct err *e);
int pki_read_key(const char *path, mbedtls_pk_context *ret, struct err *e);

/* P-256 or P-384, or RSA of 2048 to 4096 bits: what both TLS 1.2 of nng's and a hello's frame can do. */
bool pki_key_is_usable(const mbedtls_pk_context *pk);
/* The key, or those of the certificates, have the table of their curve from now on (pki_keys.c), and are only read by
 * their use. 0, or mbed TLS's. */
int pki_keep_table(mbedtls_pk_context *pk);
int pki_keep_tables(mbedtls_x509_crt *crt);
#define PKI_USABLE_KEYS "P-256, P-384 or RSA of 2048 to 4096 bits"

int64_t pki_time_ms(const mbedtls_x509_time *t); /* since 1970 */

#endif
