/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The votes back from disk. What a voter acknowledged is there as it was written, or this node does not vote: any fault
 * of a row, a row too few, one too many or an old one. What the others keep costs itself alone.
 *
 * Names of registers are checked for their length only: a voter takes any, and one of its own that it wrote must not
 * end it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "node/votes_priv.h"
#include "supervisor/spec.h"

#define UUID_BYTES (int)sizeof(((struct uuid *)0)->v)

struct loading {
	struct votes *v;
	struct err *e;
	/* Of the vote. */
	const struct votes_sink *sink;
	struct acceptor_header header;
	bool has_header, has_write;
	struct votes_disk disk; /* as the row of it says */
	uint64_t fold;		/* of what was read */
	uint64_t number;
	/* Of the others. */
	union {
		int (*release)(void *arg, const struct msg_key *key, uint32_t slot, uint64_t epoch);
		int (*seen)(void *arg, const struct uuid *node, uint64_t boot, uint64_t write);
		int (*chosen)(
			void *arg, const struct msg_key *key, const struct ballot *ballot, struct msg_bytes value);
	} fn;
	void *arg;
	const char *drop; /* the statement that drops a damaged row, by its id */
};

/* ---- columns ---- */

static bool is_blob(sqlite3_stmt *st, int at, int least, int most)
{
	return sqlite3_column_type(st, at) == SQLITE_BLOB && sqlite3_column_bytes(st, at) >= least &&
	       sqlite3_column_bytes(st, at) <= most;
}

static bool is_int(sqlite3_stmt *st, int at)
{
	return sqlite3_column_type(st, at) == SQLITE_INTEGER;
}

static struct msg_bytes bytes(sqlite3_stmt *st, int at)
{
	const uint8_t *v = sqlite3_column_blob(st, at); /* NULL of an empty one */

	return (struct msg_bytes){.v = v ? v : (const uint8_t *)"", .n = (size_t)sqlite3_column_bytes(st, at)};
}

static bool has_sum(sqlite3_stmt *st, int at, uint64_t sum)
{
	return is_int(st, at) && (uint64_t)sqlite3_column_int64(st, at) == sum;
}

static bool key_read(sqlite3_stmt *st, int at, struct msg_key *ret)
{
	struct msg_bytes b;

	if (!is_blob(st, at, 0, NAME_MAX_LEN))
		return false;
	b = bytes(st, at);
	*ret = (struct msg_key){.n = (uint8_t)b.n};
	memcpy(ret->v, b.v, b.n);
	return true;
}

static bool ballot_read(sqlite3_stmt *st, int at, struct ballot *ret)
{
	static const struct uuid none;

	if (!is_blob(st, at, VOTES_BALLOT_BYTES, VOTES_BALLOT_BYTES))
		return false;
	votes_ballot_read(sqlite3_column_blob(st, at), ret);
	return ret->counter > 0 && ret->counter <= BALLOT_COUNTER_MAX && !ballot_same_node(&ret->node, &none);
}

static void uuid_read(sqlite3_stmt *st, int at, struct uuid *ret)
{
	memcpy(ret->v, sqlite3_column_blob(st, at), sizeof(ret->v));
}

/* A row's key, ballot, sum and value, from column `at` on. */
static bool value_read(
	sqlite3_stmt *st, int at, enum votes_tag tag, struct msg_key *key, struct ballot *ballot, struct msg_bytes *ret)
{
	bool promise = tag == VOTES_TAG_PROMISE;

	if (!key_read(st, at, key) || !ballot_read(st, at + 1, ballot) ||
		(!promise && !is_blob(st, at + 3, 0, MSG_VALUE_MAX)))
		return false;
	*ret = promise ? (struct msg_bytes){0} : bytes(st, at + 3);
	return has_sum(st, at + 2, votes_sum_value(tag, bytes(st, at), bytes(st, at + 1), *ret));
}

/* ---- sentences ---- */

/* How a sentence calls a register; bytes that are no name are not shown. */
static const char *name_of(const struct msg_key *key, char out[NAME_MAX_LEN + 32])
{
	char name[NAME_MAX_LEN + 1] = "";

	if (key->n == 0)
		return "the cluster's register";
	memcpy(name, key->v, key->n);
	if (!spec_name_is_valid(name))
		return "a register whose name cannot be read";
	(void)snprintf(out, NAME_MAX_LEN + 32, "the register of '%s'", name); /* fits */
	return out;
}

static int damaged(struct loading *l, const char *what)
{
	return err_set(l->e, -EUCLEAN,
		"'%s' is damaged: %s is not as it was written; this node does not vote until \"covey restore\" of a "
		"backup, or \"covey reset\", made it a new one",
		l->v->s->path, what);
}

/* The key of a row that is damaged may be what is damaged. */
static int damaged_key(struct loading *l, const char *what, sqlite3_stmt *st, int at)
{
	char name[NAME_MAX_LEN + 32], text[160];
	struct msg_key key = {.n = 1, .v = "?"};

	(void)key_read(st, at, &key);						/* else as it is: a name that is none */
	(void)snprintf(text, sizeof(text), "%s %s", what, name_of(&key, name)); /* fits */
	return damaged(l, text);
}

/* ---- walks ---- */

static int walk(struct loading *l, const char *sql, int (*row)(struct loading *l, sqlite3_stmt *st))
{
	struct store *s = l->v->s;
	sqlite3_stmt *st = NULL;
	int step = SQLITE_ROW, rc = 0;

	if (sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) != SQLITE_OK)
		return store_schema_fault(s, l->e);
	while (rc == 0 && (step = sqlite3_step(st)) == SQLITE_ROW)
		rc = row(l, st);
	if (rc == 0 && step != SQLITE_DONE)
		rc = store_schema_fault(s, l->e);
	(void)sqlite3_finalize(st); /* repeats the failure that was told already */
	return rc;
}

static int state_row(struct loading *l, sqlite3_stmt *st)
{
	int64_t tag = is_int(st, 0) ? sqlite3_column_int64(st, 0) : 0;
	struct msg_bytes b;

	if (!is_blob(st, 1, 0, VOTES_BODY_MAX))
		return damaged(l, "the head of its votes");
	b = bytes(st, 1);
	if (!has_sum(st, 2, votes_sum_state((enum votes_tag)tag, b.v, b.n)))
		return damaged(l, "the head of its votes");
	if (tag == VOTES_TAG_HEADER && votes_header_read(b.v, b.n, &l->header) && !quorum_fault(&l->header.cfg)) {
		l->has_header = true;
		l->fold ^= (uint64_t)sqlite3_column_int64(st, 2);
		return 0;
	}
	if (tag == VOTES_TAG_WRITE && b.n == 16) {
		l->has_write = true;
		l->disk = (struct votes_disk){.write = votes_u64_read(b.v), .fold = votes_u64_read(b.v + 8)};
		return 0;
	}
	if (tag == VOTES_TAG_NUMBER && b.n == 8) {
		l->number = votes_u64_read(b.v);
		return 0;
	}
	return damaged(l, "the head of its votes");
}

static int load_state(struct loading *l)
{
	return walk(l, "SELECT id,body,sum FROM vote_state", state_row);
}

/* ---- the vote ---- */

/* Both of a key, either of which may not be there. */
static const char registers[] = "SELECT p.key,p.ballot,p.sum,v.key,v.ballot,v.sum,v.value FROM vote_promises p "
				"LEFT JOIN vote_values v ON v.key=p.key UNION ALL "
				"SELECT NULL,NULL,NULL,v.key,v.ballot,v.sum,v.value FROM vote_values v "
				"WHERE NOT EXISTS(SELECT 1 FROM vote_promises p WHERE p.key=v.key)";

static int register_row(struct loading *l, sqlite3_stmt *st)
{
	bool has_promise = sqlite3_column_type(st, 2) != SQLITE_NULL,
	     has_value = sqlite3_column_type(st, 5) != SQLITE_NULL;
	struct ballot promised = {0}, accepted = {0};
	struct msg_bytes value = {0}, none;
	struct msg_key key;
	int rc;

	if (has_promise && !value_read(st, 0, VOTES_TAG_PROMISE, &key, &promised, &none))
		return damaged_key(l, "its promise on", st, 0);
	if (has_value && !value_read(st, 3, VOTES_TAG_VALUE, &key, &accepted, &value))
		return damaged_key(l, "what it accepted for", st, 3);
	if (!has_promise && !has_value)
		return damaged(l, "a vote");
	l->fold ^= (uint64_t)sqlite3_column_int64(st, 2) ^ (uint64_t)sqlite3_column_int64(st, 5); /* of NULL: 0 */
	promised = *ballot_max(&promised, &accepted);
	rc = l->sink->vote(l->arg, &key, &promised, &accepted, value);
	if (rc == -ENOMEM)
		return err_set(l->e, rc, "out of memory for the votes");
	return rc < 0 ? damaged_key(l, "its vote on", st, has_promise ? 0 : 3) : 0;
}

static int long_row(struct loading *l, sqlite3_stmt *st)
{
	struct msg_slot slot = {0};
	struct msg_key key;

	if (!key_read(st, 0, &key) || !is_int(st, 1) || !is_blob(st, 2, UUID_BYTES, UUID_BYTES) || !is_int(st, 3) ||
		!is_int(st, 4) ||
		!has_sum(st, 5,
			votes_sum_slot(VOTES_TAG_LONG, bytes(st, 0), sqlite3_column_int64(st, 1), bytes(st, 2),
				sqlite3_column_int64(st, 3), sqlite3_column_int64(st, 4))))
		return damaged_key(l, "a lease that it granted of", st, 0);
	l->fold ^= (uint64_t)sqlite3_column_int64(st, 5);
	slot.slot = (uint32_t)sqlite3_column_int64(st, 1);
	uuid_read(st, 2, &slot.owner);
	slot.epoch = (uint64_t)sqlite3_column_int64(st, 3);
	if (l->sink->lasting(l->arg, &key, &slot, (uint32_t)sqlite3_column_int64(st, 4)) < 0)
		return err_set(l->e, -ENOMEM, "out of memory for the votes");
	return 0;
}

static int begin(struct loading *l)
{
	int rc = l->sink->begin(l->arg, &l->header, l->disk.write);

	if (rc == -EINVAL)
		return err_set(l->e, rc, "a voter without a UUID or a count of its starts");
	return rc < 0 ? err_set(l->e, rc, "out of memory for the votes") : 0;
}

static int load_locked(struct loading *l)
{
	int rc = load_state(l);

	if (rc == 0)
		rc = begin(l);
	if (rc == 0)
		rc = walk(l, registers, register_row);
	if (rc == 0)
		rc = walk(l, "SELECT key,slot,owner,epoch,long_ms,sum FROM vote_longs", long_row);
	if (rc == 0 && (l->fold != l->disk.fold || (l->has_header && !l->has_write)))
		rc = damaged(l, "the whole of its votes (a row is gone, or older than the others)");
	return rc;
}

int votes_load(struct votes *v, const struct votes_sink *sink, void *arg, struct err *e)
{
	struct loading l = {.v = v, .e = e, .sink = sink, .arg = arg};
	int rc;

	assert(v->n_flying == 0);
	if (access(v->mark, F_OK) == 0)
		return err_set(e, -EIO,
			"'%s' is there: the disk failed to make '%s' durable since this host was started; this node "
			"does not vote until the disk was mended and the host restarted",
			v->mark, v->s->path);
	pthread_mutex_lock(&v->s->db_lock);
	rc = load_locked(&l);
	if (rc == 0)
		v->durable = v->at = l.disk;
	pthread_mutex_unlock(&v->s->db_lock);
	if (rc < 0)
		return rc;
	v->loaded = true;
	return 0;
}

/* ---- a holder's, a proposer's ---- */

static int run(struct loading *l, const char *sql, int (*row)(struct loading *l, sqlite3_stmt *st))
{
	int rc;

	pthread_mutex_lock(&l->v->s->db_lock);
	rc = walk(l, sql, row);
	pthread_mutex_unlock(&l->v->s->db_lock);
	return rc;
}

static int told(struct loading *l, int rc)
{
	return rc < 0 ? err_set(l->e, rc, "reading '%s': %s", l->v->s->path, strerror(-rc)) : 0;
}

static int release_row(struct loading *l, sqlite3_stmt *st)
{
	struct msg_key key;
	int64_t slot, epoch;

	if (!key_read(st, 0, &key) || !is_int(st, 1) || !is_int(st, 2) ||
		!has_sum(st, 3,
			votes_sum_slot(VOTES_TAG_RELEASE, bytes(st, 0), sqlite3_column_int64(st, 1),
				(struct msg_bytes){0}, sqlite3_column_int64(st, 2), 0)))
		return err_set(l->e, -EUCLEAN,
			"'%s' is damaged: which leases this node gave back is not as it was written; it holds none "
			"until "
			"\"covey restore\" of a backup, or \"covey reset\", made it a new one",
			l->v->s->path);
	slot = sqlite3_column_int64(st, 1);
	epoch = sqlite3_column_int64(st, 2);
	return told(l, l->fn.release(l->arg, &key, (uint32_t)slot, (uint64_t)epoch));
}

int votes_load_leases(struct votes *v, int (*fn)(void *arg, const struct msg_key *key, uint32_t slot, uint64_t epoch),
	void *arg, uint64_t *ret_number, struct err *e)
{
	struct loading l = {.v = v, .e = e, .fn.release = fn, .arg = arg};
	int rc = run(&l, "SELECT id,body,sum FROM vote_state", state_row);

	if (rc == 0)
		rc = run(&l, "SELECT key,slot,epoch,sum FROM lease_releases", release_row);
	if (rc == 0)
		*ret_number = l.number;
	return rc;
}

/* It would stand in the way of a whole one. */
static int drop_row(struct loading *l, sqlite3_stmt *st)
{
	char sql[80];

	log_warn("votes: %s in '%s' is damaged, leaving it out", l->drop, l->v->s->path);
	(void)snprintf(sql, sizeof(sql), "DELETE FROM %s WHERE id=%lld", l->drop,
		(long long)sqlite3_column_int64(st, 0));	/* fits */
	(void)sqlite3_exec(l->v->s->db, sql, NULL, NULL, NULL); /* it is left out either way */
	return 0;
}

static int seen_row(struct loading *l, sqlite3_stmt *st)
{
	struct uuid node;

	if (!is_blob(st, 1, UUID_BYTES, UUID_BYTES) || !is_int(st, 2) || !is_int(st, 3) ||
		!has_sum(st, 4, votes_sum_seen(bytes(st, 1), sqlite3_column_int64(st, 2), sqlite3_column_int64(st, 3))))
		return drop_row(l, st);
	uuid_read(st, 1, &node);
	return told(l, l->fn.seen(l->arg, &node, (uint64_t)sqlite3_column_int64(st, 2),
			       (uint64_t)sqlite3_column_int64(st, 3)));
}

int votes_load_seen(struct votes *v, int (*fn)(void *arg, const struct uuid *node, uint64_t boot, uint64_t write),
	void *arg, struct err *e)
{
	struct loading l = {.v = v, .e = e, .fn.seen = fn, .arg = arg, .drop = "voters_seen"};

	return run(&l, "SELECT id,node,boot,write,sum FROM voters_seen ORDER BY id", seen_row);
}

static int chosen_row(struct loading *l, sqlite3_stmt *st)
{
	struct msg_bytes value;
	struct ballot ballot;
	struct msg_key key;

	if (!value_read(st, 1, VOTES_TAG_CHOSEN, &key, &ballot, &value))
		return drop_row(l, st);
	return told(l, l->fn.chosen(l->arg, &key, &ballot, value));
}

int votes_load_chosen(struct votes *v,
	int (*fn)(void *arg, const struct msg_key *key, const struct ballot *ballot, struct msg_bytes value), void *arg,
	struct err *e)
{
	struct loading l = {.v = v, .e = e, .fn.chosen = fn, .arg = arg, .drop = "chosen_values"};

	return run(&l, "SELECT id,key,ballot,sum,value FROM chosen_values ORDER BY key", chosen_row);
}
