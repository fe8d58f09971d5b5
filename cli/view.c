/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cells that several tables have.
 */
#include "cli/view.h"

#include <string.h>

#include "base/units.h"
#include "cli/field.h"

struct view view_of(const struct cli *c)
{
	return (struct view){.width = cli_width(c), .colour = c->colour, .now_ms = cli_wall_ms()};
}

struct tinted {
	const char *word;
	enum tint tint;
};

static enum tint tint_of(const char *word, const struct tinted *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(word, v[i].word) == 0)
			return v[i].tint;
	return TINT_NONE;
}

enum tint view_state_tint(const char *state)
{
	static const struct tinted v[] = {{"running", TINT_GOOD}, {"alive", TINT_GOOD}, {"pending", TINT_WARN},
		{"starting", TINT_WARN}, {"stopping", TINT_WARN}, {"suspect", TINT_WARN}, {"backoff", TINT_BAD},
		{"failed", TINT_BAD}, {"lost", TINT_BAD}, {"dead", TINT_BAD}, {"stopped", TINT_DIM},
		{"left", TINT_DIM}};

	return tint_of(state, v, ARRAY_LEN(v));
}

enum tint view_health_tint(const char *health)
{
	static const struct tinted v[] = {{"healthy", TINT_GOOD}, {"degraded", TINT_WARN}, {"unhealthy", TINT_BAD},
		{"unknown", TINT_DIM}, {"", TINT_DIM}};

	return tint_of(health, v, ARRAY_LEN(v));
}

void view_age(struct table *t, int64_t since_ms, int64_t now_ms)
{
	char text[UNITS_TEXT_MAX];

	if (since_ms > 0)
		table_cell(t, TINT_NONE, "%s", units_age(text, now_ms - since_ms));
	else
		table_cell(t, TINT_DIM, "-");
}

void view_cores(struct table *t, double cores)
{
	if (cores >= 0)
		table_cell(t, TINT_NONE, "%.2f", cores);
	else
		table_cell(t, TINT_DIM, "-");
}

void view_cores_of(struct table *t, double cores, double of)
{
	if (cores < 0 || of < 0)
		view_cores(t, cores);
	else
		table_cell(t, TINT_NONE, "%.2f/%.2f", cores, of);
}

void view_memory(struct table *t, int64_t bytes, int64_t of_bytes)
{
	char is[UNITS_TEXT_MAX], of[UNITS_TEXT_MAX];

	if (strlen(units_size(of, of_bytes)) > 6) /* the short form is exact enough where the exact one is not short */
		(void)units_size_short(of, of_bytes); /* it is `of` */
	if (bytes < 0)
		table_cell(t, TINT_DIM, "-");
	else if (of_bytes <= 0)
		table_cell(t, TINT_NONE, "%s", units_size_short(is, bytes));
	else
		table_cell(t, bytes >= of_bytes - of_bytes / 10 ? TINT_WARN : TINT_NONE, "%s/%s",
			units_size_short(is, bytes), of);
}

void view_exit(struct table *t, const msgpack_object *last_exit, int64_t now_ms)
{
	char text[EVENT_TEXT_MAX], reason[32], age[UNITS_TEXT_MAX];
	int64_t at = field_time(last_exit, "at");

	if (!*field_text(last_exit, "text", text, sizeof(text)) &&
		!*field_text(last_exit, "reason", text, sizeof(text))) {
		table_cell(t, TINT_DIM, "-");
		return;
	}
	(void)field_text(last_exit, "reason", reason, sizeof(reason)); /* it is text */
	if (at > 0)
		table_cell(t, strcmp(reason, "stopped") == 0 ? TINT_DIM : TINT_WARN, "%s, %s ago", text,
			units_age(age, now_ms - at));
	else
		table_cell(t, strcmp(reason, "stopped") == 0 ? TINT_DIM : TINT_WARN, "%s", text);
}
