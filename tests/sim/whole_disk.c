/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is on a node's disk: the rows of votes_rows.c and the replicas', as they are after a job. Of a voter no promise
 * falls here.
 */
#include <inttypes.h>
#include <string.h>

#include "tests/sim/whole_priv.h"
#include "tests/sim/whole_run.h"

static void *one_more(void *v, size_t n, size_t size)
{
	char *p = realloc(v, (n + 1) * size);

	assert(p);
	memset(p + n * size, 0, size);
	return p;
}

static uint8_t *bytes_of(const void *v, size_t n)
{
	uint8_t *p = malloc(n + 1);

	assert(p);
	if (n > 0)
		memcpy(p, v, n);
	return p;
}

static struct whole_reg *find_reg(const struct whole_regs *r, const struct msg_key *key)
{
	for (size_t i = 0; i < r->n; i++)
		if (msg_key_cmp(&r->v[i].key, key) == 0)
			return &r->v[i];
	return NULL;
}

static struct whole_reg *reg_of(struct whole_regs *r, const struct msg_key *key)
{
	struct whole_reg *p = find_reg(r, key);

	if (p)
		return p;
	r->v = one_more(r->v, r->n, sizeof(*r->v));
	r->v[r->n].key = *key;
	return &r->v[r->n++];
}

static void set_value(struct whole_reg *p, struct msg_bytes value)
{
	free(p->v);
	p->v = bytes_of(value.v, value.n);
	p->n = value.n;
}

static void apply_register(struct whole *w, const struct votes_row *r)
{
	struct whole_reg *p = reg_of(&w->disk.votes, &r->key);
	bool is_new;

	if (ballot_cmp(&r->promised, &p->promised) < 0 || ballot_cmp(&r->ballot, &p->accepted) < 0)
		sim_fail(whole_sim(w), w->sn->number, "a promise of register '%.*s' falls", (int)r->key.n, r->key.v);
	is_new = ballot_cmp(&r->ballot, &p->accepted) > 0;
	p->promised = r->promised;
	p->accepted = r->ballot;
	if (r->new_value)
		set_value(p, r->value);
	if (is_new)
		whole_run_accepted(w, &r->key, &r->ballot, (struct msg_bytes){p->v, p->n});
}

static void apply_long(struct whole_disk *d, const struct votes_row *r, const struct msg_lease *l)
{
	struct msg_slot slot = {.slot = l->slot, .owner = r->node, .epoch = l->epoch};

	for (size_t i = 0; i < d->n_longs; i++) {
		struct whole_long *g = &d->longs[i];

		if (msg_key_cmp(&g->key, &l->key) != 0 || g->slot.slot != l->slot)
			continue;
		if (!value_slot_same(&g->slot, &slot) || g->long_ms < r->long_ms)
			*g = (struct whole_long){.key = l->key, .slot = slot, .long_ms = r->long_ms};
		return;
	}
	d->longs = one_more(d->longs, d->n_longs, sizeof(*d->longs));
	d->longs[d->n_longs++] = (struct whole_long){.key = l->key, .slot = slot, .long_ms = r->long_ms};
}

static void apply_release(struct whole_disk *d, const struct votes_row *r)
{
	for (size_t i = 0; i < d->n_releases; i++) {
		struct whole_release *l = &d->releases[i];

		if (msg_key_cmp(&l->key, &r->key) != 0 || l->slot != r->slot)
			continue;
		if (r->what == VOTES_RELEASE)
			l->epoch = MAX(l->epoch, r->number);
		else if (l->epoch <= r->number)
			*l = d->releases[--d->n_releases];
		return;
	}
	if (r->what != VOTES_RELEASE)
		return;
	d->releases = one_more(d->releases, d->n_releases, sizeof(*d->releases));
	d->releases[d->n_releases++] = (struct whole_release){.key = r->key, .slot = r->slot, .epoch = r->number};
}

static void apply_seen(struct whole_disk *d, const struct votes_row *r)
{
	struct whole_remembered *m = NULL;

	for (size_t i = 0; i < d->n_seen && !m; i++)
		if (ballot_same_node(&d->seen[i].node, &r->node))
			m = &d->seen[i];
	if (!m) {
		d->seen = one_more(d->seen, d->n_seen, sizeof(*d->seen));
		m = &d->seen[d->n_seen++];
		m->node = r->node;
	}
	m->boot = MAX(m->boot, r->boot);
	m->write = MAX(m->write, r->number);
}

static void apply_chosen(struct whole_disk *d, const struct votes_row *r)
{
	struct whole_reg *p;

	if (r->what == VOTES_CHOSEN_DROP) {
		p = find_reg(&d->chosen, &r->key);
		if (p) {
			free(p->v);
			*p = d->chosen.v[--d->chosen.n];
		}
		return;
	}
	p = reg_of(&d->chosen, &r->key);
	if (ballot_cmp(&r->ballot, &p->accepted) < 0)
		return;
	p->accepted = r->ballot;
	p->fell = false;
	set_value(p, r->value);
}

static void apply_vote(struct whole *w, const struct votes_row *r)
{
	struct whole_disk *d = &w->disk;

	switch (r->what) {
	case VOTES_HEADER:
		d->header = r->header;
		break;
	case VOTES_REGISTER:
		apply_register(w, r);
		break;
	case VOTES_LONG:
		for (uint32_t i = 0; i < r->n_leases; i++)
			if (r->leases[i].why == MSG_WHY_NONE)
				apply_long(d, r, &r->leases[i]);
		break;
	case VOTES_NUMBER:
		d->number = r->number;
		return;
	case VOTES_RELEASE:
	case VOTES_RELEASE_DROP:
		apply_release(d, r);
		return;
	case VOTES_SEEN:
		apply_seen(d, r);
		return;
	case VOTES_CHOSEN:
	case VOTES_CHOSEN_DROP:
		apply_chosen(d, r);
		return;
	case VOTES_SEEN_DROP:
	case VOTES_WHAT_MAX:
		return;
	}
	d->write = r->write;
}

static void apply_replica(struct whole_disk *d, const struct store_job *j)
{
	size_t i = 0;

	while (i < d->n_replicas && strcmp(d->replicas[i].id, j->u.replica.id) != 0)
		i++;
	if (j->kind == STORE_DEL_REPLICA) {
		if (i == d->n_replicas)
			return;
		free(d->replicas[i].v);
		d->replicas[i] = d->replicas[--d->n_replicas];
		return;
	}
	if (i == d->n_replicas) {
		d->replicas = one_more(d->replicas, d->n_replicas, sizeof(*d->replicas));
		(void)snprintf(d->replicas[i].id, sizeof(d->replicas[i].id), "%s", j->u.replica.id); /* fits */
		d->n_replicas++;
	}
	free(d->replicas[i].v);
	d->replicas[i].v = bytes_of(j->u.replica.saved, j->u.replica.saved_len);
	d->replicas[i].n = j->u.replica.saved_len;
}

static void apply_note(struct whole_disk *d, const struct store_job *j)
{
	size_t i = 0;

	while (strcmp(store_note_keys[i], j->u.note.key) != 0)
		i++;
	free(d->notes[i]);
	d->notes[i] = (char *)bytes_of(j->u.note.text, strlen(j->u.note.text) + 1);
}

void whole_disk_apply(struct whole *w, const struct store_job *j)
{
	if (j->kind == STORE_VOTE)
		apply_vote(w, j->u.vote);
	else if (j->kind == STORE_PUT_REPLICA || j->kind == STORE_DEL_REPLICA)
		apply_replica(&w->disk, j);
	else if (j->kind == STORE_PUT_NOTE)
		apply_note(&w->disk, j);
}

static void copy_regs(struct whole_regs *to, const struct whole_regs *from)
{
	*to = (struct whole_regs){0};
	for (size_t i = 0; i < from->n; i++) {
		struct whole_reg *p = reg_of(to, &from->v[i].key);

		*p = from->v[i];
		p->v = from->v[i].v ? bytes_of(from->v[i].v, from->v[i].n) : NULL;
	}
}

void whole_disk_copy(struct whole_disk *to, const struct whole_disk *from)
{
	whole_disk_done(to);
	*to = *from;
	copy_regs(&to->votes, &from->votes);
	copy_regs(&to->chosen, &from->chosen);
	to->longs = (void *)bytes_of(from->longs, from->n_longs * sizeof(*to->longs));
	to->releases = (void *)bytes_of(from->releases, from->n_releases * sizeof(*to->releases));
	to->seen = (void *)bytes_of(from->seen, from->n_seen * sizeof(*to->seen));
	to->replicas = (void *)bytes_of(from->replicas, from->n_replicas * sizeof(*to->replicas));
	for (size_t i = 0; i < STORE_NOTE_MAX; i++)
		to->notes[i] = from->notes[i] ? (char *)bytes_of(from->notes[i], strlen(from->notes[i]) + 1) : NULL;
	for (size_t i = 0; i < to->n_replicas; i++)
		to->replicas[i].v = bytes_of(from->replicas[i].v, from->replicas[i].n);
}

void whole_disk_restore(struct whole_disk *d, const struct whole_disk *copy)
{
	struct whole_disk was = *d;

	*d = (struct whole_disk){0};
	whole_disk_copy(d, copy);
	for (size_t i = 0; i < d->chosen.n; i++) {
		const struct whole_reg *old = find_reg(&was.chosen, &d->chosen.v[i].key);

		d->chosen.v[i].fell = !old || old->fell || ballot_cmp(&old->accepted, &d->chosen.v[i].accepted) > 0;
	}
	d->votes_fell = d->votes_fell || was.votes_fell || was.write > d->write;
	whole_disk_done(&was);
}

bool whole_disk_fell(const struct whole_disk *d, const struct msg_key *key)
{
	const struct whole_reg *r = find_reg(&d->chosen, key);

	return r && r->fell;
}

static void free_regs(struct whole_regs *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->v[i].v);
	free(r->v);
}

void whole_disk_done(struct whole_disk *d)
{
	free_regs(&d->votes);
	free_regs(&d->chosen);
	for (size_t i = 0; i < d->n_replicas; i++)
		free(d->replicas[i].v);
	free(d->replicas);
	free(d->longs);
	free(d->releases);
	free(d->seen);
	for (size_t i = 0; i < STORE_NOTE_MAX; i++)
		free(d->notes[i]);
	*d = (struct whole_disk){0};
}
