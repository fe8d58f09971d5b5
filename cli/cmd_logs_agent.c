/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `logs` of an agent: the lines of all its replicas, merged (cli/merge.h). What was written before is merged exactly:
 * no line is printed while an older one may come from another replica. What comes with -f is merged as it comes.
 *
 * Memory is bounded by a page of each log; a page is small when there are many. A request asks for some of them, so
 * that the daemon never reads much at once.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/field.h"
#include "cli/logs.h"
#include "cli/merge.h"

#define GROUP_MAX   64	  /* replicas in one request, as the daemon takes them */
#define GROUP_LINES 10000 /* lines that one request looks for, about */
#define PAGES_BYTES (8 * 1024 * 1024)
#define PAGE_MIN    4096
#define PAGE_MAX    (256 * 1024)
#define PRINT_BYTES (1024 * 1024)
#define LIST_MS	    2000 /* replicas that come are looked for */
#define ROUND_MS    200	 /* where no request can wait for all */
#define ROUND_SHARE 4	 /* a pause of so many times what a round took */
#define AWAY_MS	    2000 /* a replica whose node went away is asked for again */
#define GONE_MS	    5000 /* one that is no more: its node may have begun anew, and tell what it has in a moment */
#define GONE_ASK_MS 300

struct source {
	struct merge_source s;
	struct log_place at;
	bool asked, more, gone, away; /* away: its node does not answer; told once */
	int64_t away_until_ms;	      /* CLOCK_MONOTONIC; it is not asked for until then */
	int64_t gone_ms;	      /* since when it is no more; 0: it is */
};

struct all {
	struct cli *c;
	struct follow follow;
	struct merge merge;
	int64_t lines;	      /* of a replica that is met now; < 0: all */
	int64_t listed_at_ms; /* CLOCK_MONOTONIC */
};

static struct source *source_at(const struct all *x, size_t i)
{
	return CONTAINER_OF(x->merge.v[i], struct source, s);
}

static enum cli_status no_memory(void)
{
	return cli_fail(CLI_REFUSED, "no memory");
}

static void drop(struct all *x, struct source *s)
{
	merge_drop(&x->merge, &s->s);
	merge_source_done(&s->s);
	free(s);
}

static void done(struct all *x)
{
	while (x->merge.n)
		drop(x, source_at(x, x->merge.n - 1));
	merge_done(&x->merge);
}

/* ---- which there are ---- */

/* Mostly it is the one at `hint`: lists come in the same order. */
static bool is_known(const struct all *x, const char *name, size_t hint)
{
	if (hint < x->merge.n && strcmp(x->merge.v[hint]->name, name) == 0)
		return true;
	for (size_t i = 0; i < x->merge.n; i++)
		if (strcmp(x->merge.v[i]->name, name) == 0)
			return true;
	return false;
}

static enum cli_status add(struct all *x, const char *name)
{
	struct source *s = mem_zalloc(1, sizeof(*s));

	if (!s || merge_add(&x->merge, &s->s) < 0) {
		free(s);
		return no_memory();
	}
	(void)snprintf(s->s.name, sizeof(s->s.name), "%s", name); /* a longer one is none of the daemon's */
	s->at.lines = x->lines;
	return CLI_DONE;
}

static enum cli_status list(struct all *x)
{
	AUTO_ARGS struct args a;
	AUTO_REPLY struct reply r = {0};
	enum cli_status status;
	const msgpack_object *names;
	bool again;

	args_init(&a, 2);
	mp_key_str(&a.w, "replica", cli_arg(x->c, 0));
	mp_key_bool(&a.w, "list", true);
	status = follow_ask(x->c, &x->follow, "logs", &a, &r, &again);
	if (status != CLI_DONE || again)
		return status;
	names = mp_get(r.result, "replicas");
	for (uint32_t i = 0; status == CLI_DONE && i < field_n(r.result, "replicas"); i++) {
		const msgpack_object *o = &names->via.array.ptr[i];
		char name[REPLICA_ID_MAX];

		if (o->type != MSGPACK_OBJECT_STR)
			continue;
		(void)snprintf(name, sizeof(name), "%.*s", (int)o->via.str.size, o->via.str.ptr); /* as above */
		if (!is_known(x, name, i))
			status = add(x, name);
	}
	x->lines = -1; /* what comes from now on is new from its beginning */
	x->listed_at_ms = cli_mono_ms();
	return status;
}

/* ---- what they have ---- */

static size_t page_of(const struct all *x)
{
	return MIN(MAX((size_t)PAGES_BYTES / MAX(x->merge.n, (size_t)1), (size_t)PAGE_MIN), (size_t)PAGE_MAX);
}

/* Not before it was looked for a while: what comes back goes on where it was. */
static bool is_gone_for_good(struct source *s)
{
	int64_t now_ms = cli_mono_ms();

	if (s->gone_ms == 0)
		s->gone_ms = now_ms;
	s->s.ended = true;
	s->away_until_ms = now_ms + GONE_ASK_MS;
	return now_ms - s->gone_ms >= GONE_MS;
}

static enum cli_status take_part(struct source *s, const msgpack_object *part)
{
	struct bytes data = {.max = PAGE_MAX};
	char why[512];
	int rc;

	if (field_bool(part, "gap"))
		(void)cli_fail(CLI_DONE, "%s: some lines are missing: they were rotated away", s->s.name); /* told */
	if (*field_text(part, "error", why, sizeof(why)) && field_bool(part, "away")) {
		if (!s->away)
			(void)cli_fail(CLI_DONE, "%s: %s; the others go on", s->s.name, why); /* told */
		s->away = s->s.ended = true;
		s->away_until_ms = cli_mono_ms() + AWAY_MS;
		return CLI_DONE;
	}
	s->away = false;
	s->away_until_ms = 0;
	if (field_bool(part, "gone") && field_bool(part, "away") && !is_gone_for_good(s))
		return CLI_DONE;
	if (*why) {
		s->gone = true;
		(void)cli_fail(CLI_DONE, "%s: %s", s->s.name, why); /* told; the others go on */
		return CLI_DONE;
	}
	log_place_take(&s->at, part);
	s->gone = field_bool(part, "gone");
	s->gone_ms = s->gone ? s->gone_ms : 0;
	s->more = field_bool(part, "more");
	log_data_take(&data, part);
	rc = data.failed ? -1 : merge_feed(&s->s, data.v, data.n);
	bytes_done(&data);
	return rc < 0 ? no_memory() : CLI_DONE;
}

/* Parts come in the order that was asked in. */
static enum cli_status take_parts(struct source *const *group, size_t n, const msgpack_object *result)
{
	enum cli_status status = CLI_DONE;
	size_t at = 0;

	for (uint32_t i = 0; status == CLI_DONE && i < field_n(result, "parts"); i++) {
		const msgpack_object *part = field_at(result, "parts", i);
		char name[REPLICA_ID_MAX];

		(void)field_text(part, "replica", name, sizeof(name)); /* "" is nobody's */
		while (at < n && strcmp(group[at]->s.name, name) != 0)
			at++;
		if (at < n)
			status = take_part(group[at], part);
	}
	return status;
}

static enum cli_status ask(struct all *x, struct source *const *group, size_t n, bool waits)
{
	AUTO_ARGS struct args a;
	AUTO_REPLY struct reply r = {0};
	enum cli_status status;
	bool again;

	args_init(&a, 2 + waits);
	mp_key_int(&a.w, "page", (int64_t)page_of(x));
	mp_str(&a.w, "places");
	mp_array(&a.w, n);
	for (size_t i = 0; i < n; i++) {
		group[i]->asked = true;
		group[i]->more = false;
		mp_map(&a.w, log_place_pairs(&group[i]->at));
		log_place_pack(&a.w, group[i]->s.name, &group[i]->at);
	}
	if (waits)
		mp_key_int(&a.w, "wait_ms", FOLLOW_POLL_MS);
	status = follow_ask(x->c, &x->follow, "logs", &a, &r, &again);
	if (status != CLI_DONE)
		return status;
	for (size_t i = 0; again && i < n; i++)
		group[i]->more = true; /* it was not answered */
	return again ? CLI_DONE : take_parts(group, n, r.result);
}

static bool is_away(const struct source *s)
{
	return cli_mono_ms() < s->away_until_ms;
}

static size_t n_here(const struct all *x)
{
	size_t n = 0;

	for (size_t i = 0; i < x->merge.n; i++)
		n += !is_away(source_at(x, i));
	return n;
}

static bool is_wanted(const struct source *s, bool waits)
{
	return !is_away(s) && !s->gone && !s->asked && (waits || !s->s.ended) && !merge_has_line(&s->s);
}

/* How many at a time: the daemon looks for the last lines of each, as long as it has not yet. */
static size_t group_max(const struct source *s)
{
	int64_t lines = s->at.known ? 1 : MAX(s->at.lines, (int64_t)1);

	return (size_t)MIN(MAX(GROUP_LINES / lines, (int64_t)1), (int64_t)GROUP_MAX);
}

/* A request for the next of those that are asked in this round; *ret_n is 0 when there are none. */
static enum cli_status ask_some(struct all *x, bool waits, size_t *ret_n)
{
	size_t max = GROUP_MAX, n = 0;
	struct source *group[GROUP_MAX];

	for (size_t i = 0; i < x->merge.n && n < max; i++) {
		struct source *s = source_at(x, i);

		if (!is_wanted(s, waits))
			continue;
		max = MIN(max, group_max(s));
		group[n++] = s;
	}
	*ret_n = n;
	return n ? ask(x, group, n, waits && n >= n_here(x)) : CLI_DONE;
}

static enum cli_status ask_all(struct all *x, bool waits)
{
	enum cli_status status;
	size_t n;

	for (size_t i = 0; i < x->merge.n; i++)
		source_at(x, i)->asked = false;
	do
		status = ask_some(x, waits, &n);
	while (status == CLI_DONE && n);
	return status;
}

/* ---- printing ---- */

static enum cli_status print(struct all *x)
{
	enum cli_status status = CLI_DONE;
	bool all = false;

	while (!all && status == CLI_DONE) {
		all = merge_lines(&x->merge, &x->c->out, PRINT_BYTES);
		status = cli_flush(x->c);
	}
	return status;
}

/* Replicas that are no more, once their lines were printed: their last words, and out of the list. */
static enum cli_status bury(struct all *x)
{
	for (size_t i = x->merge.n; i-- > 0;) {
		struct source *s = source_at(x, i);

		if (!s->gone || merge_has_line(&s->s))
			continue;
		merge_rest(&x->merge, &s->s, &x->c->out); /* cli_flush tells */
		drop(x, s);
	}
	return cli_flush(x->c);
}

/* What is there already, to its end. */
static enum cli_status catch_up(struct all *x)
{
	bool all = false;

	while (!all) {
		enum cli_status status = ask_all(x, false);

		all = true;
		for (size_t i = 0; i < x->merge.n; i++) {
			struct source *s = source_at(x, i);

			if (s->asked && !is_away(s))
				s->s.ended = s->gone || !s->more;
			all &= s->s.ended;
		}
		if (status == CLI_DONE)
			status = print(x);
		if (status != CLI_DONE)
			return status;
	}
	return bury(x);
}

/* One round of what comes; *ret_more: some have more already. */
static enum cli_status round_of(struct all *x, bool *ret_more)
{
	enum cli_status status = CLI_DONE;

	if (cli_mono_ms() - x->listed_at_ms >= LIST_MS)
		status = list(x);
	if (status == CLI_DONE)
		status = ask_all(x, true);
	*ret_more = false;
	for (size_t i = 0; i < x->merge.n; i++) {
		x->merge.v[i]->ended = true; /* printed as they come */
		*ret_more |= source_at(x, i)->more;
	}
	if (status == CLI_DONE)
		status = print(x);
	return status == CLI_DONE ? bury(x) : status;
}

static enum cli_status go_on(struct all *x)
{
	enum cli_status status = CLI_DONE;

	while (status == CLI_DONE) {
		int64_t at = cli_mono_ms(), took;
		bool more;

		status = round_of(x, &more);
		took = cli_mono_ms() - at;
		if (!more && (n_here(x) == 0 || x->merge.n > GROUP_MAX))
			(void)poll(NULL, 0, (int)MAX(ROUND_MS, MIN(took, 10000) * ROUND_SHARE)); /* or a signal */
	}
	return status;
}

/* ---- as a document ---- */

/* {"format": 1, "agent": "web", "replicas": [{"replica": "web.0", "lines": ["…"]}, …]} */
static enum cli_status put_document(struct all *x, struct bytes *doc)
{
	const char *agent = cli_arg(x->c, 0);
	msgpack_object name = {.type = MSGPACK_OBJECT_STR, .via.str = {(uint32_t)strlen(agent), agent}};
	enum cli_status status = CLI_DONE;

	/* doc->failed tells */
	(void)bytes_str(doc, "{\"format\":1,\"agent\":");
	(void)mp_to_json(&name, 0, doc);
	(void)bytes_str(doc, ",\"replicas\":[");
	for (size_t i = 0; status == CLI_DONE && i < x->merge.n; i++) {
		const char *replica = x->merge.v[i]->name;

		status = log_read_all(x->c, replica);
		(void)bytes_str(doc, i ? ",{" : "{");
		log_put_replica(doc, replica, &x->c->out);
		(void)bytes_str(doc, "}");
		bytes_clear(&x->c->out);
	}
	(void)bytes_str(doc, "]}\n");
	return status;
}

static enum cli_status print_json(struct all *x)
{
	struct bytes doc = {.max = CLI_OUT_MAX}, none;
	enum cli_status status = put_document(x, &doc);

	none = x->c->out;
	x->c->out = doc;
	if (status == CLI_DONE)
		status = cli_flush(x->c);
	bytes_done(&none);
	return status;
}

static enum cli_status print_text(struct all *x)
{
	enum cli_status status = catch_up(x);

	if (status == CLI_DONE && x->follow.on)
		return go_on(x);
	for (size_t i = 0; status == CLI_DONE && i < x->merge.n; i++)
		merge_rest(&x->merge, x->merge.v[i], &x->c->out); /* cli_flush tells */
	return status == CLI_DONE ? cli_flush(x->c) : status;
}

enum cli_status logs_of_agent(struct cli *c)
{
	bool follows = cli_has(c, OPT_FOLLOW);
	struct all x = {
		.c = c, .follow.on = follows, .lines = follows && c->opt.lines < 0 ? FOLLOW_LINES : c->opt.lines};
	enum cli_status status = list(&x);

	if (status == CLI_DONE)
		status = cli_has(c, OPT_JSON) ? print_json(&x) : print_text(&x);
	done(&x);
	return status;
}
