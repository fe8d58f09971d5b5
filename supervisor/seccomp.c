/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which filter a sandbox gets: the profile it names, as built in or as a file of the host says now, with the agent's
 * own allow and deny, compiled at most once for the same content. Filters are kept as memfds, the least recently used
 * goes when the cache is full. Loads nothing into any process: that is the shim's.
 */
#include "supervisor/seccomp_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/mem.h"

#define FILTERS_MAX 64

/* Which version of a file was read; all zero: there was none. */
struct file_id {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec changed;
};

struct loaded {
	const char *name;
	bool valid;
	struct file_id groups_id, profile_id;
	struct seccomp_groups groups;
	struct seccomp_profile profile;
	uint64_t version; /* rises with each reading */
};

struct filter {
	char *key; /* owned; NULL: free */
	int fd;	   /* owned */
	bool kill;
	uint64_t used_at;
};

struct seccomp_cache {
	struct loaded loaded[2];
	struct filter filters[FILTERS_MAX];
	uint64_t clock;
	char dir[];
};

int seccomp_cache_new(const char *profile_dir, struct seccomp_cache **ret, struct err *e)
{
	size_t n = strlen(profile_dir) + 1;
	struct seccomp_cache *c = mem_zalloc(1, sizeof(*c) + n);

	if (!c)
		return err_set(e, -ENOMEM, "out of memory");
	memcpy(c->dir, profile_dir, n);
	c->loaded[0].name = "default";
	c->loaded[1].name = "strict";
	*ret = c;
	return 0;
}

static void filter_drop(struct filter *f)
{
	if (!f->key)
		return;
	free(f->key);
	(void)close(f->fd); /* a memfd has nothing to lose */
	memset(f, 0, sizeof(*f));
}

void seccomp_cache_free(struct seccomp_cache *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < FILTERS_MAX; i++)
		filter_drop(&c->filters[i]);
	free(c);
}

static int source_path(const struct seccomp_cache *c, const char *name, char out[PATH_MAX], struct err *e)
{
	if (snprintf(out, PATH_MAX, "%s/%s.profile", c->dir, name) >= PATH_MAX)
		return err_set(e, -ENAMETOOLONG, "'%s/%s.profile': name too long", c->dir, name);
	return 0;
}

static int file_id(const struct seccomp_cache *c, const char *name, struct file_id *ret, struct err *e)
{
	char path[PATH_MAX];
	struct stat st;
	int rc = source_path(c, name, path, e);

	if (rc < 0)
		return rc;
	memset(ret, 0, sizeof(*ret));
	if (stat(path, &st) < 0)
		return errno == ENOENT ? 0 : err_errno(e, "stat '%s'", path);
	*ret = (struct file_id){.dev = st.st_dev, .ino = st.st_ino, .size = st.st_size, .changed = st.st_mtim};
	return 0;
}

static bool same_file(const struct file_id *a, const struct file_id *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size && a->changed.tv_sec == b->changed.tv_sec &&
	       a->changed.tv_nsec == b->changed.tv_nsec;
}

/* Parses DIR/NAME.profile, or what is built in when there is none. */
static int parse_source(const struct seccomp_cache *c, const char *name, const struct file_id *id,
	struct seccomp_groups *groups, struct seccomp_profile *profile, struct err *e)
{
	const char *text = seccomp_builtin(name);
	struct bytes b = {.max = SECCOMP_PROFILE_BYTES};
	char path[PATH_MAX];
	int rc;

	if (id->ino == 0)
		return seccomp_parse(name, text, strlen(text), groups, profile, e);
	rc = source_path(c, name, path, e);
	if (rc == 0)
		rc = io_read_file(AT_FDCWD, path, &b, e);
	if (rc == 0)
		rc = seccomp_parse(path, b.v ? b.v : "", b.n, groups, profile, e);
	bytes_done(&b);
	return rc;
}

static int load(struct seccomp_cache *c, struct loaded *l, struct err *e)
{
	struct file_id groups_id, profile_id;
	int rc = file_id(c, "groups", &groups_id, e);

	if (rc == 0)
		rc = file_id(c, l->name, &profile_id, e);
	if (rc < 0)
		return rc;
	if (l->valid && same_file(&groups_id, &l->groups_id) && same_file(&profile_id, &l->profile_id))
		return 0;
	l->valid = false;
	memset(&l->groups, 0, sizeof(l->groups));
	memset(&l->profile, 0, sizeof(l->profile));
	rc = parse_source(c, "groups", &groups_id, &l->groups, NULL, e);
	if (rc == 0)
		rc = parse_source(c, l->name, &profile_id, &l->groups, &l->profile, e);
	if (rc < 0)
		return rc;
	l->groups_id = groups_id;
	l->profile_id = profile_id;
	l->version++;
	l->valid = true;
	return 0;
}

int seccomp_cache_load(struct seccomp_cache *c, const char *name, const struct seccomp_groups **ret_groups,
	const struct seccomp_profile **ret_profile, struct err *e)
{
	struct loaded *l = &c->loaded[strcmp(name, "strict") == 0];
	int rc = load(c, l, e);

	if (rc < 0)
		return rc;
	*ret_groups = &l->groups;
	*ret_profile = &l->profile;
	return 0;
}

/* What a filter depends on, as text: the key of the cache. The caller frees. */
static char *make_key(const struct spec_sandbox *s, uint64_t version)
{
	struct bytes b = {.max = 2 * SYSCALLS_MAX * (STRING_MAX + 2)};

	(void)bytes_fmt(&b, "%d %llu", (int)s->seccomp, (unsigned long long)version); /* `failed` tells */
	for (size_t i = 0; i < s->seccomp_allow.n; i++)
		(void)bytes_fmt(&b, " +%s", s->seccomp_allow.v[i]); /* as above */
	for (size_t i = 0; i < s->seccomp_deny.n; i++)
		(void)bytes_fmt(&b, " -%s", s->seccomp_deny.v[i]); /* as above */
	return bytes_take(&b);
}

static int put_names(struct seccomp_profile *p, const struct seccomp_groups *g, const struct spec_strv *names,
	enum seccomp_verdict verdict, struct err *e)
{
	struct seccomp_set calls;

	for (size_t i = 0; i < names->n; i++) {
		int rc = seccomp_name_calls(g, names->v[i], &calls, e);

		if (rc < 0)
			return err_wrap(e, "seccomp: %s", verdict == SECCOMP_ALLOW ? "allow" : "deny");
		seccomp_profile_put(p, &calls, verdict);
	}
	return 0;
}

/* Compiles the profile with the sandbox's own names; deny is stronger than allow. */
static int compile(const struct loaded *l, const struct spec_sandbox *s, bool *ret_kill, struct err *e)
{
	struct seccomp_profile p = l->profile;
	int rc;

	if (s->seccomp == SPEC_SECCOMP_LEARN) {
		*ret_kill = false;
		return seccomp_compile_learn(e);
	}
	if (s->seccomp == SPEC_SECCOMP_OFF) {
		memset(&p, 0, sizeof(p));
		memset(p.verdict, SECCOMP_ALLOW, sizeof(p.verdict));
		p.open = true;
	}
	rc = put_names(&p, &l->groups, &s->seccomp_allow, SECCOMP_ALLOW, e);
	if (rc == 0)
		rc = put_names(&p, &l->groups, &s->seccomp_deny, SECCOMP_REFUSE, e);
	if (rc < 0)
		return rc;
	*ret_kill = p.kill;
	return seccomp_compile(&p, e);
}

static struct filter *cached(struct seccomp_cache *c, const char *key)
{
	for (size_t i = 0; i < FILTERS_MAX; i++)
		if (c->filters[i].key && strcmp(c->filters[i].key, key) == 0)
			return &c->filters[i];
	return NULL;
}

static struct filter *least_used(struct seccomp_cache *c)
{
	struct filter *f = &c->filters[0];

	for (size_t i = 1; i < FILTERS_MAX; i++)
		if (c->filters[i].used_at < f->used_at)
			f = &c->filters[i];
	return f;
}

int seccomp_filter_for(struct seccomp_cache *c, const struct spec_sandbox *s, struct seccomp_filter *ret, struct err *e)
{
	struct loaded *l = &c->loaded[s->seccomp == SPEC_SECCOMP_STRICT];
	AUTO_FREE char *key = NULL;
	struct filter *f;
	bool kill;
	int rc;

	if (s->seccomp == SPEC_SECCOMP_OFF && s->seccomp_deny.n == 0) {
		*ret = (struct seccomp_filter){.fd = -1};
		return 0;
	}
	if (s->seccomp == SPEC_SECCOMP_LEARN && s->seccomp_allow.n + s->seccomp_deny.n > 0)
		return err_set(e, -EINVAL, "seccomp: learn lets everything through: no allow, no deny beside it");
	rc = load(c, l, e);
	if (rc < 0)
		return rc;
	key = make_key(s, l->version);
	if (!key)
		return err_set(e, -ENOMEM, "out of memory");
	f = cached(c, key);
	if (!f) {
		rc = compile(l, s, &kill, e);
		if (rc < 0)
			return rc;
		f = least_used(c);
		filter_drop(f);
		*f = (struct filter){.key = key, .fd = rc, .kill = kill};
		key = NULL;
	}
	f->used_at = ++c->clock;
	*ret = (struct seccomp_filter){.fd = f->fd, .kill = f->kill, .learn = s->seccomp == SPEC_SECCOMP_LEARN};
	return 0;
}
