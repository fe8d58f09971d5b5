/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A control socket with a loop in a thread of its own. Nothing in that thread asserts through cmocka, which jumps.
 */
#include "tests/lib/control_bed.h"

#include <pthread.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "node/control.h"
#include "tests/lib/wait.h"

#define HELD_MAX CONTROL_WAITERS_MAX
#define CALL_MS	 (WAIT_BOUND_S * 1000)

struct control_bed {
	pthread_t thread;
	struct ev_loop *loop;
	ev_async quit;
	struct control *control;
	struct control_request *held[HELD_MAX];
	size_t n_held;
	int64_t gone;
};

static void put(struct bytes *out, const msgpack_object *o)
{
	msgpack_sbuffer buf;
	msgpack_packer pk;

	msgpack_sbuffer_init(&buf);
	msgpack_packer_init(&pk, &buf, msgpack_sbuffer_write);
	if (msgpack_pack_object(&pk, *o) == 0)
		(void)bytes_add(out, buf.data, buf.size); /* `failed` tells */
	msgpack_sbuffer_destroy(&buf);
}

static void answer_echo(struct control_request *rq, const msgpack_object *args)
{
	struct bytes out = {.max = 2 * CONTROL_FRAME_MAX};

	put(&out, args);
	control_reply(rq, &out);
	bytes_done(&out);
}

static void answer_int(struct control_request *rq, int64_t v)
{
	struct bytes out = {.max = 64};
	struct mp_writer w;

	mp_writer_init(&w, &out);
	mp_int(&w, v);
	control_reply(rq, &out);
	bytes_done(&out);
}

static void answer_big(struct control_request *rq, const msgpack_object *args)
{
	struct bytes out = {.max = 2 * CONTROL_FRAME_MAX};
	struct mp_writer w;
	int64_t n = 0;
	char *v;

	if (mp_get_int(args, "n", &n, 0, 2 * CONTROL_FRAME_MAX - 64, NULL) < 0 || !(v = calloc(1, (size_t)n + 1)))
		abort();
	mp_writer_init(&w, &out);
	mp_bin(&w, v, (size_t)n);
	control_reply(rq, &out);
	bytes_done(&out);
	free(v);
}

static void answer_faults(struct control_request *rq)
{
	struct bytes faults = {.max = 1024};
	struct mp_writer w;

	mp_writer_init(&w, &faults);
	mp_array(&w, 1);
	mp_map(&w, 1);
	mp_key_int(&w, "line", 7);
	control_refuse_faults(rq, &faults, "%d fault", 1);
	bytes_done(&faults);
}

static void end_gone(struct control_bed *b)
{
	size_t kept = 0;

	for (size_t i = 0; i < b->n_held; i++) {
		if (!control_is_gone(b->held[i])) {
			b->held[kept++] = b->held[i];
			continue;
		}
		b->gone++;
		answer_int(b->held[i], 0);
	}
	b->n_held = kept;
}

static void answer_stats(struct control_bed *b, struct control_request *rq)
{
	struct bytes out = {.max = 1024};
	struct control_stats st;
	struct mp_writer w;

	end_gone(b);
	control_stats(b->control, &st);
	mp_writer_init(&w, &out);
	mp_map(&w, 7);
	mp_key_int(&w, "requests", (int64_t)st.requests);
	mp_key_int(&w, "refused_peers", (int64_t)st.refused_peers);
	mp_key_int(&w, "bad_frames", (int64_t)st.bad_frames);
	mp_key_int(&w, "full", (int64_t)st.dropped_full);
	mp_key_int(&w, "waiting", (int64_t)st.waiting);
	mp_key_int(&w, "held", (int64_t)b->n_held);
	mp_key_int(&w, "gone", b->gone);
	control_reply(rq, &out);
	bytes_done(&out);
}

static void answer_who(struct control_request *rq)
{
	const struct control_peer *who = control_peer(rq);
	struct bytes out = {.max = 1024};
	struct mp_writer w;

	mp_writer_init(&w, &out);
	mp_map(&w, 3);
	mp_key_int(&w, "uid", who->uid);
	mp_key_int(&w, "gid", who->gid);
	mp_key_int(&w, "pid", who->pid);
	control_reply(rq, &out);
	bytes_done(&out);
}

static void free_held(struct control_bed *b, struct control_request *rq)
{
	size_t n = b->n_held;

	b->n_held = 0;
	for (size_t i = 0; i < n; i++)
		answer_int(b->held[i], (int64_t)i);
	answer_int(rq, (int64_t)n);
}

/* The answer of an inner request becomes the outer's. */
static void answered(void *arg, bool ok, const struct bytes *packed, const char *code, const char *error)
{
	if (ok)
		control_reply(arg, packed);
	else
		control_refuse(arg, code, "%s", error);
}

static void answer_via(struct control_bed *b, struct control_request *rq, const msgpack_object *args)
{
	struct control_request *inner = control_request_new(b->control, CONTROL_HTTP, answered, rq);

	if (!inner)
		control_refuse(rq, "full", "no inner request");
	else if (!control_peer(inner)->http || control_is_gone(inner))
		control_refuse(inner, "refused", "not marked");
	else if (mp_get(args, "refuse"))
		control_refuse(inner, "refused", "inner no");
	else
		answer_echo(inner, args);
}

static void rebind(struct control_bed *b, struct control_request *rq)
{
	struct err e;

	if (control_rebind(b->control, &e) < 0)
		control_refuse(rq, "refused", "%s", e.text);
	else
		answer_int(rq, 0);
}

static void set_oom(struct control_request *rq, const msgpack_object *args)
{
	int64_t n = 0;

	if (mp_get_int(args, "n", &n, 0, INT32_MAX, NULL) < 0)
		abort();
	(void)mem_fail_at(0);
	answer_int(rq, n);
	(void)mem_fail_at((unsigned long)n);
}

static void on_request(void *arg, struct control_request *rq, const char *verb, const msgpack_object *args)
{
	struct control_bed *b = arg;

	if (strcmp(verb, "echo") == 0)
		answer_echo(rq, args);
	else if (strcmp(verb, "refuse") == 0)
		control_refuse(rq, "refused", "no, because %d", 42);
	else if (strcmp(verb, "faults") == 0)
		answer_faults(rq);
	else if (strcmp(verb, "hold") == 0)
		b->held[b->n_held++] = rq;
	else if (strcmp(verb, "free") == 0)
		free_held(b, rq);
	else if (strcmp(verb, "big") == 0)
		answer_big(rq, args);
	else if (strcmp(verb, "stats") == 0)
		answer_stats(b, rq);
	else if (strcmp(verb, "who") == 0)
		answer_who(rq);
	else if (strcmp(verb, "via") == 0)
		answer_via(b, rq, args);
	else if (strcmp(verb, "rebind") == 0)
		rebind(b, rq);
	else if (strcmp(verb, "oom") == 0)
		set_oom(rq, args);
	else
		control_refuse(rq, "usage", "unknown verb");
}

static void on_quit(struct ev_loop *loop, ev_async *w, int revents)
{
	(void)w;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

static void *serve(void *arg)
{
	struct control_bed *b = arg;

	ev_run(b->loop, 0);
	(void)mem_fail_at(0);
	control_close(b->control);
	return NULL;
}

struct control_bed *control_bed_start(const char *path, uint32_t allow_uid)
{
	struct control_bed *b = calloc(1, sizeof(*b));
	struct err e = {0};

	assert_non_null(b);
	b->loop = ev_loop_new(EVFLAG_AUTO);
	assert_non_null(b->loop);
	ev_async_init(&b->quit, on_quit);
	ev_async_start(b->loop, &b->quit);
	if (control_open(b->loop, path, allow_uid, on_request, b, &b->control, &e) < 0)
		fail_msg("control_open: %s", e.text);
	assert_int_equal(pthread_create(&b->thread, NULL, serve, b), 0);
	return b;
}

void control_bed_stop(struct control_bed *b)
{
	ev_async_send(b->loop, &b->quit);
	assert_int_equal(pthread_join(b->thread, NULL), 0);
	ev_loop_destroy(b->loop);
	free(b);
}

struct control_client *control_bed_connect(const char *path)
{
	struct control_client *c = NULL;
	struct err e = {0};

	if (control_client_open(path, &c, &e) < 0)
		fail_msg("control_client_open: %s", e.text);
	return c;
}

void control_bed_pack(struct bytes *out, const char *key, int64_t value)
{
	struct mp_writer w;

	mp_writer_init(&w, out);
	mp_map(&w, key ? 1 : 0);
	if (key)
		mp_key_int(&w, key, value);
}

char *control_bed_call(struct control_client *c, const char *verb, const char *key, int64_t value)
{
	struct bytes args = {.max = 1024}, reply = {.max = CONTROL_FRAME_MAX}, json = {.max = 4 * CONTROL_FRAME_MAX};
	struct mp_tree t;
	struct err e = {0};

	control_bed_pack(&args, key, value);
	if (control_client_call(c, verb, key ? &args : NULL, CALL_MS, &reply, &e) < 0)
		fail_msg("%s", e.text);
	if (mp_read(&t, reply.v, reply.n, &e) < 0)
		fail_msg("the reply of %s: %s", verb, e.text);
	assert_int_equal(mp_to_json(mp_root(&t), 0, &json), 0);
	mp_done(&t);
	bytes_done(&args);
	bytes_done(&reply);
	return bytes_take(&json);
}

void control_bed_expect(const char *path, const char *verb, const char *key, int64_t value, const char *json)
{
	struct control_client *c = control_bed_connect(path);
	char *got = control_bed_call(c, verb, key, value);

	assert_string_equal(got, json);
	free(got);
	control_client_close(c);
}

int64_t control_bed_stat(const char *path, const char *name)
{
	struct control_client *c = control_bed_connect(path);
	char *json = control_bed_call(c, "stats", NULL, 0), *at = strstr(json, name);
	int64_t v;

	assert_non_null(at);
	v = atoll(at + strlen(name) + 2);
	free(json);
	control_client_close(c);
	return v;
}
