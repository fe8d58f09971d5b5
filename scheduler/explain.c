/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a decision's record to sentences. Each kind of event, step and reason has its words in a table, so that one that
 * is added without words does not compile.
 */
#include "scheduler/explain.h"

#include <inttypes.h>

#include "scheduler/sentence.h"

/* %s is the node that it is about */
static const char *const events[] = {
	[SCHED_EVENT_TICK] = "what is known has changed",
	[SCHED_EVENT_APPLY] = "a definition was applied",
	[SCHED_EVENT_SCALE] = "the number of replicas was set",
	[SCHED_EVENT_START] = "it was started",
	[SCHED_EVENT_STOP] = "it was stopped",
	[SCHED_EVENT_REMOVE] = "it was removed",
	[SCHED_EVENT_PAUSE] = "the change was paused",
	[SCHED_EVENT_RESUME] = "the change was resumed",
	[SCHED_EVENT_UNDO] = "the change was undone",
	[SCHED_EVENT_RESTART] = "it is to start anew",
	[SCHED_EVENT_DRAIN] = "%s drains",
	[SCHED_EVENT_UNDRAIN] = "%s takes agents again",
	[SCHED_EVENT_NODE_DEAD] = "%s is dead",
	[SCHED_EVENT_NODE_BACK] = "%s is back",
	[SCHED_EVENT_NODE_GONE] = "%s is gone for ever",
	[SCHED_EVENT_RECOVER] = "voters that were lost were given up, and with them what they alone had decided",
};
_Static_assert(ARRAY_LEN(events) == SCHED_EVENT_MAX, "words for each event");

/* %s is the node that it was on */
static const char *const whys[] = {
	[SCHED_WHY_NONE] = "",
	[SCHED_WHY_WANTED] = "fewer than desired were there",
	[SCHED_WHY_SILENT] = "%s is dead, its host silent",
	[SCHED_WHY_HOST_UP] = "%s is dead for longer than failover_grace, though its host is up",
	[SCHED_WHY_DEAD] = "%s is dead",
	[SCHED_WHY_LEFT] = "%s has left",
	[SCHED_WHY_FORGOTTEN] = "%s was forgotten",
	[SCHED_WHY_DRAIN] = "%s drains",
	[SCHED_WHY_STOPPED] = "the agent is stopped",
	[SCHED_WHY_SURPLUS] = "more than desired were there",
	[SCHED_WHY_REMOVED] = "the agent is removed",
	[SCHED_WHY_VERSION] = "its definition has changed",
	[SCHED_WHY_UNFIT] = "%s is no node for the changed definition",
	[SCHED_WHY_LEASE] = "whether it runs under a lease has changed",
	[SCHED_WHY_READY] = "it is ready where it moved to",
	[SCHED_WHY_EVEN] = "%s had more of them than others",
	[SCHED_WHY_ERA] = "the voters that were given up may have given it to another",
	[SCHED_WHY_UNKNOWN] = "of %s nobody knows anything since lost voters were given up",
};
_Static_assert(ARRAY_LEN(whys) == SCHED_WHY_MAX, "words for each reason");

/* One of the tables' texts, with the node's name where it has a place for it. */
static void say_of(struct sentence *s, const char *text, const char *name)
{
	for (; *text; text++) {
		if (text[0] == '%' && text[1] == 's') {
			say(s, "%s", name);
			text++;
		} else {
			say(s, "%c", *text);
		}
	}
}

static void rollout(struct sentence *s, const struct sched_decision *d)
{
	if (d->rollout == d->rollout_was && d->version == d->version_was)
		return;
	if (d->rollout == SCHED_ROLLOUT_IDLE && d->rollout_was == SCHED_ROLLOUT_RUNNING && d->version == d->version_was)
		say(s, "; version %" PRIu32 " runs everywhere", d->version);
	else if (d->rollout == SCHED_ROLLOUT_ROLLED_BACK && d->version != d->version_was)
		say(s, "; version %" PRIu32 " goes back to version %" PRIu32, d->version_was, d->version);
	else if (d->version_was != 0 && d->version != d->version_was)
		say(s, "; version %" PRIu32 " changes to version %" PRIu32, d->version_was, d->version);
	else if (d->rollout == SCHED_ROLLOUT_FAILED)
		say(s, "; the change has failed");
}

char *explain_decision(const struct sched_decision *d, const struct sched_view *view, char *out, size_t n)
{
	struct sentence s = {.out = out, .n = n};
	char name[SCHED_NAME_TEXT_MAX];

	assert(n > 0);
	out[0] = '\0';
	say(&s, "decision %" PRIu64 " by %s", d->number, sched_name_of(view, d->by, name));
	if (d->ballot)
		say(&s, " at ballot %" PRIu64, d->ballot);
	say(&s, ": ");
	say_of(&s, events[(unsigned)d->event < SCHED_EVENT_MAX ? d->event : SCHED_EVENT_TICK],
		sched_name_of(view, d->subject, name));
	if (d->desired != d->desired_was)
		say(&s, "; %" PRId64 " desired instead of %" PRId64, d->desired, d->desired_was);
	rollout(&s, d);
	if (d->text[0])
		say(&s, "; %s", d->text);
	say(&s, " (known: %" PRIu32 " alive", d->alive);
	if (d->suspect)
		say(&s, ", %" PRIu32 " suspect", d->suspect);
	if (d->dead)
		say(&s, ", %" PRIu32 " dead", d->dead);
	say(&s, ")");
	return out;
}

/* What a lease means for it. */
static void lease(struct sentence *s, const struct sched_step *step, const char *from)
{
	if (!step->leased)
		return;
	if (step->type == SCHED_STEP_MOVE)
		say(s, "; it starts once it has its lease, when that of %s has run out", from);
	else if (step->type == SCHED_STEP_UPDATE)
		say(s, "; under a lease it stops before it starts again, surge counts as 0");
	else if (step->type == SCHED_STEP_STOP && step->why != SCHED_WHY_STOPPED && step->why != SCHED_WHY_SURPLUS &&
		 step->why != SCHED_WHY_REMOVED)
		say(s, "; under a lease nobody runs it until it was released and has started elsewhere");
}

static void what(struct sentence *s, const struct sched_step *step, const char *node, const char *from)
{
	switch (step->type) {
	case SCHED_STEP_PLACE:
		say(s, "goes to %s, epoch %" PRIu64, node, step->epoch);
		break;
	case SCHED_STEP_MOVE:
		say(s, "moves from %s to %s, epoch %" PRIu64, from, node, step->epoch);
		break;
	case SCHED_STEP_JOIN:
		say(s, "starts on %s, epoch %" PRIu64 ", and runs on %s until it is ready there", node, step->epoch,
			from);
		break;
	case SCHED_STEP_RELEASE:
		say(s, "stops on %s", from);
		break;
	case SCHED_STEP_STOP:
		say(s, "stops on %s", node);
		break;
	case SCHED_STEP_UPDATE:
		say(s, "changes to version %" PRIu32 " on %s", step->version, node);
		break;
	case SCHED_STEP_DROP:
		say(s, "is gone");
		break;
	default:
		say(s, "is pending");
		break;
	}
}

char *explain_step(const struct sched_step *step, const struct sched_view *view, char *out, size_t n)
{
	struct sentence s = {.out = out, .n = n};
	char node[SCHED_NAME_TEXT_MAX], from[SCHED_NAME_TEXT_MAX];
	enum sched_why why = (unsigned)step->why < SCHED_WHY_MAX ? step->why : SCHED_WHY_NONE;

	assert(n > 0);
	out[0] = '\0';
	(void)sched_name_of(view, step->node, node);
	(void)sched_name_of(view, step->from, from);
	say(&s, "slot %" PRIu32 " ", step->number);
	what(&s, step, node, from);
	if (whys[why][0]) {
		say(&s, ": ");
		say_of(&s, whys[why], sched_is_node(step->from) ? from : node);
	}
	lease(&s, step, from);
	return out;
}

void explain_value(const struct sched_value *v, const struct sched_view *view, explain_line *line, void *ctx)
{
	char text[EXPLAIN_TEXT_MAX];

	for (size_t i = v->n_decisions; i-- > 0;) {
		const struct sched_decision *d = &v->decisions[i];

		line(ctx, d, explain_decision(d, view, text, sizeof(text)));
		for (uint32_t k = 0; k < MIN(d->n_steps, (uint32_t)SCHED_STEPS_MAX); k++)
			line(ctx, d, explain_step(&d->steps[k], view, text, sizeof(text)));
		if (d->n_steps <= SCHED_STEPS_MAX)
			continue;
		(void)snprintf(text, sizeof(text), "and %" PRIu32 " more", d->n_steps - SCHED_STEPS_MAX); /* fits */
		line(ctx, d, text);
	}
}
