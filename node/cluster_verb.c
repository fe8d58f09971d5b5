/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `forget`: an operator says that a node will not come back.
 */
#include <stdio.h>
#include <string.h>

#include "node/cluster_priv.h"
#include "node/ops.h"

#define NAMES_MAX 10 /* that a refusal tells */

/* By its name, or its UUID. */
static bool find(const struct cluster *c, const char *name, struct gossip_member *ret)
{
	char uuid[IDENTITY_UUID_TEXT];

	for (uint32_t at = 0; gossip_member_next(c->g, &at, ret);)
		if (ret->has_record && (strcmp(ret->record.name.v, name) == 0 ||
					       strcmp(identity_text(ret->record.uuid, uuid), name) == 0))
			return true;
	return false;
}

static const char *names(const struct cluster *c, char *out, size_t n)
{
	struct gossip_member m;
	size_t at = 0, shown = 0;

	*out = '\0';
	for (uint32_t i = 0; at < n && shown < NAMES_MAX && gossip_member_next(c->g, &i, &m);)
		if (m.has_record && !m.self)
			at += (size_t)snprintf(out + at, n - at, "%s%s", shown++ ? ", " : "", m.record.name.v);
	if (shown == NAMES_MAX && at < n)
		(void)snprintf(out + at, n - at, ", …"); /* cut is fine */
	return shown ? out : "no other";
}

static void reply(struct node *n, struct control_request *rq, struct op *op, const char *text)
{
	CLEANUP(bytes_done) struct bytes out = {.max = 4096};
	struct mp_writer w;

	mp_writer_init(&w, &out);
	mp_map(&w, 2);
	mp_key_str(&w, "op", ops_id(op));
	mp_key_str(&w, "text", text);
	ops_set_result(n, op, &out);
	control_reply(rq, &out);
}

void cluster_verb_forget(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	struct cluster *c = n->cluster;
	char name[IDENTITY_UUID_TEXT + NAME_MAX_LEN], id[OP_ID_MAX], known[NAMES_MAX * (NAME_MAX_LEN + 2) + 8];
	struct gossip_member m;
	struct op *op;
	struct err e;

	if (mp_get_strz(args, "node", name, sizeof(name), &e) < 0 || mp_get_strz(args, "op", id, sizeof(id), &e) < 0) {
		control_refuse(rq, "usage", "%s", e.text);
	} else if (!c->g || c->stand != CLUSTER_MEMBER) {
		control_refuse(rq, "refused", "%s is in no cluster: it knows no other nodes", n->cfg->name);
	} else if (!find(c, name, &m)) {
		control_refuse(rq, "refused", "there is no node '%s'; this one knows %s", name,
			names(c, known, sizeof(known)));
	} else if (m.self) {
		control_refuse(rq, "refused", "%s is this node: 'covey leave' takes it out", name);
	} else if (m.state == GOSSIP_ALIVE || m.state == GOSSIP_SUSPECT) {
		control_refuse(rq, "refused", "%s is %s: 'covey leave' there takes it out, or stop its daemon first",
			name, gossip_state_name(m.state));
	} else if (!(op = ops_new(n, id, OP_RUNNING))) {
		control_refuse(rq, "refused", "out of memory");
	} else {
		char text[128];

		(void)snprintf(
			text, sizeof(text), "%.*s is forgotten", (int)m.record.name.n, m.record.name.v); /* fits */
		cluster_in(c, &(struct gossip_in){.type = GOSSIP_IN_FORGET, .id = m.id});
		cluster_arm(c);
		reply(n, rq, op, text);
	}
}
