/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See report_far.h.
 */
#include "node/report_far.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "node/cluster_fetch.h"
#include "node/node.h"

#define ASKED_MAX FETCH_MAX

/* One node, about one agent. */
struct asked {
	struct report_far *far;
	uint64_t member;
	char node[GOSSIP_NAME_MAX + 1];
	char agent[REPLICA_ID_MAX];
	struct fetch_ask *ask; /* NULL: it is over */
	struct bytes reply;
	struct mp_tree tree; /* borrows reply */
	char why[256];	     /* it has not told; "" */
};

struct report_far {
	struct node *n;
	struct control_request *rq;
	char only[REPLICA_ID_MAX];
	ev_timer timer;
	size_t n_asked, n_left, n_beyond; /* beyond: more than may be asked at a time */
	struct asked *v;
};

struct report_far *report_far_new(struct node *n, struct control_request *rq, const char *only)
{
	struct report_far *far = mem_zalloc(1, sizeof(*far));

	if (!far)
		return NULL;
	far->n = n;
	far->rq = rq;
	(void)snprintf(far->only, sizeof(far->only), "%s", only); /* fits */
	return far;
}

/* Answers, and ends it. */
static void finish(struct report_far *far)
{
	ev_timer_stop(far->n->loop, &far->timer);
	for (size_t i = 0; i < far->n_asked; i++) {
		struct asked *a = &far->v[i];

		if (a->ask) {
			fetch_drop(a->ask);
			(void)snprintf(a->why, sizeof(a->why), "%s did not answer within %d s", a->node,
				REPORT_FAR_MS / 1000); /* fits */
		}
	}
	(void)node_now(far->n);
	report_status_answer(far->n, far->rq, far->only, far);
	for (size_t i = 0; i < far->n_asked; i++) {
		mp_done(&far->v[i].tree);
		bytes_done(&far->v[i].reply);
	}
	free(far->v);
	free(far);
}

static void on_late(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	finish(w->data);
}

static void on_answer(void *arg, const struct fetch_answer *f)
{
	struct asked *a = arg;
	const struct bytes *raw = f->raw;

	a->ask = NULL;
	a->far->n_left--;
	if (!f->ok)
		(void)snprintf(a->why, sizeof(a->why), "%s%s%s", raw ? a->node : "", raw ? ": " : "", f->error);
	else if (bytes_add(&a->reply, raw->v, raw->n) < 0 || mp_read(&a->tree, a->reply.v, a->reply.n, NULL) < 0)
		(void)snprintf(a->why, sizeof(a->why), "%s: no memory for its answer", a->node);
	if (a->far->n_left == 0)
		finish(a->far);
}

static bool is_gone(void *arg)
{
	const struct asked *a = arg;

	return control_is_gone(a->far->rq);
}

static void ask(struct asked *a)
{
	CLEANUP(bytes_done) struct bytes args = {.max = GOSSIP_BODY_MAX};
	const struct cluster_question q = {
		.to = a->member, .verb = "status", .args = &args, .done = on_answer, .gone = is_gone, .arg = a};
	struct mp_writer w;
	struct err e;

	mp_writer_init(&w, &args);
	mp_map(&w, 1);
	mp_key_str(&w, "agent", a->agent);
	if (cluster_fetch_ask(a->far->n->cluster, &q, &a->ask, &e) == 0) {
		a->far->n_left++;
		return;
	}
	a->ask = NULL;
	memcpy(a->why, e.text, MIN(sizeof(a->why), sizeof(e.text)));
	a->why[sizeof(a->why) - 1] = '\0';
}

void report_far_ask(struct report_far *far, const struct gossip_member *m, struct gossip_str agent)
{
	struct asked *a;

	for (size_t i = 0; i < far->n_asked; i++)
		if (far->v[i].member == m->id && strlen(far->v[i].agent) == agent.n &&
			memcmp(far->v[i].agent, agent.v, agent.n) == 0)
			return;
	if (!far->v)
		far->v = mem_zalloc(ASKED_MAX, sizeof(*far->v));
	if (!far->v || far->n_asked == ASKED_MAX || !m->has_record) {
		far->n_beyond++;
		return;
	}
	a = &far->v[far->n_asked++];
	*a = (struct asked){.far = far, .member = m->id, .reply = {.max = FETCH_ANSWER_MAX}};
	memcpy(a->node, m->record.name.v, (size_t)m->record.name.n + 1);	   /* it ends in a NUL */
	(void)snprintf(a->agent, sizeof(a->agent), "%.*s", (int)agent.n, agent.v); /* fits */
	ask(a);
}

void report_far_begin(struct report_far *far)
{
	ev_timer_init(&far->timer, on_late, REPORT_FAR_MS / 1000., 0.);
	far->timer.data = far;
	if (far->n_left == 0)
		finish(far);
	else
		ev_timer_start(far->n->loop, &far->timer);
}

/* ---- what they said ---- */

static const msgpack_object *array(const msgpack_object *map, const char *key)
{
	const msgpack_object *v = map && map->type == MSGPACK_OBJECT_MAP ? mp_get(map, key) : NULL;

	return v && v->type == MSGPACK_OBJECT_ARRAY ? v : NULL;
}

static bool is_id(const msgpack_object *replica, struct gossip_str id)
{
	const char *v = NULL;
	size_t n = 0;

	return replica->type == MSGPACK_OBJECT_MAP && mp_get_str(replica, "id", &v, &n, NULL) == 0 && n == id.n &&
	       memcmp(v, id.v, n) == 0;
}

static const msgpack_object *find(const struct asked *a, struct gossip_str id)
{
	const msgpack_object *root = a->tree.unpacked.zone ? mp_root(&a->tree) : NULL;
	const msgpack_object *result = root && root->type == MSGPACK_OBJECT_MAP ? mp_get(root, "result") : NULL;
	const msgpack_object *agents = array(result, "agents");

	for (uint32_t i = 0; agents && i < agents->via.array.size; i++) {
		const msgpack_object *replicas = array(&agents->via.array.ptr[i], "replicas");

		for (uint32_t k = 0; replicas && k < replicas->via.array.size; k++)
			if (is_id(&replicas->via.array.ptr[k], id))
				return &replicas->via.array.ptr[k];
	}
	return NULL;
}

const msgpack_object *report_far_replica(const struct report_far *far, const struct told_item *item)
{
	for (size_t i = 0; far && i < far->n_asked; i++) {
		const msgpack_object *o = far->v[i].member == item->member->id ? find(&far->v[i], item->id) : NULL;

		if (o)
			return o;
	}
	return NULL;
}

static bool is_about(const struct asked *a, struct gossip_str agent)
{
	return *a->why && strlen(a->agent) == agent.n && memcmp(a->agent, agent.v, agent.n) == 0;
}

void report_far_pack_notes(struct mp_writer *w, const struct report_far *far, struct gossip_str agent)
{
	char text[512];
	size_t n = far->n_beyond > 0;

	for (size_t i = 0; i < far->n_asked; i++)
		n += is_about(&far->v[i], agent);
	mp_str(w, "notes");
	mp_array(w, n);
	for (size_t i = 0; i < far->n_asked; i++)
		if (is_about(&far->v[i], agent)) {
			(void)snprintf(text, sizeof(text), "%s; its replicas are shown as it told last",
				far->v[i].why); /* fits */
			mp_str(w, text);
		}
	if (far->n_beyond > 0)
		mp_str(w, "not all nodes were asked; replicas of the others are shown as they told last");
}
