/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the keys of one agent's file mean to each other: what follows from others when it is not said, and what cannot
 * be together. A key that is at fault already is left alone: its member is not set, and one sentence is enough.
 */
#include "supervisor/spec_table.h"

#include <string.h>

#include "base/units.h"
#include "supervisor/seccomp.h"
#include "supervisor/spec_words.h"

static const struct yaml_node *get(const struct yaml_doc *d, const char *path)
{
	return yaml_get(d->root, path);
}

static void settle_resources(struct yaml_doc *d, struct spec_resources *r)
{
	char limit[UNITS_TEXT_MAX];

	if (!get(d, "resources.reserve.cpu"))
		r->reserve_cpu_milli = r->cpu_milli;
	if (!get(d, "resources.reserve.memory"))
		r->reserve_memory_bytes = r->memory_max_bytes;
	if (r->cpu_milli && r->reserve_cpu_milli > r->cpu_milli)
		yaml_fault(d, get(d, "resources.reserve.cpu"), "must not be more than the limit, resources.cpu");
	if (!r->memory_max_bytes)
		return;
	units_size(limit, r->memory_max_bytes);
	if (r->reserve_memory_bytes > r->memory_max_bytes)
		yaml_fault(d, get(d, "resources.reserve.memory"),
			"must not be more than the limit, resources.memory of %s", limit);
	if (r->memory_high_bytes > r->memory_max_bytes)
		yaml_fault(d, get(d, "resources.memory_high"),
			"must not be more than the limit, resources.memory of %s", limit);
}

static void check_swap(struct yaml_doc *d, const struct spec_resources *r)
{
	const struct yaml_node *swap = get(d, "resources.swap");

	if (swap && r->swap_max_bytes >= 0 && !get(d, "resources.memory"))
		yaml_fault(d, swap, "counts on top of resources.memory, which is missing");
}

static void settle_replicas(struct yaml_doc *d, struct agent_spec *s)
{
	const struct yaml_node *n = get(d, "replicas");

	if (!get(d, "isolation"))
		s->isolation = s->kind == SPEC_SINGLETON ? SPEC_STOP : SPEC_KEEP;
	if (!n || (n->kind == YAML_MAP && !yaml_get(n, "max")))
		return;
	if (s->kind == SPEC_EVERY_NODE)
		yaml_fault(d, n, "not with kind every-node, which is one on each node");
	else if (s->kind == SPEC_SINGLETON && (s->replicas_min != 1 || s->replicas_max != 1))
		yaml_fault(d, n, "must be 1: kind is singleton");
	else if (s->replicas_min > s->replicas_max)
		yaml_fault_at(d, n, "min", "must not be more than max");
	else if (s->replicas_initial < s->replicas_min || s->replicas_initial > s->replicas_max)
		yaml_fault_at(d, n, "initial", "must be from min to max");
}

static bool has_port(const struct agent_spec *s, const char *name, size_t n)
{
	for (size_t i = 0; i < s->ports.n; i++)
		if (strlen(s->ports.v[i].name) == n && strncmp(s->ports.v[i].name, name, n) == 0)
			return true;
	return false;
}

static void check_port_name(struct yaml_doc *d, const struct agent_spec *s, const struct yaml_node *at)
{
	char quoted[YAML_QUOTE_MAX];

	if (at && at->kind == YAML_TEXT && !has_port(s, at->text, at->n))
		yaml_fault(d, at, "must be a name of ports, and %s is none", yaml_quote(at->text, quoted));
}

static void check_ports(struct yaml_doc *d, const struct agent_spec *s)
{
	for (size_t i = 0; i < s->ports.n; i++)
		for (size_t j = 0; j < i && s->ports.v[i].port; j++)
			if (s->ports.v[j].port == s->ports.v[i].port) {
				yaml_fault_at(d, get(d, "ports"), s->ports.v[i].name, "the same number as %s",
					s->ports.v[j].name);
				break;
			}
	if (s->metrics_port_name)
		check_port_name(d, s, get(d, "metrics.prometheus.port"));
}

static void check_probe(struct yaml_doc *d, const struct agent_spec *s, const char *name, const struct spec_probe *p)
{
	static const char *const keys[SPEC_PROBE_MAX] = {[SPEC_PROBE_HTTP] = "http", [SPEC_PROBE_TCP] = "tcp"};
	const struct yaml_node *n = yaml_get(get(d, "health"), name), *how;

	if (!n || n->kind != YAML_MAP)
		return;
	if (p->kind == SPEC_PROBE_NONE && !d->partial)
		yaml_fault(d, n, "needs one of http, tcp, exec and notify");
	if (!keys[p->kind])
		return;
	how = yaml_get(n, keys[p->kind]);
	if (p->port_name)
		check_port_name(d, s, yaml_get(how, "port"));
	if (s->sandbox.private_network)
		yaml_fault(d, how, "cannot be asked: sandbox.network is none; use exec or notify");
}

/* Every ${PORT_name} must be a port's. */
static void check_told(struct yaml_doc *d, const struct agent_spec *s, const struct yaml_node *n)
{
	const char *p = n->kind == YAML_TEXT ? n->text : NULL;

	for (const struct yaml_node *c = p ? NULL : n->first; c; c = c->next)
		check_told(d, s, c);
	while (p && (p = strchr(p, '$')) != NULL) {
		size_t len = spec_dollar(++p);

		if (len > 7 && strncmp(p, "{PORT_", 6) == 0 && !has_port(s, p + 6, len - 7)) {
			yaml_fault(d, n, "${PORT_%.*s}: there is no port of that name", (int)(len - 7), p + 6);
			return;
		}
		p += len;
	}
}

static void check_expansions(struct yaml_doc *d, const struct agent_spec *s)
{
	static const char *const where[] = {
		"command", "env", "health.liveness.exec.command", "health.readiness.exec.command"};

	for (size_t i = 0; i < ARRAY_LEN(where); i++)
		if (get(d, where[i]))
			check_told(d, s, get(d, where[i]));
	for (size_t i = 0; i < s->env.n; i++)
		if (strncmp(s->env.v[i].key, "PORT_", 5) == 0 &&
			has_port(s, s->env.v[i].key + 5, strlen(s->env.v[i].key + 5)))
			yaml_fault_at(d, get(d, "env"), s->env.v[i].key, "is told by covey: ports has it");
}

static void check_depends_on(struct yaml_doc *d, const struct agent_spec *s)
{
	const struct yaml_node *n = get(d, "depends_on");

	for (const struct yaml_node *c = n && n->kind == YAML_LIST ? n->first : NULL; c; c = c->next) {
		if (c->kind != YAML_TEXT)
			continue;
		if (s->name && strcmp(c->text, s->name) == 0)
			yaml_fault(d, c, "the agent itself");
		for (const struct yaml_node *b = n->first; b != c; b = b->next)
			if (b->kind == YAML_TEXT && strcmp(b->text, c->text) == 0) {
				yaml_fault(d, c, "given twice");
				break;
			}
	}
}

/* Whether a text is in a list of the file. */
static bool lists(const struct yaml_node *list, const char *text)
{
	for (const struct yaml_node *c = list && list->kind == YAML_LIST ? list->first : NULL; c; c = c->next)
		if (c->kind == YAML_TEXT && strcmp(c->text, text) == 0)
			return true;
	return false;
}

/* No entry of list `a` may be in list `b`. */
static void check_apart(struct yaml_doc *d, const char *a, const char *b)
{
	const struct yaml_node *list = get(d, a);

	for (const struct yaml_node *c = list && list->kind == YAML_LIST ? list->first : NULL; c; c = c->next)
		if (c->kind == YAML_TEXT && lists(get(d, b), c->text))
			yaml_fault(d, c, "is in %s too", b);
}

static void check_calls(struct yaml_doc *d, const char *path, const struct spec_strv *names)
{
	const struct yaml_node *list = get(d, path);
	char quoted[YAML_QUOTE_MAX];

	if (!list || list->kind != YAML_LIST || !seccomp_unknown_name(names))
		return;
	for (const struct yaml_node *c = list->first; c; c = c->next) {
		struct spec_strv one = {.n = 1, .v = (const char *[]){c->text, NULL}};

		if (c->kind == YAML_TEXT && !spec_check_call(c->text) && seccomp_unknown_name(&one))
			yaml_fault(d, c, "%s is no system call or group that this build knows",
				yaml_quote(c->text, quoted));
	}
}

static void check_sandbox(struct yaml_doc *d, const struct spec_sandbox *s)
{
	check_apart(d, "sandbox.writable", "sandbox.read_only");
	check_apart(d, "sandbox.seccomp.deny", "sandbox.seccomp.allow");
	check_calls(d, "sandbox.seccomp.allow", &s->seccomp_allow);
	check_calls(d, "sandbox.seccomp.deny", &s->seccomp_deny);
}

static void check_rules(struct yaml_doc *d, const struct agent_spec *s)
{
	const struct yaml_node *surge = get(d, "update.surge");

	if (s->restart.initial_ms > s->restart.max_ms)
		yaml_fault_at(d, get(d, "restart"), get(d, "restart.initial") ? "initial" : "max",
			"restart.initial must not be more than restart.max");
	if (surge && surge->kind == YAML_TEXT && s->update.surge.n == 0 && s->update.unavailable.n == 0)
		yaml_fault(d, surge, "surge and unavailable cannot both be 0: nothing could ever be replaced");
}

/* What means something in a cluster only is refused in agents_dir, where a definition is this node's alone. */
static void check_scope(struct yaml_doc *d)
{
	static const char *const cluster[] = {"placement", "kind", "isolation"};

	for (size_t i = 0; i < ARRAY_LEN(cluster); i++)
		if (get(d, cluster[i]))
			yaml_fault(d, get(d, cluster[i]),
				"not in agents_dir, whose agents run on this node alone; `covey apply` makes it the "
				"cluster's");
}

void spec_settle(struct yaml_doc *d, enum spec_scope scope, struct agent_spec *s)
{
	const struct yaml_node *name = get(d, "name"), *depends_on = get(d, "depends_on");

	s->name_line = name ? name->line : 0;
	s->depends_on_line = depends_on ? depends_on->line : 0;
	settle_resources(d, &s->resources);
	check_swap(d, &s->resources);
	settle_replicas(d, s);
	check_ports(d, s);
	check_probe(d, s, "liveness", &s->liveness);
	check_probe(d, s, "readiness", &s->readiness);
	check_expansions(d, s);
	check_depends_on(d, s);
	check_sandbox(d, &s->sandbox);
	check_rules(d, s);
	if (scope == SPEC_SCOPE_NODE)
		check_scope(d);
}
