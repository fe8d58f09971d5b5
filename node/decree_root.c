/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See decree_root.h.
 */
#include "node/decree_root.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "node/cluster.h"
#include "node/council.h"
#include "node/node.h"
#include "node/ops.h"
#include "node/told.h"

/* A command under way. */
struct asked {
	struct node *n;
	struct control_request *rq;
	char op[OP_ID_MAX];
	char name[GOSSIP_NAME_MAX + 1]; /* of the node that it is about */
	const char *kind;		/* of the event */
	const char *text;		/* behind the name */
};

static void finish(struct asked *k, const struct agree_answer *a)
{
	CLEANUP(bytes_done) struct bytes out = {.max = 4096};
	struct op *op = ops_find(k->n, k->op);
	struct mp_writer w;
	char text[256];

	if (a->outcome == AGREE_DONE) {
		(void)snprintf(text, sizeof(text), "%s%s", k->name, k->text); /* fits */
		if (a->changed)
			node_event(k->n, SEVERITY_INFO, k->kind, NULL, NULL, "%s", text);
		mp_writer_init(&w, &out);
		mp_map(&w, 2);
		mp_key_str(&w, "op", k->op);
		mp_key_str(&w, "text", text);
		if (op)
			ops_set_result(k->n, op, &out);
		control_reply(k->rq, &out);
	} else {
		if (op)
			ops_forget(k->n, op);
		control_refuse(k->rq, a->outcome == AGREE_UNKNOWN ? "unknown" : "refused", "%s%s",
			a->outcome == AGREE_REFUSED ? a->refused.text
						    : "it is not known whether it was decided: no majority of the "
						      "voters has answered in time; repeat it with --op ",
			a->outcome == AGREE_REFUSED ? "" : k->op);
	}
	free(k);
}

static void on_answer(void *arg, const struct agree_answer *a)
{
	finish(arg, a);
}

/* NULL: rq was refused. */
static struct asked *ask(struct node *n, struct control_request *rq, const msgpack_object *args, enum op_goal goal)
{
	struct asked *k = mem_zalloc(1, sizeof(*k));
	char id[OP_ID_MAX], fault[ERR_TEXT_MAX];
	struct err e = {.text = "out of memory"};
	struct op *op = NULL;

	if (k && mp_get_strz(args, "op", id, sizeof(id), &e) == 0) {
		if (council_fault(n->council, fault, sizeof(fault)))
			(void)err_set(&e, -ENOTCONN, "nothing was changed: %s", fault); /* it is read from there */
		else
			op = ops_new(n, id, goal);
	}
	if (!op) {
		control_refuse(rq, "refused", "%s", e.text);
		free(k);
		return NULL;
	}
	k->n = n;
	k->rq = rq;
	(void)snprintf(k->op, sizeof(k->op), "%s", ops_id(op)); /* fits */
	return k;
}

static void give_command(struct asked *k, const struct agree_root_command *cmd)
{
	struct agree_root_command c = *cmd;

	c.op = k->op;
	if (council_root_command(k->n->council, &c, on_answer, k) < 0) {
		struct agree_answer a = {.outcome = AGREE_REFUSED};

		(void)err_set(&a.refused, -ENOMEM, "out of memory"); /* it is read from there */
		finish(k, &a);
	}
}

/* ---- drain and undrain ---- */

/* A member of that name; false: rq was refused. */
static bool get_member(
	struct node *n, struct control_request *rq, const msgpack_object *args, struct gossip_member *ret)
{
	const struct gossip *g = cluster_core(n->cluster);
	char name[GOSSIP_NAME_MAX + 1];
	struct err e;

	if (mp_get_strz(args, "node", name, sizeof(name), &e) < 0 || !*name) {
		control_refuse(rq, "usage", "node: the name of a node is needed");
		return false;
	}
	for (uint32_t at = 0; g && gossip_member_next(g, &at, ret);)
		if (ret->has_record && ret->state <= GOSSIP_DEAD && strcmp(ret->record.name.v, name) == 0)
			return true;
	control_refuse(rq, "refused", "there is no node '%s'; 'covey nodes' lists them", name);
	return false;
}

static void drain(struct node *n, struct control_request *rq, const msgpack_object *args, bool on)
{
	struct agree_root_command cmd = {.type = on ? AGREE_ROOT_DRAIN : AGREE_ROOT_UNDRAIN};
	struct gossip_member m;
	struct uuid uuid;
	struct asked *k;
	struct op *op;

	if (!get_member(n, rq, args, &m))
		return;
	k = ask(n, rq, args, on ? OP_DRAINED : OP_RUNNING);
	if (!k)
		return;
	memcpy(uuid.v, m.record.uuid, sizeof(uuid.v));
	cmd.node = register_node_of(&uuid);
	(void)snprintf(k->name, sizeof(k->name), "%s", m.record.name.v); /* fits */
	k->kind = on ? "drained" : "undrained";
	k->text = on ? " drains: its replicas go to other nodes" : " takes work again";
	op = ops_find(n, k->op);
	if (on && op)
		(void)ops_add(op, k->name, -1); /* without memory nobody can wait for it */
	give_command(k, &cmd);
}

void decree_drain(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	drain(n, rq, args, true);
}

void decree_undrain(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	drain(n, rq, args, false);
}

/* What runs on every node is left where it is. */
static bool is_to_go(struct node *n, const struct gossip_entry *e)
{
	size_t k = strlen(TOLD_REPLICA);
	const char *dot = e->removed || e->key.n <= k || memcmp(e->key.v, TOLD_REPLICA, k) != 0
				  ? NULL
				  : memrchr(e->key.v + k, '.', e->key.n - k);
	char name[NAME_MAX_LEN + 1];
	const struct agent *a;

	if (!dot || (size_t)(dot - e->key.v) - k > NAME_MAX_LEN)
		return false;
	(void)snprintf(name, sizeof(name), "%.*s", (int)(dot - e->key.v - (long)k), e->key.v + k); /* fits */
	a = roster_find(n, name);
	return a && a->decided && a->spec->kind != SPEC_EVERY_NODE;
}

int64_t decree_left_on(struct node *n, const char *node)
{
	const struct gossip *g = n->cluster ? cluster_core(n->cluster) : NULL;
	struct gossip_member m;
	struct gossip_entry e;
	int64_t left = 0;

	for (uint32_t at = 0; g && gossip_member_next(g, &at, &m);)
		for (uint32_t k = 0; m.has_record && strcmp(m.record.name.v, node) == 0 && m.state <= GOSSIP_SUSPECT &&
				     gossip_value_next(g, m.id, &k, &e);)
			left += is_to_go(n, &e);
	return left;
}

/* ---- voters ---- */

static void tell_voters(struct node *n, struct control_request *rq)
{
	CLEANUP(bytes_done) struct bytes out = {.max = 8192};
	struct mp_writer w;
	char text[512];

	council_text(n->council, text, sizeof(text));
	mp_writer_init(&w, &out);
	mp_map(&w, 3);
	mp_key_int(&w, "format", 1);
	mp_str(&w, "voters");
	council_pack_voters(n->council, &w);
	mp_key_str(&w, "text", text);
	control_reply(rq, &out);
}

static int read_times(const msgpack_object *args, enum agree_times *ret, struct err *e)
{
	char name[16];
	int rc = mp_get_strz(args, "times", name, sizeof(name), e);

	if (rc < 0 || !*name)
		return rc;
	if (strcmp(name, "default") != 0 && strcmp(name, "slow") != 0)
		return err_set(e, -EINVAL, "times: '%s' is neither default nor slow", name);
	*ret = strcmp(name, "slow") == 0 ? AGREE_TIMES_SLOW : AGREE_TIMES_DEFAULT;
	return 0;
}

static int read_number(const msgpack_object *args, int *ret, struct err *e)
{
	int64_t n = -1;
	int rc = mp_get_int(args, "number", &n, -1, QUORUM_VOTERS_MAX, e);

	if (rc == 0 && n > 0 && n % 2 == 0)
		return err_set(e, -EINVAL, "number: 1, 3, 5, 7, or 0 for as many as fit the members");
	*ret = (int)n;
	return rc;
}

void decree_voters(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	struct agree_root_command cmd = {.type = AGREE_ROOT_VOTERS, .replace_after_ms = -1};
	char spread[NAME_MAX_LEN + 1];
	struct asked *k;
	struct err e;
	int rc = read_number(args, &cmd.voters, &e);

	if (rc == 0)
		rc = mp_get_int(args, "replace_after_ms", &cmd.replace_after_ms, -1, INT64_C(86400000), &e);
	if (rc == 0)
		rc = read_times(args, &cmd.times, &e);
	if (rc == 0 && mp_get(args, "spread")) {
		rc = mp_get_strz(args, "spread", spread, sizeof(spread), &e);
		cmd.spread = spread;
	}
	if (rc < 0) {
		control_refuse(rq, "usage", "%s", e.text);
		return;
	}
	if (cmd.voters < 0 && cmd.replace_after_ms < 0 && cmd.times == AGREE_TIMES_KEEP && !cmd.spread) {
		tell_voters(n, rq);
		return;
	}
	k = ask(n, rq, args, OP_RUNNING);
	if (!k)
		return;
	k->kind = "voters";
	k->text = "who is to vote was changed";
	give_command(k, &cmd);
}
