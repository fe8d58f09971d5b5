/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The `data` of events that the core tells, for programs: the same names in each, nil where there is nothing to say
 * (covey(1) lists them).
 */
#include <string.h>

#include "node/cluster_priv.h"

static const char *reason_of(const struct gossip_out *out)
{
	switch (out->event) {
	case GOSSIP_EVENT_ACCUSED:
	case GOSSIP_EVENT_SUSPECT:
	case GOSSIP_EVENT_DEAD:
		return out->host_up ? "daemon-gone" : "silent";
	case GOSSIP_EVENT_RETURNED:
		return out->restarted ? "restarted" : "heard";
	case GOSSIP_EVENT_REFUTED:
		return "alive";
	case GOSSIP_EVENT_REFUSED:
		return gossip_refusal_text((enum gossip_refusal)out->number);
	default:
		return NULL;
	}
}

/* What `number` is of this event; NULL: nothing. */
static const char *number_key(enum gossip_event event)
{
	switch (event) {
	case GOSSIP_EVENT_SLOW:
		return "late_ms";
	case GOSSIP_EVENT_ISOLATED:
		return "silent_ms";
	case GOSSIP_EVENT_CLONED:
		return "boot";
	case GOSSIP_EVENT_TOO_MANY:
		return "bound";
	case GOSSIP_EVENT_LOST:
		return "lost";
	default:
		return NULL;
	}
}

/* Those of whom the event tells the ids; by_count is of all. */
static void put_by(const struct cluster *c, const struct gossip_out *out, struct mp_writer *w)
{
	size_t n = out->n_by ? out->n_by : out->event == GOSSIP_EVENT_REPLACED;
	size_t shown = MIN(n, (size_t)GOSSIP_BY_MAX);

	mp_str(w, "by");
	mp_array(w, shown);
	for (size_t i = 0; i < shown; i++)
		mp_str(w, cluster_seen_name(c, out->by[i]));
	mp_key_int(w, "by_count", (int64_t)n);
}

void cluster_event_data(const struct cluster *c, const struct gossip_out *out, struct bytes *ret)
{
	const char *key = number_key(out->event);
	bool returned = out->event == GOSSIP_EVENT_RETURNED;
	char uuid[IDENTITY_UUID_TEXT];
	struct gossip_member m;
	bool known = out->id && c->g && gossip_member_get(c->g, out->id, &m);
	bool record = known && m.has_record;
	struct mp_writer w;

	mp_writer_init(&w, ret);
	mp_map(&w, 9 + (key != NULL));
	mp_key_str(&w, "member", out->id ? cluster_seen_name(c, out->id) : NULL);
	mp_key_str(&w, "member_id", record ? identity_text(m.record.uuid, uuid) : NULL);
	mp_key_str(&w, "address", record && m.record.address.n ? m.record.address.v : NULL);
	mp_key_str(&w, "version", record ? m.record.build.v : NULL);
	mp_str(&w, "incarnation");
	if (known)
		mp_uint(&w, m.incarnation);
	else
		mp_nil(&w);
	put_by(c, out, &w);
	mp_key_str(&w, "reason", reason_of(out));
	mp_key_str(&w, "was", returned ? gossip_state_name(out->state_was) : NULL);
	if (key)
		mp_key_int(&w, key, (int64_t)MIN(out->number, (uint64_t)INT64_MAX));
}
