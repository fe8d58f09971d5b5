/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The votes on the storage thread: which rows a write changes. Each row of a vote that is put in the place of another
 * takes the other's sum out of the fold, and puts its own in. The highest write number and the fold go once a
 * transaction, before its commit.
 */
#include <errno.h>
#include <string.h>

#include "node/votes_priv.h"

/* Of a row that is there already. */
struct found {
	uint64_t sum; /* 0: there is none */
	int64_t id;
	struct msg_slot slot; /* of long grants */
	int64_t long_ms;
};

static struct msg_bytes key_bytes(const struct msg_key *key)
{
	return (struct msg_bytes){.v = (const uint8_t *)key->v, .n = key->n};
}

static struct msg_bytes node_bytes(const struct uuid *node)
{
	return (struct msg_bytes){.v = node->v, .n = sizeof(node->v)};
}

/* Never NULL, which would be no empty blob but none. */
static void bind(sqlite3_stmt *st, int at, struct msg_bytes b)
{
	store_bind_blob(st, at, b.v ? (const void *)b.v : "", b.n);
}

static int step(struct votes *v, sqlite3_stmt *st, struct err *e)
{
	return store_step(v->s, st, e);
}

static int find(struct votes *v, sqlite3_stmt *st, struct found *ret, struct err *e)
{
	int rc = sqlite3_step(st);

	*ret = (struct found){0};
	if (rc == SQLITE_ROW) {
		ret->sum = (uint64_t)sqlite3_column_int64(st, 0);
		if (sqlite3_column_count(st) == 2)
			ret->id = sqlite3_column_int64(st, 1);
		if (sqlite3_column_count(st) == 4 && sqlite3_column_bytes(st, 1) == sizeof(ret->slot.owner.v)) {
			memcpy(ret->slot.owner.v, sqlite3_column_blob(st, 1), sizeof(ret->slot.owner.v));
			ret->slot.epoch = (uint64_t)sqlite3_column_int64(st, 2);
			ret->long_ms = sqlite3_column_int64(st, 3);
		}
	}
	rc = rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : store_schema_fault(v->s, e);
	(void)sqlite3_reset(st); /* repeats the failure that was told just above */
	(void)sqlite3_clear_bindings(st);
	return rc;
}

/* By its key, or number; ret->sum is 0 when there is none. */
static int find_key(struct votes *v, enum store_stmt which, const struct msg_key *key, struct found *ret, struct err *e)
{
	sqlite3_stmt *st;
	int rc = store_schema_stmt(v->s, which, &st, e);

	if (rc < 0)
		return rc;
	bind(st, 1, key_bytes(key));
	return find(v, st, ret, e);
}

static void refold(struct votes *v, const struct found *was, uint64_t sum)
{
	v->at.fold ^= was->sum ^ sum;
}

/* ---- what there is once ---- */

static int put_state(struct votes *v, enum votes_tag tag, const uint8_t *body, size_t n, struct err *e)
{
	uint64_t sum = votes_sum_state(tag, body, n);
	struct found was = {0};
	sqlite3_stmt *st;
	int rc = store_schema_stmt(v->s, STORE_STMT_STATE_FIND, &st, e);

	if (rc == 0 && tag == VOTES_TAG_HEADER) {
		store_bind_int(st, 1, tag);
		rc = find(v, st, &was, e);
	}
	if (rc == 0)
		rc = store_schema_stmt(v->s, STORE_STMT_STATE_PUT, &st, e);
	if (rc < 0)
		return rc;
	store_bind_int(st, 1, tag);
	store_bind_blob(st, 2, body, n);
	store_bind_int(st, 3, (int64_t)sum);
	rc = step(v, st, e);
	if (rc == 0 && tag == VOTES_TAG_HEADER)
		refold(v, &was, sum);
	return rc;
}

static int put_header(struct votes *v, const struct votes_row *r, struct err *e)
{
	uint8_t body[VOTES_BODY_MAX];
	size_t n = votes_header_bytes(&r->header, body);

	return put_state(v, VOTES_TAG_HEADER, body, n, e);
}

static int put_number(struct votes *v, const struct votes_row *r, struct err *e)
{
	uint8_t body[8];

	votes_u64_bytes(r->number, body);
	return put_state(v, VOTES_TAG_NUMBER, body, sizeof(body), e);
}

/* ---- registers ---- */

static int put_promise(struct votes *v, const struct votes_row *r, struct err *e)
{
	uint8_t ballot[VOTES_BALLOT_BYTES];
	struct msg_bytes b = {.v = ballot, .n = sizeof(ballot)};
	struct found was;
	sqlite3_stmt *st;
	uint64_t sum;
	int rc = find_key(v, STORE_STMT_PROMISE_FIND, &r->key, &was, e);

	if (rc == 0)
		rc = store_schema_stmt(v->s, STORE_STMT_PROMISE_PUT, &st, e);
	if (rc < 0)
		return rc;
	votes_ballot_bytes(&r->promised, ballot);
	sum = votes_sum_value(VOTES_TAG_PROMISE, key_bytes(&r->key), b, (struct msg_bytes){0});
	bind(st, 1, key_bytes(&r->key));
	bind(st, 2, b);
	store_bind_int(st, 3, (int64_t)sum);
	rc = step(v, st, e);
	if (rc == 0)
		refold(v, &was, sum);
	return rc;
}

/* In its place where there is one, so that the index of keys stays as it is. */
static int put_value(struct votes *v, const struct votes_row *r, struct err *e)
{
	uint8_t ballot[VOTES_BALLOT_BYTES];
	struct msg_bytes b = {.v = ballot, .n = sizeof(ballot)};
	struct found was;
	sqlite3_stmt *st;
	uint64_t sum;
	int rc = find_key(v, STORE_STMT_VALUE_FIND, &r->key, &was, e);

	if (rc == 0)
		rc = store_schema_stmt(v->s, was.id ? STORE_STMT_VALUE_SET : STORE_STMT_VALUE_ADD, &st, e);
	if (rc < 0)
		return rc;
	votes_ballot_bytes(&r->ballot, ballot);
	sum = votes_sum_value(VOTES_TAG_VALUE, key_bytes(&r->key), b, r->value);
	bind(st, 1, b);
	store_bind_int(st, 2, (int64_t)sum);
	bind(st, 3, r->value);
	if (was.id)
		store_bind_int(st, 4, was.id);
	else
		bind(st, 4, key_bytes(&r->key));
	rc = step(v, st, e);
	if (rc == 0)
		refold(v, &was, sum);
	return rc;
}

/* An accepted ballot is promised too, and a promise is above what was accepted: each phase changes one row. */
static int put_register(struct votes *v, const struct votes_row *r, struct err *e)
{
	int rc = r->new_value ? put_value(v, r, e) : 0;

	if (rc == 0 && ballot_cmp(&r->promised, &r->ballot) > 0)
		rc = put_promise(v, r, e);
	return rc;
}

/* ---- long grants ---- */

static int find_long(struct votes *v, const struct msg_lease *l, struct found *ret, struct err *e)
{
	sqlite3_stmt *st;
	int rc = store_schema_stmt(v->s, STORE_STMT_LONG_FIND, &st, e);

	if (rc < 0)
		return rc;
	bind(st, 1, key_bytes(&l->key));
	store_bind_int(st, 2, l->slot);
	return find(v, st, ret, e);
}

/* A shorter grant does not end a longer one of the same owner and epoch: its holder may run for as long as that. */
static int put_long(struct votes *v, const struct votes_row *r, const struct msg_lease *l, struct err *e)
{
	struct found was;
	sqlite3_stmt *st;
	uint64_t sum;
	int rc = find_long(v, l, &was, e);

	if (rc < 0)
		return rc;
	if (was.sum && ballot_same_node(&was.slot.owner, &r->node) && was.slot.epoch == l->epoch &&
		was.long_ms >= r->long_ms)
		return 0;
	rc = store_schema_stmt(v->s, STORE_STMT_LONG_PUT, &st, e);
	if (rc < 0)
		return rc;
	sum = votes_sum_slot(
		VOTES_TAG_LONG, key_bytes(&l->key), l->slot, node_bytes(&r->node), (int64_t)l->epoch, r->long_ms);
	bind(st, 1, key_bytes(&l->key));
	store_bind_int(st, 2, l->slot);
	bind(st, 3, node_bytes(&r->node));
	store_bind_int(st, 4, (int64_t)l->epoch);
	store_bind_int(st, 5, r->long_ms);
	store_bind_int(st, 6, (int64_t)sum);
	rc = step(v, st, e);
	if (rc == 0)
		refold(v, &was, sum);
	return rc;
}

static int put_longs(struct votes *v, const struct votes_row *r, struct err *e)
{
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < r->n_leases; i++)
		if (r->leases[i].why == MSG_WHY_NONE)
			rc = put_long(v, r, &r->leases[i], e);
	return rc;
}

/* ---- a holder's, a proposer's ---- */

static int put_release(struct votes *v, const struct votes_row *r, struct err *e)
{
	bool drop = r->what == VOTES_RELEASE_DROP;
	sqlite3_stmt *st;
	int rc = store_schema_stmt(v->s, drop ? STORE_STMT_RELEASE_DROP : STORE_STMT_RELEASE_PUT, &st, e);

	if (rc < 0)
		return rc;
	bind(st, 1, key_bytes(&r->key));
	store_bind_int(st, 2, r->slot);
	store_bind_int(st, 3, (int64_t)r->number);
	if (!drop)
		store_bind_int(st, 4,
			(int64_t)votes_sum_slot(VOTES_TAG_RELEASE, key_bytes(&r->key), r->slot, (struct msg_bytes){0},
				(int64_t)r->number, 0));
	return step(v, st, e);
}

static int put_seen(struct votes *v, const struct votes_row *r, struct err *e)
{
	int64_t boot = (int64_t)r->boot, write = (int64_t)r->number;
	sqlite3_stmt *st;
	int rc = store_schema_stmt(v->s, STORE_STMT_SEEN_PUT, &st, e);

	if (rc < 0)
		return rc;
	bind(st, 1, node_bytes(&r->node));
	store_bind_int(st, 2, boot);
	store_bind_int(st, 3, write);
	store_bind_int(st, 4, (int64_t)votes_sum_seen(node_bytes(&r->node), boot, write));
	rc = step(v, st, e);
	if (rc == 0)
		rc = store_schema_stmt(v->s, STORE_STMT_SEEN_TRIM, &st, e);
	if (rc < 0)
		return rc;
	store_bind_int(st, 1, VOTES_SEEN_MAX);
	return step(v, st, e);
}

static int put_chosen(struct votes *v, const struct votes_row *r, struct err *e)
{
	uint8_t ballot[VOTES_BALLOT_BYTES];
	struct msg_bytes b = {.v = ballot, .n = sizeof(ballot)};
	sqlite3_stmt *st;
	int rc = store_schema_stmt(v->s, STORE_STMT_CHOSEN_PUT, &st, e);

	if (rc < 0)
		return rc;
	votes_ballot_bytes(&r->ballot, ballot);
	bind(st, 1, key_bytes(&r->key));
	bind(st, 2, b);
	store_bind_int(st, 3, (int64_t)votes_sum_value(VOTES_TAG_CHOSEN, key_bytes(&r->key), b, r->value));
	bind(st, 4, r->value);
	return step(v, st, e);
}

static int drop(struct votes *v, enum store_stmt which, struct msg_bytes by, struct err *e)
{
	sqlite3_stmt *st;
	int rc = store_schema_stmt(v->s, which, &st, e);

	if (rc < 0)
		return rc;
	bind(st, 1, by);
	return step(v, st, e);
}

/* ---- a transaction ---- */

static int run(struct votes *v, const struct votes_row *r, struct err *e)
{
	switch (r->what) {
	case VOTES_HEADER:
		return put_header(v, r, e);
	case VOTES_REGISTER:
		return put_register(v, r, e);
	case VOTES_LONG:
		return put_longs(v, r, e);
	case VOTES_NUMBER:
		return put_number(v, r, e);
	case VOTES_RELEASE:
	case VOTES_RELEASE_DROP:
		return put_release(v, r, e);
	case VOTES_SEEN:
		return put_seen(v, r, e);
	case VOTES_SEEN_DROP:
		return drop(v, STORE_STMT_SEEN_DROP, node_bytes(&r->node), e);
	case VOTES_CHOSEN:
		return put_chosen(v, r, e);
	case VOTES_CHOSEN_DROP:
		return drop(v, STORE_STMT_CHOSEN_DROP, key_bytes(&r->key), e);
	case VOTES_WHAT_MAX:
		break;
	}
	return -EINVAL;
}

static bool is_acceptors(const struct votes_row *r)
{
	return r->what <= VOTES_LONG;
}

int votes_run(struct votes *v, struct votes_row *r, struct err *e)
{
	int rc;

	if (is_acceptors(r) && r->turn == v->failed_turn) {
		r->refused = true;
		return 0;
	}
	rc = run(v, r, e);
	if (rc == 0 && is_acceptors(r))
		v->at.write = r->write;
	return rc;
}

int votes_end(struct votes *v, struct err *e)
{
	uint8_t body[16];

	if (v->at.write == v->durable.write)
		return 0;
	votes_u64_bytes(v->at.write, body);
	votes_u64_bytes(v->at.fold, body + 8);
	return put_state(v, VOTES_TAG_WRITE, body, sizeof(body), e);
}

void votes_ended(struct votes *v, bool committed)
{
	if (committed)
		v->durable = v->at;
	else
		v->at = v->durable;
}

void votes_give_up(struct votes *v, const struct votes_row *r)
{
	if (is_acceptors(r))
		v->failed_turn = r->turn;
}
