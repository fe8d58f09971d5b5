/* SPDX-License-Identifier: Apache-2.0 */
/*
 * covey-sim: clusters of the real cores in virtual time. One seed decides everything; a run that fails prints it, with
 * the command that repeats it and the last of what happened around the node that is wrong.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "consensus/rules.h"
#include "tests/sim/faults.h"
#include "tests/sim/runs.h"
#include "tests/sim/whole_run.h"
#include "base/log.h"

#ifdef CONSENSUS_MUTANTS
enum rules_mutant rules_left_out;
#endif

static const char usage[] =
	"usage: covey-sim [--nodes N] [--seed S] [--seeds COUNT | --seconds T] [--minutes M] [--profile "
	"local|lan|wan]\n"
	"                 [--faults swarm|none|KIND[=A-MINUTE],...] [--tls] [--check EVERY] [--trace] [--json]\n"
	"       covey-sim --cluster [--agents N] …         whole nodes, by --faults as above; covey-sim-mutants leaves "
	"out a\n"
	"                 [--mutant Mn]                    rule of theirs\n"
	"       covey-sim --mixed …                        the same, some of a next version\n"
	"                 [--mutant carry|min_version]     this one drops what it does not know, or makes more of it\n"
	"       covey-sim --disaster …                     the same, a majority of the voters is lost for ever\n"
	"--first ends with the first seed that fails.\n"
	"       covey-sim --scenario NAME [--nodes N] [--seed S] [--minutes M] [--trials T] [--profile P] [--tls] "
	"[--primed] [--json]\n"
	"       covey-sim --list\n"
	"--seeds runs so many seeds from S on, --seconds as many as take so long. Without --nodes each seed of a swarm "
	"draws from 2 to 8.\n"
	"--primed: the cluster was together before: each knows of all at the start, and dials its links.\n"
	"Ends with 0: all was as it must be and within its bars; 1: not; 2: wrong usage.\n";

struct command {
	struct run run;
	uint64_t seeds, seconds;
	bool json, first; /* ends with the first that fails */
};

static double seconds(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int wrong(const char *what, const char *value)
{
	(void)fprintf(stderr, "covey-sim: %s '%s'; see covey-sim --help\n", what, value);
	return 2;
}

static void list(void)
{
	const char *name, *what;

	(void)puts("kinds of faults:");
	for (size_t i = 0; (name = faults_kind_name(i)); i++)
		(void)printf("  %s\n", name);
	(void)puts("scenarios:");
	for (size_t i = 0; (name = runs_scenario_name(i, &what)); i++)
		(void)printf("  %-12s %s\n", name, what);
}

static bool number(const char *text, uint64_t max, uint64_t *ret)
{
	char *end;
	unsigned long long v = strtoull(text, &end, 0);

	if (end == text || *end || v > max || text[0] == '-')
		return false;
	*ret = v;
	return true;
}

static bool known_scenario(const char *name)
{
	const char *at, *what;

	for (size_t i = 0; (at = runs_scenario_name(i, &what)); i++)
		if (strcmp(at, name) == 0)
			return true;
	return false;
}

static bool known_faults(const char *text)
{
	static struct sim s; /* kinds are looked up, nothing runs */
	struct faults *f = faults_new(&s, 1);
	const char *bad;
	bool ok = faults_choose(f, text, &bad);

	faults_free(f);
	return ok;
}

/* "M7": that rule, in the build that can; "carry", "min_version": in any. */
static int leave_out(struct run *r, const char *v)
{
	uint64_t m = 0;

	if (strcmp(v, "carry") == 0 || strcmp(v, "min_version") == 0) {
		r->mutant = v[0] == 'c' ? WHOLE_NO_CARRY : WHOLE_NO_MIN_VERSION;
		return 0;
	}
	if (v[0] != 'M' || !number(v + 1, RULES_MUTANT_MAX - 1, &m) || m == 0)
		return 1 + wrong("no rule is named", v);
#ifdef CONSENSUS_MUTANTS
	rules_left_out = (enum rules_mutant)m;
	r->mutant = (int)m;
	return 0;
#else
	(void)r;
	return 1 + wrong("covey-sim-mutants can leave out", v);
#endif
}

/* As take, of options for whole nodes. */
static int take_whole(struct command *c, int option, const char *v)
{
	uint64_t n = 0;

	switch (option) {
	case 'c':
		c->run.whole = true;
		return 0;
	case 'a':
		if (!number(v, 8, &n) || !n)
			return 1 + wrong("not a number of agents, 1 to 8:", v);
		c->run.whole = true;
		c->run.agents = (uint32_t)n;
		return 0;
	case 'x':
		c->run.whole = c->run.mixed = true;
		return 0;
	case 'd':
		c->run.whole = c->run.disaster = true;
		return 0;
	case '1':
		c->first = true;
		return 0;
	default:
		return leave_out(&c->run, v);
	}
}

/* 0, or the exit status + 1. */
static int take(struct command *c, int option, const char *v)
{
	uint64_t n = 0;
	char *end;

	switch (option) {
	case 'n':
		if (!number(v, 20000, &n) || n < 1)
			return 1 + wrong("not a number of nodes:", v);
		c->run.nodes = (uint32_t)n;
		return 0;
	case 's':
		return number(v, UINT64_MAX, &c->run.seed) ? 0 : 1 + wrong("not a seed:", v);
	case 'S':
		return number(v, UINT32_MAX, &c->seeds) && c->seeds ? 0 : 1 + wrong("not a number of seeds:", v);
	case 'b':
		return number(v, UINT32_MAX, &c->seconds) ? 0 : 1 + wrong("not a number of seconds:", v);
	case 'm':
		c->run.minutes = strtod(v, &end);
		return c->run.minutes > 0 && !*end ? 0 : 1 + wrong("not a number of minutes:", v);
	case 'p':
		return gossip_profile_by_name(v, &c->run.profile) ? 0 : 1 + wrong("no profile is named", v);
	case 'f':
		c->run.faults = v;
		return known_faults(v) ? 0 : 1 + wrong("no such faults:", v);
	case 'S' + 128:
		c->run.scenario = v;
		return known_scenario(v) ? 0 : 1 + wrong("no scenario is named", v);
	case 'k':
		if (!number(v, UINT32_MAX, &n))
			return 1 + wrong("not a number of steps:", v);
		c->run.check_every = (uint32_t)n;
		c->run.check_set = true;
		return 0;
	case 't':
		if (!number(v, 100000, &n) || !n)
			return 1 + wrong("not a number of trials:", v);
		c->run.trials = (unsigned)n;
		return 0;
	case 'c':
	case 'a':
	case 'x':
	case 'd':
	case '1':
	case 'M':
		return take_whole(c, option, v);
	case 'T':
		c->run.tls = true;
		return 0;
	case 'P':
		c->run.primed = true;
		return 0;
	case 'v':
		c->run.live = stderr;
		return 0;
	case 'j':
		c->json = true;
		return 0;
	case 'l':
		list();
		return 1;
	case 'h':
		(void)fputs(usage, stdout);
		return 1;
	default:
		(void)fputs(usage, stderr);
		return 3;
	}
}

static int options(struct command *c, int argc, char **argv)
{
	static const struct option longs[] = {{"nodes", required_argument, NULL, 'n'},
		{"seed", required_argument, NULL, 's'}, {"seeds", required_argument, NULL, 'S'},
		{"seconds", required_argument, NULL, 'b'}, {"minutes", required_argument, NULL, 'm'},
		{"profile", required_argument, NULL, 'p'}, {"faults", required_argument, NULL, 'f'},
		{"scenario", required_argument, NULL, 'S' + 128}, {"check", required_argument, NULL, 'k'},
		{"trials", required_argument, NULL, 't'}, {"tls", no_argument, NULL, 'T'},
		{"primed", no_argument, NULL, 'P'}, {"trace", no_argument, NULL, 'v'}, {"json", no_argument, NULL, 'j'},
		{"list", no_argument, NULL, 'l'}, {"cluster", no_argument, NULL, 'c'},
		{"agents", required_argument, NULL, 'a'}, {"mutant", required_argument, NULL, 'M'},
		{"mixed", no_argument, NULL, 'x'}, {"disaster", no_argument, NULL, 'd'},
		{"first", no_argument, NULL, '1'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	int option, rc = 0;

	while (!rc && (option = getopt_long(argc, argv, "", longs, NULL)) != -1)
		rc = take(c, option, optarg);
	if (!rc && optind < argc)
		rc = 1 + wrong("not understood:", argv[optind]);
	return rc;
}

static const char *profile_name(enum gossip_profile_id p)
{
	static const char *const names[GOSSIP_PROFILE_MAX] = {"local", "lan", "wan"};

	return names[p];
}

static void how_to_repeat(const struct run *r, FILE *to)
{
	(void)fprintf(to, "covey-sim --nodes %" PRIu32 " --seed %" PRIu64 " --minutes %g --profile %s", r->nodes,
		r->seed, r->minutes, profile_name(r->profile));
	if (r->scenario)
		(void)fprintf(to, " --scenario %s", r->scenario);
	else
		(void)fprintf(to, " --faults %s", r->faults);
	if (r->whole)
		(void)fputs(" --cluster", to);
	if (r->mixed)
		(void)fputs(" --mixed", to);
	if (r->disaster)
		(void)fputs(" --disaster", to);
	if (r->mutant == WHOLE_NO_CARRY || r->mutant == WHOLE_NO_MIN_VERSION)
		(void)fprintf(to, " --mutant %s", r->mutant == WHOLE_NO_CARRY ? "carry" : "min_version");
	else if (r->mutant)
		(void)fprintf(to, " --mutant M%d", r->mutant);
	if (r->agents)
		(void)fprintf(to, " --agents %" PRIu32, r->agents);
	if (r->trials)
		(void)fprintf(to, " --trials %u", r->trials);
	if (r->tls)
		(void)fputs(" --tls", to);
	if (r->primed)
		(void)fputs(" --primed", to);
}

static void tell(const struct command *c, const struct run *r, bool ok, double took_s)
{
	bool within = figures_within(&r->figures);

	if (c->json) {
		(void)printf("{\"ok\": %s, \"scenario\": \"%s\", \"seed\": %" PRIu64 ", \"nodes\": %" PRIu32
			     ", \"primed\": %s, \"profile\": \"%s\", \"faults\": \"%s\", \"virtual_s\": %.3f, "
			     "\"real_s\": %.3f, "
			     "\"steps\": %" PRIu64 ", \"messages\": %" PRIu64 ", \"figures\": ",
			ok && within ? "true" : "false",
			r->scenario ? r->scenario
			: r->whole  ? "cluster"
				    : "faults",
			r->seed, r->nodes, r->primed ? "true" : "false", profile_name(r->profile), r->faults_text,
			r->virtual_s, took_s, r->steps, r->msgs);
		figures_json(&r->figures, stdout);
		(void)puts("}");
	} else {
		(void)printf("%s seed %" PRIu64 ", %" PRIu32
			     " nodes, %s, %s: %.1f virtual s in %.2f s, %.0f times as fast\n",
			ok && within ? "ok  " : "FAIL", r->seed, r->nodes, profile_name(r->profile),
			r->scenario	    ? r->scenario
			: r->faults_text[0] ? r->faults_text
					    : "no faults",
			r->virtual_s, took_s, r->virtual_s / took_s);
		figures_text(&r->figures, stdout);
	}
	(void)fflush(stdout);
	if (ok && within)
		return;
	(void)fprintf(stderr, "seed %" PRIu64 ": %s\nto repeat: ", r->seed, ok ? "a figure is past its bar" : r->why);
	how_to_repeat(r, stderr);
	(void)fputc('\n', stderr);
}

/* The daemon's log: what of it counts is in the story. */
static void say_nothing(enum log_level level, const char *agent, const char *replica, const char *text)
{
	(void)level;
	(void)agent;
	(void)replica;
	(void)text;
}

static bool run_one(const struct command *c, uint64_t number)
{
	struct run r = c->run;
	double begun = seconds();
	bool ok;

	r.seed += number;
	if (!r.nodes && !r.scenario)
		r.nodes = r.whole ? 3 + (uint32_t)(r.seed * 2654435761u >> 16) % 5
				  : 2 + (uint32_t)(r.seed * 2654435761u >> 16) % 7;
	ok = runs_go(&r);
	tell(c, &r, ok, seconds() - begun);
	return ok && figures_within(&r.figures);
}

int main(int argc, char **argv)
{
	struct command c = {.run = {.faults = "swarm", .seed = 1, .profile = GOSSIP_PROFILE_LAN}, .seeds = 1};
	int rc = options(&c, argc, argv);
	double first = seconds();
	uint64_t n = 0, red = 0;

	if (rc)
		return rc - 1;
	log_to(say_nothing, LOG_LEVEL_ERR);
	for (; (c.seconds ? seconds() - first < (double)c.seconds : n < c.seeds) && !(red && c.first); n++)
		red += !run_one(&c, n);
	if (n > 1 && !c.json)
		(void)printf("%" PRIu64 " runs, %" PRIu64 " failed, %.1f a second\n", n, red,
			(double)n / (seconds() - first));
	return red > 0;
}
