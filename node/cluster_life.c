/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How this node comes to a cluster and goes from it. A data_dir belongs to one cluster for ever: its id is minted by
 * `covey init` or comes with the first peer that lets us in, and is durable before it is used; so is the number of this
 * start. `covey leave` is durable too, as `covey stop` is: a reboot does not take it back, `covey init` does.
 *
 * A boot counter that is behind what the others know (a disk that was taken back in time) is raised above it, once. A
 * second time in one process means that two daemons have one identity: then raising it would only be a race.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/mem.h"
#include "node/cluster_priv.h"
#include "node/council.h"
#include "node/ops.h"
#include "node/verbs.h"

#define TRY_S	     2.0  /* until what could not be begun is tried again */
#define SHIMS_S	     0.5  /* until others are told of what runs here, shims that do not answer notwithstanding */
#define TELL_AT_MOST 5.0  /* links that do not take the news of our leaving hold it up no longer */
#define FLUSH_S	     1.0  /* for peers to read it */
#define UNDRAIN_MS   5000 /* until a node that came back asks again to be given work */
#define META_LEFT    "left"
#define META_FOUNDER "founder" /* what it has founded may not be decided yet */

/* A change that was asked for, until it is answered. */
struct life {
	struct cluster *c;
	struct control_request *rq;
	struct op *op;
	bool comes_back; /* init of a node that has left */
	char text[512];
};

/* ---- answering ---- */

static struct life *ask(struct cluster *c, struct control_request *rq, const msgpack_object *args)
{
	struct life *a = mem_zalloc(1, sizeof(*a));
	char id[OP_ID_MAX];
	struct err e = {.text = "out of memory"};

	if (!a || mp_get_strz(args, "op", id, sizeof(id), &e) < 0 || !(a->op = ops_new(c->n, id, OP_RUNNING))) {
		control_refuse(rq, "usage", "%s", e.text);
		free(a);
		return NULL;
	}
	a->c = c;
	a->rq = rq;
	return a;
}

/* rc < 0: it came to nothing. Frees it. */
static void answer(struct life *a, int rc, const char *why)
{
	CLEANUP(bytes_done) struct bytes out = {.max = 4096};
	struct node *n = a->c->n;
	struct mp_writer w;

	if (a->c->asked == a)
		a->c->asked = NULL;
	mp_writer_init(&w, &out);
	mp_map(&w, 2);
	mp_key_str(&w, "op", ops_id(a->op));
	mp_key_str(&w, "text", a->text);
	if (rc == 0 && !out.failed) {
		ops_set_result(n, a->op, &out);
		control_reply(a->rq, &out);
	} else {
		ops_forget(n, a->op);
		control_refuse(a->rq, "refused", "nothing was changed: %s", why ? why : strerror(rc ? -rc : ENOMEM));
	}
	free(a);
	verbs_next(n);
}

/* Frees it. */
static void answer_unknown(struct life *a)
{
	struct node *n = a->c->n;

	a->c->asked = NULL;
	control_refuse(a->rq, "unknown",
		"it is not known whether it was decided: no majority of the voters has answered in time; repeat it "
		"with --op %s",
		ops_id(a->op));
	ops_forget(n, a->op);
	free(a);
	verbs_next(n);
}

/* ---- beginning ---- */

static void later(struct cluster *c, enum cluster_due due, double after_s)
{
	c->due = due;
	ev_timer_stop(c->n->loop, &c->again);
	ev_timer_set(&c->again, after_s, 0.);
	ev_timer_start(c->n->loop, &c->again);
}

static void say_waiting(const struct cluster *c)
{
	char text[512];

	if (cluster_fault(c, text, sizeof(text)))
		log_info("%s", text);
}

static void try_run(struct cluster *c);
static void decide_founding(struct cluster *c);

static void on_kept(void *arg, int rc, const char *error)
{
	struct cluster *c = arg;

	node_now(c->n);
	node_stored(c->n, rc, error);
	if (rc < 0)
		return;
	c->n->boot_kept = true;
	if (c->due != CLUSTER_TRY)
		return;
	ev_timer_stop(c->n->loop, &c->again);
	c->due = CLUSTER_NOTHING;
	try_run(c);
}

/* Others tell this start from the last one by its number: what it says would be taken for old if the next start, for
 * which this one left no trace, had the same. */
static int begin(struct cluster *c, struct err *e)
{
	if (c->n->boot_kept)
		return cluster_run(c, e);
	(void)store_put_meta(c->n->store, "boot", c->boot, on_kept, c); /* full: asked again */
	return err_set(e, -ENOSPC, "gossip: the store has not taken the number of this start");
}

static void try_run(struct cluster *c)
{
	struct err e;

	if (begin(c, &e) == 0) {
		if (*c->fault)
			log_info("gossip: it works now");
		c->fault[0] = '\0';
		c->stand = *c->id_text ? CLUSTER_MEMBER : CLUSTER_WAITING;
		return;
	}
	if (strcmp(c->fault, e.text) != 0)
		log_err("%s; agents run, and it is tried again", e.text);
	memcpy(c->fault, e.text, sizeof(c->fault));
	later(c, CLUSTER_TRY, TRY_S);
}

void cluster_begin(struct cluster *c)
{
	c->stand = *c->id_text ? CLUSTER_MEMBER : CLUSTER_WAITING;
	if (store_meta(c->n->store, META_LEFT, 0) != 0)
		c->stand = CLUSTER_LEFT;
	else if (c->n->awaiting > 0)
		later(c, CLUSTER_TRY, SHIMS_S); /* what we tell of ourselves begins with all that runs */
	else
		try_run(c);
	say_waiting(c);
	if (*c->id_text && store_meta(c->n->store, META_FOUNDER, 0) != 0)
		decide_founding(c);
}

void cluster_hurry(struct cluster *c)
{
	if (c->due != CLUSTER_TRY || *c->fault)
		return;
	ev_timer_stop(c->n->loop, &c->again);
	c->due = CLUSTER_NOTHING;
	try_run(c);
}

/* ---- the boot counter ---- */

static void begin_anew(struct cluster *c)
{
	c->boot = c->next_boot;
	c->n->next_run = MAX(c->n->next_run, ((uint64_t)c->boot << 32) + 1);
	if (c->asked && !c->asked->comes_back)
		return;			      /* it leaves meanwhile */
	ev_timer_stop(c->n->loop, &c->again); /* what was to be done about the old core */
	c->due = CLUSTER_NOTHING;
	cluster_halt(c);
	try_run(c);
}

static void on_boot(void *arg, int rc, const char *error)
{
	struct cluster *c = arg;

	node_now(c->n);
	node_stored(c->n, rc, error);
	if (rc == 0) {
		c->n->boot_kept = true;
		begin_anew(c);
	}
	if (c->asked && c->asked->comes_back)
		answer(c->asked, rc, error);
}

static int raise_boot(struct cluster *c, uint32_t least)
{
	c->next_boot = MAX(c->boot, least) + 1;
	return store_put_meta(c->n->store, "boot", c->next_boot, on_boot, c);
}

/* ---- being let in, founding ---- */

static void take_id(struct cluster *c)
{
	memcpy(c->id, c->next_id, sizeof(c->id));
	(void)identity_text(c->id, c->id_text); /* it is id_text */
	c->stand = CLUSTER_MEMBER;
	c->fault[0] = '\0';
	cluster_link_self(c);
}

static void on_let_in(void *arg, int rc, const char *error)
{
	struct cluster *c = arg;

	node_now(c->n);
	node_stored(c->n, rc, error);
	c->storing = false;
	if (rc == 0 && c->t) {
		take_id(c);
		node_event(c->n, SEVERITY_INFO, "let-in", NULL, NULL, "%s was let into cluster %s", c->n->cfg->name,
			c->id_text);
	}
	cluster_link_release(c, rc == 0);
	cluster_arm(c);
}

void cluster_life_let_in(struct cluster *c, const uint8_t id[IDENTITY_UUID_BYTES])
{
	char text[IDENTITY_UUID_TEXT];

	if (c->storing)
		return; /* the same one: the hello was checked */
	memcpy(c->next_id, id, sizeof(c->next_id));
	c->storing = true;
	if (store_put_cluster(c->n->store, identity_text(id, text), on_let_in, c) < 0)
		on_let_in(c, -ENOSPC, "the store's queue is full");
}

/* The cluster's own register: this node is the first that votes. */
static void on_decided(void *arg, const struct agree_answer *r)
{
	struct cluster *c = arg;

	if (r->outcome != AGREE_DONE)
		log_err("the cluster's register: %s; it is tried again at the next start",
			r->outcome == AGREE_REFUSED ? r->refused.text : "no answer of the disk");
	else
		(void)store_put_meta(c->n->store, META_FOUNDER, 0, node_stored, c->n); /* full: it is a repeat then */
	if (c->asked && !c->asked->comes_back)
		answer(c->asked, r->outcome == AGREE_DONE ? 0 : -EIO, r->refused.text);
}

static void decide_founding(struct cluster *c)
{
	struct agree_root_command cmd = {.type = AGREE_ROOT_FOUND};

	memcpy(cmd.cluster.v, c->id, sizeof(cmd.cluster.v));
	if (council_root_command(c->n->council, &cmd, on_decided, c) < 0)
		on_decided(c, &(struct agree_answer){.outcome = AGREE_UNKNOWN});
}

static void on_founded(void *arg, int rc, const char *error)
{
	struct life *a = arg;
	struct cluster *c = a->c;

	node_now(c->n);
	node_stored(c->n, rc, error);
	c->storing = false;
	if (rc < 0) {
		answer(a, rc, error);
		return;
	}
	take_id(c);
	(void)snprintf(a->text, sizeof(a->text), "%s founded cluster %s", c->n->cfg->name, c->id_text);
	node_event(c->n, SEVERITY_INFO, "founded", NULL, NULL, "%s", a->text);
	cluster_in(c, &(struct gossip_in){.type = GOSSIP_IN_FOUNDED});
	cluster_arm(c);
	c->asked = a;
	decide_founding(c);
}

static void found(struct cluster *c, struct life *a)
{
	char text[IDENTITY_UUID_TEXT];

	if (getrandom(c->next_id, sizeof(c->next_id), 0) != sizeof(c->next_id)) {
		answer(a, -EIO, "the kernel gives no random numbers");
		return;
	}
	identity_make(c->next_id);
	c->storing = true;
	if (store_put_meta(c->n->store, META_FOUNDER, 1, node_stored, c->n) < 0 ||
		store_put_cluster(c->n->store, identity_text(c->next_id, text), on_founded, a) < 0)
		on_founded(a, -ENOSPC, "the store's queue is full");
}

static void on_not_left(void *arg, int rc, const char *error)
{
	struct cluster *c = arg;

	if (rc == 0)
		rc = raise_boot(c, 0); /* a member that left comes back with a boot above that one */
	if (rc < 0) {
		node_stored(c->n, rc, error);
		answer(c->asked, rc, error);
	}
}

static void come_back(struct cluster *c, struct life *a)
{
	c->asked = a;
	a->comes_back = true;
	(void)snprintf(a->text, sizeof(a->text), "%s goes back into cluster %s", c->n->cfg->name, c->id_text);
	if (store_put_meta(c->n->store, META_LEFT, 0, on_not_left, c) < 0)
		on_not_left(c, -ENOSPC, "the store's queue is full");
}

void cluster_verb_init(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	struct cluster *c = n->cluster;
	struct life *a;

	if (c->stand == CLUSTER_MEMBER || c->stand == CLUSTER_LEAVING || c->storing) {
		control_refuse(rq, "refused", "%s belongs to cluster %s already", n->cfg->name,
			*c->id_text ? c->id_text : "that lets it in just now");
		return;
	}
	if (c->stand == CLUSTER_FORGOTTEN) {
		control_refuse(rq, "refused", "%s was forgotten by its cluster: 'covey reset' makes it a new node",
			n->cfg->name);
		return;
	}
	if (c->stand == CLUSTER_WAITING && !c->g) {
		control_refuse(rq, "refused", "%s", *c->fault ? c->fault : "gossip has not begun");
		return;
	}
	a = ask(c, rq, args);
	if (!a)
		return;
	verbs_begin(n);
	if (*c->id_text)
		come_back(c, a);
	else
		found(c, a);
}

/* ---- leaving ---- */

static void left(struct cluster *c)
{
	struct life *a = c->asked;

	for (uint32_t i = 0; i < GOSSIP_LINKS_MAX; i++)
		cluster_link_close(c, i, true);
	c->stand = CLUSTER_LEFT;
	c->fault[0] = '\0';
	later(c, CLUSTER_HALT, FLUSH_S);
	if (!a)
		return;
	(void)snprintf(a->text, sizeof(a->text),
		"%s left cluster %s; its agents run on, 'covey init' takes it back, 'covey reset' makes it a new node",
		c->n->cfg->name, c->id_text);
	node_event(c->n, SEVERITY_INFO, "left", NULL, NULL, "%s", a->text);
	answer(a, 0, NULL);
}

static void on_leaving(void *arg, int rc, const char *error)
{
	struct cluster *c = arg;

	node_now(c->n);
	node_stored(c->n, rc, error);
	if (rc < 0) {
		answer(c->asked, rc, error);
		return;
	}
	c->stand = CLUSTER_LEAVING;
	if (!c->g) {
		left(c);
		return;
	}
	later(c, CLUSTER_GIVE_UP_TELLING, TELL_AT_MOST);
	cluster_in(c, &(struct gossip_in){.type = GOSSIP_IN_LEAVE});
	cluster_arm(c);
}

static void go(struct cluster *c)
{
	if (store_put_meta(c->n->store, META_LEFT, 1, on_leaving, c) < 0)
		on_leaving(c, -ENOSPC, "the store's queue is full");
}

/* Its replicas go to others, and its vote: then it goes. */
static void on_leave_decided(void *arg, const struct agree_answer *r)
{
	struct cluster *c = arg;

	if (!c->asked)
		return;
	if (r->outcome == AGREE_DONE)
		c->handing_over = true;
	else if (r->outcome == AGREE_REFUSED)
		answer(c->asked, -EAGAIN, r->refused.text);
	else
		answer_unknown(c->asked);
}

void cluster_verb_leave(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	struct agree_root_command cmd = {.type = AGREE_ROOT_LEAVE};
	struct cluster *c = n->cluster;
	struct life *a;

	if (c->stand != CLUSTER_MEMBER) {
		control_refuse(rq, "refused", "%s is in no cluster that it could leave", n->cfg->name);
		return;
	}
	a = ask(c, rq, args);
	if (!a)
		return;
	c->asked = a;
	verbs_begin(n);
	if (council_voters(n->council)->epoch == 0) {
		go(c);
		return;
	}
	cmd.op = ops_id(a->op);
	cmd.node = register_node_of((const struct uuid *)c->uuid);
	if (council_root_command(n->council, &cmd, on_leave_decided, c) < 0)
		answer(a, -ENOMEM, NULL);
}

static void on_undrained(void *arg, const struct agree_answer *r)
{
	const struct cluster *c = arg;

	if (r->outcome == AGREE_DONE)
		log_info("%s takes work again", c->n->cfg->name);
}

/* It had left, and is back: it is asked until the others know. */
static void undrain(struct cluster *c)
{
	const struct uuid *self = council_self(c->n->council);
	struct agree_root_command cmd = {.type = AGREE_ROOT_UNDRAIN, .node = register_node_of(self)};
	char fault[512];

	if (c->n->now.mono_ms < c->undrain_at_ms || !council_is_leaving(c->n->council, self) ||
		council_fault(c->n->council, fault, sizeof(fault)))
		return;
	c->undrain_at_ms = c->n->now.mono_ms + UNDRAIN_MS;
	if (council_root_command(c->n->council, &cmd, on_undrained, c) < 0)
		log_debug("no memory to take work again; it is tried again");
}

void cluster_life_turn(struct cluster *c)
{
	if (c->stand == CLUSTER_MEMBER && !c->asked)
		undrain(c);
	if (!c->handing_over || !council_has_handed_over(c->n->council))
		return;
	c->handing_over = false;
	go(c);
}

/* ---- what the core says about ourselves ---- */

static void forgotten(struct cluster *c)
{
	c->stand = CLUSTER_FORGOTTEN;
	later(c, CLUSTER_HALT, 0.);
}

static void fell_back(struct cluster *c, uint64_t number)
{
	if (number <= c->boot || number >= UINT32_MAX || c->raised)
		return;
	c->raised = true;
	c->next_boot = identity_boot_above((uint32_t)number) - 1;
	later(c, CLUSTER_RAISE, 0.);
}

void cluster_life_event(struct cluster *c, const struct gossip_out *out)
{
	if (out->event == GOSSIP_EVENT_LEFT_TOLD && c->stand == CLUSTER_LEAVING)
		later(c, CLUSTER_GIVE_UP_TELLING, 0.);
	else if (out->event == GOSSIP_EVENT_WE_FORGOTTEN)
		forgotten(c);
	else if (out->event == GOSSIP_EVENT_CLONED && out->id == gossip_id(c->g))
		fell_back(c, out->number);
}

static void on_again(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct cluster *c = w->data;
	enum cluster_due due = c->due;

	(void)loop;
	(void)revents;
	node_now(c->n);
	c->due = CLUSTER_NOTHING;
	switch (due) {
	case CLUSTER_TRY:
		try_run(c);
		break;
	case CLUSTER_GIVE_UP_TELLING:
		left(c);
		break;
	case CLUSTER_HALT:
		cluster_halt(c);
		break;
	case CLUSTER_RAISE:
		(void)raise_boot(c, c->next_boot); /* full: it comes again with the next such event */
		break;
	case CLUSTER_NOTHING:
	case CLUSTER_DUE_MAX:
		break;
	}
}

void cluster_life_init(struct cluster *c)
{
	ev_timer_init(&c->again, on_again, 0., 0.);
	c->again.data = c;
}

void cluster_life_done(struct cluster *c)
{
	ev_timer_stop(c->n->loop, &c->again);
	if (c->asked)
		answer(c->asked, -ESHUTDOWN, "the daemon is stopping");
}

/* ---- for others ---- */

enum cluster_stand cluster_stand(const struct cluster *c)
{
	return c->stand;
}

static void put_join(const struct config_gossip *g, char *out, size_t n)
{
	size_t at = 0;

	*out = '\0';
	for (size_t i = 0; i < g->n_join && at < n; i++)
		at += (size_t)snprintf(out + at, n - at, "%s%s:%u", i ? ", " : "", g->join[i].host, g->join[i].port);
}

const char *cluster_fault(const struct cluster *c, char *out, size_t n)
{
	char join[256];

	if (*c->fault) {
		(void)snprintf(out, n, "%s", c->fault); /* cut is fine; so below */
		return out;
	}
	switch (c->stand) {
	case CLUSTER_WAITING:
		put_join(&c->n->cfg->gossip, join, sizeof(join));
		(void)snprintf(out, n, "waiting for %s; on the first host run \"covey init\"",
			*join ? join : "another node to call");
		return out;
	case CLUSTER_LEFT:
		(void)snprintf(out, n, "left cluster %s; \"covey init\" goes back into it", c->id_text);
		return out;
	case CLUSTER_FORGOTTEN:
		(void)snprintf(out, n, "forgotten by cluster %s; \"covey reset\" makes it a new node", c->id_text);
		return out;
	default:
		return NULL;
	}
}
