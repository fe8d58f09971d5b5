/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads or makes a whole store on the loop's thread: nothing else is answered meanwhile, as nothing will be for the
 * moment in which the daemon begins again.
 */
#include "node/renew.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "node/cluster.h"
#include "node/node.h"
#include "node/ops.h"
#include "node/store_next.h"

#define TEXT_MAX 4500

/* {op, text}: both are what the next daemon answers to a repeat, too. */
static int pack_answer(const struct op *op, const char *text, struct bytes *out)
{
	struct mp_writer w;

	mp_writer_init(&w, out);
	mp_map(&w, 2);
	mp_key_str(&w, "op", ops_id(op));
	mp_key_str(&w, "text", text);
	return out->failed ? -ENOMEM : 0;
}

static int make_next(struct node *n, const struct op *op, const char *from, const struct bytes *answer, struct err *e)
{
	CLEANUP(bytes_done) struct bytes row = {.max = 2 * TEXT_MAX};
	const struct store_counts counts = {
		.boot = (int64_t)(n->next_run >> 32), .event_seq = events_reserved(n->events)};
	struct store_op saved = {.id = ops_id(op)};

	if (ops_pack(op, answer, &row) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	saved.saved = row.v;
	saved.saved_len = row.n;
	return store_next_make(n->cfg->data_dir, from, &saved, &counts, e);
}

/* What agents that are gone have left: none is defined any more. */
static void remove_logs(const struct node *n)
{
	char dir[4096], path[8192];
	const struct dirent *d;
	DIR *logs;

	(void)snprintf(dir, sizeof(dir), "%s/logs", n->cfg->data_dir); /* bounded at config */
	logs = opendir(dir);
	while (logs && (d = readdir(logs))) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, d->d_name); /* 4095 + 1 + 255 fit */
		if (d->d_name[0] != '.' && unlink(path) < 0)
			log_warn("%s: %s; it stays", path, strerror(errno));
	}
	if (logs)
		(void)closedir(logs); /* only read */
}

/* from NULL: an empty store. */
static void renew(
	struct node *n, struct control_request *rq, const msgpack_object *args, const char *from, const char *text)
{
	CLEANUP(bytes_done) struct bytes answer = {.max = TEXT_MAX + OP_ID_MAX + 64};
	char id[OP_ID_MAX];
	struct err e;
	struct op *op;

	if (mp_get_strz(args, "op", id, sizeof(id), &e) < 0) {
		control_refuse(rq, "usage", "%s", e.text);
		return;
	}
	op = ops_new(n, id, OP_RUNNING);
	if (!op || pack_answer(op, text, &answer) < 0)
		(void)err_set(&e, -ENOMEM, "out of memory");
	else if (make_next(n, op, from, &answer, &e) == 0) {
		if (!from)
			remove_logs(n);
		control_reply(rq, &answer);
		log_info("%s", text);
		node_begin_again(n);
		return;
	}
	control_refuse(rq, "refused", "nothing was changed: %s", e.text);
	if (op)
		ops_forget(n, op);
}

void renew_restore(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	char path[4096], text[TEXT_MAX];
	struct err e = {.text = "path: the file of a backup is needed"};

	if (mp_get_strz(args, "path", path, sizeof(path), &e) < 0 || !*path) {
		control_refuse(rq, "usage", "%s", e.text);
		return;
	}
	if (path[0] != '/') {
		control_refuse(rq, "usage", "path: an absolute path is needed");
		return;
	}
	(void)snprintf(text, sizeof(text), "the store is that of %s; coveyd begins again with it", path); /* fits */
	renew(n, rq, args, path, text);
}

/* The first agent that would be lost, and how many; those that are the cluster's are not, but for what runs here. */
static const struct agent *defined_here(const struct node *n, size_t *ret_n)
{
	const struct agent *first = NULL;

	*ret_n = 0;
	LIST_FOREACH (at, &n->roster.order) {
		const struct agent *a = LIST_ENTRY(at, const struct agent, order);

		if (a->decided && a->n_slots == 0)
			continue;
		first = first ? first : a;
		++*ret_n;
	}
	return first;
}

/* Whether it was, and refused rq. */
static bool refuse_while_defined(struct node *n, struct control_request *rq)
{
	const struct agent *a;
	size_t k;

	if (n->unread[SPEC_SCOPE_NODE] || n->unread[SPEC_SCOPE_CLUSTER]) {
		control_refuse(rq, "refused",
			"nothing was changed: there are definitions in %s that this version could not read (the log "
			"says which), and what runs of them is left alone: %s",
			n->unread[SPEC_SCOPE_NODE] ? n->cfg->agents_dir : "the store",
			n->unread[SPEC_SCOPE_NODE] ? "mend or remove them first"
						   : "install the version that wrote them, and remove them first");
		return true;
	}
	a = defined_here(n, &k);
	if (!a)
		return false;
	if (a->removed)
		control_refuse(
			rq, "refused", "nothing was changed: %s is still ending; try again once it is gone", a->name);
	else
		control_refuse(rq, "refused", "nothing was changed: %zu agent%s still there (%s%s%s): remove %s first",
			k, k == 1 ? " is" : "s are", a->name, a->file ? ", by " : "", a->file ? a->file : "",
			k == 1 ? "it" : "them");
	return true;
}

/* Others would take what comes of it for another node of the same name, and refuse it while they think that we live. */
static bool refuse_among_others(const struct node *n, struct control_request *rq)
{
	const struct gossip *g = n->cluster ? cluster_core(n->cluster) : NULL;
	size_t others = g ? gossip_alive(g) - 1 : 0;

	if (others == 0 || cluster_stand(n->cluster) != CLUSTER_MEMBER)
		return false;
	control_refuse(rq, "refused",
		"nothing was changed: %zu other node%s of the cluster %s alive: 'covey leave' takes this one out first",
		others, others == 1 ? "" : "s", others == 1 ? "is" : "are");
	return true;
}

void renew_reset(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	char text[TEXT_MAX];

	if (refuse_among_others(n, rq) || refuse_while_defined(n, rq))
		return;
	(void)snprintf(text, sizeof(text), "%s is empty; coveyd begins anew with it", n->cfg->data_dir); /* fits */
	renew(n, rq, args, NULL, text);
}
