/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hello's three frames, from tables of their own, and who may say which when.
 */
#include "gossip/hello.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/shape.h"
#include "gossip/wire.h"

#define MAGIC	    "covey"
#define TYPE_PROOF  101 /* above all messages of a link that is up: none is taken for the other */
#define TYPE_REFUSE 102
#define CONTEXT	    "covey link 1" /* what a node's key signs here is never anything else's */

struct cluster_id {
	uint8_t uuid[IDENTITY_UUID_BYTES];
};

struct greeting {
	struct gossip_str magic;
	uint32_t format;
	bool is_signed, has_cluster;
	struct cluster_id cluster;
	uint64_t process;
	uint32_t boot;
	uint8_t nonce[HELLO_NONCE_BYTES];
	struct gossip_record record;
};

struct cert {
	struct gossip_str der;
};

struct proof {
	struct gossip_str sig;
	uint16_t n;
	struct cert chain[PKI_CHAIN_MAX];
};

struct refusal {
	uint32_t why;
	struct gossip_str text;
};

#define SHAPE_OF(s, rows)                                                                    \
	{                                                                                    \
		.name = #s, .fields = (rows), .n = ARRAY_LEN(rows), .size = sizeof(struct s) \
	}

static const struct shape_field cluster_fields[] = {
	SHAPE_F(cluster_id, uuid),
};
static const struct shape cluster_id = SHAPE_OF(cluster_id, cluster_fields);

/* magic and format stand first for ever. */
static const struct shape_field greeting_fields[] = {
	SHAPE_STR(SHAPE_TEXT, greeting, magic, 5, 5),
	SHAPE_U(greeting, format, HELLO_FORMAT, HELLO_FORMAT),
	SHAPE_B(greeting, is_signed),
	SHAPE_OPT(greeting, cluster, has_cluster, &cluster_id),
	SHAPE_U(greeting, process, 0, UINT64_MAX),
	SHAPE_U(greeting, boot, 1, UINT32_MAX),
	SHAPE_F(greeting, nonce),
	SHAPE_IN(greeting, record, &wire_record),
};
static const struct shape greeting = SHAPE_OF(greeting, greeting_fields);

static const struct shape_field cert_fields[] = {
	SHAPE_STR(SHAPE_BYTES, cert, der, 1, PKI_CHAIN_BYTES_MAX),
};
static const struct shape cert = SHAPE_OF(cert, cert_fields);

static const struct shape_field proof_fields[] = {
	SHAPE_STR(SHAPE_BYTES, proof, sig, 0, PKI_SIGNATURE_MAX),
	SHAPE_ALL(proof, chain, n, 0, PKI_CHAIN_MAX, &cert),
};
static const struct shape proof = SHAPE_OF(proof, proof_fields);

static const struct shape_field refusal_fields[] = {
	SHAPE_U(refusal, why, 0, UINT32_MAX),
	SHAPE_STR(SHAPE_TEXT, refusal, text, 0, HELLO_WHY_TEXT_MAX),
};
static const struct shape refusal = SHAPE_OF(refusal, refusal_fields);

/* ---- beginning and end ---- */

/* The longest record, nonce and ids take some 600 bytes. */
_Static_assert(GOSSIP_NAME_MAX + GOSSIP_ADDRESS_MAX + GOSSIP_BUILD_MAX + 256 < HELLO_GREETING_MAX, "a HELLO fits");

void hello_init(struct hello *h, const struct hello_self *self, bool dialled, const uint8_t nonce[HELLO_NONCE_BYTES])
{
	struct greeting g = {.magic = {.v = MAGIC, .n = sizeof(MAGIC) - 1},
		.format = HELLO_FORMAT,
		.is_signed = self->pki != NULL,
		.has_cluster = self->cluster != NULL,
		.process = self->process,
		.boot = self->boot,
		.record = *self->record};
	struct shape_out out;

	*h = (struct hello){.dialled = dialled,
		.process = self->process,
		.has_cluster = self->cluster != NULL,
		.wire_min = self->record->wire_min,
		.wire_max = self->record->wire_max};
	h->pki = self->pki ? pki_ref(self->pki) : NULL;
	memcpy(h->uuid, self->record->uuid, sizeof(h->uuid));
	memcpy(g.nonce, nonce, sizeof(g.nonce));
	if (self->cluster) {
		memcpy(h->cluster, self->cluster, sizeof(h->cluster));
		memcpy(g.cluster.uuid, self->cluster, sizeof(g.cluster.uuid));
	}
	shape_out_init(&out, h->own, sizeof(h->own));
	shape_put(&out, &greeting, &g);
	assert(!out.full);
	h->own_n = (uint16_t)out.n;
}

void hello_done(struct hello *h)
{
	pki_unref(h->pki);
	*h = (struct hello){0};
}

size_t hello_begin(struct hello *h, uint8_t *out)
{
	assert(h->dialled && h->state == HELLO_AWAITS_HELLO);
	memcpy(out, h->own, h->own_n);
	return h->own_n;
}

/* ---- refusing ---- */

static enum hello_state refuse(struct hello *h, enum hello_why why, uint8_t *out, size_t *ret_n, const struct err *e)
{
	struct refusal r = {.why = why, .text = {.v = e->text, .n = (uint16_t)strnlen(e->text, HELLO_WHY_TEXT_MAX)}};
	struct shape_out o;

	while (r.text.n > 0 && (r.text.v[r.text.n] & 0xc0) == 0x80)
		r.text.n--; /* no character in half */
	shape_out_init(&o, out, HELLO_FRAME_MAX);
	(void)msgpack_pack_array(&o.packer, 1 + refusal.n); /* o.full would tell, and it fits */
	(void)msgpack_pack_uint64(&o.packer, TYPE_REFUSE);
	shape_put_fields(&o, &refusal, &r);
	assert(!o.full);
	*ret_n = o.n;
	h->why = why;
	return h->state = HELLO_REFUSED;
}

static enum hello_state turned_away(struct hello *h, const struct refusal *r, struct err *e)
{
	h->why = r->why > HELLO_WHY_NONE && r->why < HELLO_WHY_MAX ? (enum hello_why)r->why : HELLO_WHY_MALFORMED;
	(void)err_set(e, -EACCES, "turned away: %.*s", (int)r->text.n, r->text.v); /* the state tells */
	return h->state = HELLO_TURNED_AWAY;
}

/* ---- the peer's HELLO ---- */

static bool speaks_covey(const uint8_t *v, size_t n)
{
	struct unpack u = {.v = v, .n = n};
	struct unpack_head h;

	return unpack_next(&u, &h, NULL) == 0 && h.kind == UNPACK_ARRAY && unpack_next(&u, &h, NULL) == 0 &&
	       h.kind == UNPACK_STR && h.n_bytes == sizeof(MAGIC) - 1 && memcmp(h.bytes, MAGIC, h.n_bytes) == 0;
}

static uint64_t id_of(const struct gossip_record *r)
{
	uint64_t id = 0;

	for (size_t i = 0; i < sizeof(id); i++)
		id = id << 8 | r->uuid[i];
	return id;
}

static int read_greeting(struct hello *h, struct greeting *g, struct err *e)
{
	struct unpack u = {.v = h->theirs, .n = h->peer_n};
	int rc;

	if (!speaks_covey(h->theirs, h->peer_n))
		return err_set(e, -EBADMSG, "what came is no hello of covey's");
	rc = shape_get(&u, &greeting, g, e);
	if (rc == 0 && u.at < u.n)
		rc = err_set(e, -EBADMSG, "%zu bytes too many", u.n - u.at);
	if (rc == 0 && g->record.wire_min > g->record.wire_max)
		rc = err_set(e, -EBADMSG, "record: versions %u to %u", g->record.wire_min, g->record.wire_max);
	if (rc == 0 && id_of(&g->record) == 0)
		rc = err_set(e, -EBADMSG, "record: the UUID gives no id");
	if (rc < 0)
		(void)err_wrap(e, "hello"); /* rc goes on */
	return rc;
}

/* "node 'n2' (UUID)" */
static const char *who(const struct greeting *g, char out[128])
{
	char uuid[IDENTITY_UUID_TEXT];

	(void)snprintf(out, 128, "node '%.*s' (%s)", (int)g->record.name.n, g->record.name.v,
		identity_text(g->record.uuid, uuid)); /* fits */
	return out;
}

static enum hello_why judge_kin(const struct hello *h, const struct greeting *g, struct err *e)
{
	char text[128];

	switch (identity_kin(h->uuid, h->process, g->record.uuid, g->process)) {
	case IDENTITY_SELF:
		(void)err_set(e, -EACCES, "this is the node itself"); /* what is returned tells; as below */
		return HELLO_WHY_SELF;
	case IDENTITY_CLONE:
		(void)err_set(e, -EACCES, "%s runs twice: its data directory was copied; empty one with `covey reset`",
			who(g, text));
		return HELLO_WHY_CLONE;
	case IDENTITY_ALIKE:
		(void)err_set(e, -EACCES, "%s has an id that begins as another one's: `covey reset` gives it a new one",
			who(g, text));
		return HELLO_WHY_ALIKE;
	default:
		return HELLO_WHY_NONE;
	}
}

static enum hello_why judge_cluster(const struct hello *h, const struct greeting *g, struct err *e)
{
	char theirs[IDENTITY_UUID_TEXT], ours[IDENTITY_UUID_TEXT], text[128];

	if (!h->has_cluster && !g->has_cluster) {
		(void)err_set(e, -EACCES, "%s waits to be let in, as this node does", who(g, text));
		return HELLO_WHY_WAITING;
	}
	if (h->has_cluster && g->has_cluster && memcmp(h->cluster, g->cluster.uuid, sizeof(h->cluster)) != 0) {
		(void)err_set(e, -EACCES, "%s is of cluster %s, this node of %s", who(g, text),
			identity_text(g->cluster.uuid, theirs), identity_text(h->cluster, ours));
		return HELLO_WHY_CLUSTER;
	}
	return HELLO_WHY_NONE;
}

static enum hello_why judge_greeting(const struct hello *h, const struct greeting *g, struct err *e)
{
	const struct gossip_record *r = &g->record;
	enum hello_why why = judge_kin(h, g, e);
	char text[128];

	if (why != HELLO_WHY_NONE)
		return why;
	if (r->wire_max < h->wire_min || r->wire_min > h->wire_max) {
		(void)err_set(e, -EACCES, "%s speaks versions %u to %u, this node %u to %u", who(g, text), r->wire_min,
			r->wire_max, h->wire_min, h->wire_max);
		return HELLO_WHY_VERSION;
	}
	if (g->is_signed != (h->pki != NULL)) {
		(void)err_set(e, -EACCES, "%s %s (gossip.insecure), this node %s", who(g, text),
			g->is_signed ? "has certificates" : "is insecure", h->pki ? "has certificates" : "is insecure");
		return HELLO_WHY_MODE;
	}
	return judge_cluster(h, g, e);
}

static void take_peer(struct hello *h, const struct greeting *g)
{
	h->peer = (struct hello_peer){.record = g->record,
		.id = id_of(&g->record),
		.boot = g->boot,
		.has_cluster = g->has_cluster,
		.lets_in = g->has_cluster && !h->has_cluster,
		.version = MIN(h->wire_max, g->record.wire_max)};
	memcpy(h->peer.cluster, g->cluster.uuid, sizeof(h->peer.cluster));
}

/* ---- proofs ---- */

/* What `dialler` (or the listener) signs. */
static void digest_of(const struct hello *h, bool dialler, unsigned char ret[PKI_DIGEST_BYTES])
{
	unsigned char v[sizeof(CONTEXT) + 1 + 2 * PKI_DIGEST_BYTES];
	unsigned char *p = v;

	memcpy(p, CONTEXT, sizeof(CONTEXT)); /* with its NUL */
	p += sizeof(CONTEXT);
	*p++ = dialler ? 'D' : 'L';
	pki_sha256(h->dialled ? h->own : h->theirs, h->dialled ? h->own_n : h->peer_n, p);
	pki_sha256(h->dialled ? h->theirs : h->own, h->dialled ? h->peer_n : h->own_n, p + PKI_DIGEST_BYTES);
	pki_sha256(v, sizeof(v), ret);
}

/* Appends our PROOF. */
static int put_proof(const struct hello *h, uint8_t *out, size_t *ret_n, struct err *e)
{
	unsigned char digest[PKI_DIGEST_BYTES], sig[PKI_SIGNATURE_MAX];
	struct proof p = {.sig = {.v = (const char *)sig}};
	struct shape_out o;
	size_t n = 0;
	int rc;

	if (h->pki) {
		digest_of(h, h->dialled, digest);
		rc = pki_sign_digest(h->pki, digest, sig, &n, e);
		if (rc < 0)
			return rc;
		p.sig.n = (uint16_t)n;
		p.n = (uint16_t)pki_chain_n(h->pki);
		for (size_t i = 0; i < p.n; i++) {
			p.chain[i].der.v = (const char *)pki_chain_at(h->pki, i, &n);
			p.chain[i].der.n = (uint16_t)n;
		}
	}
	shape_out_init(&o, out, HELLO_FRAME_MAX);
	(void)msgpack_pack_array(&o.packer, 1 + proof.n); /* o.full tells, of this and all others */
	(void)msgpack_pack_uint64(&o.packer, TYPE_PROOF);
	shape_put_fields(&o, &proof, &p);
	assert(!o.full); /* pki_load saw to it */
	*ret_n = o.n;
	return 0;
}

static int check_proof(const struct hello *h, const struct proof *p, int64_t wall_ms, struct err *e)
{
	struct pki_proof proof_of = {.n = p->n, .sig = (const unsigned char *)p->sig.v, .sig_n = p->sig.n};
	unsigned char digest[PKI_DIGEST_BYTES];
	char name[GOSSIP_NAME_MAX + 1];

	if (!h->pki)
		return 0;
	for (size_t i = 0; i < p->n; i++) {
		proof_of.cert[i] = (const unsigned char *)p->chain[i].der.v;
		proof_of.cert_n[i] = p->chain[i].der.n;
	}
	memcpy(name, h->peer.record.name.v, h->peer.record.name.n);
	name[h->peer.record.name.n] = '\0';
	digest_of(h, !h->dialled, digest);
	return pki_check_proof(h->pki, &proof_of, name, digest, wall_ms, e);
}

/* ---- steps ---- */

static enum hello_state on_greeting(
	struct hello *h, const void *frame, size_t n, uint8_t *out, size_t *ret_n, struct err *e)
{
	struct greeting g;
	enum hello_why why;

	if (n > sizeof(h->theirs)) {
		(void)err_set(e, -EBADMSG, "hello: %zu bytes, at most %zu are allowed", n, sizeof(h->theirs));
		return refuse(h, HELLO_WHY_MALFORMED, out, ret_n, e);
	}
	memcpy(h->theirs, frame, n);
	h->peer_n = (uint16_t)n;
	if (read_greeting(h, &g, e) < 0)
		return refuse(h, HELLO_WHY_MALFORMED, out, ret_n, e);
	why = judge_greeting(h, &g, e);
	if (why == HELLO_WHY_NONE || why == HELLO_WHY_WAITING)
		take_peer(h, &g);
	if (why != HELLO_WHY_NONE)
		return refuse(h, why, out, ret_n, e);
	if (!h->dialled) {
		memcpy(out, h->own, h->own_n);
		*ret_n = h->own_n;
	} else if (put_proof(h, out, ret_n, e) < 0) {
		return refuse(h, HELLO_WHY_OURS, out, ret_n, e);
	}
	return h->state = HELLO_AWAITS_PROOF;
}

static enum hello_state on_proof(
	struct hello *h, const struct proof *p, int64_t wall_ms, uint8_t *out, size_t *ret_n, struct err *e)
{
	int rc = check_proof(h, p, wall_ms, e);

	if (rc < 0)
		return refuse(h, rc == -ENOMEM ? HELLO_WHY_OURS : HELLO_WHY_PROOF, out, ret_n, e);
	if (!h->dialled && put_proof(h, out, ret_n, e) < 0)
		return refuse(h, HELLO_WHY_OURS, out, ret_n, e);
	return h->state = HELLO_DONE;
}

/* A frame that is no HELLO: *ret_type is 0 when it has no type. */
static int read_typed(
	const void *frame, size_t n, uint64_t *ret_type, struct proof *p, struct refusal *r, struct err *e)
{
	struct unpack u = {.v = frame, .n = n};
	struct unpack_head head;
	size_t fields;
	int rc;

	*ret_type = 0;
	rc = shape_get_array(&u, &fields, e);
	if (rc == 0)
		rc = fields == 0 ? err_set(e, -EBADMSG, "is empty") : unpack_next(&u, &head, e);
	if (rc < 0 || head.kind != UNPACK_UINT)
		return rc;
	if (head.number == TYPE_PROOF)
		rc = shape_get_fields(&u, &proof, fields - 1, p, NULL, e);
	else if (head.number == TYPE_REFUSE)
		rc = shape_get_fields(&u, &refusal, fields - 1, r, NULL, e);
	if (rc == 0 && u.at < n && (head.number == TYPE_PROOF || head.number == TYPE_REFUSE))
		rc = err_set(e, -EBADMSG, "%zu bytes too many", n - u.at);
	*ret_type = head.number;
	return rc;
}

enum hello_state hello_step(
	struct hello *h, const void *frame, size_t n, int64_t wall_ms, uint8_t *out, size_t *ret_n, struct err *e)
{
	struct refusal r = {0};
	struct proof p = {0};
	uint64_t type = 0;
	struct err own;
	int rc;

	assert(h->state == HELLO_AWAITS_HELLO || h->state == HELLO_AWAITS_PROOF);
	e = e ? e : &own;
	*ret_n = 0;
	if (n > HELLO_FRAME_MAX)
		rc = err_set(e, -EBADMSG, "%zu bytes, at most %d are allowed", n, HELLO_FRAME_MAX);
	else
		rc = read_typed(frame, n, &type, &p, &r, e);
	if (rc == 0 && type == TYPE_REFUSE)
		return turned_away(h, &r, e);
	if (rc == 0 && type == TYPE_PROOF && h->state == HELLO_AWAITS_PROOF)
		return on_proof(h, &p, wall_ms, out, ret_n, e);
	if (h->state == HELLO_AWAITS_HELLO && n <= HELLO_FRAME_MAX)
		return on_greeting(h, frame, n, out, ret_n, e);
	if (rc == 0)
		(void)err_set(e, -EBADMSG, "a frame came that is not due"); /* what is returned tells */
	(void)err_wrap(e, "hello");
	return refuse(h, HELLO_WHY_MALFORMED, out, ret_n, e);
}
