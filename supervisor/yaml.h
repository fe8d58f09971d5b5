/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_YAML_H
#define SUPERVISOR_YAML_H
/*
 * The files that people write for us, read strictly. Two steps: yaml_load turns libyaml's events into nodes that know
 * their line; yaml_fill walks the nodes by a table of keys, one row a key, and sets the members of a struct. Every
 * fault of the file is found in one go and told as a line, a dotted key and a sentence; nothing is guessed: `010`,
 * `on`, `1_000`, an anchor, a tag, a second document and a key given twice are faults.
 */
#include "supervisor/spec.h"

enum yaml_kind { YAML_TEXT, YAML_LIST, YAML_MAP, YAML_BROKEN /* told already; say no more of it */, YAML_KIND_MAX };

struct yaml_node {
	enum yaml_kind kind;
	bool plain;	  /* TEXT: not quoted */
	int line;	  /* of a TEXT: its own; of others: of their key */
	const char *key;  /* in a map: its key */
	const char *text; /* TEXT: NUL-terminated, and no other NUL in it */
	size_t n;	  /* LIST, MAP: how many; TEXT: length */
	struct yaml_node *up, *next, *first, *last;
};

struct yaml_doc {
	struct arena arena;	    /* of the nodes and their text */
	struct arena *keep;	    /* borrowed: where yaml_fill puts what outlives the document */
	struct spec_faults *faults; /* borrowed */
	struct yaml_node *root;	    /* a MAP, or NULL: nothing usable was read */
	bool partial;		    /* reading ended early: what is missing may be in the rest */
	bool no_memory;
};

/*
 * Reads a text of at most max_bytes. Returns 0 (perhaps with faults, perhaps with a partial tree: fill it all the
 * same, more faults may come to light) or -ENOMEM. yaml_done in either case.
 */
int yaml_load(struct yaml_doc *d, const char *text, size_t len, size_t max_bytes, struct spec_faults *faults);
void yaml_done(struct yaml_doc *d);

/* The node at a dotted path below a map ("health.liveness"), or NULL. map may be NULL. */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *path);
/* A fault of a node; of what is missing (or is) at a dotted path below a map. */
void yaml_fault(struct yaml_doc *d, const struct yaml_node *at, const char *fmt, ...) PRINTF_LIKE(3, 4);
void yaml_fault_at(struct yaml_doc *d, const struct yaml_node *map, const char *path, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

enum yaml_type {
	YAML_T_STRING,	 /* const char * */
	YAML_T_INT,	 /* int64_t, this and the next four */
	YAML_T_SIZE,	 /* bytes */
	YAML_T_DURATION, /* milliseconds */
	YAML_T_MILLI,	 /* thousandths */
	YAML_T_PERCENT,
	YAML_T_SHARE, /* struct spec_share */
	YAML_T_BOOL,  /* bool; `names` may give other words for no and yes */
	YAML_T_ENUM,  /* int; its place in `names` */
	YAML_T_STRV,  /* struct spec_strv */
	YAML_T_PAIRS, /* struct spec_pairs */
	YAML_T_MAP,   /* the struct that `of` describes */
	YAML_T_OTHER, /* what `set` makes of it; `of`, `kind` for the reader of the table alone */
	YAML_T_MAX
};

struct yaml_key;
struct yaml_keys {
	size_t n;
	const struct yaml_key *v;
};

/* Says what is wrong with a text as "must be …", or NULL. */
typedef const char *yaml_check(const char *text);
typedef void yaml_set(struct yaml_doc *d, const struct yaml_node *n, const struct yaml_key *k, void *to);

/* One key of a file: all that is known of it, here and in its man page. */
struct yaml_key {
	const char *name;
	enum yaml_type type;
	bool required;
	size_t at;		  /* offset in the struct that the table fills */
	int64_t min, max;	  /* bounds of a number; of a list or pairs: how many; unused otherwise */
	const char *fallback;	  /* the default as one would write it; NULL: the member stays as it is */
	const char *fallback_is;  /* where the default is not a constant: what it is, in words */
	const char *kind;	  /* in words, where the type says too little */
	const char *const *names; /* BOOL, ENUM; ends in NULL */
	const struct yaml_keys *of;
	yaml_check *check;	 /* STRING; each of a STRV; keys of PAIRS */
	yaml_check *check_value; /* PAIRS */
	yaml_set *set;		 /* OTHER */
};

/* The members that nearly every row begins with, so that a row is a line. */
#define YAML_ROW(key, t, offset)	 .name = (key), .type = YAML_T_##t, .at = (offset)
#define YAML_NUM(key, t, offset, lo, hi) YAML_ROW(key, t, offset), .min = (lo), .max = (hi)

#define YAML_KEYS_MAX 32 /* rows of one table */

/* Sets the members of `to` as the map says, and defaults for the rest. map NULL: defaults alone. */
void yaml_fill(struct yaml_doc *d, const struct yaml_node *map, const struct yaml_keys *t, void *to);
/* One value by one row; for `set` functions of values that come in two forms. */
void yaml_fill_one(struct yaml_doc *d, const struct yaml_node *n, const struct yaml_key *k, void *to);
/* Whether a node is there, usable and of that kind; a fault says what it must be otherwise. */
bool yaml_expect(struct yaml_doc *d, const struct yaml_node *n, enum yaml_kind kind, const char *must_be);
/* Whether no earlier key of its map has the same name; a fault says so otherwise. For maps of free names. */
bool yaml_is_first(struct yaml_doc *d, const struct yaml_node *n);
/* A copy in d->keep; NULL sets no_memory. */
const char *yaml_keep(struct yaml_doc *d, const char *s, size_t n);

/* What a row accepts, in words: "a duration such as 10s, from 0 to 1h". For faults and the man pages' test. */
char *yaml_must_be(const struct yaml_key *k, char *out, size_t n);
/* The name nearest to `word` among NULL-terminated names, or NULL when none is near. */
const char *yaml_nearest(const char *word, const char *const *names);
/* A user's text made short and printable, for a fault. */
#define YAML_QUOTE_MAX 64
char *yaml_quote(const char *s, char *out);

#endif
