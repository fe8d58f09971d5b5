/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands, from when they are given until they are answered. They go to the core at the end of the loop's turn, so
 * that whoever is answered may give the next one.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "node/council_priv.h"
#include "node/node.h"

static uint64_t token_of(const struct council_ask *k)
{
	return k->is_root ? k->root.token : k->command.token;
}

static struct council_ask *find_asked(const struct council *c, uint64_t token)
{
	LIST_FOREACH (at, &c->asked) {
		struct council_ask *k = LIST_ENTRY(at, struct council_ask, link);

		if (token_of(k) == token)
			return k;
	}
	return NULL;
}

static void answer(struct council_ask *k, const struct agree_answer *a)
{
	list_del(&k->link);
	k->fn(k->arg, a);
	free(k);
}

void council_answer(struct council *c, const struct agree_answer *a)
{
	struct council_ask *k = find_asked(c, a->token);

	if (k)
		answer(k, a);
}

static void refuse(struct council_ask *k, int rc, const char *why)
{
	struct agree_answer a = {.token = token_of(k), .outcome = AGREE_REFUSED};

	(void)err_set(&a.refused, rc, "%s", why); /* it is read from there */
	answer(k, &a);
}

static const char *refusal_of(const struct council *c, int rc, char *out, size_t n)
{
	switch (rc) {
	case -ENOTCONN:
		return council_fault(c, out, n) ? out : "it is not known yet who votes; try again in a moment";
	case -EAGAIN:
		return "too many changes are under way; try again in a moment";
	case -ENOSPC:
		return "there are as many agents already as there may be, removed ones among them";
	case -ENOMEM:
		return "out of memory";
	default:
		return strerror(-rc);
	}
}

void council_give_commands(struct council *c)
{
	while (!list_is_empty(&c->asks)) {
		struct council_ask *k = LIST_ENTRY(c->asks.next, struct council_ask, link);
		char text[ERR_TEXT_MAX];
		int rc;

		list_del(&k->link);
		list_add_tail(&c->asked, &k->link);
		rc = council_in(c, &(struct agree_in){.type = k->is_root ? AGREE_IN_ROOT : AGREE_IN_COMMAND,
					   .command = &k->command,
					   .root = &k->root});
		if (rc < 0)
			refuse(k, rc, refusal_of(c, rc, text, sizeof(text)));
	}
}

void council_end_commands(struct council *c)
{
	LIST_FOREACH_SAFE (at, &c->asks)
		refuse(LIST_ENTRY(at, struct council_ask, link), -ESHUTDOWN, "the daemon is stopping");
	LIST_FOREACH_SAFE (at, &c->asked) {
		struct council_ask *k = LIST_ENTRY(at, struct council_ask, link);

		answer(k, &(struct agree_answer){.token = token_of(k), .outcome = AGREE_UNKNOWN});
	}
}

static struct council_ask *ask_new(struct council *c, size_t text_n, council_answered *fn, void *arg)
{
	struct council_ask *k = mem_alloc(sizeof(*k) + text_n);

	if (!k)
		return NULL;
	*k = (struct council_ask){.fn = fn, .arg = arg};
	list_add_tail(&c->asks, &k->link);
	return k;
}

/* The caller has checked their lengths. NULL stays NULL. */
static const char *keep(char *to, size_t n, const char *s)
{
	if (!s)
		return NULL;
	(void)snprintf(to, n, "%s", s); /* fits */
	return to;
}

int council_command(struct council *c, const struct agree_command *cmd, council_answered *fn, void *arg)
{
	struct council_ask *k = c->ended ? NULL : ask_new(c, cmd->text.n, fn, arg);

	if (!k)
		return c->ended ? -ESHUTDOWN : -ENOMEM;
	k->command = *cmd;
	k->command.token = ++c->token;
	if (cmd->text.n > 0)
		memcpy(k->text, cmd->text.v, cmd->text.n);
	k->command.text.v = k->text;
	k->command.event.op = keep(k->op, sizeof(k->op), cmd->event.op);
	return 0;
}

int council_root_command(struct council *c, const struct agree_root_command *cmd, council_answered *fn, void *arg)
{
	struct council_ask *k = c->ended ? NULL : ask_new(c, 0, fn, arg);

	if (!k)
		return c->ended ? -ESHUTDOWN : -ENOMEM;
	k->is_root = true;
	k->root = *cmd;
	k->root.token = ++c->token;
	k->root.op = keep(k->op, sizeof(k->op), cmd->op);
	k->root.name = keep(k->name, sizeof(k->name), cmd->name);
	k->root.spread = keep(k->spread, sizeof(k->spread), cmd->spread);
	return 0;
}
