/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GOSSIP_PKI_H
#define GOSSIP_PKI_H
/*
 * The cluster's own authority and the nodes' certificates, as files (PEM), with mbed TLS, which nng brings along: the
 * openssl command would be one more package, a second parser of arguments and errors in another program's words.
 *
 * A node's certificate has two names: the node's own, which the hello compares with the name that the peer says, and
 * PKI_SERVER_NAME, the same for all, which TLS asks for: whoever dials an address does not know yet who lives there.
 *
 * Two halves: what an operator makes (pki_init, pki_issue, pki_sign; no daemon is needed), and what a daemon holds
 * (struct pki). The wall clock is a parameter in both. Edge: files and random numbers.
 */
#include "base/bytes.h"
#include "base/err.h"

#define PKI_SERVER_NAME	    "node.covey"
#define PKI_CA_DAYS	    3650
#define PKI_NODE_DAYS	    730
#define PKI_WARN_DAYS	    30 /* before a certificate ends: time to say so */
#define PKI_FILE_MAX	    (64 * 1024)
#define PKI_CHAIN_MAX	    4	 /* certificates that a node shows */
#define PKI_CHAIN_BYTES_MAX 3072 /* of them together, as DER: they travel in one frame of the hello */
#define PKI_SIGNATURE_MAX   512	 /* RSA-4096; of P-256 at most 72 */
#define PKI_DIGEST_BYTES    32	 /* SHA-256 */

/* ---- what an operator makes ---- */

struct pki_order {
	const char *dir; /* made when absent; holds ca.pem, ca.key, NODE.pem, NODE.key */
	bool force;	 /* overwrite */
	int64_t wall_ms;
	const char *(*check_name)(const char *name); /* NULL, or what a node's name must be: a path is made of it */
};

/*
 * Each appends a line a file to out ("/etc/covey/pki/n1.pem: certificate of node n1, until 2028-01-02T…"), and returns
 * 0, or negative with one sentence. Keys get mode 0600 and come before their certificates; a file that is there is not
 * overwritten without force, and nothing is written then. All is durable when they return.
 */
int pki_init(const struct pki_order *o, struct bytes *out, struct err *e);
int pki_issue(const struct pki_order *o, const char *node, struct bytes *out, struct err *e);
/* path: the file of a request (PEM or DER), signed by its own key; its common name is the node's name. */
int pki_sign(const struct pki_order *o, const char *path, struct bytes *out, struct err *e);

/* ---- what a daemon holds ---- */

/* The CA's certificates, the node's own chain and key. Counted: a hello under way keeps what it began with. */
struct pki;

/*
 * Reads the three files and checks what can be told at once: they parse, the key is the certificate's, the certificate
 * is for `node`, was signed by this CA and is valid now, and the chain fits into a hello. -EINVAL, -ENOMEM, or of
 * reading a file, with a sentence that names the file.
 */
int pki_load(const char *ca, const char *cert, const char *key, const char *node, int64_t wall_ms, struct pki **ret,
	struct err *e);
struct pki *pki_ref(struct pki *p);
void pki_unref(struct pki *p); /* NULL is fine */
/* When the node's certificate, or one above it, ends: since 1970. */
int64_t pki_expires_ms(const struct pki *p);

/* The node's chain, own certificate first, as DER; borrowed from p. */
size_t pki_chain_n(const struct pki *p);
const unsigned char *pki_chain_at(const struct pki *p, size_t i, size_t *ret_n);

/* Signs a digest. sig has PKI_SIGNATURE_MAX bytes. */
int pki_sign_digest(const struct pki *p, const unsigned char *digest, unsigned char *sig, size_t *ret_n, struct err *e);

/* A peer's proof, borrowed: its chain, and its signature over a digest. */
struct pki_proof {
	const unsigned char *cert[PKI_CHAIN_MAX];
	size_t cert_n[PKI_CHAIN_MAX];
	size_t n;
	const unsigned char *sig;
	size_t sig_n;
};

/*
 * Is this `name`, as the CA says? The chain leads to the CA, each of it is valid at wall_ms, the first is for `name`
 * (exactly: a certificate for *.x is nobody's), and its key signed the digest. -EACCES with the sentence why not.
 */
int pki_check_proof(struct pki *p, const struct pki_proof *proof, const char *name, const unsigned char *digest,
	int64_t wall_ms, struct err *e);

void pki_sha256(const void *v, size_t n, unsigned char ret[PKI_DIGEST_BYTES]);

#endif
