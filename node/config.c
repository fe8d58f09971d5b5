/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's file, by the walker of supervisor/yaml.h: one row a key. What means something in a cluster only is
 * checked here all the same, so that a file is right before the day it is needed.
 */
#include "node/config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "supervisor/spec_words.h"
#include "supervisor/yaml.h"

#define CONFIG_ARENA_MAX (4 * CONFIG_FILE_MAX)
#define MIB(n)		 ((n) * (INT64_C(1) << 20))
#define CONFIG(member)	 offsetof(struct config, member)
#define TABLE(rows)                               \
	{                                         \
		.n = ARRAY_LEN(rows), .v = (rows) \
	}

static const char *const profile_names[] = {"local", "lan", "wan", NULL};
_Static_assert(ARRAY_LEN(profile_names) == CONFIG_PROFILE_MAX + 1, "a name for each profile");

static void set_version(struct yaml_doc *d, const struct yaml_node *n, const struct yaml_key *k, void *to)
{
	static const struct yaml_key one = {YAML_NUM("version", INT, 0, 1, 1)};
	int64_t version = 1;

	(void)k;
	(void)to; /* there is but one version */
	yaml_fill_one(d, n, &one, &version);
}

static void refuse(struct yaml_doc *d, const struct yaml_node *n, const char *must_be)
{
	char quoted[YAML_QUOTE_MAX];

	yaml_fault(d, n, "must be %s, not %s", must_be, yaml_quote(n->text, quoted));
}

/* A path; a relative one is relative to the file. Rows fill the struct config itself, so `to` leads back to it. */
static void set_path(struct yaml_doc *d, const struct yaml_node *n, const struct yaml_key *k, void *to)
{
	const struct config *c = (const void *)((char *)to - k->at);
	char path[CONFIG_PATH_MAX + 1];
	int len;

	if (!yaml_expect(d, n, YAML_TEXT, k->kind))
		return;
	if (!n->n) {
		refuse(d, n, k->kind);
		return;
	}
	if (*n->text == '/')
		len = snprintf(path, sizeof(path), "%s", n->text);
	else
		len = snprintf(path, sizeof(path), "%s/%s", strcmp(c->base, "/") == 0 ? "" : c->base, n->text);
	if (len < 0 || len > k->max)
		yaml_fault(d, n, "must be at most %d bytes long, with its directory", (int)k->max);
	else
		*(const char **)to = yaml_keep(d, path, (size_t)len);
}

/* The row's `max` is the port that is meant when none is written. */
static bool read_addr(struct yaml_doc *d, const struct yaml_node *n, const struct yaml_key *k, bool names,
	int64_t least, struct config_addr *ret)
{
	struct config_addr a = {0};
	int rc;

	if (!yaml_expect(d, n, YAML_TEXT, k->kind))
		return false;
	rc = config_parse_addr(n->text, (uint16_t)k->max, names, d->keep, &a);
	if (rc == -ENOMEM)
		d->no_memory = true;
	else if (rc < 0 || a.port < least)
		refuse(d, n, k->kind);
	else
		*ret = a;
	return rc == 0 && a.port >= least;
}

static bool is_any(const struct config_addr *a)
{
	return strspn(a->host, "0.:") == strlen(a->host);
}

static void set_bind(struct yaml_doc *d, const struct yaml_node *n, const struct yaml_key *k, void *to)
{
	(void)read_addr(d, n, k, false, 1, to); /* told if it is none */
}

static void set_advertise(struct yaml_doc *d, const struct yaml_node *n, const struct yaml_key *k, void *to)
{
	struct config_addr *a = to;

	if (n->kind == YAML_TEXT && strcmp(n->text, "none") == 0)
		return;
	if (read_addr(d, n, k, true, 1, a) && is_any(a))
		yaml_fault(d, n, "must be an address that others can dial, or none");
}

static void set_join(struct yaml_doc *d, const struct yaml_node *n, const struct yaml_key *k, void *to)
{
	struct config *c = (void *)((char *)to - k->at);

	if (!yaml_expect(d, n, YAML_LIST, k->kind))
		return;
	if (n->n > CONFIG_JOIN_MAX) {
		yaml_fault(d, n, "must have at most %d entries, not %zu", CONFIG_JOIN_MAX, n->n);
		return;
	}
	c->gossip.join = arena_alloc(d->keep, (n->n + 1) * sizeof(*c->gossip.join));
	if (!c->gossip.join) {
		d->no_memory = true;
		return;
	}
	for (const struct yaml_node *i = n->first; i; i = i->next) {
		static const struct yaml_key one = {.kind = "HOST or HOST:PORT", .max = CONFIG_GOSSIP_PORT};

		c->gossip.n_join += read_addr(d, i, &one, true, 1, &c->gossip.join[c->gossip.n_join]);
	}
}

static void set_http(struct yaml_doc *d, const struct yaml_node *n, const struct yaml_key *k, void *to)
{
	struct yaml_node local = *n;

	if (n->kind == YAML_TEXT && strcmp(n->text, "none") == 0)
		return;
	if (n->kind == YAML_TEXT && strncmp(n->text, "localhost:", 10) == 0) {
		char text[32];

		(void)snprintf(text, sizeof(text), "127.0.0.1:%s", n->text + 10); /* cut: refused all the same */
		local.text = text;
		(void)read_addr(d, &local, k, false, 0, to); /* told if it is none */
		return;
	}
	(void)read_addr(d, n, k, false, 0, to);
}

static const char *check_cgroup(const char *s)
{
	static const char must_be[] = "a group's name or path such as covey, relative, without . and ..";

	for (;;) {
		size_t n = strcspn(s, "/");

		if (n == 0 || n > NAME_MAX_LEN || s[0] == '.')
			return must_be;
		for (size_t i = 0; i < n; i++)
			if (!isalnum((unsigned char)s[i]) && !strchr("_.-@:\\", s[i]))
				return must_be;
		if (!s[n])
			return NULL;
		s += n + 1;
	}
}

static void set_gossip(struct yaml_doc *d, const struct yaml_node *n, const struct yaml_key *k, void *to)
{
	struct config *c = to;

	if (!yaml_expect(d, n, YAML_MAP, "a map of keys"))
		return;
	c->gossip.on = true;
	yaml_fill(d, n, k->of, to);
}

static const struct yaml_key capacity_rows[] = {
	{YAML_NUM("cpu", MILLI, CONFIG(cpu_milli), 10, 1024000), .fallback_is = "measured"},
	{YAML_NUM("memory", SIZE, CONFIG(memory_bytes), MIB(1), MIB(INT64_C(1) << 30)), .fallback_is = "measured"},
};
static const struct yaml_keys capacity_keys = TABLE(capacity_rows);

static const struct yaml_key node_rows[] = {
	{YAML_ROW("name", STRING, CONFIG(name)), .kind = "a name such as n1", .check = spec_check_node_name,
		.fallback_is = "the host's name"},
	{YAML_NUM("labels", PAIRS, CONFIG(labels), 0, LABELS_MAX), .kind = "a map of labels and values",
		.check = spec_check_label_name, .check_value = spec_check_label_value, .fallback = "{}"},
	{YAML_ROW("capacity", MAP, 0), .of = &capacity_keys},
	{YAML_ROW("schedulable", BOOL, CONFIG(schedulable)), .fallback = "yes"},
};
static const struct yaml_keys node_keys = TABLE(node_rows);

static const struct yaml_key cgroup_rows[] = {
	{YAML_ROW("parent", STRING, CONFIG(cgroup_parent)), .kind = "a group's name or path", .check = check_cgroup,
		.fallback_is = "covey, or under systemd that of covey-agents.service"},
};
static const struct yaml_keys cgroup_keys = TABLE(cgroup_rows);

static const struct yaml_key gossip_rows[] = {
	{YAML_NUM("bind", OTHER, CONFIG(gossip.bind), 0, CONFIG_GOSSIP_PORT), .required = true,
		.kind = "ADDRESS or ADDRESS:PORT, an IPv6 one in []", .set = set_bind},
	{YAML_NUM("advertise", OTHER, CONFIG(gossip.advertise), 0, CONFIG_GOSSIP_PORT),
		.kind = "HOST or HOST:PORT that others dial, or none", .set = set_advertise,
		.fallback_is = "bind, or found at start"},
	{YAML_ROW("join", OTHER, CONFIG(gossip.join)), .kind = "a list of HOST:PORT", .set = set_join,
		.fallback_is = "[]"},
	{YAML_ROW("profile", ENUM, CONFIG(gossip.profile)), .names = profile_names, .fallback = "lan"},
	{YAML_ROW("insecure", BOOL, CONFIG(gossip.insecure)), .fallback = "no"},
};
static const struct yaml_keys gossip_keys = TABLE(gossip_rows);

#define PATH_ROW(key, member, longest) \
	YAML_NUM(key, OTHER, CONFIG(member), 0, longest), .kind = "a path", .set = set_path
static const struct yaml_key tls_rows[] = {
	{PATH_ROW("ca", tls_ca, CONFIG_PATH_MAX), .required = true},
	{PATH_ROW("cert", tls_cert, CONFIG_PATH_MAX), .required = true},
	{PATH_ROW("key", tls_key, CONFIG_PATH_MAX), .required = true},
};
static const struct yaml_keys tls_keys = TABLE(tls_rows);

static const struct yaml_key http_rows[] = {
	{YAML_NUM("bind", OTHER, CONFIG(http), 0, 7948), .kind = "ADDRESS:PORT, an IPv6 one in [], or none",
		.set = set_http, .fallback = "127.0.0.1:7948"},
};
static const struct yaml_keys http_keys = TABLE(http_rows);

static const struct yaml_key config_rows[] = {
	{YAML_ROW("version", OTHER, 0), .kind = "the number 1", .set = set_version, .fallback_is = "1"},
	{YAML_ROW("node", MAP, 0), .of = &node_keys},
	{PATH_ROW("data_dir", data_dir, CONFIG_PATH_MAX), .fallback = "/var/lib/covey"},
	{PATH_ROW("run_dir", run_dir, CONFIG_RUN_DIR_MAX), .fallback = "/run/covey"},
	{PATH_ROW("agents_dir", agents_dir, CONFIG_PATH_MAX), .fallback = "/etc/covey/agents.d"},
	{YAML_ROW("cgroup", MAP, 0), .of = &cgroup_keys},
	{YAML_ROW("gossip", OTHER, 0), .kind = "a map of keys", .of = &gossip_keys, .set = set_gossip,
		.fallback_is = "none: a cluster of one"},
	{YAML_ROW("tls", MAP, 0), .of = &tls_keys},
	{YAML_ROW("http", MAP, 0), .of = &http_keys},
};
const struct yaml_keys config_keys = TABLE(config_rows);

/* The host's name up to its first dot, in lower case, what no name may have written as '-'. */
static const char *host_name(struct yaml_doc *d)
{
	char name[HOST_NAME_MAX + 1] = "";
	size_t n;

	(void)gethostname(name, sizeof(name) - 1); /* no name: the fallback below */
	n = MIN(strcspn(name, "."), (size_t)NAME_MAX_LEN);
	for (size_t i = 0; i < n; i++)
		name[i] = isalnum((unsigned char)name[i]) ? (char)tolower((unsigned char)name[i]) : '-';
	while (n && name[n - 1] == '-')
		n--;
	name[n] = '\0';
	return spec_check_node_name(name) ? "node" : yaml_keep(d, name, n);
}

static void settle(struct yaml_doc *d, struct config *c)
{
	struct config_gossip *g = &c->gossip;
	const struct yaml_node *gossip = yaml_get(d->root, "gossip");

	if (!yaml_get(d->root, "node.name"))
		c->name = host_name(d);
	if (!g->on)
		return;
	if (g->bind.host && !yaml_get(gossip, "advertise")) {
		g->finds_address = is_any(&g->bind);
		if (!g->finds_address)
			g->advertise = g->bind;
	}
	if (!g->insecure && !yaml_get(d->root, "tls") && !d->partial)
		yaml_fault_at(
			d, d->root, "tls", "missing: gossip needs ca, cert and key (`covey pki`), or insecure: yes");
}

static struct config *config_new(const char *base)
{
	struct config *c = mem_zalloc(1, sizeof(*c));

	if (!c)
		return NULL;
	arena_init(&c->arena, CONFIG_ARENA_MAX);
	c->base = arena_strdup(&c->arena, base);
	if (c->base)
		return c;
	config_free(c);
	return NULL;
}

/* Fills a config from a document, whose root may be NULL: defaults alone. */
static int fill(struct yaml_doc *d, const char *base, struct config **ret)
{
	struct config *c = config_new(base);

	if (!c)
		return -ENOMEM;
	d->keep = &c->arena;
	yaml_fill(d, d->root, &config_keys, c);
	if (!d->no_memory)
		settle(d, c);
	spec_fault_sort(d->faults);
	if (!d->no_memory && !d->faults->total) {
		*ret = c;
		return 0;
	}
	config_free(c);
	return d->no_memory ? -ENOMEM : -EINVAL;
}

/* Comments and nothing else: every default is meant. A file without a word is more likely a lost one. */
static bool is_all_comments(const char *text, size_t len)
{
	bool any = false, in_comment = false;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\n')
			in_comment = false;
		else if (text[i] == '#')
			any = in_comment = true;
		else if (!in_comment && !isspace((unsigned char)text[i]))
			return false;
	}
	return any;
}

int config_parse(const char *text, size_t len, const char *base, struct config **ret, struct spec_faults *faults)
{
	struct yaml_doc d = {.faults = faults};
	int rc = 0;

	faults->n = faults->total = 0;
	if (!is_all_comments(text, len))
		rc = yaml_load(&d, text, len, CONFIG_FILE_MAX, faults);
	if (rc == 0)
		rc = fill(&d, base, ret);
	yaml_done(&d);
	return rc;
}

static int load_defaults(struct config **ret, struct spec_faults *faults)
{
	struct yaml_doc d = {.faults = faults};

	return fill(&d, "/", ret);
}

/* The absolute directory of a file, as it is written (links are not followed). */
static int base_of(const char *path, char base[PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	int n = (int)(slash ? slash - path : 0);
	char cwd[PATH_MAX] = "";

	if (*path != '/' && !getcwd(cwd, sizeof(cwd)))
		return -errno;
	n = snprintf(base, PATH_MAX, "%s%s%.*s", cwd, *path != '/' && n ? "/" : "", n, path);
	if (n >= PATH_MAX)
		return -ENAMETOOLONG;
	if (n == 0)
		memcpy(base, "/", 2);
	return 0;
}

int config_load(const char *path, struct config **ret, struct spec_faults *faults)
{
	char base[PATH_MAX];
	struct bytes text;
	struct err e;
	int rc;

	faults->n = faults->total = 0;
	if (!path)
		return load_defaults(ret, faults);
	rc = base_of(path, base);
	if (rc < 0) {
		e.code = rc;
		return spec_fault_of_read(faults, &e, CONFIG_FILE_MAX);
	}
	bytes_init(&text, CONFIG_FILE_MAX);
	rc = io_read_file(AT_FDCWD, path, &text, &e);
	if (rc == 0)
		rc = config_parse(text.v ? text.v : "", text.n, base, ret, faults);
	else if (rc != -ENOMEM)
		rc = spec_fault_of_read(faults, &e, CONFIG_FILE_MAX);
	bytes_done(&text);
	return rc;
}

void config_free(struct config *c)
{
	if (!c)
		return;
	arena_done(&c->arena);
	free(c);
}
