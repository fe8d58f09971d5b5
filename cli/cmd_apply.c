/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `check` and `apply`. Both read the files named (directories: the *.yaml and *.yml in them; "-": standard input)
 * and tell every fault of all of them; apply goes on only when there is none, with all files in one request, so
 * that the daemon applies all or nothing. It checks again: this check is for the reader's sake.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "cli/call.h"
#include "cli/diff.h"
#include "cli/field.h"
#include "cli/table.h"
#include "supervisor/spec.h"

struct file {
	char *name;		    /* owned */
	struct agent_spec *spec;    /* owned; NULL: it has faults */
	struct spec_faults *faults; /* one of those below */
};

struct files {
	struct file *v; /* owned */
	size_t n, cap;
	struct spec_faults *faults; /* owned: one a file, in one piece, whose pages nobody touches mostly */
};

static void files_done(struct files *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->v[i].name);
		spec_unref(f->v[i].spec);
	}
	free(f->faults);
	free(f->v);
	*f = (struct files){0};
}

static int add_file(struct files *f, const char *name, struct err *e)
{
	struct file *v;

	if (f->n == AGENTS_MAX)
		return err_set(e, -E2BIG, "more than %d files", AGENTS_MAX);
	if (f->n == f->cap) {
		v = mem_realloc(f->v, (f->cap * 2 + 16) * sizeof(*v));
		if (!v)
			return err_set(e, -ENOMEM, "no memory");
		f->v = v;
		f->cap = f->cap * 2 + 16;
	}
	f->v[f->n] = (struct file){.name = mem_strdup(name)};
	if (!f->v[f->n].name)
		return err_set(e, -ENOMEM, "no memory");
	f->n++;
	return 0;
}

static int is_agent_file(const struct dirent *d)
{
	const char *dot = strrchr(d->d_name, '.');

	return d->d_name[0] != '.' && dot && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0);
}

static int add_directory(struct files *f, const char *path, struct err *e)
{
	struct dirent **v;
	int n = scandir(path, &v, is_agent_file, alphasort), rc = 0;

	if (n < 0)
		return err_errno(e, "%s", path);
	if (n == 0)
		rc = err_set(e, -ENOENT, "%s: no *.yaml or *.yml in it", path);
	for (int i = 0; i < n; i++) {
		AUTO_FREE char *name = mem_printf("%s/%s", path, v[i]->d_name);

		if (rc == 0)
			rc = name ? add_file(f, name, e) : err_set(e, -ENOMEM, "no memory");
		free(v[i]);
	}
	free(v);
	return rc;
}

static int add_words(struct files *f, const struct cli *c, struct err *e)
{
	int rc = 0;

	for (int i = 0; i < c->argc && rc == 0; i++) {
		struct stat st;

		if (strcmp(c->argv[i], "-") != 0 && stat(c->argv[i], &st) == 0 && S_ISDIR(st.st_mode))
			rc = add_directory(f, c->argv[i], e);
		else
			rc = add_file(f, c->argv[i], e);
	}
	return rc;
}

static int read_stdin(struct bytes *out, struct err *e)
{
	char part[65536];

	for (;;) {
		ssize_t n = read(STDIN_FILENO, part, sizeof(part));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, "read standard input");
		if (n == 0)
			return 0;
		if (bytes_add(out, part, (size_t)n) < 0)
			return err_set(e, -EFBIG, "standard input: larger than %d bytes", AGENT_FILE_MAX);
	}
}

static int load(struct file *f, struct err *e)
{
	struct bytes text = {.max = AGENT_FILE_MAX};
	int rc;

	if (strcmp(f->name, "-") != 0) {
		rc = spec_load(f->name, SPEC_SCOPE_CLUSTER, &f->spec, f->faults);
	} else {
		rc = read_stdin(&text, e);
		if (rc == 0)
			rc = spec_parse(text.v ? text.v : "", text.n, SPEC_SCOPE_CLUSTER, &f->spec, f->faults);
		else
			rc = -EIO; /* told in e */
		bytes_done(&text);
	}
	if (rc == -ENOMEM)
		return err_set(e, -ENOMEM, "no memory");
	return rc == -EIO ? rc : 0; /* faults are told later, all at once */
}

static const struct spec_strv *nobody_else(void *arg, const char *name)
{
	(void)arg; /* what runs already is the daemon's to know */
	(void)name;
	return NULL;
}

/* Over those that are without a fault of their own. */
static int check_together(struct files *f, struct err *e)
{
	AUTO_FREE struct agent_spec **specs = mem_zalloc(f->n, sizeof(struct agent_spec *));
	AUTO_FREE struct spec_faults **faults = mem_zalloc(f->n, sizeof(struct spec_faults *));
	size_t n = 0;
	int rc;

	if (!specs || !faults)
		return err_set(e, -ENOMEM, "no memory");
	for (size_t i = 0; i < f->n; i++) {
		if (!f->v[i].spec)
			continue;
		specs[n] = f->v[i].spec;
		faults[n++] = f->v[i].faults;
	}
	rc = spec_check_all(specs, n, nobody_else, NULL, faults);
	return rc == -ENOMEM ? err_set(e, -ENOMEM, "no memory") : 0; /* faults are told later */
}

static size_t tell_faults(const struct files *f)
{
	size_t total = 0;

	for (size_t i = 0; i < f->n; i++) {
		const struct spec_faults *faults = f->v[i].faults;
		const char *name = strcmp(f->v[i].name, "-") == 0 ? "standard input" : f->v[i].name;

		for (size_t k = 0; k < faults->n; k++)
			cli_fault(name, faults->v[k].line, faults->v[k].key, faults->v[k].text);
		if (faults->total > faults->n)
			(void)fprintf(
				stderr, "%s: and %zu more\n", name, faults->total - faults->n); /* as in cli_fail */
		total += faults->total;
	}
	return total;
}

/* CLI_DONE: all files are read and without a fault. */
static enum cli_status read_all(const struct cli *c, struct files *ret)
{
	struct err e;
	int rc = add_words(ret, c, &e);

	if (rc == 0) {
		ret->faults = mem_zalloc(ret->n, sizeof(*ret->faults));
		rc = ret->faults ? 0 : err_set(&e, -ENOMEM, "no memory");
	}
	for (size_t i = 0; i < ret->n && rc == 0; i++) {
		ret->v[i].faults = &ret->faults[i];
		rc = load(&ret->v[i], &e);
	}
	if (rc == 0)
		rc = check_together(ret, &e);
	if (rc < 0)
		return cli_fail(CLI_REFUSED, "%s", e.text);
	return tell_faults(ret) > 0 ? CLI_REFUSED : CLI_DONE;
}

enum cli_status cmd_check(struct cli *c)
{
	CLEANUP(files_done) struct files f = {0};
	enum cli_status status = read_all(c, &f);

	if (status != CLI_DONE)
		return status;
	for (size_t i = 0; i < f.n; i++)
		(void)bytes_fmt(&c->out, "%s: %s is fine\n", f.v[i].name, f.v[i].spec->name); /* cli_flush tells */
	return cli_flush(c);
}

static const struct file *file_of(const struct files *f, const char *name)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->v[i].name, name) == 0)
			return &f->v[i];
	return NULL;
}

/* What the last writer replaced: kept from nobody. */
static void show_difference(struct cli *c, const struct file *f, const msgpack_object *change)
{
	const char *was;
	size_t n;

	if (!f || mp_get_str(change, "replaced", &was, &n, NULL) < 0 || !was)
		return;
	c->out.failed |= diff_unified(was, n, f->spec->text, f->spec->text_len, c->colour, &c->out) < 0;
}

/* "web.yaml: web changed, version 4: 2 replicas are replaced one after the other" */
static void show_applied(struct cli *c, const msgpack_object *result, void *arg)
{
	char name[PATH_MAX], agent[REPLICA_ID_MAX], change[64], text[1024];
	const struct files *f = arg;

	for (uint32_t i = 0; i < field_n(result, "changes"); i++) {
		const msgpack_object *o = field_at(result, "changes", i);

		(void)field_text(o, "agent", agent, sizeof(agent));    /* it is text */
		(void)field_text(o, "change", change, sizeof(change)); /* as above */
		(void)field_text(o, "file", name, sizeof(name));       /* as above */
		/* cli_flush tells. */
		(void)bytes_fmt(&c->out, "%s%s%s %s, version %lld", name, *name ? ": " : "", agent, change,
			(long long)field_int(o, "version", 0));
		if (*field_text(o, "text", text, sizeof(text))) {
			(void)bytes_str(&c->out, ": ");
			text_clean(&c->out, text, strlen(text), 0);
		}
		(void)bytes_str(&c->out, "\n");
		show_difference(c, file_of(f, name), o);
	}
}

enum cli_status cmd_apply(struct cli *c)
{
	CLEANUP(files_done) struct files f = {0};
	AUTO_ARGS struct args a = {0};
	enum cli_status status = read_all(c, &f);
	bool conditional = cli_has(c, OPT_IF_VERSION), dry = cli_has(c, OPT_DRY_RUN);
	char what[64];

	if (status != CLI_DONE)
		return status;
	args_init(&a, 2 + conditional + dry);
	mp_str(&a.w, "files");
	mp_array(&a.w, f.n);
	for (size_t i = 0; i < f.n; i++) {
		mp_map(&a.w, 2);
		mp_key_str(&a.w, "name", f.v[i].name);
		mp_str(&a.w, "text");
		mp_strn(&a.w, f.v[i].spec->text, f.v[i].spec->text_len);
	}
	mp_key_str(&a.w, "op", cli_op(c));
	if (conditional)
		mp_key_int(&a.w, "if_version", c->opt.if_version);
	if (dry)
		mp_key_bool(&a.w, "dry_run", true);
	(void)snprintf(what, sizeof(what), "%zu agents", f.n); /* fits */
	return change_run(c, "apply", &a, f.n == 1 ? f.v[0].spec->name : what, show_applied, &f);
}
