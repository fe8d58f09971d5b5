/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a register's value, of either kind. What is taken has no fault, is said to voters as it is read, and can
 * be written again: what comes of that says the same.
 */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "node/register_agent.h"
#include "node/register_reader.h"
#include "node/register_root.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *alloc(void *ctx, size_t n)
{
	(void)ctx; /* the heap has none; so below */
	return mem_alloc(n);
}

static void release(void *ctx, void *p, size_t n)
{
	(void)ctx;
	(void)n;
	free(p);
}

static const struct value_mem mem = {.alloc = alloc, .release = release};

static void must(bool yes)
{
	if (!yes)
		abort();
}

static void is_refusal(int rc, const struct err *e)
{
	must(rc == -EBADMSG && e->code == rc && e->text[0]);
}

static size_t leases_of(struct msg_bytes bytes, const struct sched_value *v)
{
	struct msg_slot s;
	size_t at = 0, n = 0;

	for (; register_reader.slot_next(NULL, bytes, &at, &s); n++) {
		const struct sched_slot *is = sched_slot_of(v, s.slot);

		must(is && is->leased && is->epoch == s.epoch && sched_same_node(is->node, register_node_of(&s.owner)));
	}
	return n;
}

static void as_agent(struct msg_bytes bytes)
{
	static uint8_t out[MSG_VALUE_MAX];
	struct register_agent a, b;
	struct err e = {0};
	int rc = register_agent_read(&a, &mem, bytes, &e);
	size_t n, leased = 0;

	if (rc < 0) {
		is_refusal(rc, &e);
		return;
	}
	must(!sched_fault(&a.v));
	for (size_t i = 0; i < a.v.n_slots; i++)
		leased += a.v.slots[i].leased && a.v.slots[i].state != SCHED_PENDING;
	must(leases_of(bytes, &a.v) == leased);
	rc = register_agent_write(&a, &a.v, (struct msg_bytes){0}, out, sizeof(out), &n, &e);
	must(rc == 0 || (rc == -ENOTSUP && a.min_version > REGISTER_VERSION) || rc == -EMSGSIZE);
	if (rc == 0) {
		must(register_agent_read(&b, &mem, (struct msg_bytes){out, n}, &e) == 0);
		must(b.v.number == a.v.number && b.v.n_slots == a.v.n_slots && b.v.next_epoch == a.v.next_epoch);
		must(leases_of(b.bytes, &a.v) == leased);
		register_agent_done(&b);
	}
	register_agent_done(&a);
}

static void as_root(struct msg_bytes bytes)
{
	static uint8_t out[MSG_VALUE_MAX];
	struct register_root r, s;
	struct quorum_cfg cfg;
	struct value_times times;
	struct err e = {0};
	int rc = register_root_read(&r, &mem, bytes, &e);
	size_t n;

	if (rc < 0) {
		is_refusal(rc, &e);
		/* The head may be good all the same. */
		must(!register_reader.cfg_get(NULL, bytes, &cfg) || !quorum_fault(&cfg));
		must(!register_reader.times_get(NULL, bytes, &times) || !register_times_fault(&times));
		return;
	}
	if (bytes.n > 0) {
		must(register_reader.cfg_get(NULL, bytes, &cfg) && quorum_same(&cfg, &r.cfg));
		rc = register_root_write(&r, out, sizeof(out), &n, &e);
		must(rc == 0 || (rc == -ENOTSUP && r.min_version > REGISTER_VERSION) || rc == -EMSGSIZE);
	}
	if (bytes.n > 0 && rc == 0) {
		must(register_root_read(&s, &mem, (struct msg_bytes){out, n}, &e) == 0);
		must(quorum_same(&s.cfg, &r.cfg) && s.draining.n == r.draining.n && strcmp(s.name, r.name) == 0);
		register_root_done(&s);
	}
	register_root_done(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	as_agent((struct msg_bytes){data, size});
	as_root((struct msg_bytes){data, size});
	return 0;
}
