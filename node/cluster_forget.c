/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `forget`: an operator says that a node will not come back. Each node keeps on disk who was forgotten, the one that
 * was asked before it answers, so that no restart, of all nodes at once neither, lets such a one in again.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "node/cluster_priv.h"
#include "node/council.h"
#include "node/ops.h"
#include "node/verbs.h"

#define WHOM_MAX   (IDENTITY_UUID_TEXT + NAME_MAX_LEN)
#define NAMES_MAX  10	 /* that a refusal tells */
#define UNHEARD_MS 10000 /* whoever lives is heard of by then */

/* Who is to be forgotten. */
struct whom {
	struct uuid uuid;
	char name[WHOM_MAX];
	bool self, unheard; /* since this daemon began */
	enum gossip_state state;
};

static bool is_called(const char *asked, const char *name, const uint8_t uuid[16])
{
	char text[IDENTITY_UUID_TEXT];

	return *asked && (strcmp(name, asked) == 0 || strcmp(identity_text(uuid, text), asked) == 0);
}

/* Nobody tells of who was dead when all others were started anew; but if it votes, we know that it does. */
static bool find_voter(const struct cluster *c, const char *name, struct whom *ret)
{
	const struct quorum_cfg *cfg = council_voters(c->n->council);

	for (int i = 0; i < quorum_voters(cfg); i++) {
		const struct uuid *v = quorum_voter(cfg, i);
		const char *called = cluster_seen_name(c, gossip_id_of(v->v));
		bool known = strcmp(called, "?") != 0;

		if (!is_called(name, known ? called : "", v->v))
			continue;
		*ret = (struct whom){.uuid = *v, .unheard = true, .state = GOSSIP_DEAD};
		(void)snprintf(ret->name, sizeof(ret->name), "%s", known ? called : name); /* fits; so below */
		return true;
	}
	return false;
}

/* By its name, or its UUID. */
static bool find(const struct cluster *c, const char *name, struct whom *ret)
{
	struct gossip_member m;

	for (uint32_t at = 0; gossip_member_next(c->g, &at, &m);) {
		if (!m.has_record || !is_called(name, m.record.name.v, m.record.uuid))
			continue;
		*ret = (struct whom){.self = m.self, .state = m.state};
		memcpy(ret->uuid.v, m.record.uuid, sizeof(ret->uuid.v));
		(void)snprintf(ret->name, sizeof(ret->name), "%s", m.record.name.v);
		return true;
	}
	return find_voter(c, name, ret);
}

static const char *names(const struct cluster *c, char *out, size_t n)
{
	struct gossip_member m;
	size_t at = 0, shown = 0;

	*out = '\0';
	for (uint32_t i = 0; at < n && shown < NAMES_MAX && gossip_member_next(c->g, &i, &m);)
		if (m.has_record && !m.self)
			at += (size_t)snprintf(out + at, n - at, "%s%s", shown++ ? ", " : "", m.record.name.v);
	if (shown == NAMES_MAX && at < n)
		(void)snprintf(out + at, n - at, ", …"); /* cut is fine */
	return shown ? out : "no other";
}

/* ---- on disk: an id a line, the oldest first ---- */

void cluster_forget_init(struct cluster *c)
{
	AUTO_FREE char *text = store_note(c->n->store, STORE_NOTE_FORGOTTEN);
	int n = 0;

	for (const char *p = text; p && c->n_forgotten < GOSSIP_GONE_MAX; p += n)
		if (sscanf(p, "%16" SCNx64 "\n%n", &c->forgotten[c->n_forgotten], &n) == 1)
			c->n_forgotten++;
		else
			break;
}

/* The core begins anew, and knows nobody yet. */
void cluster_forget_tell(struct cluster *c)
{
	for (size_t i = 0; i < c->n_forgotten; i++)
		cluster_in(c, &(struct gossip_in){.type = GOSSIP_IN_FORGET, .id = c->forgotten[i]});
}

static size_t at_of(const struct cluster *c, uint64_t id)
{
	size_t i = 0;

	while (i < c->n_forgotten && c->forgotten[i] != id)
		i++;
	return i;
}

static void drop(struct cluster *c, size_t at)
{
	memmove(&c->forgotten[at], &c->forgotten[at + 1], (--c->n_forgotten - at) * sizeof(c->forgotten[0]));
}

static int keep(struct cluster *c, uint64_t id, store_done *done, void *arg)
{
	CLEANUP(bytes_done) struct bytes text = {.max = (size_t)GOSSIP_GONE_MAX * 17 + 1};

	if (at_of(c, id) == c->n_forgotten) {
		if (c->n_forgotten == GOSSIP_GONE_MAX)
			drop(c, 0);
		c->forgotten[c->n_forgotten++] = id;
	}
	for (size_t i = 0; i < c->n_forgotten; i++)
		(void)bytes_fmt(&text, "%016" PRIx64 "\n", c->forgotten[i]); /* `failed` tells */
	return text.failed ? -ENOMEM : store_put_note(c->n->store, STORE_NOTE_FORGOTTEN, text.v, done, arg);
}

void cluster_forget_heard(struct cluster *c, uint64_t id)
{
	if (at_of(c, id) == c->n_forgotten)
		(void)keep(c, id, node_stored, c->n); /* full: with the next one */
}

/* ---- the verb ---- */

struct asked {
	struct cluster *c;
	struct control_request *rq;
	struct op *op;
	uint64_t id;
	char op_id[OP_ID_MAX];
	char text[WHOM_MAX + 32];
};

static void on_kept(void *arg, int rc, const char *error)
{
	CLEANUP(bytes_done) struct bytes out = {.max = 4096};
	struct asked *a = arg;
	struct node *n = a->c->n;
	struct mp_writer w;

	node_now(n);
	node_stored(n, rc, error);
	mp_writer_init(&w, &out);
	mp_map(&w, 2);
	mp_key_str(&w, "op", ops_id(a->op));
	mp_key_str(&w, "text", a->text);
	if (rc == 0 && !out.failed) {
		cluster_in(a->c, &(struct gossip_in){.type = GOSSIP_IN_FORGET, .id = a->id});
		cluster_arm(a->c);
		ops_set_result(n, a->op, &out);
		control_reply(a->rq, &out);
	} else {
		drop(a->c, at_of(a->c, a->id));
		ops_forget(n, a->op);
		control_refuse(
			a->rq, "refused", "nothing was changed: %s", error ? error : strerror(rc ? -rc : ENOMEM));
	}
	free(a);
	verbs_next(n);
}

/* All know that it does not vote, nor is waited for; now who is here says so in gossip, too. */
static void decided(struct asked *a)
{
	int rc = keep(a->c, a->id, on_kept, a);

	if (rc < 0)
		on_kept(a, rc, rc == -ENOSPC ? "the store's queue is full" : NULL);
}

static void on_decided(void *arg, const struct agree_answer *r)
{
	struct asked *a = arg;
	struct node *n = a->c->n;

	if (r->outcome == AGREE_DONE) {
		decided(a);
		return;
	}
	ops_forget(n, a->op);
	if (r->outcome == AGREE_REFUSED)
		control_refuse(a->rq, "refused", "%s", r->refused.text);
	else
		control_refuse(a->rq, "unknown",
			"it is not known whether it was decided: no majority of the voters has answered in time; "
			"repeat it with --op %s",
			a->op_id);
	free(a);
	verbs_next(n);
}

static void forget(struct cluster *c, struct control_request *rq, const char *op, const struct whom *whom)
{
	static const struct agree_answer none = {.outcome = AGREE_UNKNOWN};
	struct agree_root_command cmd = {.type = AGREE_ROOT_FORGET};
	struct asked *a = mem_zalloc(1, sizeof(*a));

	if (!a || !(a->op = ops_new(c->n, op, OP_RUNNING))) {
		control_refuse(rq, "refused", "out of memory");
		free(a);
		return;
	}
	a->c = c;
	a->rq = rq;
	a->id = gossip_id_of(whom->uuid.v);
	cmd.node = register_node_of(&whom->uuid);
	(void)snprintf(a->text, sizeof(a->text), "%s is forgotten", whom->name); /* fits */
	(void)snprintf(a->op_id, sizeof(a->op_id), "%s", ops_id(a->op));	 /* fits */
	verbs_begin(c->n);
	cmd.op = a->op_id;
	if (council_voters(c->n->council)->epoch == 0)
		decided(a); /* nothing is decided in this cluster yet */
	else if (council_root_command(c->n->council, &cmd, on_decided, a) < 0)
		on_decided(a, &none);
}

void cluster_verb_forget(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	struct cluster *c = n->cluster;
	char name[WHOM_MAX], id[OP_ID_MAX], known[NAMES_MAX * (NAME_MAX_LEN + 2) + 8];
	struct whom m;
	struct err e;

	if (mp_get_strz(args, "node", name, sizeof(name), &e) < 0 || mp_get_strz(args, "op", id, sizeof(id), &e) < 0) {
		control_refuse(rq, "usage", "%s", e.text);
	} else if (!c->g || c->stand != CLUSTER_MEMBER) {
		control_refuse(rq, "refused", "%s is in no cluster: it knows no other nodes", n->cfg->name);
	} else if (!find(c, name, &m)) {
		control_refuse(rq, "refused", "there is no node '%s'; this one knows %s", name,
			names(c, known, sizeof(known)));
	} else if (m.self) {
		control_refuse(rq, "refused", "%s is this node: 'covey leave' takes it out", name);
	} else if (m.unheard && n->now.mono_ms - n->started_mono_ms < UNHEARD_MS) {
		control_refuse(rq, "refused",
			"%s was not heard of since coveyd began here: if that is so %d s later, it can be forgotten",
			name, UNHEARD_MS / 1000);
	} else if (m.state == GOSSIP_ALIVE || m.state == GOSSIP_SUSPECT) {
		control_refuse(rq, "refused", "%s is %s: 'covey leave' there takes it out, or stop its daemon first",
			name, gossip_state_name(m.state));
	} else {
		forget(c, rq, id, &m);
	}
}
