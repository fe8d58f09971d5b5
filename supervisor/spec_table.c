/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of an agent's file, one row a key, and the few values that come in two forms. Decides what each key may be
 * by itself; what keys mean to each other is spec_check.c's.
 */
#include "supervisor/spec_table.h"

#include <string.h>

#include "base/units.h"
#include "supervisor/spec_words.h"

#define SECONDS(n) ((n)*INT64_C(1000))
#define HOURS(n)   SECONDS((n)*3600)
#define DAYS(n)	   HOURS((n)*24)
#define KIB(n)	   ((n) * (INT64_C(1) << 10))
#define MIB(n)	   ((n) * (INT64_C(1) << 20))
#define TIB(n)	   ((n) * (INT64_C(1) << 40))

#define TABLE(rows)                               \
	{                                         \
		.n = ARRAY_LEN(rows), .v = (rows) \
	}
#define SPEC(member) offsetof(struct agent_spec, member)
#define FITS(rows)   _Static_assert(ARRAY_LEN(rows) <= YAML_KEYS_MAX, "the walker's bound")

static const char *const kind_names[] = {"replicated", "singleton", "every-node", NULL};
static const char *const isolation_names[] = {"keep", "stop", NULL};
static const char *const when_names[] = {"always", "on-failure", "never", NULL};
static const char *const backoff_names[] = {"fixed", "linear", "exponential", NULL};
static const char *const seccomp_names[] = {"default", "strict", "off", "learn", NULL};
static const char *const base_names[] = {"default", "strict", NULL};
static const char *const network_names[] = {"host", "none", NULL};

_Static_assert(ARRAY_LEN(kind_names) == SPEC_KIND_MAX + 1, "a name for each kind");
_Static_assert(ARRAY_LEN(isolation_names) == SPEC_ISOLATION_MAX + 1, "a name for each isolation");
_Static_assert(ARRAY_LEN(when_names) == SPEC_WHEN_MAX + 1, "a name for each restart policy");
_Static_assert(ARRAY_LEN(backoff_names) == SPEC_BACKOFF_MAX + 1, "a name for each backoff");
_Static_assert(ARRAY_LEN(seccomp_names) == SPEC_SECCOMP_MAX + 1, "a name for each profile");

const char *spec_kind_name(enum spec_kind k)
{
	return k < SPEC_KIND_MAX ? kind_names[k] : NULL;
}

const char *spec_seccomp_name(enum spec_seccomp s)
{
	return s < SPEC_SECCOMP_MAX ? seccomp_names[s] : NULL;
}

static void set_version(struct yaml_doc *d, const struct yaml_node *n, const struct yaml_key *k, void *to)
{
	static const struct yaml_key one = {YAML_ROW("version", INT, 0), .min = 1, .max = 1};
	int64_t version = 1;

	(void)k;
	(void)to; /* there is but one version */
	yaml_fill_one(d, n, &one, &version);
}

static const struct yaml_key replicas_rows[] = {
	{YAML_NUM("min", INT, SPEC(replicas_min), 0, REPLICAS_MAX), .fallback = "1"},
	{YAML_NUM("max", INT, SPEC(replicas_max), 0, REPLICAS_MAX), .required = true},
	{YAML_NUM("initial", INT, SPEC(replicas_initial), 0, REPLICAS_MAX), .fallback_is = "min"},
};
static const struct yaml_keys replicas_keys = TABLE(replicas_rows);

static void set_replicas(struct yaml_doc *d, const struct yaml_node *n, const struct yaml_key *k, void *to)
{
	static const struct yaml_key one = {.name = "replicas", .type = YAML_T_INT, .min = 0, .max = REPLICAS_MAX};
	struct agent_spec *s = to;

	if (n->kind == YAML_TEXT) {
		yaml_fill_one(d, n, &one, &s->replicas_initial);
		s->replicas_min = s->replicas_max = s->replicas_initial;
	} else if (yaml_expect(d, n, YAML_MAP, k->kind)) {
		yaml_fill(d, n, &replicas_keys, to);
		if (!yaml_get(n, "initial"))
			s->replicas_initial = s->replicas_min;
	}
}

static bool parse_port(const char *s, uint16_t *ret)
{
	int64_t v;

	if (units_parse_int(s, &v) < 0 || v < 1 || v > UINT16_MAX)
		return false;
	*ret = (uint16_t)v;
	return true;
}

static void set_one_port(struct yaml_doc *d, const struct yaml_node *n, struct spec_ports *ports)
{
	static const char must_be[] = "auto, or a number from 1 to 65535";
	struct spec_port *p = &ports->v[ports->n];
	const char *complaint = spec_check_port_name(n->key);

	if (!yaml_is_first(d, n))
		return;
	if (complaint)
		yaml_fault(d, n, "the name must be %s", complaint);
	if (!yaml_expect(d, n, YAML_TEXT, must_be))
		return;
	if (strcmp(n->text, "auto") != 0 && (!n->plain || !parse_port(n->text, &p->port))) {
		char quoted[YAML_QUOTE_MAX];

		yaml_fault(d, n, "must be %s, not %s", must_be, yaml_quote(n->text, quoted));
		return;
	}
	p->name = yaml_keep(d, n->key, strlen(n->key));
	if (p->name && !complaint)
		ports->n++;
}

static void set_ports(struct yaml_doc *d, const struct yaml_node *n, const struct yaml_key *k, void *to)
{
	struct spec_ports *ports = to;

	if (!yaml_expect(d, n, YAML_MAP, k->kind))
		return;
	if (n->n > PORTS_MAX) {
		yaml_fault(d, n, "must have at most %d entries, not %zu", PORTS_MAX, n->n);
		return;
	}
	ports->v = arena_alloc(d->keep, (n->n + 1) * sizeof(*ports->v));
	if (!ports->v) {
		d->no_memory = true;
		return;
	}
	for (const struct yaml_node *c = n->first; c; c = c->next)
		set_one_port(d, c, ports);
}

#define RESOURCE(member) offsetof(struct spec_resources, member)
static const struct yaml_key reserve_rows[] = {
	{YAML_NUM("cpu", MILLI, RESOURCE(reserve_cpu_milli), 0, 1024000), .fallback_is = "the limit"},
	{YAML_NUM("memory", SIZE, RESOURCE(reserve_memory_bytes), 0, TIB(1024)), .fallback_is = "the limit"},
};
static const struct yaml_keys reserve_keys = TABLE(reserve_rows);

static const struct yaml_key resources_rows[] = {
	{YAML_NUM("cpu", MILLI, RESOURCE(cpu_milli), 10, 1024000), .fallback_is = "no limit"},
	{YAML_NUM("cpu_weight", INT, RESOURCE(cpu_weight), 1, 10000), .fallback = "100"},
	{YAML_ROW("cpuset", STRING, RESOURCE(cpuset)), .kind = "processors such as 0-3,6", .check = spec_check_cpuset,
		.fallback_is = "all"},
	{YAML_NUM("memory", SIZE, RESOURCE(memory_max_bytes), MIB(1), TIB(1024)), .fallback_is = "no limit"},
	{YAML_NUM("memory_high", SIZE, RESOURCE(memory_high_bytes), MIB(1), TIB(1024)), .fallback_is = "none"},
	{YAML_NUM("swap", SIZE, RESOURCE(swap_max_bytes), 0, TIB(1024)), .fallback_is = "the host's"},
	{YAML_NUM("pids", INT, RESOURCE(pids_max), 1, 4194304), .fallback_is = "no limit"},
	{YAML_NUM("nofile", INT, RESOURCE(nofile), 8, 1048576), .fallback = "1024"},
	{YAML_NUM("io_weight", INT, RESOURCE(io_weight), 1, 10000), .fallback_is = "the host's"},
	{YAML_NUM("io_max", SIZE, RESOURCE(io_max_bps), KIB(4), TIB(1)), .fallback_is = "no limit"},
	{YAML_ROW("reserve", MAP, 0), .of = &reserve_keys},
};
static const struct yaml_keys resources_keys = TABLE(resources_rows);
FITS(resources_rows);

#define SANDBOX(member) offsetof(struct spec_sandbox, member)
static const struct yaml_key seccomp_rows[] = {
	{YAML_ROW("base", ENUM, SANDBOX(seccomp)), .names = base_names, .fallback = "default"},
	{YAML_ROW("allow", STRV, SANDBOX(seccomp_allow)), .max = SYSCALLS_MAX,
		.kind = "a list of system calls and @groups", .check = spec_check_call, .fallback = "[]"},
	{YAML_ROW("deny", STRV, SANDBOX(seccomp_deny)), .max = SYSCALLS_MAX,
		.kind = "a list of system calls and @groups", .check = spec_check_call, .fallback = "[]"},
};
static const struct yaml_keys seccomp_keys = TABLE(seccomp_rows);

static void set_seccomp(struct yaml_doc *d, const struct yaml_node *n, const struct yaml_key *k, void *to)
{
	static const struct yaml_key named = {
		.name = "seccomp", .type = YAML_T_ENUM, .at = SANDBOX(seccomp), .names = seccomp_names};
	struct spec_sandbox *s = to;

	yaml_fill(d, n->kind == YAML_MAP ? n : NULL, &seccomp_keys, to);
	if (n->kind == YAML_TEXT)
		yaml_fill_one(d, n, &named, &s->seccomp);
	else
		(void)yaml_expect(d, n, YAML_MAP, k->kind); /* a list is told */
}

static const struct yaml_key sandbox_rows[] = {
	{YAML_ROW("seccomp", OTHER, 0), .kind = "default, strict, off, learn or a map of base, allow and deny",
		.of = &seccomp_keys, .set = set_seccomp, .fallback = "default"},
	{YAML_ROW("no_new_privileges", BOOL, SANDBOX(no_new_privileges)), .fallback = "yes"},
	{YAML_ROW("capabilities", STRV, SANDBOX(capabilities)), .max = 64, .kind = "a list of capabilities",
		.check = spec_check_capability, .fallback = "[]"},
	{YAML_ROW("private_tmp", BOOL, SANDBOX(private_tmp)), .fallback = "yes"},
	{YAML_ROW("read_only", STRV, SANDBOX(read_only)), .max = PATHS_MAX / 2, .kind = "a list of absolute paths",
		.check = spec_check_path, .fallback = "[/]"},
	{YAML_ROW("writable", STRV, SANDBOX(writable)), .max = PATHS_MAX / 2, .kind = "a list of absolute paths",
		.check = spec_check_path, .fallback = "[]"},
	{YAML_ROW("network", BOOL, SANDBOX(private_network)), .names = network_names, .fallback = "host"},
};
static const struct yaml_keys sandbox_keys = TABLE(sandbox_rows);

#define RESTART(member) offsetof(struct spec_restart, member)
static const struct yaml_key restart_rows[] = {
	{YAML_ROW("when", ENUM, RESTART(when)), .names = when_names, .fallback = "always"},
	{YAML_ROW("backoff", ENUM, RESTART(backoff)), .names = backoff_names, .fallback = "exponential"},
	{YAML_NUM("initial", DURATION, RESTART(initial_ms), 0, HOURS(1)), .fallback = "100ms"},
	{YAML_NUM("max", DURATION, RESTART(max_ms), 0, DAYS(1)), .fallback = "30s"},
	{YAML_NUM("jitter", PERCENT, RESTART(jitter_percent), 0, 100), .fallback = "25%"},
	{YAML_NUM("limit", INT, RESTART(limit), 0, 1000), .fallback = "10"},
	{YAML_NUM("within", DURATION, RESTART(within_ms), SECONDS(1), DAYS(1)), .fallback = "60s"},
};
static const struct yaml_keys restart_keys = TABLE(restart_rows);

static void set_signal(struct yaml_doc *d, const struct yaml_node *n, const struct yaml_key *k, void *to)
{
	char quoted[YAML_QUOTE_MAX];
	int signal;

	if (!yaml_expect(d, n, YAML_TEXT, k->kind))
		return;
	signal = spec_signal(n->text);
	if (signal < 0)
		yaml_fault(d, n, "must be %s, not %s", k->kind, yaml_quote(n->text, quoted));
	else
		*(int *)to = signal;
}

static const struct yaml_key stop_rows[] = {
	{YAML_ROW("signal", OTHER, SPEC(stop_signal)), .kind = "a signal such as TERM, INT or QUIT", .set = set_signal,
		.fallback = "TERM"},
	{YAML_NUM("timeout", DURATION, SPEC(stop_timeout_ms), 0, HOURS(1)), .fallback = "10s"},
};
static const struct yaml_keys stop_keys = TABLE(stop_rows);

static void set_probe_port(struct yaml_doc *d, const struct yaml_node *n, const struct yaml_key *k, void *to)
{
	struct spec_probe *p = to;

	if (!yaml_expect(d, n, YAML_TEXT, k->kind) || parse_port(n->text, &p->port))
		return;
	if (spec_check_port_name(n->text)) {
		char quoted[YAML_QUOTE_MAX];

		yaml_fault(d, n, "must be %s, not %s", k->kind, yaml_quote(n->text, quoted));
		return;
	}
	p->port_name = yaml_keep(d, n->text, n->n);
}

static const struct yaml_key http_rows[] = {
	{YAML_ROW("port", OTHER, 0), .kind = "a name of ports, or a number from 1 to 65535", .set = set_probe_port,
		.required = true},
	{YAML_ROW("path", STRING, offsetof(struct spec_probe, path)), .kind = "a path such as /healthz",
		.check = spec_check_http_path, .fallback = "/"},
};
static const struct yaml_keys http_keys = TABLE(http_rows);

static const struct yaml_key tcp_rows[] = {
	{YAML_ROW("port", OTHER, 0), .kind = "a name of ports, or a number from 1 to 65535", .set = set_probe_port,
		.required = true},
};
static const struct yaml_keys tcp_keys = TABLE(tcp_rows);

static const struct yaml_key exec_rows[] = {
	{YAML_NUM("command", STRV, offsetof(struct spec_probe, command), 1, COMMAND_ARGS_MAX),
		.kind = "a list: the program and its arguments", .check = spec_check_expandable, .required = true},
};
static const struct yaml_keys exec_keys = TABLE(exec_rows);
static const struct yaml_keys notify_keys = {0};

static const struct {
	const char *name;
	enum spec_probe_kind kind;
} probe_kinds[] = {
	{"http", SPEC_PROBE_HTTP},
	{"tcp", SPEC_PROBE_TCP},
	{"exec", SPEC_PROBE_EXEC},
	{"notify", SPEC_PROBE_NOTIFY},
};
_Static_assert(ARRAY_LEN(probe_kinds) == SPEC_PROBE_MAX - 1, "a key for each kind of probe");

static void set_probe_kind(struct yaml_doc *d, const struct yaml_node *n, const struct yaml_key *k, void *to)
{
	struct spec_probe *p = to;

	if (p->kind != SPEC_PROBE_NONE) {
		yaml_fault(d, n, "one of http, tcp, exec and notify, not two");
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(probe_kinds); i++)
		if (strcmp(probe_kinds[i].name, k->name) == 0)
			p->kind = probe_kinds[i].kind;
	if (yaml_expect(d, n, YAML_MAP, "a map of keys"))
		yaml_fill(d, n, k->of, to);
}

#define PROBE(member) offsetof(struct spec_probe, member)
#define PROBE_KIND(key, table)                                                                           \
	{                                                                                                \
		YAML_ROW(key, OTHER, 0), .kind = "a map of keys", .of = &(table), .set = set_probe_kind, \
					 .fallback_is = "none"                                           \
	}
#define PROBE_ROWS(often, later)                                                                    \
	PROBE_KIND("http", http_keys), PROBE_KIND("tcp", tcp_keys), PROBE_KIND("exec", exec_keys),  \
		PROBE_KIND("notify", notify_keys),                                                  \
		{YAML_NUM("every", DURATION, PROBE(every_ms), 100, HOURS(1)), .fallback = (often)}, \
		{YAML_NUM("timeout", DURATION, PROBE(timeout_ms), 10, HOURS(1)), .fallback = "3s"}, \
		{YAML_NUM("failures", INT, PROBE(failures), 1, 1000), .fallback = "3"},             \
		{YAML_NUM("successes", INT, PROBE(successes), 1, 1000), .fallback = "1"},           \
	{                                                                                           \
		YAML_NUM("after", DURATION, PROBE(after_ms), 0, HOURS(1)), .fallback = (later)      \
	}

static const struct yaml_key liveness_rows[] = {PROBE_ROWS("10s", "1s")};
static const struct yaml_key readiness_rows[] = {PROBE_ROWS("2s", "0")};
static const struct yaml_keys liveness_keys = TABLE(liveness_rows);
static const struct yaml_keys readiness_keys = TABLE(readiness_rows);

static const struct yaml_key health_rows[] = {
	{YAML_ROW("liveness", MAP, SPEC(liveness)), .of = &liveness_keys},
	{YAML_ROW("readiness", MAP, SPEC(readiness)), .of = &readiness_keys},
};
static const struct yaml_keys health_keys = TABLE(health_rows);

static const struct yaml_key logs_rows[] = {
	{YAML_NUM("max_size", SIZE, SPEC(log_max_bytes), KIB(4), TIB(1)), .fallback = "10M"},
	{YAML_NUM("keep", INT, SPEC(log_keep), 0, 100), .fallback = "3"},
	{YAML_ROW("timestamps", BOOL, SPEC(log_timestamps)), .fallback = "yes"},
};
static const struct yaml_keys logs_keys = TABLE(logs_rows);

static const struct yaml_key placement_rows[] = {
	{YAML_ROW("require", STRV, SPEC(place_require)), .max = LABELS_MAX, .kind = "a list of expressions",
		.check = spec_check_expression, .fallback = "[]"},
	{YAML_ROW("prefer", STRV, SPEC(place_prefer)), .max = LABELS_MAX, .kind = "a list of expressions",
		.check = spec_check_expression, .fallback = "[]"},
	{YAML_ROW("spread", STRING, SPEC(place_spread)), .kind = "a label", .check = spec_check_label_name,
		.fallback_is = "none"},
};
static const struct yaml_keys placement_keys = TABLE(placement_rows);

#define UPDATE(member) offsetof(struct spec_update, member)
static const struct yaml_key update_rows[] = {
	{YAML_ROW("surge", SHARE, UPDATE(surge)), .max = REPLICAS_MAX, .fallback = "25%"},
	{YAML_ROW("unavailable", SHARE, UPDATE(unavailable)), .max = REPLICAS_MAX, .fallback = "0"},
	{YAML_NUM("min_healthy", DURATION, UPDATE(min_healthy_ms), 0, DAYS(1)), .fallback = "10s"},
	{YAML_NUM("timeout", DURATION, UPDATE(timeout_ms), SECONDS(1), DAYS(7)), .fallback = "10m"},
	{YAML_ROW("rollback", BOOL, UPDATE(rollback)), .fallback = "yes"},
};
static const struct yaml_keys update_keys = TABLE(update_rows);

static const struct yaml_key prometheus_rows[] = {
	{YAML_ROW("port", STRING, SPEC(metrics_port_name)), .kind = "a name of ports", .check = spec_check_port_name,
		.required = true},
	{YAML_ROW("path", STRING, SPEC(metrics_path)), .kind = "a path such as /metrics", .check = spec_check_http_path,
		.fallback = "/metrics"},
};
static const struct yaml_keys prometheus_keys = TABLE(prometheus_rows);

static void set_prometheus(struct yaml_doc *d, const struct yaml_node *n, const struct yaml_key *k, void *to)
{
	if (yaml_expect(d, n, YAML_MAP, k->kind))
		yaml_fill(d, n, k->of, to);
}

static const struct yaml_key metrics_rows[] = {
	{YAML_ROW("prometheus", OTHER, 0), .kind = "a map of keys", .of = &prometheus_keys, .set = set_prometheus,
		.fallback_is = "none"},
};
static const struct yaml_keys metrics_keys = TABLE(metrics_rows);

static void set_scale(struct yaml_doc *d, const struct yaml_node *n, const struct yaml_key *k, void *to)
{
	(void)to; /* policies are read where they are used; here they must only have their form */
	if (!yaml_expect(d, n, YAML_LIST, k->kind))
		return;
	for (const struct yaml_node *c = n->first; c; c = c->next)
		(void)yaml_expect(d, c, YAML_MAP, "a policy: a map of keys"); /* told if it is not */
}

static const struct yaml_key spec_rows[] = {
	{YAML_ROW("version", OTHER, 0), .kind = "the number 1", .set = set_version, .fallback_is = "1"},
	{YAML_ROW("name", STRING, SPEC(name)), .kind = "a name such as web", .check = spec_check_agent_name,
		.required = true},
	{YAML_NUM("command", STRV, SPEC(command), 1, COMMAND_ARGS_MAX), .kind = "a list: the program and its arguments",
		.check = spec_check_expandable, .required = true},
	{YAML_ROW("user", STRING, SPEC(user)), .kind = "dynamic, or the name of a user", .check = spec_check_user,
		.fallback = "dynamic"},
	{YAML_ROW("directory", STRING, SPEC(directory)), .kind = "an absolute path", .check = spec_check_path,
		.fallback = "/"},
	{.name = "env",
		.type = YAML_T_PAIRS,
		.at = SPEC(env),
		.max = ENV_MAX,
		.kind = "a map of variables and texts",
		.check = spec_check_env_name,
		.check_value = spec_check_expandable,
		.fallback = "{}"},
	{YAML_ROW("kind", ENUM, SPEC(kind)), .names = kind_names, .fallback = "replicated"},
	{YAML_ROW("replicas", OTHER, 0), .kind = "a whole number, from 0 to 10000, or a map of min, max and initial",
		.of = &replicas_keys, .set = set_replicas, .fallback = "1"},
	{.name = "ports",
		.type = YAML_T_OTHER,
		.at = SPEC(ports),
		.kind = "a map of names and ports",
		.set = set_ports,
		.fallback_is = "{}"},
	{YAML_ROW("resources", MAP, SPEC(resources)), .of = &resources_keys},
	{YAML_ROW("sandbox", MAP, SPEC(sandbox)), .of = &sandbox_keys},
	{YAML_ROW("restart", MAP, SPEC(restart)), .of = &restart_keys},
	{YAML_ROW("stop", MAP, 0), .of = &stop_keys},
	{YAML_ROW("health", MAP, 0), .of = &health_keys},
	{YAML_ROW("logs", MAP, 0), .of = &logs_keys},
	{YAML_ROW("depends_on", STRV, SPEC(depends_on)), .max = DEPENDS_MAX, .kind = "a list of agents",
		.check = spec_check_agent_name, .fallback = "[]"},
	{YAML_ROW("placement", MAP, 0), .of = &placement_keys},
	{YAML_ROW("isolation", ENUM, SPEC(isolation)), .names = isolation_names,
		.fallback_is = "keep; stop for a singleton"},
	{YAML_NUM("failover_grace", DURATION, SPEC(failover_grace_ms), 0, DAYS(1)), .fallback = "60s"},
	{YAML_ROW("update", MAP, SPEC(update)), .of = &update_keys},
	{YAML_ROW("metrics", MAP, 0), .of = &metrics_keys},
	{YAML_ROW("scale", OTHER, 0), .kind = "a list of policies", .set = set_scale, .fallback_is = "[]"},
};
FITS(spec_rows);

const struct yaml_keys spec_keys = TABLE(spec_rows);
