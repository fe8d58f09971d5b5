/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_CONSENSUS_STORY_H
#define TESTS_LIB_CONSENSUS_STORY_H
/*
 * Golden traces of the consensus core: nodes named by a byte, agents by a word, values that are short texts. A text
 * is a list of leased slots, "0a1" = slot 0 is node a's at epoch 1; whatever is no such list has no slots.
 */
#include "consensus/acceptor.h"
#include "consensus/proposer.h"
#include "tests/lib/trace.h"

#define STORY_TEXT_MAX 64

static inline struct uuid story_node(char name)
{
	return (struct uuid){.v = {(uint8_t)(0xa0 + name - 'a'), [15] = 1}};
}

static inline char story_name(const struct uuid *node)
{
	return node->v[0] >= 0xa0 ? (char)('a' + node->v[0] - 0xa0) : '?';
}

static inline struct msg_key story_key(const char *name)
{
	struct msg_key k = {.n = (uint8_t)strlen(name)};

	memcpy(k.v, name, k.n);
	return k;
}

static inline struct ballot story_ballot(uint64_t counter, char node)
{
	return (struct ballot){.counter = counter, .node = story_node(node), .nonce = 1};
}

static inline struct quorum_set story_set(const char *names)
{
	struct quorum_set s = {0};

	for (; *names; names++)
		s.v[s.n++] = story_node(*names);
	return s;
}

static inline struct quorum_cfg story_cfg(uint64_t epoch, const char *old, const char *next)
{
	return (struct quorum_cfg){.epoch = epoch, .old = story_set(old), .next = story_set(next)};
}

static inline struct msg_bytes story_value(const char *text)
{
	return (struct msg_bytes){.v = (const uint8_t *)text, .n = strlen(text)};
}

static inline bool story_slot_next(const void *ctx, struct msg_bytes value, size_t *at, struct msg_slot *ret)
{
	const uint8_t *v = value.v + 3 * *at;

	(void)ctx; /* a pure function of the bytes */
	if (value.n < 3 * *at + 3 || v[0] < '0' || v[0] > '9' || v[2] < '0' || v[2] > '9')
		return false;
	*ret = (struct msg_slot){.slot = v[0] - '0', .owner = story_node((char)v[1]), .epoch = v[2] - '0'};
	++*at;
	return true;
}

/* "times" and "TIMES": T_f of 2 s, and of 6. */
static inline bool story_times_get(const void *ctx, struct msg_bytes value, struct value_times *ret)
{
	(void)ctx; /* as above */
	if (value.n != 5 || (memcmp(value.v, "times", 5) != 0 && memcmp(value.v, "TIMES", 5) != 0))
		return false;
	*ret = value.v[0] == 't' ? (struct value_times){.tf_ms = 2000, .kill_ms = 500, .lv_ms = 3100}
				 : (struct value_times){.tf_ms = 6000, .kill_ms = 1000, .lv_ms = 8600};
	return true;
}

/* "cfg 2 ab>abc": as the operators of voters write it; see test_consensus_voters.c. */
static inline bool story_cfg_get(const void *ctx, struct msg_bytes value, struct quorum_cfg *ret)
{
	char text[STORY_TEXT_MAX], *mark;

	(void)ctx; /* as above */
	if (value.n < 7 || value.n >= sizeof(text) || memcmp(value.v, "cfg ", 4) != 0)
		return false;
	memcpy(text, value.v, value.n);
	text[value.n] = '\0';
	mark = strchr(text, '>');
	if (mark)
		*mark = '\0';
	*ret = story_cfg((uint64_t)(text[4] - '0'), text + 6, mark ? mark + 1 : "");
	return true;
}

static const struct value_reader story_reader = {
	.slot_next = story_slot_next, .cfg_get = story_cfg_get, .times_get = story_times_get};

/* Counts what is held; the n-th allocation from now fails. */
struct story_mem {
	size_t bytes;
	long fail_in;
	bool failed;
};

static inline void *story_alloc(void *ctx, size_t n)
{
	struct story_mem *m = ctx;
	void *p;

	if (m->fail_in > 0 && --m->fail_in == 0) {
		m->failed = true;
		return NULL;
	}
	p = malloc(n);
	assert_non_null(p);
	m->bytes += n;
	return p;
}

static inline void story_release(void *ctx, void *p, size_t n)
{
	struct story_mem *m = ctx;

	assert_true(m->bytes >= n);
	m->bytes -= n;
	free(p);
}

static inline struct value_mem story_mem(struct story_mem *m)
{
	return (struct value_mem){.alloc = story_alloc, .release = story_release, .ctx = m};
}

static inline struct now story_now(int64_t ms)
{
	return (struct now){.mono_ms = ms, .boot_ms = ms};
}

static inline const char *story_key_text(const struct msg_key *k, char out[STORY_TEXT_MAX])
{
	(void)snprintf(out, STORY_TEXT_MAX, "%.*s", k->n ? k->n : 1, k->n ? k->v : "/");
	return out;
}

static inline void story_add_leases(struct trace *t, const struct msg *m)
{
	char key[STORY_TEXT_MAX];

	for (uint32_t i = 0; i < m->n_leases; i++)
		trace_add(t, "; %s.%u/%u%s%s", story_key_text(&m->leases[i].key, key), (unsigned)m->leases[i].slot,
			(unsigned)m->leases[i].epoch, m->type == MSG_GRANT ? " " : "",
			m->type == MSG_GRANT ? msg_why_text(m->leases[i].why) : "");
}

/* What a message says, without its sender. */
static inline void story_add_msg(struct trace *t, const struct msg *m)
{
	char ballot[BALLOT_TEXT_MAX], key[STORY_TEXT_MAX];

	trace_add(t, "%s e%u", msg_name(m->type), (unsigned)m->cfg.epoch);
	if (m->type != MSG_SEALED && m->type != MSG_RENEW && m->type != MSG_GRANT && m->type != MSG_RELEASE)
		trace_add(t, " %s", story_key_text(&m->key, key));
	if (!ballot_is_zero(&m->ballot))
		trace_add(t, " %s", ballot_text(&m->ballot, ballot, sizeof(ballot)));
	if (m->type == MSG_PROMISE || m->type == MSG_VALUE)
		trace_add(t, " on %s", ballot_text(&m->accepted, ballot, sizeof(ballot)));
	if (m->value.n > 0)
		trace_add(t, " '%.*s'", (int)m->value.n, (const char *)m->value.v);
	for (uint32_t i = 0; i < m->n_guards; i++)
		trace_add(t, " [%u%c%u %u ms]", (unsigned)m->guards[i].slot.slot, story_name(&m->guards[i].slot.owner),
			(unsigned)m->guards[i].slot.epoch, (unsigned)m->guards[i].left_ms);
	for (uint32_t i = 0; i < m->n_keys; i++)
		trace_add(t, " %s", story_key_text(&m->keys[i], key));
	story_add_leases(t, m);
	if (m->set && m->n_leases == 0)
		trace_add(t, "; %s", m->type == MSG_GRANT ? "all" : "the same");
	if (m->type == MSG_REFUSED)
		trace_add(t, ": %s", msg_why_text(m->why));
	if (m->left_ms > 0)
		trace_add(t, ", %u ms left", (unsigned)m->left_ms);
	if (m->more)
		trace_add(t, ", and more");
}

static inline void story_add_out(struct trace *t, const struct acceptor_out *out)
{
	char a[BALLOT_TEXT_MAX], b[BALLOT_TEXT_MAX], key[STORY_TEXT_MAX], cfg[256];

	trace_add(t, "         -> ");
	switch (out->type) {
	case ACCEPTOR_OUT_SEND:
		trace_add(t, "%c: ", story_name(&out->to));
		story_add_msg(t, &out->msg);
		break;
	case ACCEPTOR_OUT_HEADER:
		trace_add(t, "write %u: %s, guards %u ms", (unsigned)out->write,
			quorum_text(&out->header.cfg, cfg, sizeof(cfg)), (unsigned)out->header.lv_max_ms);
		break;
	case ACCEPTOR_OUT_REGISTER:
		trace_add(t, "write %u: %s %s %s%s", (unsigned)out->write, story_key_text(out->key, key),
			ballot_text(&out->image.promised, a, sizeof(a)),
			ballot_text(&out->image.accepted, b, sizeof(b)), out->new_value ? " and its value" : "");
		break;
	case ACCEPTOR_OUT_LONG:
		trace_add(t, "write %u: %u leases of %c guarded for %u ms", (unsigned)out->write,
			(unsigned)out->n_leases, story_name(&out->holder), (unsigned)out->long_ms);
		break;
	case ACCEPTOR_OUT_ROLLED_BACK:
	case ACCEPTOR_OUT_MAX:
		trace_add(t, "votes no more");
	}
	trace_add(t, "\n");
}

#endif
