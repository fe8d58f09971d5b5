/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The votes as the loop sees them: writes go to the storage thread, and what came of them back to the acceptor's owner,
 * once a run of completions. A FULL ends a turn: what is handed over until it is told belongs to the turn that failed,
 * and is not made, whatever room there is by then.
 */
#include "node/votes.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "node/votes_priv.h"

/* After a run of completions; its hooks may write again. */
static void after(void *arg, bool suspect)
{
	struct votes *v = arg;
	uint64_t stored = v->stored;
	struct err e;

	v->stored = 0;
	if (v->failed)
		return;
	if (suspect) {
		v->failed = true;
		(void)err_set(&e, -EIO,
			"the disk failed on '%s': what it kept of this node's votes is not to be trusted; it votes no "
			"more until the host was restarted",
			v->s->path);
		v->hooks.failed(v->arg, e.text);
		return;
	}
	if (stored)
		v->hooks.stored(v->arg, stored);
	if (!v->refusing || v->n_flying > 0)
		return;
	v->refusing = false;
	v->turn++;
	v->hooks.full(v->arg);
}

static void on_due(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;    /* the store knows it */
	(void)revents; /* only one kind */
	after(w->data, false);
}

int votes_new(struct store *s, const char *run_dir, const struct votes_hooks *hooks, void *arg, struct votes **ret,
	struct err *e)
{
	struct votes *v = mem_zalloc(1, sizeof(*v));

	if (v)
		v->mark = mem_printf("%s/store-suspect", run_dir);
	if (!v || !v->mark || store_watch(s, v->mark, after, v) < 0) {
		votes_free(v);
		return err_set(e, -ENOMEM, "out of memory");
	}
	v->s = s;
	v->loop = s->loop;
	v->hooks = *hooks;
	v->arg = arg;
	v->turn = 1;
	ev_init(&v->due, on_due);
	v->due.data = v;
	s->votes = v;
	*ret = v;
	return 0;
}

void votes_free(struct votes *v)
{
	if (!v)
		return;
	if (v->loop)
		ev_timer_stop(v->loop, &v->due);
	free(v->mark);
	free(v);
}

static struct store_job *job_new(struct votes *v, enum votes_what what, size_t content, store_done *done, void *arg)
{
	struct store_job *j = store_job_new(STORE_VOTE, sizeof(struct votes_row) + content, done, arg);

	if (!j)
		return NULL;
	j->u.vote = memset(j->v, 0, sizeof(*j->u.vote));
	j->u.vote->v = v;
	j->u.vote->what = what;
	return j;
}

/* ---- the acceptor's ---- */

static void refuse(struct votes *v)
{
	v->refusing = true;
	if (v->n_flying == 0 && !ev_is_active(&v->due)) { /* else the last of them tells */
		ev_timer_set(&v->due, 0, 0);
		ev_timer_start(v->loop, &v->due);
	}
}

static void on_written(void *arg, int rc, const char *error)
{
	const struct votes_row *r = arg;
	struct votes *v = r->v;

	(void)error; /* of a disk that failed the watcher tells; of one that is full, the askers that are refused */
	v->n_flying--;
	if (rc == 0 && !r->refused)
		v->stored = r->write;
	else
		v->refusing = true;
}

static void fill(struct votes_row *r, const struct acceptor_out *out)
{
	r->write = out->write;
	switch (out->type) {
	case ACCEPTOR_OUT_HEADER:
		r->header = out->header;
		break;
	case ACCEPTOR_OUT_REGISTER:
		assert(!out->new_value || out->image.value);
		r->key = *out->key;
		r->promised = out->image.promised;
		r->ballot = out->image.accepted;
		r->new_value = out->new_value;
		r->value = value_bytes(out->image.value);
		break;
	case ACCEPTOR_OUT_LONG:
		r->node = out->holder;
		r->leases = out->leases;
		r->n_leases = out->n_leases;
		r->long_ms = out->long_ms;
		break;
	case ACCEPTOR_OUT_SEND:
	case ACCEPTOR_OUT_ROLLED_BACK:
	case ACCEPTOR_OUT_MAX:
		assert(!"nothing to write");
	}
}

void votes_write(struct votes *v, const struct acceptor_out *out)
{
	static const enum votes_what whats[ACCEPTOR_OUT_MAX] = {[ACCEPTOR_OUT_HEADER] = VOTES_HEADER,
		[ACCEPTOR_OUT_REGISTER] = VOTES_REGISTER,
		[ACCEPTOR_OUT_LONG] = VOTES_LONG};
	struct store_job *j;

	assert(v->loaded && !v->s->grouping);
	if (v->failed || v->refusing)
		return;
	j = job_new(v, whats[out->type], 0, on_written, NULL);
	if (j) {
		j->arg = j->u.vote;
		fill(j->u.vote, out);
		j->u.vote->turn = v->turn;
	}
	if (store_job_submit(v->s, j) < 0)
		refuse(v);
	else
		v->n_flying++;
}

/* ---- the others ---- */

int votes_put_number(struct votes *v, uint64_t number, store_done *done, void *arg)
{
	struct store_job *j = job_new(v, VOTES_NUMBER, 0, done, arg);

	if (j)
		j->u.vote->number = number;
	return store_job_submit(v->s, j);
}

static int put_release(struct votes *v, enum votes_what what, const struct msg_key *key, uint32_t slot, uint64_t epoch,
	store_done *done, void *arg)
{
	struct store_job *j;

	if (epoch > INT64_MAX)
		return -EINVAL;
	j = job_new(v, what, 0, done, arg);
	if (j) {
		j->u.vote->key = *key;
		j->u.vote->slot = slot;
		j->u.vote->number = epoch;
	}
	return store_job_submit(v->s, j);
}

int votes_put_release(
	struct votes *v, const struct msg_key *key, uint32_t slot, uint64_t epoch, store_done *done, void *arg)
{
	return put_release(v, VOTES_RELEASE, key, slot, epoch, done, arg);
}

int votes_drop_release(
	struct votes *v, const struct msg_key *key, uint32_t slot, uint64_t epoch, store_done *done, void *arg)
{
	return put_release(v, VOTES_RELEASE_DROP, key, slot, epoch, done, arg);
}

int votes_put_seen(struct votes *v, const struct uuid *node, uint64_t boot, uint64_t write, store_done *done, void *arg)
{
	struct store_job *j;

	if (boot > INT64_MAX || write > INT64_MAX)
		return -EINVAL;
	j = job_new(v, VOTES_SEEN, 0, done, arg);
	if (j) {
		j->lazy = true;
		j->u.vote->node = *node;
		j->u.vote->boot = boot;
		j->u.vote->number = write;
	}
	return store_job_submit(v->s, j);
}

int votes_drop_seen(struct votes *v, const struct uuid *node, store_done *done, void *arg)
{
	struct store_job *j = job_new(v, VOTES_SEEN_DROP, 0, done, arg);

	if (j) {
		j->lazy = true;
		j->u.vote->node = *node;
	}
	return store_job_submit(v->s, j);
}

int votes_put_chosen(struct votes *v, const struct msg_key *key, const struct ballot *ballot, struct msg_bytes value,
	store_done *done, void *arg)
{
	struct store_job *j;
	struct votes_row *r;

	if (value.n > MSG_VALUE_MAX)
		return -EINVAL;
	j = job_new(v, VOTES_CHOSEN, value.n, done, arg);
	if (j) {
		r = j->u.vote;
		r->key = *key;
		r->ballot = *ballot;
		r->value = (struct msg_bytes){.v = (const uint8_t *)(r + 1), .n = value.n};
		if (value.n > 0)
			memcpy(r + 1, value.v, value.n);
	}
	return store_job_submit(v->s, j);
}

int votes_drop_chosen(struct votes *v, const struct msg_key *key, store_done *done, void *arg)
{
	struct store_job *j = job_new(v, VOTES_CHOSEN_DROP, 0, done, arg);

	if (j) {
		j->lazy = true;
		j->u.vote->key = *key;
	}
	return store_job_submit(v->s, j);
}
