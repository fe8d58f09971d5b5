/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See agree_bed.h.
 */
#include "tests/lib/agree_bed.h"

#include <string.h>

#include "base/mem.h"
#include "tests/lib/test.h"

struct abed abed;

const struct value_mem abed_heap = {.alloc = mem_give, .release = mem_take_back};

/* ---- a node ---- */

static int make(struct rnode *n, const struct registers_config *c, const struct value_mem *mem)
{
	struct agree_config config = {.registers = *c, .world = abed.kind->world};
	struct abed_own *o = &abed.own[n->number];
	int rc;

	config.world.ctx = n;
	abed.b = n->b;
	rc = agree_new(&config, mem, rbed_now(n->b), &o->a);
	n->r = rc == 0 ? agree_registers(o->a) : NULL;
	return rc;
}

static void drop(struct rnode *n)
{
	agree_free(abed.own[n->number].a);
	abed.own[n->number].a = NULL;
	if (abed.kind->dropped)
		abed.kind->dropped(n);
}

static int stepped(struct rnode *n, int rc)
{
	struct abed_own *o = &abed.own[n->number];

	agree_check(o->a);
	n->outs = o->outs.registers;
	for (size_t i = 0; i < o->outs.n_answers; i++) {
		const struct agree_answer *r = &o->outs.answers[i];

		assert_true(r->token < ABED_TOKENS && !abed.answers[r->token].is);
		abed.answers[r->token].is = true;
		abed.answers[r->token].outcome = r->outcome;
		abed.answers[r->token].repeat = r->repeat;
		abed.answers[r->token].changed = r->changed;
		(void)snprintf(abed.answers[r->token].text, ERR_TEXT_MAX, "%s", r->refused.text); /* fits */
		assert_true((r->outcome == AGREE_REFUSED) == (r->refused.code != 0));
	}
	return rc;
}

static int step(struct rnode *n, const struct registers_in *in)
{
	struct abed_own *o = &abed.own[n->number];

	return stepped(n, agree_step(o->a, &(struct agree_in){.type = AGREE_IN_REGISTERS, .registers = in},
				  rbed_now(n->b), &o->outs));
}

static int64_t deadline(const struct rnode *n)
{
	return agree_deadline_ms(abed.own[n->number].a);
}

static void chosen(struct rnode *n, const struct registers_out *o)
{
	if (abed.kind->chosen)
		abed.kind->chosen(n, o);
}

/* ---- the cluster ---- */

void abed_new(uint64_t seed, int n, const struct abed_kind *kind)
{
	static struct rbed_kind rkind;

	memset(&abed, 0, sizeof(abed));
	abed.kind = kind;
	rkind = (struct rbed_kind){.make = make,
		.drop = drop,
		.step = step,
		.deadline_ms = deadline,
		.chosen = chosen,
		.reader = kind->reader,
		.empty = kind->empty};
	abed.b = rbed_new_of(seed, n, &rkind);
}

void abed_free(void)
{
	rbed_free(abed.b);
}

void abed_run(int64_t ms)
{
	for (int64_t at = 0; at < ms; at += ABED_LOOK_MS) {
		rbed_run(abed.b, MIN(ms - at, (int64_t)ABED_LOOK_MS));
		if (abed.kind->look)
			abed.kind->look();
	}
}

void abed_tell(int node, const struct agree_in *in)
{
	struct abed_own *o = &abed.own[node];

	if (!abed.b->v[node].up)
		return;
	assert_int_equal(stepped(&abed.b->v[node], agree_step(o->a, in, rbed_now(abed.b), &o->outs)), 0);
	rbed_stepped(&abed.b->v[node]);
}

void abed_tell_hosts(enum sched_event_type event, int about)
{
	for (int i = 0; i < abed.b->n; i++)
		abed_tell(i, &(struct agree_in){.type = AGREE_IN_HOSTS,
				     .event = event,
				     .subject = register_node_of(&abed.b->v[about].uuid)});
}

void abed_crash(int node)
{
	rbed_crash(abed.b, node);
	abed_tell_hosts(SCHED_EVENT_NODE_DEAD, node);
}

void abed_start(int node)
{
	rbed_start(abed.b, node);
	abed_tell_hosts(SCHED_EVENT_NODE_BACK, node);
}

uint64_t abed_ask(int node, const struct agree_command *c, const struct agree_root_command *r, int *ret_rc)
{
	struct abed_own *o = &abed.own[node];
	struct agree_in in = {.type = c ? AGREE_IN_COMMAND : AGREE_IN_ROOT};
	struct agree_command command;
	struct agree_root_command root;
	int rc;

	if (c) {
		command = *c;
		command.token = abed.token + 1;
		in.command = &command;
	} else {
		root = *r;
		root.token = abed.token + 1;
		in.root = &root;
	}
	rc = stepped(&abed.b->v[node], agree_step(o->a, &in, rbed_now(abed.b), &o->outs));
	rbed_stepped(&abed.b->v[node]);
	if (ret_rc)
		*ret_rc = rc;
	if (rc < 0)
		return 0;
	assert_true(abed.token + 1 < ABED_TOKENS);
	return ++abed.token;
}

void abed_answered(uint64_t token, enum agree_outcome outcome, const char *text)
{
	assert_int_not_equal(token, 0);
	for (int i = 0; !abed.answers[token].is && i < 200; i++)
		abed_run(100);
	assert_true(abed.answers[token].is);
	if (abed.answers[token].outcome != outcome || !strstr(abed.answers[token].text, text))
		fail_msg("answered %d: %s", abed.answers[token].outcome, abed.answers[token].text);
}
