/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a text to nodes that know their line, over libyaml's events. Decides what YAML we read: maps, lists and texts,
 * in block or flow style, nothing else. Bounded in bytes, events, depth and length of a text; an alias is never
 * followed, so a file cannot grow while it is read. What the keys mean is yaml_table.c's.
 */
#include "supervisor/yaml.h"

#include <errno.h>
#include <string.h>
#include <yaml.h>

#define NUMBER(macro)  NUMBER_TEXT(macro)
#define NUMBER_TEXT(n) #n
#define EVENT_BYTES    192 /* what the nodes of one event take, but for their text */

struct load {
	struct yaml_doc *d;
	yaml_parser_t parser;
	struct yaml_node *at; /* the container being read; NULL: the top */
	const char *key;      /* read, its value is still to come */
	int key_line;
	int depth;
	int anchor_line; /* the last line whose anchors and aliases were told */
	size_t events;
	bool done;
};

static void load_fault(struct load *l, int line, const char *text)
{
	spec_fault_add(l->d->faults, line, "", "%s", text);
}

/* A fault of the value (or key) that is being read, told with its path. */
static void value_fault(struct load *l, int line, const char *text)
{
	struct yaml_node next = {.up = l->at, .key = l->key, .line = line};

	if (l->at && (l->key || l->at->kind == YAML_LIST))
		yaml_fault(l->d, &next, "%s", text);
	else
		load_fault(l, line, text);
}

static void anchor_fault(struct load *l, int line)
{
	if (l->anchor_line != line)
		value_fault(l, line, "anchors (&) and aliases (*) are not allowed: write the value out");
	l->anchor_line = line;
}

/* A fault after which the rest cannot be understood. */
static void load_stop(struct load *l, int line, const char *text)
{
	load_fault(l, line, text);
	l->d->partial = true;
	l->done = true;
}

static struct yaml_node *add(struct load *l, enum yaml_kind kind, int line)
{
	struct yaml_node *n = arena_alloc(&l->d->arena, sizeof(*n));

	if (!n) {
		l->d->no_memory = l->done = true;
		return NULL;
	}
	n->kind = kind;
	n->line = l->key && kind != YAML_TEXT ? l->key_line : line;
	n->key = l->key;
	n->up = l->at;
	l->key = NULL;
	if (!l->at) {
		l->d->root = n;
		return n;
	}
	if (l->at->last)
		l->at->last->next = n;
	else
		l->at->first = n;
	l->at->last = n;
	l->at->n++;
	return n;
}

static const char *copy(struct load *l, const char *s, size_t n)
{
	char *c = arena_strndup(&l->d->arena, s, n);

	if (!c)
		l->d->no_memory = l->done = true;
	return c;
}

static void on_text(struct load *l, const yaml_event_t *ev, int line)
{
	const char *s = (const char *)ev->data.scalar.value, *kept;
	size_t n = ev->data.scalar.length;
	struct yaml_node *x;
	bool bad = true;

	if (n > STRING_MAX)
		value_fault(l, line, "a text longer than " NUMBER(STRING_MAX) " bytes");
	else if (memchr(s, '\0', n))
		value_fault(l, line, "a NUL character (\\0) in a text");
	else
		bad = ev->data.scalar.tag != NULL;
	kept = copy(l, s, bad ? strnlen(s, 16) : n);
	if (!kept)
		return;
	if (l->at && l->at->kind == YAML_MAP && !l->key) {
		l->key = kept;
		l->key_line = line;
		return;
	}
	x = add(l, bad ? YAML_BROKEN : YAML_TEXT, line);
	if (!x)
		return;
	x->text = kept;
	x->n = n;
	x->plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static void on_container(struct load *l, enum yaml_kind kind, int line)
{
	struct yaml_node *n;

	if (l->at && l->at->kind == YAML_MAP && !l->key) {
		load_stop(l, line, "a list or a map where a key must be");
		return;
	}
	if (++l->depth > YAML_DEPTH_MAX) {
		load_stop(l, line, "nested deeper than " NUMBER(YAML_DEPTH_MAX) " levels");
		return;
	}
	n = add(l, kind, line);
	if (n)
		l->at = n;
}

static void on_end(struct load *l)
{
	assert(l->at);
	l->at = l->at->up;
	l->depth--;
}

static void on_alias(struct load *l, int line)
{
	if (l->at && l->at->kind == YAML_MAP && !l->key) {
		load_stop(l, line, "an alias (*) where a key must be");
		return;
	}
	anchor_fault(l, line);
	(void)add(l, YAML_BROKEN, line); /* out of memory is noted in l */
}

static void refuse_marks(struct load *l, const yaml_char_t *anchor, const yaml_char_t *tag, int line)
{
	if (anchor)
		anchor_fault(l, line);
	if (tag)
		value_fault(l, line, "tags (!) are not allowed: the key alone decides what a value is");
}

static void on_event(struct load *l, const yaml_event_t *ev)
{
	int line = (int)ev->start_mark.line + 1;

	switch (ev->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (l->d->root)
			load_stop(l, line, "a second document: one file says one thing");
		break;
	case YAML_SCALAR_EVENT:
		refuse_marks(l, ev->data.scalar.anchor, ev->data.scalar.tag, line);
		on_text(l, ev, line);
		break;
	case YAML_SEQUENCE_START_EVENT:
		refuse_marks(l, ev->data.sequence_start.anchor, ev->data.sequence_start.tag, line);
		on_container(l, YAML_LIST, line);
		break;
	case YAML_MAPPING_START_EVENT:
		refuse_marks(l, ev->data.mapping_start.anchor, ev->data.mapping_start.tag, line);
		on_container(l, YAML_MAP, line);
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		on_end(l);
		break;
	case YAML_ALIAS_EVENT:
		on_alias(l, line);
		break;
	case YAML_STREAM_END_EVENT:
		l->done = true;
		break;
	default:
		break;
	}
}

/* The line (from 1) in which the byte `at` stands. */
static int line_of(const char *text, size_t len, size_t at)
{
	int line = 1;

	for (size_t i = 0; i < at && i < len; i++)
		line += text[i] == '\n';
	return line;
}

static bool line_has_tab(const char *text, size_t len, int line)
{
	const char *p = text, *end = text + len;

	for (int i = 1; i < line && p < end; i++) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));

		p = nl ? nl + 1 : end;
	}
	while (p < end && (*p == ' ' || *p == '-'))
		p++;
	return p < end && *p == '\t';
}

/* libyaml's words for what people get wrong most, in ours. */
static const struct {
	const char *problem, *say;
} syntax[] = {
	{"mapping values are not allowed in this context",
		"a second ':' in a line: quote the text, or check the indentation of the line above"},
	{"could not find expected ':'", "a key without ':', or a text that goes on over lines without quotes"},
	{"did not find expected key", "neither a key nor the end of the block: check the indentation"},
	{"did not find expected '-' indicator", "neither a '-' nor the end of the list: check the indentation"},
	{"did not find expected ',' or ']'", "a list that began with '[' has no ',' or ']' here"},
	{"did not find expected ',' or '}'", "a map that began with '{' has no ',' or '}' here"},
	{"found unexpected end of stream", "a text that is quoted here does not end"},
	{"block sequence entries are not allowed in this context", "a '-' where no list can begin"},
	{"found character that cannot start any token", "a text cannot begin with this character: quote it"},
};

static void on_syntax_error(struct load *l, const char *text, size_t len)
{
	const yaml_parser_t *p = &l->parser;
	const char *problem = p->problem ? p->problem : "unreadable";
	const char *context = p->context ? p->context : "";
	bool unclosed = strncmp(context, "while scanning a quoted", 23) == 0;
	int line = (int)(unclosed ? p->context_mark.line : p->problem_mark.line) + 1;

	if (line_has_tab(text, len, line)) {
		load_stop(l, line, "a tab: YAML is indented with spaces");
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(syntax); i++)
		if (strcmp(syntax[i].problem, problem) == 0) {
			load_stop(l, line, syntax[i].say);
			return;
		}
	spec_fault_add(l->d->faults, line, "", "not YAML: %s", problem);
	l->d->partial = l->done = true;
}

static void on_error(struct load *l, const char *text, size_t len)
{
	int line;

	switch (l->parser.error) {
	case YAML_MEMORY_ERROR:
		l->d->no_memory = l->done = true;
		break;
	case YAML_READER_ERROR:
		line = line_of(text, len, l->parser.problem_offset);
		load_stop(l, line,
			strstr(l->parser.problem, "control characters") ? "a control character: this is not a text file"
									: "not valid UTF-8: this is not a text file");
		break;
	default:
		on_syntax_error(l, text, len);
		break;
	}
}

static void read_events(struct load *l, const char *text, size_t len)
{
	yaml_event_t ev;

	while (!l->done) {
		if (!yaml_parser_parse(&l->parser, &ev)) {
			on_error(l, text, len);
			return;
		}
		if (++l->events > YAML_EVENTS_MAX)
			load_stop(l, (int)ev.start_mark.line + 1, "too many keys and values in one file");
		else
			on_event(l, &ev);
		yaml_event_delete(&ev);
	}
}

static bool text_is_readable(struct load *l, const char *text, size_t len, size_t max_bytes)
{
	const char *nul = memchr(text, '\0', len);

	if (len > max_bytes)
		spec_fault_add(l->d->faults, 0, "", "larger than %zu bytes", max_bytes);
	else if (nul)
		load_fault(l, line_of(text, len, (size_t)(nul - text)), "a NUL byte: this is not a text file");
	else
		return true;
	l->d->partial = true;
	return false;
}

/* The whole file must be one map; anything else is told, unless something was told already. */
static void check_root(struct load *l)
{
	struct yaml_node *root = l->d->root;

	if (root && root->kind == YAML_MAP)
		return;
	l->d->root = NULL;
	if (l->d->faults->total)
		return;
	if (!root || (root->kind == YAML_TEXT && root->n == 0))
		load_fault(l, 0, "empty: nothing is said in it");
	else
		load_fault(l, root->line, "must be a map of keys, such as `name: web`");
}

int yaml_load(struct yaml_doc *d, const char *text, size_t len, size_t max_bytes, struct spec_faults *faults)
{
	struct load l = {.d = d};

	*d = (struct yaml_doc){.faults = faults};
	arena_init(&d->arena, YAML_EVENTS_MAX * EVENT_BYTES + 2 * max_bytes);
	if (!text_is_readable(&l, text, len, max_bytes))
		return 0;
	if (!yaml_parser_initialize(&l.parser))
		return -ENOMEM;
	yaml_parser_set_encoding(&l.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&l.parser, (const unsigned char *)text, len);
	read_events(&l, text, len);
	yaml_parser_delete(&l.parser);
	if (d->no_memory)
		return -ENOMEM;
	check_root(&l);
	return 0;
}

void yaml_done(struct yaml_doc *d)
{
	arena_done(&d->arena);
	d->root = NULL;
}
