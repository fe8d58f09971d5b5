/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_hash: which definitions mean the same to a running replica. Over what the replica was started with (command, env,
 * user, directory, ports, limits, sandbox, logs, isolation); not over what its daemon does about it (replicas, restart,
 * stop, health, update, depends_on, placement). A daemon of a new build compares it with what one of an old build
 * computed, so it never changes for the same file: new members are mixed in only when they are not at their default.
 */
#include "supervisor/spec_hash.h"

#include <string.h>

/* FNV-1a over length-prefixed fields; not against an adversary, who could write the file itself. */
static uint64_t mix(uint64_t h, const void *v, size_t n)
{
	const unsigned char *p = v;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 0x100000001b3ULL;
	return h;
}

static uint64_t mix_int(uint64_t h, int64_t v)
{
	for (int i = 0; i < 8; i++)
		h = (h ^ (unsigned char)((uint64_t)v >> (8 * i))) * 0x100000001b3ULL;
	return h;
}

static uint64_t mix_str(uint64_t h, const char *s)
{
	if (!s)
		return mix_int(h, -1);
	return mix(mix_int(h, (int64_t)strlen(s)), s, strlen(s));
}

static uint64_t mix_strv(uint64_t h, const struct spec_strv *v)
{
	h = mix_int(h, (int64_t)v->n);
	for (size_t i = 0; i < v->n; i++)
		h = mix_str(h, v->v[i]);
	return h;
}

static uint64_t mix_resources(uint64_t h, const struct spec_resources *r)
{
	const int64_t limits[] = {r->cpu_milli, r->cpu_weight, r->memory_max_bytes, r->memory_high_bytes,
		r->swap_max_bytes, r->pids_max, r->nofile, r->io_weight, r->io_max_bps};

	for (size_t i = 0; i < ARRAY_LEN(limits); i++)
		h = mix_int(h, limits[i]);
	return mix_str(h, r->cpuset);
}

static uint64_t mix_sandbox(uint64_t h, const struct spec_sandbox *s)
{
	h = mix_int(h, s->seccomp);
	h = mix_strv(h, &s->seccomp_allow);
	h = mix_strv(h, &s->seccomp_deny);
	h = mix_int(h, s->no_new_privileges | s->private_tmp << 1 | s->private_network << 2);
	h = mix_strv(h, &s->capabilities);
	h = mix_strv(h, &s->read_only);
	return mix_strv(h, &s->writable);
}

uint64_t spec_hash(const struct agent_spec *s)
{
	uint64_t h = 0xcbf29ce484222325ULL;

	h = mix_strv(h, &s->command);
	h = mix_str(h, s->user);
	h = mix_str(h, s->directory);
	h = mix_int(h, (int64_t)s->env.n);
	for (size_t i = 0; i < s->env.n; i++)
		h = mix_str(mix_str(h, s->env.v[i].key), s->env.v[i].value);
	h = mix_int(h, (int64_t)s->ports.n);
	for (size_t i = 0; i < s->ports.n; i++)
		h = mix_int(mix_str(h, s->ports.v[i].name), s->ports.v[i].port);
	h = mix_resources(h, &s->resources);
	h = mix_sandbox(h, &s->sandbox);
	h = mix_int(h, s->log_max_bytes);
	h = mix_int(h, s->log_keep);
	h = mix_int(h, s->log_timestamps);
	h = mix_int(h, s->isolation);
	return h ? h : 1; /* 0 is for "none" */
}
