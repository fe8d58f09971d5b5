/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agents of this node alone. Files *.yaml and *.yml of agents_dir are read and checked together (apply.c);
 * then the
 * roster is made to say what they say.
 */
#include "node/local.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "node/adopt.h"
#include "node/apply.h"
#include "node/cluster.h"
#include "node/node.h"

struct folder {
	struct apply_batch batch;
	char **paths;	     /* owned */
	struct bytes *texts; /* owned */
	size_t n;
	int added, changed, removed;
};

static void folder_done(struct folder *f)
{
	apply_batch_done(&f->batch);
	for (size_t i = 0; i < f->n; i++) {
		free(f->paths[i]);
		if (f->texts)
			bytes_done(&f->texts[i]);
	}
	free(f->paths);
	free(f->texts);
}

static bool is_ours(const char *name)
{
	size_t n = strlen(name);

	return name[0] != '.' &&
	       ((n > 5 && strcmp(name + n - 5, ".yaml") == 0) || (n > 4 && strcmp(name + n - 4, ".yml") == 0));
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_path(struct folder *f, const char *dir, const char *name)
{
	char **v = mem_realloc(f->paths, (f->n + 1) * sizeof(char *));

	if (!v)
		return -ENOMEM;
	f->paths = v;
	v[f->n] = mem_printf("%s/%s", dir, name);
	if (!v[f->n])
		return -ENOMEM;
	f->n++;
	return 0;
}

static int list_folder(struct folder *f, const char *dir, struct err *e)
{
	const struct dirent *de;
	DIR *d = opendir(dir);
	int rc = 0;

	if (!d && errno == ENOENT)
		return 0;
	if (!d)
		return err_errno(e, "agents_dir: open '%s'", dir);
	while (rc == 0 && (de = readdir(d)))
		if (is_ours(de->d_name))
			rc = f->n < AGENTS_MAX ? add_path(f, dir, de->d_name) : -E2BIG;
	(void)closedir(d); /* read only */
	if (rc < 0)
		return err_set(e, rc, "agents_dir: '%s': %s", dir, strerror(-rc));
	if (f->n)
		qsort(f->paths, f->n, sizeof(char *), by_name);
	return 0;
}

static void fault_of_file(struct spec_faults *faults, const struct err *e)
{
	faults->n = faults->total = 1;
	faults->v[0] = (struct spec_fault){.line = 0};
	(void)snprintf(faults->v[0].text, sizeof(faults->v[0].text), "%.250s", e->text);
}

static int read_folder(struct folder *f, struct err *e)
{
	f->texts = mem_zalloc(f->n, sizeof(*f->texts));
	if (!f->texts || apply_batch_init(&f->batch, f->n, SPEC_SCOPE_NODE) < 0)
		return err_set(e, -ENOMEM, "agents_dir: out of memory");
	for (size_t i = 0; i < f->n; i++) {
		struct apply_file *file = &f->batch.v[i];
		struct err why;

		bytes_init(&f->texts[i], AGENT_FILE_MAX);
		file->name = f->paths[i];
		if (io_read_file(AT_FDCWD, f->paths[i], &f->texts[i], &why) < 0)
			fault_of_file(file->faults, &why);
		file->text = f->texts[i].v ? f->texts[i].v : "";
		file->len = f->texts[i].n;
	}
	return 0;
}

static void each_fault(const struct folder *f, local_fault *tell)
{
	for (size_t i = 0; i < f->n; i++)
		for (size_t k = 0; k < f->batch.v[i].faults->n; k++)
			tell(f->paths[i], &f->batch.v[i].faults->v[k]);
}

static void log_fault(const char *file, const struct spec_fault *x)
{
	char text[SPEC_FAULT_TEXT_MAX];

	log_err("%s", spec_fault_text(file, x, text, sizeof(text)));
}

static int take_one(struct node *n, struct folder *f, size_t i, struct err *e)
{
	struct agent_spec *spec = f->batch.v[i].spec;
	struct agent *a = roster_find(n, spec->name);
	bool is_new = !a || a->removed;
	char key[NAME_MAX_LEN + 16];
	int rc = a ? 0 : roster_add(n, spec->name, SPEC_SCOPE_NODE, &a, e);

	if (rc < 0)
		return rc;
	if (!is_new && a->spec->text_len == spec->text_len && memcmp(a->spec->text, spec->text, spec->text_len) == 0)
		return 0;
	(void)snprintf(key, sizeof(key), "stopped:%s", spec->name); /* a name is at most NAME_MAX_LEN */
	if (!n->serving)
		a->stopped = store_meta(n->store, key, 0) != 0;
	free(a->file);
	a->file = mem_strdup(f->paths[i]); /* only for sentences */
	a->scope = SPEC_SCOPE_NODE;
	a->removed = false;
	a->version++;
	a->desired = spec->replicas_initial;
	a->changed_wall_ms = n->now.wall_ms;
	roster_set_spec(a, spec);
	f->added += is_new;
	f->changed += !is_new;
	return 0;
}

static bool is_in(const struct folder *f, const char *name)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->batch.v[i].spec->name, name) == 0)
			return true;
	return false;
}

static void forget_stop(struct node *n, const char *name)
{
	char key[NAME_MAX_LEN + 16];

	(void)snprintf(key, sizeof(key), "stopped:%s", name);	/* a name is at most NAME_MAX_LEN */
	(void)store_put_meta(n->store, key, 0, node_stored, n); /* full: the next agent of that name begins stopped */
}

static void take(struct node *n, struct folder *f)
{
	struct err e;

	for (size_t i = 0; i < f->n; i++)
		if (take_one(n, f, i, &e) < 0)
			log_err("%s: %s, ignoring", f->paths[i], e.text);
	LIST_FOREACH (at, &n->roster.order) {
		struct agent *a = LIST_ENTRY(at, struct agent, order);

		if (a->scope != SPEC_SCOPE_NODE || a->removed || is_in(f, a->name))
			continue;
		a->removed = true;
		a->stopped = false;
		forget_stop(n, a->name); /* a file of that name later is another agent */
		f->removed++;
		roster_mark(a);
	}
}

static int read_and_take(struct node *n, struct folder *f, struct err *e)
{
	int rc = list_folder(f, n->cfg->agents_dir, e);

	if (rc == 0)
		rc = read_folder(f, e);
	if (rc < 0)
		return rc;
	rc = apply_batch_check(n, &f->batch);
	if (rc < 0) {
		n->unread[SPEC_SCOPE_NODE] = !n->serving || n->unread[SPEC_SCOPE_NODE];
		each_fault(f, log_fault);
		return err_set(e, rc, "agents_dir: %zu faults in '%s', nothing of it was taken", f->batch.total_faults,
			n->cfg->agents_dir);
	}
	take(n, f);
	if (!n->unread[SPEC_SCOPE_NODE])
		return 0;
	n->unread[SPEC_SCOPE_NODE] = false; /* now we know what the shims that were left alone run */
	return n->serving ? adopt_scan(n, e) : 0;
}

static int load(struct node *n, struct folder *f, struct err *e)
{
	int rc = read_and_take(n, f, e);

	status_set_fault(n, rc < 0 ? e->text : NULL);
	return rc;
}

int local_load(struct node *n, struct err *e)
{
	CLEANUP(folder_done) struct folder f = {0};
	int rc = load(n, &f, e);

	if (rc == 0 && f.added + f.changed + f.removed)
		log_info("agents_dir: %d agents added, %d changed, %d removed", f.added, f.changed, f.removed);
	return rc;
}

int local_check(const char *agents_dir, local_fault *tell, size_t *ret_n, struct err *e)
{
	CLEANUP(folder_done) struct folder f = {0};
	int rc = list_folder(&f, agents_dir, e);

	if (rc == 0)
		rc = read_folder(&f, e);
	if (rc < 0)
		return rc;
	rc = apply_batch_check(NULL, &f.batch);
	if (rc == -ENOMEM)
		return err_set(e, rc, "agents_dir: out of memory");
	each_fault(&f, tell);
	*ret_n = f.n;
	return rc;
}

void local_reload_verb(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	CLEANUP(bytes_done) struct bytes out = {.max = CONTROL_FRAME_MAX};
	CLEANUP(folder_done) struct folder f = {0};
	struct mp_writer w;
	struct err e, tls;
	int rc, tls_rc;

	(void)args;
	status_reload_begin(n);
	rc = load(n, &f, &e);
	if (rc < 0)
		log_err("reload: %s; what runs goes on as it was", e.text);
	tls_rc = n->cluster ? cluster_reload(n->cluster, &tls) : 0;
	if (tls_rc < 0)
		log_err("reload: %s; the certificates in use stay", tls.text);
	status_reload_end(n);
	if ((rc < 0 && rc != -EINVAL) || (rc == 0 && tls_rc < 0)) {
		control_refuse(rq, "refused", rc < 0 ? "%s" : "%s; the certificates in use stay, agents_dir was taken",
			rc < 0 ? e.text : tls.text);
		return;
	}
	mp_writer_init(&w, &out);
	mp_map(&w, 4);
	mp_key_int(&w, "added", f.added);
	mp_key_int(&w, "changed", f.changed);
	mp_key_int(&w, "removed", f.removed);
	mp_str(&w, "faults");
	apply_batch_pack_faults(&f.batch, &w);
	control_reply(rq, &out);
}
