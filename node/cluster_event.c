/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the core tells of members, as sentences: who, how they are, by whom it is said and why. Many at once (a start
 * among a thousand members) are told up to a bound, and counted beyond it.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "node/cluster_priv.h"

#define TEXT_MAX EVENT_TEXT_MAX
#define WHO_MAX	 160

static const enum replica_severity severities[] = {
	[GOSSIP_EVENT_JOINED] = SEVERITY_INFO,
	[GOSSIP_EVENT_RETURNED] = SEVERITY_INFO,
	[GOSSIP_EVENT_ACCUSED] = SEVERITY_DEBUG, /* what becomes of it is told */
	[GOSSIP_EVENT_SUSPECT] = SEVERITY_WARNING,
	[GOSSIP_EVENT_DEAD] = SEVERITY_ERROR,
	[GOSSIP_EVENT_LEFT] = SEVERITY_INFO,
	[GOSSIP_EVENT_FORGOTTEN] = SEVERITY_INFO,
	[GOSSIP_EVENT_REPLACED] = SEVERITY_WARNING,
	[GOSSIP_EVENT_REFUTED] = SEVERITY_WARNING,
	[GOSSIP_EVENT_ISOLATED] = SEVERITY_ERROR,
	[GOSSIP_EVENT_HEARS] = SEVERITY_INFO,
	[GOSSIP_EVENT_SLOW] = SEVERITY_DEBUG, /* a busy host says it all day */
	[GOSSIP_EVENT_NAME_TAKEN] = SEVERITY_ERROR,
	[GOSSIP_EVENT_UUID_CLASH] = SEVERITY_ERROR,
	[GOSSIP_EVENT_CLONED] = SEVERITY_ERROR,
	[GOSSIP_EVENT_REFUSED] = SEVERITY_WARNING,
	[GOSSIP_EVENT_NO_MEMORY] = SEVERITY_ERROR,
	[GOSSIP_EVENT_TOO_MANY] = SEVERITY_ERROR,
	[GOSSIP_EVENT_LEFT_TOLD] = SEVERITY_DEBUG, /* told as "left" by cluster_life.c */
	[GOSSIP_EVENT_WE_FORGOTTEN] = SEVERITY_ERROR,
	[GOSSIP_EVENT_LOST] = SEVERITY_WARNING,
};
_Static_assert(ARRAY_LEN(severities) == GOSSIP_EVENT_MAX, "a severity for each event");

/* "n1, n2, n5 and 2 more" */
static const char *who(const struct cluster *c, const struct gossip_out *out, char text[WHO_MAX])
{
	size_t shown = MIN((size_t)out->n_by, (size_t)GOSSIP_BY_MAX), more = out->n_by - shown, at = 0;

	(void)snprintf(text, WHO_MAX, "others"); /* cut is fine; so below */
	for (size_t i = 0; i < shown && at < WHO_MAX; i++)
		at += (size_t)snprintf(text + at, WHO_MAX - at, "%s%.40s",
			i == 0		       ? ""
			: i + 1 < shown + more ? ", "
					       : " and ",
			cluster_seen_name(c, out->by[i]));
	if (more > 0 && at < WHO_MAX)
		(void)snprintf(text + at, WHO_MAX - at, " and %zu more", more);
	return text;
}

/* One accuser hears nothing, several hear nothing. */
static void put_reason(const struct cluster *c, const struct gossip_out *out, const char *what, char *text)
{
	const char *name = cluster_seen_name(c, out->id), *s = out->n_by == 1 ? "s" : "";
	char by[WHO_MAX];

	if (out->host_up)
		(void)snprintf(text, TEXT_MAX, "%s is %s: %s reach%s its host, and no daemon answers there", name, what,
			who(c, out, by), out->n_by == 1 ? "es" : "");
	else
		(void)snprintf(text, TEXT_MAX, "%s is %s: %s hear%s nothing from it", name, what, who(c, out, by), s);
}

static void put_joined(const struct cluster *c, const struct gossip_out *out, char *text)
{
	struct gossip_member m;

	if (gossip_member_get(c->g, out->id, &m) && m.has_record)
		(void)snprintf(text, TEXT_MAX, "%s joined (%s, version %s)", m.record.name.v,
			m.record.address.n ? m.record.address.v : "cannot be dialled", m.record.build.v);
	else
		(void)snprintf(text, TEXT_MAX, "%s joined", cluster_seen_name(c, out->id));
}

static void put_identity(const struct cluster *c, const struct gossip_out *out, char *text)
{
	const char *name = cluster_seen_name(c, out->id), *own = c->n->cfg->name;
	const char *by = cluster_seen_name(c, out->by[0]);
	bool self = out->id == gossip_id(c->g);

	if (out->event == GOSSIP_EVENT_NAME_TAKEN && out->by[0] == gossip_id(c->g))
		(void)snprintf(text, TEXT_MAX, "another node calls itself %s, as this one: it is refused", own);
	else if (out->event == GOSSIP_EVENT_NAME_TAKEN)
		(void)snprintf(text, TEXT_MAX,
			"another node calls itself %s: refused while the one that has the name "
			"lives",
			by);
	else if (out->event == GOSSIP_EVENT_UUID_CLASH)
		(void)snprintf(text, TEXT_MAX,
			"another node has an id that begins as that of %s: refused; 'covey "
			"reset' there gives it a new one",
			self ? own : name);
	else if (self && out->number > c->boot)
		(void)snprintf(text, TEXT_MAX,
			"others know a start %" PRIu64 " of %s, this one is %" PRIu32 ": its "
			"data_dir was taken back in time, or copied and runs twice",
			out->number >> 32 ? out->number >> 32 : out->number, own, c->boot);
	else
		(void)snprintf(text, TEXT_MAX,
			"%s runs twice, or its data_dir was taken back in time: its start %" PRIu64 " is refused",
			self ? own : name, out->number);
}

/* How another member is. */
static bool put_member(const struct cluster *c, const struct gossip_out *out, char *text)
{
	const char *name = cluster_seen_name(c, out->id);

	/* A text that is cut is still one; so below. */
	switch (out->event) {
	case GOSSIP_EVENT_JOINED:
		put_joined(c, out, text);
		return true;
	case GOSSIP_EVENT_RETURNED:
		(void)snprintf(text, TEXT_MAX, "%s is back: it was %s%s", name, gossip_state_name(out->state_was),
			out->restarted ? ", and its daemon began anew" : "");
		return true;
	case GOSSIP_EVENT_ACCUSED:
		(void)snprintf(
			text, TEXT_MAX, "%s does not answer this node%s", name, out->host_up ? "; its host does" : "");
		return true;
	case GOSSIP_EVENT_SUSPECT:
	case GOSSIP_EVENT_DEAD:
		put_reason(c, out, out->event == GOSSIP_EVENT_DEAD ? "dead" : "suspect", text);
		return true;
	case GOSSIP_EVENT_LEFT:
		(void)snprintf(text, TEXT_MAX, "%s left", name);
		return true;
	case GOSSIP_EVENT_FORGOTTEN:
		(void)snprintf(text, TEXT_MAX, "%s is forgotten, as an operator said: it will not come back", name);
		return true;
	case GOSSIP_EVENT_REPLACED:
		(void)snprintf(text, TEXT_MAX, "the name %s belongs to a new node now; the old one is forgotten", name);
		return true;
	default:
		return false;
	}
}

/* How this one is. */
static bool put_self(const struct cluster *c, const struct gossip_out *out, char *text)
{
	const char *own = c->n->cfg->name;
	char by[WHO_MAX];

	switch (out->event) {
	case GOSSIP_EVENT_REFUTED:
		(void)snprintf(
			text, TEXT_MAX, "%s said that %s does not answer; it does, and says so", who(c, out, by), own);
		return true;
	case GOSSIP_EVENT_ISOLATED:
		(void)snprintf(text, TEXT_MAX,
			"%s hears no other node: it calls nobody dead until it does, unless it alone votes", own);
		return true;
	case GOSSIP_EVENT_HEARS:
		(void)snprintf(text, TEXT_MAX, "%s hears %s again", own, cluster_seen_name(c, out->id));
		return true;
	case GOSSIP_EVENT_SLOW:
		(void)snprintf(text, TEXT_MAX, "this daemon was %" PRIu64 " ms late: it waits longer before it accuses",
			out->number);
		return true;
	case GOSSIP_EVENT_LEFT_TOLD:
		(void)snprintf(text, TEXT_MAX, "all links know that %s leaves", own);
		return true;
	case GOSSIP_EVENT_WE_FORGOTTEN:
		(void)snprintf(text, TEXT_MAX,
			"an operator had %s forgotten: it takes no part any more; 'covey reset' makes it a new node",
			own);
		return true;
	default:
		return false;
	}
}

/* What did not fit, or may not be. */
static bool put_fault(const struct cluster *c, const struct gossip_out *out, char *text)
{
	const char *name = cluster_seen_name(c, out->id);

	switch (out->event) {
	case GOSSIP_EVENT_REFUSED:
		(void)snprintf(text, TEXT_MAX, "%s told of %s what it may not: %s; it is ignored",
			cluster_seen_name(c, out->by[0]), name, gossip_refusal_text((enum gossip_refusal)out->number));
		return true;
	case GOSSIP_EVENT_NO_MEMORY:
		(void)snprintf(text, TEXT_MAX, "no memory for what is known of %s: it is asked for again later", name);
		return true;
	case GOSSIP_EVENT_TOO_MANY:
		(void)snprintf(
			text, TEXT_MAX, "more than %" PRIu64 " (%s): what is beyond is not taken", out->number, name);
		return true;
	case GOSSIP_EVENT_LOST:
		(void)snprintf(text, TEXT_MAX, "%" PRIu64 " changes of members were not told", out->number);
		return true;
	default:
		return false;
	}
}

static void put(const struct cluster *c, const struct gossip_out *out, char *text)
{
	if (!put_member(c, out, text) && !put_self(c, out, text) && !put_fault(c, out, text))
		put_identity(c, out, text);
}

/* A full bucket of TOLD_MAX, one more each TOLD_EACH_MS. */
static bool may_tell(struct cluster *c)
{
	int64_t now = c->n->now.mono_ms, gained = (now - c->told_from_ms) / CLUSTER_TOLD_EACH_MS;

	if (gained > 0) {
		c->told = (uint64_t)MAX((int64_t)c->told - gained, (int64_t)0);
		c->told_from_ms = now;
	}
	if (c->told >= CLUSTER_TOLD_MAX) {
		c->untold++;
		return false;
	}
	c->told++;
	if (c->untold > 0)
		node_event(c->n, SEVERITY_INFO, "untold", NULL, NULL,
			"%" PRIu64 " more changes of members were not told one by one; 'covey nodes' shows them",
			c->untold);
	c->untold = 0;
	return true;
}

/* It is about what this node tells just now: cluster_set.c says it, once. */
static bool is_of_set(const struct cluster *c, const struct gossip_out *out)
{
	bool own = out->id == gossip_id(c->g) &&
		   (out->event == GOSSIP_EVENT_NO_MEMORY || out->event == GOSSIP_EVENT_REFUSED);

	return c->setting && (own || out->event == GOSSIP_EVENT_LOST);
}

void cluster_event(struct cluster *c, const struct gossip_out *out)
{
	CLEANUP(bytes_done) struct bytes data = {.max = 4096};
	char text[TEXT_MAX];

	if (is_of_set(c, out))
		return;
	put(c, out, text);
	if (severities[out->event] == SEVERITY_DEBUG) {
		log_debug("%s", text);
	} else if (may_tell(c)) {
		cluster_event_data(c, out, &data);
		node_event_data(c->n, severities[out->event], gossip_event_name(out->event), &data, "%s", text);
	}
}

static uint64_t hash(const char *s)
{
	uint64_t h = 0xcbf29ce484222325;

	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * 0x100000001b3;
	return h;
}

void cluster_event_paced(struct cluster *c, enum replica_severity severity, const char *kind, const char *fmt, ...)
{
	int64_t now = c->n->now.mono_ms;
	struct cluster_paced *at = &c->paced[0];
	char text[TEXT_MAX];
	uint64_t h;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* a longer one is cut */
	va_end(ap);
	h = hash(text);
	for (size_t i = 0; i < CLUSTER_PACED_MAX; i++) {
		if (c->paced[i].hash == h && c->paced[i].at_mono_ms && now - c->paced[i].at_mono_ms < CLUSTER_PACE_MS)
			return;
		if (c->paced[i].at_mono_ms < at->at_mono_ms)
			at = &c->paced[i];
	}
	*at = (struct cluster_paced){h, MAX(now, (int64_t)1)};
	if (may_tell(c))
		node_event(c->n, severity, kind, NULL, NULL, "%s", text);
}
