/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop's side of gossip: what came from the transport and from timers goes into the core, and what the core says is
 * done, in one flat switch. What an output causes at once (a link that is hung up, a dial that cannot begin) the core
 * hears in a step of its own, after the outputs of this one are done.
 */
#include "node/cluster.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "covey/version.h"
#include "node/cluster_address.h"
#include "node/cluster_fetch.h"
#include "node/cluster_priv.h"
#include "node/cluster_register.h"
#include "node/cluster_set.h"
#include "node/cluster_share.h"
#include "node/council.h"

#define FEATURES    1	/* the rules that this version knows */
#define ROUNDING_US 200 /* a timer that fires a moment too early would only fire again */

_Static_assert(GOSSIP_LINKS_MAX < UINT8_MAX, "link_of holds a number and 1");
_Static_assert((int)CONFIG_LOCAL == (int)GOSSIP_PROFILE_LOCAL && (int)CONFIG_LAN == (int)GOSSIP_PROFILE_LAN &&
		       (int)CONFIG_WAN == (int)GOSSIP_PROFILE_WAN,
	"the configuration's profiles are the core's");

/* ---- outputs ---- */

void cluster_pull(struct cluster *c, uint32_t link)
{
	uint8_t frame[TRANSPORT_FRAME_MAX];
	struct gossip_msg msg;
	size_t n;

	while (c->g && c->links[link].at && transport_room(c->t, c->links[link].at) > 0 &&
		gossip_pull(c->g, link, c->n->now, &msg)) {
		if (wire_encode(&msg, frame, sizeof(frame), &n) < 0 ||
			transport_send(c->t, c->links[link].at, frame, n, c->n->now.mono_ms) < 0)
			c->frames_lost++; /* repair tells it again */
	}
	cluster_register_say(c, link);
	cluster_fetch_say(c, link);
}

static void dial(struct cluster *c, const struct gossip_out *out)
{
	struct cluster_dial *d = cluster_dial_find(c, 0);
	struct err e = {.text = "too many at a time"};

	if (d && transport_dial(c->t, out->address, out->dial, c->n->now.mono_ms, &e) == 0) {
		*d = (struct cluster_dial){.token = out->dial, .id = out->id};
		(void)snprintf(d->address, sizeof(d->address), "%s", out->address); /* cut is fine */
		log_debug("dials %s", d->address);
		return;
	}
	log_debug("dial %s: %s", out->address, e.text);
	if (c->n_failed < ARRAY_LEN(c->failed)) /* else the core dials again when it has waited long enough */
		c->failed[c->n_failed++] = out->dial;
}

static void route(struct cluster *c, const struct gossip_out *out)
{
	switch (out->type) {
	case GOSSIP_OUT_READY:
		cluster_pull(c, out->link);
		break;
	case GOSSIP_OUT_DIAL:
		dial(c, out);
		break;
	case GOSSIP_OUT_CLOSE:
		log_debug("link to %s closed: %s", cluster_seen_name(c, c->links[out->link].id),
			gossip_close_text(out->why));
		cluster_link_close(c, out->link, true);
		break;
	case GOSSIP_OUT_EVENT:
		cluster_event(c, out);
		cluster_life_event(c, out);
		break;
	case GOSSIP_OUT_CHANGED:
		c->changed = true;
		break;
	case GOSSIP_OUT_REACH:
		cluster_reach(c, out->id, out->address);
		break;
	case GOSSIP_OUT_MAX:
		break;
	}
}

static void step(struct cluster *c, const struct gossip_in *in)
{
	struct gossip_outs outs;

	gossip_step(c->g, in, c->n->now, &outs);
	for (size_t i = 0; i < outs.n; i++)
		route(c, &outs.v[i]);
}

/* What the outputs have caused at once. */
static void step_after(struct cluster *c)
{
	struct gossip_in in = {0};

	if (c->n_failed > 0) {
		in.type = GOSSIP_IN_DIAL_FAILED;
		in.how = GOSSIP_DIAL_UNREACHABLE;
		in.dial = c->failed[--c->n_failed];
		step(c, &in);
		return;
	}
	in.type = GOSSIP_IN_LINK_DOWN;
	for (in.link = 0; in.link < GOSSIP_LINKS_MAX && !c->links[in.link].ended; in.link++)
		;
	assert(in.link < GOSSIP_LINKS_MAX);
	c->links[in.link] = (struct cluster_link){0};
	c->n_ended--;
	step(c, &in);
}

void cluster_in(struct cluster *c, const struct gossip_in *in)
{
	assert(!c->stepping);
	if (!c->g)
		return;
	c->stepping = true;
	step(c, in);
	while (c->n_failed > 0 || c->n_ended > 0)
		step_after(c);
	c->stepping = false;
}

/* ---- the loop's callbacks ---- */

static void arm_timer(struct cluster *c)
{
	struct ev_loop *loop = c->n->loop;
	int64_t at = DEADLINE_NEVER;
	struct timespec t;

	if (c->g)
		at = MIN(gossip_deadline_ms(c->g), transport_deadline_ms(c->t));
	if (at == c->armed_ms && ev_is_active(&c->timer))
		return;
	c->armed_ms = at;
	ev_timer_stop(loop, &c->timer);
	if (at == DEADLINE_NEVER)
		return;
	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* always there */
	at = at * 1000 - ((int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000) + ROUNDING_US;
	ev_now_update(loop);
	ev_timer_set(&c->timer, (double)MAX(at, (int64_t)0) / 1e6, 0.);
	ev_timer_start(loop, &c->timer);
}

void cluster_arm(struct cluster *c)
{
	if (c->changed) {
		cluster_seen_change(c);
		c->n->heard = true;
	}
	arm_timer(c);
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct cluster *c = w->data;
	int64_t now_ms = node_now(c->n).mono_ms;

	(void)loop;
	(void)revents;
	if (c->t && transport_deadline_ms(c->t) <= now_ms)
		transport_turn(c->t, now_ms);
	if (c->g && gossip_deadline_ms(c->g) <= now_ms)
		cluster_in(c, &(struct gossip_in){.type = GOSSIP_IN_TICK});
	cluster_fetch_look(c);
	cluster_arm(c);
}

static void on_wake(struct ev_loop *loop, ev_async *w, int revents)
{
	struct cluster *c = w->data;

	(void)loop;
	(void)revents;
	if (!c->t)
		return;
	transport_turn(c->t, node_now(c->n).mono_ms);
	cluster_fetch_look(c);
	cluster_arm(c);
}

/* After all others that have the end of the turn: what they say goes along. */
static void on_flush(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct cluster *c = w->data;

	(void)loop;
	(void)revents;
	if (!c->t)
		return;
	transport_flush(c->t, c->n->now.mono_ms);
	if (transport_deadline_ms(c->t) < c->armed_ms) /* what did not leave at once */
		arm_timer(c);
}

/* ---- core and transport ---- */

static struct gossip_str str(const char *s)
{
	return (struct gossip_str){s, (uint16_t)strlen(s)};
}

static char *address_text(const struct config_addr *a, char *out, size_t n)
{
	(void)snprintf(out, n, "%s%s%s:%u", a->ipv6 ? "[" : "", a->host, a->ipv6 ? "]" : "", a->port); /* fits */
	return out;
}

/* Addresses of `join`, then those of members of the last run: one block, owned. *ret_n of them. */
static char **seeds(const struct cluster *c, size_t *ret_n)
{
	const struct config_gossip *cfg = &c->n->cfg->gossip;
	size_t known_n = c->known ? strlen(c->known) : 0;
	char **v = mem_zalloc(1, GOSSIP_SEEDS_MAX * (sizeof(*v) + CLUSTER_ADDRESS_MAX) + known_n + 1);
	char *at, *rest;

	*ret_n = 0;
	if (!v)
		return NULL;
	at = (char *)(v + GOSSIP_SEEDS_MAX);
	for (size_t i = 0; i < cfg->n_join && *ret_n < GOSSIP_SEEDS_MAX; i++, at += CLUSTER_ADDRESS_MAX)
		v[(*ret_n)++] = address_text(&cfg->join[i], at, CLUSTER_ADDRESS_MAX);
	if (known_n)
		memcpy(at, c->known, known_n + 1);
	for (at = strtok_r(at, "\n", &rest); at && *ret_n < GOSSIP_SEEDS_MAX; at = strtok_r(NULL, "\n", &rest))
		v[(*ret_n)++] = at;
	return v;
}

/* What the profile says of this node, as the core tells it: by it others count who watches whom. */
static void hello_as_core(struct cluster *c)
{
	struct gossip_member self;

	if (!gossip_member_get(c->g, gossip_id(c->g), &self))
		return;
	c->record.version = self.record.version;
	c->record.watch_rings = self.record.watch_rings;
	c->record.beat_ms = self.record.beat_ms;
}

static int core_new(struct cluster *c, struct err *e)
{
	const struct gossip_mem mem = {.alloc = mem_give, .release = mem_take_back};
	AUTO_FREE char **v = NULL;
	struct gossip_config cfg = {.record = c->record,
		.boot = c->boot,
		.profile = (enum gossip_profile_id)c->n->cfg->gossip.profile,
		.waiting = !*c->id_text,
		.seed = rng_u64(&c->n->rng)};
	int rc;

	v = seeds(c, &cfg.n_seeds);
	cfg.seeds = (const char *const *)v;
	rc = v ? gossip_new(&cfg, &mem, c->n->now, &c->g) : -ENOMEM;
	if (rc < 0)
		return err_set(e, rc, "gossip: %s", strerror(-rc));
	hello_as_core(c);
	return 0;
}

/* Not known before the network is up: looked for whenever gossip begins. */
static int find_address(struct cluster *c, struct err *e)
{
	const struct config_gossip *g = &c->n->cfg->gossip;
	char host[CLUSTER_ADDRESS_HOST_MAX];
	int rc;

	if (!g->finds_address)
		return 0;
	rc = cluster_address_find(g, host, e);
	if (rc < 0)
		return err_wrap(e, "gossip");
	(void)address_text(&(struct config_addr){host, g->bind.port, g->bind.ipv6}, c->address, sizeof(c->address));
	c->record.address = str(c->address);
	log_info("others dial %s", c->address);
	return 0;
}

static int listen_at(struct cluster *c, struct err *e)
{
	CLEANUP(cluster_pems_done) struct cluster_pems pems = {0};
	char bind[CLUSTER_ADDRESS_MAX];
	struct transport_tls tls = {0};
	const struct transport_config cfg = {.bind = address_text(&c->n->cfg->gossip.bind, bind, sizeof(bind)),
		.tls = c->n->cfg->gossip.insecure ? NULL : &tls,
		.hello = &transport_hello_signed,
		.hello_arg = &c->self,
		.hooks = &c->hooks,
		.arg = c,
		.gathers = true};
	int rc;

	if (cfg.tls) {
		rc = cluster_tls_read(c, &pems, &c->pki, e);
		if (rc < 0)
			return rc;
		tls = cluster_tls(&pems);
	}
	cluster_link_self(c);
	rc = transport_open(&cfg, &c->t, e);
	return rc < 0 ? err_wrap(e, "gossip") : 0;
}

int cluster_run(struct cluster *c, struct err *e)
{
	int rc;

	assert(!c->t && !c->g);
	rc = find_address(c, e);
	if (rc == 0)
		rc = listen_at(c, e);
	if (rc == 0)
		rc = core_new(c, e);
	if (rc < 0) {
		cluster_halt(c);
		return rc;
	}
	c->cursor = 0;
	c->armed_ms = DEADLINE_NEVER;
	cluster_forget_tell(c);
	cluster_share_all(c);
	if (c->n->council)
		council_anew(c->n->council);
	cluster_arm(c);
	return 0;
}

void cluster_halt(struct cluster *c)
{
	cluster_seen_end(c);
	cluster_link_release(c, false);
	for (uint32_t i = 0; i < GOSSIP_LINKS_MAX; i++)
		cluster_register_drop(c, i);
	cluster_reach_end(c);
	if (c->t)
		transport_flush(c->t, c->n->now.mono_ms);
	transport_close(c->t);
	gossip_free(c->g);
	pki_unref(c->pki);
	c->t = NULL;
	c->g = NULL;
	c->pki = NULL;
	c->n_ended = c->n_failed = 0;
	memset(c->links, 0, sizeof(c->links));
	memset(c->link_of, 0, sizeof(c->link_of));
	memset(c->dials, 0, sizeof(c->dials));
	ev_timer_stop(c->n->loop, &c->timer);
	cluster_seen_done(c);
}

/* ---- beginning and end ---- */

static void make_record(struct cluster *c)
{
	const struct config *cfg = c->n->cfg;

	if (cfg->gossip.advertise.host)
		(void)address_text(&cfg->gossip.advertise, c->address, sizeof(c->address)); /* it is there */
	c->record = (struct gossip_record){.name = str(cfg->name),
		.address = str(c->address),
		.build = str(COVEY_VERSION),
		.version = 1,
		.wire_min = WIRE_VERSION_MIN,
		.wire_max = WIRE_VERSION_MAX,
		.features = FEATURES,
		.watch_rings = 1,
		.beat_ms = GOSSIP_BEAT_MIN_MS}; /* the core sets these two */
	memcpy(c->record.uuid, c->uuid, sizeof(c->uuid));
}

int cluster_open(struct node *n, struct cluster **ret, struct err *e)
{
	struct cluster *c = mem_zalloc(1, sizeof(*c));

	if (!c)
		return err_set(e, -ENOMEM, "out of memory");
	c->n = n;
	c->boot = (uint32_t)(n->next_run >> 32);
	if (identity_parse(store_node_id(n->store), c->uuid) < 0 ||
		(*store_cluster_id(n->store) && identity_parse(store_cluster_id(n->store), c->id) < 0)) {
		free(c);
		return err_set(e, -EUCLEAN, "the store has an id that is none: it is damaged; restore a backup");
	}
	(void)snprintf(c->id_text, sizeof(c->id_text), "%s", store_cluster_id(n->store)); /* fits */
	if (cluster_fetch_init(c) < 0) {
		free(c);
		return err_set(e, -ENOMEM, "out of memory");
	}
	make_record(c);
	cluster_link_hooks(c);
	ev_async_init(&c->wake, on_wake);
	ev_set_priority(&c->wake, EV_MAXPRI - 1); /* frames before requests: a beat never waits for a report */
	ev_timer_init(&c->timer, on_timer, 0., 0.);
	ev_prepare_init(&c->flush, on_flush);
	ev_set_priority(&c->flush, EV_MINPRI);
	c->wake.data = c->timer.data = c->flush.data = c;
	ev_async_start(n->loop, &c->wake);
	ev_prepare_start(n->loop, &c->flush);
	cluster_life_init(c);
	cluster_set_init(c);
	cluster_share_init(c);
	cluster_seen_init(c);
	cluster_forget_init(c);
	*ret = c;
	return 0;
}

void cluster_close(struct cluster *c)
{
	if (!c)
		return;
	cluster_fetch_end(c);
	cluster_halt(c);
	cluster_fetch_done(c);
	cluster_life_done(c);
	cluster_share_done(c);
	cluster_set_done(c);
	ev_timer_stop(c->n->loop, &c->keep);
	ev_async_stop(c->n->loop, &c->wake);
	ev_prepare_stop(c->n->loop, &c->flush);
	free(c->known);
	free(c->names);
	free(c);
}

void cluster_turn(struct cluster *c)
{
	cluster_life_turn(c);
}

void cluster_voters(struct cluster *c, const uint64_t *ids, size_t n)
{
	cluster_in(c, &(struct gossip_in){.type = GOSSIP_IN_VOTERS, .ids = ids, .n_ids = n});
	cluster_arm(c);
	cluster_seen_keep(c);
}

const struct gossip *cluster_core(const struct cluster *c)
{
	return c->g;
}

const char *cluster_id(const struct cluster *c)
{
	return c->id_text;
}
