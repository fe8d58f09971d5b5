/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_SPEC_H
#define SUPERVISOR_SPEC_H
/*
 * An agent's definition, as covey-agent.yaml(5) says it, checked and with every default filled in. Made by
 * spec_parse (supervisor/spec_parse.c) and never changed afterwards: it may be shared by everybody who holds a
 * reference. All strings live in its arena.
 */
#include "base/arena.h"
#include "base/err.h"
#include "base/limits.h"

enum spec_kind { SPEC_REPLICATED, SPEC_SINGLETON, SPEC_EVERY_NODE, SPEC_KIND_MAX };
enum spec_isolation { SPEC_KEEP, SPEC_STOP, SPEC_ISOLATION_MAX };
enum spec_scope { SPEC_SCOPE_CLUSTER, SPEC_SCOPE_NODE, SPEC_SCOPE_MAX };
enum spec_when { SPEC_ALWAYS, SPEC_ON_FAILURE, SPEC_NEVER, SPEC_WHEN_MAX };
enum spec_backoff { SPEC_FIXED, SPEC_LINEAR, SPEC_EXPONENTIAL, SPEC_BACKOFF_MAX };
enum spec_seccomp { SPEC_SECCOMP_DEFAULT, SPEC_SECCOMP_STRICT, SPEC_SECCOMP_OFF, SPEC_SECCOMP_LEARN, SPEC_SECCOMP_MAX };
enum spec_probe_kind {
	SPEC_PROBE_NONE,
	SPEC_PROBE_HTTP,
	SPEC_PROBE_TCP,
	SPEC_PROBE_EXEC,
	SPEC_PROBE_NOTIFY,
	SPEC_PROBE_MAX
};

struct spec_strv {
	size_t n;
	const char **v; /* v[n] is NULL, so that it can be an argv */
};

struct spec_pair {
	const char *key, *value;
};

struct spec_pairs {
	size_t n;
	struct spec_pair *v;
};

struct spec_port {
	const char *name;
	uint16_t port; /* 0: auto */
};

struct spec_ports {
	size_t n;
	struct spec_port *v;
};

struct spec_resources {
	int64_t cpu_milli;				 /* 500 is half a core; 0: no limit */
	int64_t cpu_weight;				 /* 1..10000; 100 */
	const char *cpuset;				 /* NULL: all */
	int64_t memory_max_bytes;			 /* 0: no limit */
	int64_t memory_high_bytes;			 /* 0: none */
	int64_t swap_max_bytes;				 /* -1: not said */
	int64_t pids_max;				 /* 0: no limit */
	int64_t nofile;					 /* 1024 */
	int64_t io_weight;				 /* 1..10000; 0: not said */
	int64_t io_max_bps;				 /* bytes a second, read and write each; 0: no limit */
	int64_t reserve_cpu_milli, reserve_memory_bytes; /* what placement counts with */
};

struct spec_sandbox {
	enum spec_seccomp seccomp;		      /* the base of a custom profile */
	struct spec_strv seccomp_allow, seccomp_deny; /* names of syscalls or @groups */
	bool no_new_privileges;
	struct spec_strv capabilities; /* kept: CAP_NET_BIND_SERVICE, …; none by default */
	bool private_tmp;
	struct spec_strv read_only; /* default [/] */
	struct spec_strv writable;
	bool private_network; /* network: none */
};

struct spec_restart {
	enum spec_when when;
	enum spec_backoff backoff;
	int64_t initial_ms, max_ms;
	int64_t jitter_percent; /* 0..100 */
	int64_t limit;		/* give up after so many failed runs … (0: never) */
	int64_t within_ms;	/* … in this time */
};

struct spec_probe {
	enum spec_probe_kind kind;
	const char *port_name; /* http, tcp: a name of `ports`, or NULL and port set */
	uint16_t port;
	const char *path;	  /* http */
	struct spec_strv command; /* exec */
	int64_t every_ms, timeout_ms, after_ms;
	int64_t failures, successes; /* in a row, until the verdict changes */
};

struct spec_share {
	bool is_percent;
	int64_t n; /* a number of replicas, or percent of them */
};

struct spec_update {
	struct spec_share surge, unavailable;
	int64_t min_healthy_ms, timeout_ms;
	bool rollback;
};

struct agent_spec {
	struct arena arena;
	int refs;
	const char *name;
	struct spec_strv command; /* ${…} not yet expanded */
	const char *user;	  /* "dynamic" or a name */
	const char *directory;	  /* "/" */
	struct spec_pairs env;
	enum spec_kind kind;
	int64_t replicas_min, replicas_max, replicas_initial; /* all equal when a plain number was given */
	struct spec_ports ports;
	struct spec_resources resources;
	struct spec_sandbox sandbox;
	struct spec_restart restart;
	int stop_signal;
	int64_t stop_timeout_ms;
	struct spec_probe liveness, readiness;
	int64_t log_max_bytes, log_keep;
	bool log_timestamps;
	struct spec_strv depends_on;
	struct spec_strv place_require, place_prefer; /* checked for form; used by clusters */
	const char *place_spread;
	enum spec_isolation isolation;
	int64_t failover_grace_ms;
	struct spec_update update;
	const char *metrics_port_name, *metrics_path; /* NULL: none */
	const char *text; /* the file as it was given, kept for the store and for the shown difference */
	size_t text_len;
	uint64_t run_hash; /* over all that a running replica would have to be restarted for; the same in every build */
	int name_line, depends_on_line; /* where the file says it, for faults over several files; 0: not there */
};

/* One thing wrong with a file, told as FILE:LINE: KEY: text. */
struct spec_fault {
	int line;      /* 1…; 0: the file as a whole */
	char key[128]; /* dotted path, may be empty */
	char text[320];
};

struct spec_faults {
	size_t n;     /* kept here */
	size_t total; /* found */
	struct spec_fault v[FAULTS_MAX];
};

/* Appends a fault, or only counts it when FAULTS_MAX are kept. What a terminal would obey is written as '?'. */
void spec_fault_add(struct spec_faults *f, int line, const char *key, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* Orders by line, faults of one line as they were found. */
void spec_fault_sort(struct spec_faults *f);
/* "FILE:LINE: KEY: text", without LINE or KEY where there is none. Returns out, of SPEC_FAULT_TEXT_MAX bytes. */
char *spec_fault_text(const char *file, const struct spec_fault *f, char *out, size_t n);
#define SPEC_FAULT_TEXT_MAX 4608

/* Turns the failure of io_read_file into a fault of the whole file: returns -EINVAL. */
int spec_fault_of_read(struct spec_faults *f, const struct err *e, size_t max_bytes);

/*
 * Parses and checks one agent file. All faults of the file are found in one go. Returns 0 and sets *ret (one
 * reference, the caller's), or -EINVAL with faults->n > 0, or -ENOMEM. `scope` decides which keys are refused.
 */
int spec_parse(
	const char *text, size_t len, enum spec_scope scope, struct agent_spec **ret, struct spec_faults *faults);
/* The same for a file by name: not readable, a directory, too large are faults of line 0. */
int spec_load(const char *path, enum spec_scope scope, struct agent_spec **ret, struct spec_faults *faults);
/* Whether a node with these labels is meant by "zone == a"; a label that it does not have is unlike every value. */
bool spec_expression_holds(const char *expression, const struct spec_pairs *labels);
struct agent_spec *spec_ref(struct agent_spec *s);
void spec_unref(struct agent_spec *s); /* NULL is fine */

/*
 * Checks over several definitions together: names twice, depends_on cycles. `find` tells the dependencies of an
 * agent outside of v (already running), or NULL when there is none. Faults go to faults[i] of the definition.
 */
typedef const struct spec_strv *spec_find_deps(void *arg, const char *name);
int spec_check_all(
	struct agent_spec *const *v, size_t n, spec_find_deps *find, void *arg, struct spec_faults *const *faults);

/* A name of an agent: [a-z]([a-z0-9-]{0,61}[a-z0-9])? */
bool spec_name_is_valid(const char *name);

/* Names of the enums, as in the file; NULL past the end. */
const char *spec_kind_name(enum spec_kind k);
const char *spec_scope_name(enum spec_scope s);
const char *spec_seccomp_name(enum spec_seccomp s);
/* Whole number of replicas that a share of n means (percent: surge rounds up, unavailable rounds down). */
int64_t spec_share_of(struct spec_share s, int64_t n, bool round_up);

/*
 * Expands ${NAME} and $$ in s with the pairs given; an unknown name is -ENOENT with the name in e. The result is
 * the caller's to free.
 */
int spec_expand(const char *s, const struct spec_pairs *vars, char **ret, struct err *e);

#endif
