/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_PKI_BED_H
#define TESTS_LIB_PKI_BED_H
/*
 * Authorities, nodes' certificates and keys, made for real in a directory of the test's own. An authority is a
 * subdirectory.
 */
#include <string.h>

#include "gossip/pki.h"
#include "tests/lib/test.h"
#include "tests/lib/tmpdir.h"

#define PKI_BED_NOW  1767323045678LL /* 2026-01-02 */
#define PKI_BED_YEAR (365 * 24 * 3600 * 1000LL)

struct pki_bed {
	struct tmpdir dir;
	char at[PATH_MAX]; /* of the last pki_bed_order */
};

static inline const char *pki_bed_any_name(const char *name)
{
	(void)name;
	return NULL;
}

static inline struct pki_order pki_bed_order(struct pki_bed *b, const char *authority, int64_t wall_ms)
{
	(void)snprintf(b->at, sizeof(b->at), "%s/%s", b->dir.path, authority); /* fits */
	return (struct pki_order){.dir = b->at, .wall_ms = wall_ms, .check_name = pki_bed_any_name};
}

static inline void pki_bed_authority(struct pki_bed *b, const char *authority, int64_t wall_ms)
{
	struct pki_order o = pki_bed_order(b, authority, wall_ms);
	struct bytes out = {.max = 4096};
	struct err e = {0};

	if (pki_init(&o, &out, &e) < 0)
		fail_msg("pki_init: %s", e.text);
	bytes_done(&out);
}

static inline void pki_bed_issue(struct pki_bed *b, const char *authority, const char *node, int64_t wall_ms)
{
	struct pki_order o = pki_bed_order(b, authority, wall_ms);
	struct bytes out = {.max = 4096};
	struct err e = {0};

	o.force = true;
	if (pki_issue(&o, node, &out, &e) < 0)
		fail_msg("pki_issue %s: %s", node, e.text);
	bytes_done(&out);
}

struct pki_bed_paths {
	char ca[PATH_MAX + 128], cert[PATH_MAX + 128], key[PATH_MAX + 128];
};

static inline struct pki_bed_paths pki_bed_paths(struct pki_bed *b, const char *authority, const char *node)
{
	struct pki_bed_paths p;

	(void)pki_bed_order(b, authority, 0); /* for b->at */
	(void)snprintf(p.ca, sizeof(p.ca), "%s/ca.pem", b->at);
	(void)snprintf(p.cert, sizeof(p.cert), "%s/%s.pem", b->at, node);
	(void)snprintf(p.key, sizeof(p.key), "%s/%s.key", b->at, node);
	return p;
}

/* What a node of this name holds: as issued, loaded at a time when it is valid. */
static inline struct pki *pki_bed_load(struct pki_bed *b, const char *authority, const char *node, int64_t wall_ms)
{
	struct pki_bed_paths p = pki_bed_paths(b, authority, node);
	struct pki *ret = NULL;
	struct err e = {0};

	if (pki_load(p.ca, p.cert, p.key, node, wall_ms, &ret, &e) < 0)
		fail_msg("pki_load %s: %s", node, e.text);
	return ret;
}

static inline void pki_bed_append(const char *path, const char *from)
{
	FILE *in = fopen(from, "r"), *out = fopen(path, "a");
	int c;

	assert_non_null(in);
	assert_non_null(out);
	while ((c = getc(in)) != EOF)
		assert_int_equal(putc(c, out), c);
	(void)fclose(in); /* it was only read */
	assert_int_equal(fclose(out), 0);
}

static inline void pki_bed_write(const char *path, const char *text)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	assert_true(fputs(text, out) >= 0);
	assert_int_equal(fclose(out), 0);
}

#endif
