/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `covey recover --force`: see decree_recover.h. The operator's words are read here, whether they may be followed the
 * core finds out (agree_recover.c).
 */
#include "node/decree_recover.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "gossip/identity.h"
#include "node/cluster.h"
#include "node/council.h"
#include "node/node.h"
#include "node/ops.h"

#define ID_DIGITS_MIN 8 /* of the cluster's id, where it has no name */

struct asked {
	struct node *n;
	struct control_request *rq;
	struct agree_root_command cmd;
	char op[OP_ID_MAX];
	char cluster[NAME_MAX_LEN + 1]; /* as it was named */
};

static void put_names(struct node *n, struct mp_writer *w, const char *key, const struct uuid *v, size_t count)
{
	char name[GOSSIP_NAME_MAX + 1];

	mp_str(w, key);
	mp_array(w, count);
	for (size_t i = 0; i < count; i++)
		mp_str(w, council_names(n->council, &v[i], 1, name, sizeof(name)));
}

static const char *name_of_cluster(struct node *n)
{
	const struct register_root *root = council_root(n->council);

	return root && *root->name ? root->name : cluster_id(n->cluster);
}

static void text_of(const struct asked *k, const struct agree_recovery *r, char *out, size_t size)
{
	char stay[128], gone[256], when[32] = "now";

	if (r->wait_ms > 0)
		(void)snprintf(when, sizeof(when), "in %u s", (r->wait_ms + 999) / 1000); /* fits */
	(void)snprintf(out, size, "%s %s with %s; given up: %s",
		k->cmd.plan ? "the cluster would go on" : "the cluster goes on", when,
		council_names(k->n->council, r->stay, r->n_stay, stay, sizeof(stay)),
		council_names(k->n->council, r->gone, r->n_gone, gone, sizeof(gone))); /* cut is fine */
}

static void reply(const struct asked *k, struct op *op)
{
	CLEANUP(bytes_done) struct bytes out = {.max = 8192};
	const struct agree_recovery *r = council_recovery(k->n->council);
	struct mp_writer w;
	char text[512];

	text_of(k, r, text, sizeof(text));
	mp_writer_init(&w, &out);
	mp_map(&w, op ? 6 : 5);
	if (op)
		mp_key_str(&w, "op", k->op);
	mp_key_str(&w, "text", text);
	mp_key_str(&w, "cluster", name_of_cluster(k->n));
	put_names(k->n, &w, "stay", r->stay, r->n_stay);
	put_names(k->n, &w, "gone", r->gone, r->n_gone);
	mp_key_int(&w, "wait_ms", r->wait_ms);
	if (op)
		ops_set_result(k->n, op, &out);
	control_reply(k->rq, &out);
}

static void on_answer(void *arg, const struct agree_answer *a)
{
	struct asked *k = arg;
	struct op *op = k->cmd.plan ? NULL : ops_find(k->n, k->op);

	if (a->outcome == AGREE_DONE) {
		reply(k, op);
	} else {
		if (op)
			ops_forget(k->n, op);
		control_refuse(k->rq, "refused", "%s",
			a->outcome == AGREE_REFUSED ? a->refused.text : "the daemon is stopping; nothing was done");
	}
	free(k);
}

/* By its name, or by its id or the first digits of that. */
static int read_cluster(struct asked *k, const msgpack_object *args, struct err *e)
{
	const char *id = cluster_id(k->n->cluster);
	size_t n;
	int rc = mp_get_strz(args, "cluster", k->cluster, sizeof(k->cluster), e);

	if (rc < 0)
		return rc;
	n = strlen(k->cluster);
	if (n == 0 && !k->cmd.plan)
		return err_set(e, -EINVAL, "cluster: its name is needed, or its id: %s", name_of_cluster(k->n));
	if (n > 0 && (n < ID_DIGITS_MIN || strncmp(id, k->cluster, n) != 0))
		k->cmd.name = k->cluster;
	else if (identity_parse(id, k->cmd.cluster.v) < 0)
		return err_set(e, -ENOENT, "%s is in no cluster", k->n->cfg->name);
	return 0;
}

static int read_words(struct asked *k, const msgpack_object *args, struct err *e)
{
	bool force = false;
	int rc = mp_get_bool(args, "force", &force, e);

	if (rc == 0)
		rc = mp_get_bool(args, "plan", &k->cmd.plan, e);
	if (rc == 0)
		rc = mp_get_bool(args, "hosts_are_off", &k->cmd.off, e);
	if (rc == 0 && !force && !k->cmd.plan)
		rc = err_set(e, -EINVAL, "force: without it nothing is given up");
	if (rc == 0)
		rc = mp_get_strz(args, "op", k->op, sizeof(k->op), e);
	return rc == 0 ? read_cluster(k, args, e) : rc;
}

static int give(struct asked *k, struct err *e)
{
	struct op *op;

	if (!council_trust(k->n->council, e))
		return e->code;
	if (!k->cmd.plan) {
		op = ops_new(k->n, k->op, OP_RECOVERED);
		if (!op)
			return err_set(e, -ENOMEM, "out of memory");
		(void)snprintf(k->op, sizeof(k->op), "%s", ops_id(op)); /* fits */
		k->cmd.op = k->op;
	}
	if (council_root_command(k->n->council, &k->cmd, on_answer, k) == 0)
		return 0;
	if (!k->cmd.plan)
		ops_forget(k->n, ops_find(k->n, k->op));
	return err_set(e, -ENOMEM, "out of memory");
}

void decree_recover(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	struct asked *k = mem_zalloc(1, sizeof(*k));
	struct err e = {.text = "out of memory"};

	if (!k) {
		control_refuse(rq, "refused", "%s", e.text);
		return;
	}
	*k = (struct asked){
		.n = n, .rq = rq, .cmd = {.type = AGREE_ROOT_RECOVER, .voters = -1, .replace_after_ms = -1}};
	if (read_words(k, args, &e) < 0) {
		control_refuse(rq, "usage", "%s", e.text);
		free(k);
	} else if (give(k, &e) < 0) {
		control_refuse(rq, "refused", "%s", e.text);
		free(k);
	}
}

void decree_recover_progress(struct node *n, struct op_progress *ret)
{
	const struct agree_recovery *r = council_recovery(n->council);
	int64_t left_ms = r->until_ms - n->now.boot_ms;

	ret->total = 1;
	if (r->state == AGREE_RECOVERY_NONE && r->failed.code) {
		ret->failed = true;
		(void)snprintf(ret->text, sizeof(ret->text), "%.255s", r->failed.text); /* cut is fine */
	} else if (r->state == AGREE_RECOVERY_NONE) {
		ret->ready = 1;
	} else if (r->state == AGREE_RECOVERY_WAIT) {
		(void)snprintf(ret->text, sizeof(ret->text),
			"waits %lld s more for leases that the lost voters may have granted",
			(long long)MAX((left_ms + 999) / 1000, 0)); /* fits */
	} else {
		(void)snprintf(ret->text, sizeof(ret->text), "the voters that are left begin anew"); /* fits */
	}
}
