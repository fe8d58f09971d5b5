/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring of events, and their numbers.
 *
 * An id that was shown must never mean another event later, although events reach the disk after they are shown. So
 * numbers are reserved durably in runs: after a crash counting goes on behind the reserved run, after an orderly end
 * without a gap.
 */
#include "node/events.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define RESERVE_RUN 1000
#define RESERVE_KEY "event_seq"

struct kept {
	struct store_event e; /* its strings are in v */
	char v[];
};

struct events {
	struct store *store;
	const char *node;
	struct kept *ring[EVENTS_RING]; /* owned */
	size_t first, n;
	int64_t next_seq, reserved; /* next_seq < reserved, as the store will have it */
	bool older;		    /* than the ring: there may be some on disk */
	struct list watchers;
	struct events_stats st;
};

static struct kept *at(const struct events *ev, size_t i)
{
	return ev->ring[(ev->first + i) % EVENTS_RING];
}

/* Bytes of s that fit n without cutting a character. */
static size_t fit(const char *s, size_t n)
{
	size_t len = strnlen(s, n + 1);

	if (len <= n)
		return len;
	for (len = n; len > 0 && ((unsigned char)s[len] & 0xc0) == 0x80;)
		len--;
	return len;
}

static size_t text_size(const char *s)
{
	return s ? strlen(s) + 1 : 0;
}

static const char *put_text(char **to, const char *s, size_t n)
{
	char *v = *to;

	if (!s)
		return NULL;
	memcpy(v, s, n);
	v[n] = '\0';
	*to += n + 1;
	return v;
}

static const char *put_whole(char **to, const char *s)
{
	return put_text(to, s, s ? strlen(s) : 0);
}

static struct kept *kept_new(const struct store_event *e)
{
	size_t text = fit(e->text, EVENT_TEXT_MAX);
	struct kept *k = mem_alloc(sizeof(*k) + text_size(e->severity) + text_size(e->kind) + text_size(e->agent) +
				   text_size(e->replica) + text + 1 + e->data_len);
	char *to;

	if (!k)
		return NULL;
	to = k->v;
	k->e = *e;
	k->e.severity = put_whole(&to, e->severity);
	k->e.kind = put_whole(&to, e->kind);
	k->e.agent = put_whole(&to, e->agent);
	k->e.replica = put_whole(&to, e->replica);
	k->e.text = put_text(&to, e->text, text);
	if (e->data_len)
		k->e.data = memcpy(to, e->data, e->data_len);
	else
		k->e.data = NULL;
	return k;
}

static void add(struct events *ev, struct kept *k)
{
	size_t slot = (ev->first + ev->n) % EVENTS_RING;

	if (ev->n < EVENTS_RING) {
		ev->n++;
	} else {
		free(ev->ring[slot]);
		ev->first = (ev->first + 1) % EVENTS_RING;
		ev->older = true;
	}
	ev->ring[slot] = k;
}

static int load_one(void *arg, const struct store_event *e)
{
	struct events *ev = arg;
	struct kept *k = kept_new(e);

	if (!k)
		return -ENOMEM;
	add(ev, k);
	return 0;
}

static void reserve(struct events *ev)
{
	int64_t upto = ev->next_seq + RESERVE_RUN;

	if (ev->next_seq + RESERVE_RUN / 2 < ev->reserved)
		return;
	if (store_put_meta(ev->store, RESERVE_KEY, upto, NULL, NULL) == 0)
		ev->reserved = upto; /* else it is tried again with the next event */
}

int events_new(struct store *s, const char *node, struct events **ret, struct err *e)
{
	struct events *ev = mem_zalloc(1, sizeof(*ev));
	int64_t newest = 0;
	int rc;

	if (!ev)
		return err_set(e, -ENOMEM, "out of memory for the events");
	ev->store = s;
	ev->node = node;
	list_init(&ev->watchers);
	rc = store_load_events(s, EVENTS_RING, load_one, ev, e);
	if (rc < 0) {
		events_free(ev);
		return rc;
	}
	if (ev->n)
		newest = at(ev, ev->n - 1)->e.seq;
	ev->older = ev->n == EVENTS_RING;
	ev->next_seq = MAX(newest + 1, store_meta(s, RESERVE_KEY, 1));
	ev->st.newest_seq = newest;
	reserve(ev);
	*ret = ev;
	return 0;
}

void events_free(struct events *ev)
{
	if (!ev)
		return;
	assert(list_is_empty(&ev->watchers));
	if (ev->reserved) /* what remains of the run is given back; should it fail, there is a gap */
		(void)store_put_meta(ev->store, RESERVE_KEY, ev->next_seq, NULL, NULL);
	for (size_t i = 0; i < ev->n; i++)
		free(at(ev, i));
	free(ev);
}

static void tell(struct events *ev, const struct store_event *e)
{
	LIST_FOREACH_SAFE (p, &ev->watchers) {
		struct events_watch *w = LIST_ENTRY(p, struct events_watch, link);

		w->fn(w->arg, e);
	}
}

void events_emit(struct events *ev, const struct store_event *what)
{
	char text[EVENT_TEXT_MAX + 1];
	struct store_event e = *what;
	struct kept *k;
	size_t n = fit(what->text, EVENT_TEXT_MAX);

	memcpy(text, what->text, n);
	text[n] = '\0';
	e.text = text;
	reserve(ev);
	e.seq = ev->next_seq++;
	ev->st.emitted++;
	ev->st.newest_seq = e.seq;
	k = kept_new(&e);
	if (k)
		add(ev, k);
	else
		ev->st.dropped_memory++;
	if (store_put_event(ev->store, &e, NULL, NULL) < 0)
		ev->st.dropped_disk++;
	tell(ev, &e);
}

int events_parse_id(const struct events *ev, const char *id, int64_t *ret_seq, struct err *e)
{
	size_t n = strlen(ev->node);
	uint64_t seq = 0;
	const char *p;

	if (!*id) {
		*ret_seq = 0;
		return 0;
	}
	if (strncmp(id, ev->node, n) != 0 || id[n] != ':' || !id[n + 1])
		return err_set(e, -EINVAL, "'%.80s' is no event id of this node: they read %s:NUMBER", id, ev->node);
	for (p = id + n + 1; *p >= '0' && *p <= '9' && seq < INT64_MAX / 16; p++)
		seq = seq * 10 + (uint64_t)(*p - '0');
	if (*p)
		return err_set(e, -EINVAL, "'%.80s' is no event id of this node: they read %s:NUMBER", id, ev->node);
	*ret_seq = (int64_t)seq;
	return 0;
}

char *events_id(const struct events *ev, int64_t seq, char *out)
{
	(void)snprintf(out, EVENT_ID_MAX, "%s:%" PRId64, ev->node, seq); /* names are bounded */
	return out;
}

/* The index of the first event behind seq. */
static size_t first_after(const struct events *ev, int64_t seq)
{
	size_t lo = 0, hi = ev->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (at(ev, mid)->e.seq > seq)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

static bool matches(const struct events_query *q, const struct store_event *e)
{
	if (q->agent && q->agent[0] && (!e->agent || strcmp(e->agent, q->agent) != 0))
		return false;
	return e->wall_ms >= q->since_ms;
}

/* Where the newest `max` matching ones begin. */
static size_t tail_start(const struct events *ev, const struct events_query *q, size_t from)
{
	int64_t n = 0;
	size_t i = ev->n;

	while (i > from && n < q->max)
		n += matches(q, &at(ev, --i)->e);
	return i;
}

int events_query(const struct events *ev, const struct events_query *q, store_event_fn *fn, void *arg,
	int64_t *ret_last, struct err *e)
{
	int64_t last = q->after, given = 0;
	size_t i = first_after(ev, last);
	int rc = 0;

	assert(q->max > 0);
	if (q->newest)
		i = tail_start(ev, q, i);
	for (; i < ev->n && given < q->max && rc == 0; i++) {
		const struct store_event *have = &at(ev, i)->e;

		last = have->seq;
		if (!matches(q, have))
			continue;
		rc = fn(arg, have);
		given++;
	}
	if (rc < 0)
		return err_set(e, rc, "reading events: %s", strerror(-rc));
	*ret_last = last;
	return 0;
}

int64_t events_reserved(const struct events *ev)
{
	return MAX(ev->reserved, ev->next_seq);
}

int64_t events_oldest(const struct events *ev)
{
	if (!ev->older)
		return 0;
	return ev->n ? at(ev, 0)->e.seq : ev->next_seq;
}

int events_read(const struct events *ev, const struct events_query *q, int64_t before, store_event_fn *fn,
	store_done *done, void *arg)
{
	const struct store_events_query on_disk = {.after = q->after,
		.before = before,
		.agent = q->agent,
		.since_ms = q->since_ms,
		.max = q->max,
		.newest = q->newest};

	return store_read_events(ev->store, &on_disk, fn, done, arg);
}

void events_watch(struct events *ev, struct events_watch *w)
{
	list_add_tail(&ev->watchers, &w->link);
}

void events_unwatch(struct events_watch *w)
{
	if (w->link.next)
		list_del(&w->link);
}

void events_stats(const struct events *ev, struct events_stats *ret)
{
	*ret = ev->st;
}
