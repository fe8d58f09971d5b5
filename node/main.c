/* SPDX-License-Identifier: Apache-2.0 */
/*
 * coveyd: arguments, signals, and the order of the first steps. Signals are blocked before the first nng call,
 * so that
 * nng's threads never take one, and descriptors 3 … are reserved for shims before anything else opens one.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <linux/close_range.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "covey/version.h"
#include "node/config.h"
#include "node/datalock.h"
#include "node/local.h"
#include "node/nng_setup.h"
#include "node/node_run.h"
#include "node/status.h"
#include "node/store_next.h"
#include "node/systemd.h"
#include "node/version.h"
#include "supervisor/spawn.h"

#define DEFAULT_FILE COVEY_SYSCONFDIR "/coveyd.yaml"
#define AGAIN	     -1 /* no exit status: begin again */
/* EX_CONFIG: another start would fail too, for the configuration's sake or the store's; etc/coveyd.service.in knows. */
#define EXIT_HOPELESS 78

static const char usage[] = "usage: coveyd [-c FILE] [--check | --restore BACKUP] [--verbose]\n"
			    "\n"
			    "  -c FILE    configuration (default " DEFAULT_FILE ")\n"
			    "  --check    check the configuration and agents_dir, say what is wrong, and end\n"
			    "  --restore BACKUP\n"
			    "             put the store of a backup in the place of data_dir's, and end: for one that\n"
			    "             is damaged; a daemon that runs does it with 'covey restore'\n"
			    "  --verbose  log more\n"
			    "  --version  print versions, of libraries too, and end\n"
			    "\n"
			    "Stays in the foreground. SIGTERM ends it, and no agent; SIGHUP reads agents_dir again.\n";

struct args {
	const char *file;    /* NULL: none, every default */
	const char *restore; /* NULL: no */
	bool check, verbose;
};

static int print_version(void)
{
	struct version_library v[VERSION_LIBRARIES];

	version_libraries(v);
	printf("coveyd " COVEY_VERSION "\nlibraries:");
	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		printf("%s %s %s", i ? "," : "", v[i].name, v[i].text);
	printf("\nbuild: compiler " __VERSION__ ", configuration in " COVEY_SYSCONFDIR "\n");
	return fflush(stdout) != 0;
}

/* Returns -1 to go on, or the exit status. */
static int parse_args(int argc, char **argv, struct args *ret)
{
	static const struct option longs[] = {{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, 'k'}, {"verbose", no_argument, NULL, 'v'},
		{"restore", required_argument, NULL, 'r'}, {"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'}, {0}};
	int c;

	*ret = (struct args){.file = DEFAULT_FILE};
	if (access(DEFAULT_FILE, F_OK) < 0 && errno == ENOENT)
		ret->file = NULL;
	while ((c = getopt_long(argc, argv, "c:h", longs, NULL)) != -1) {
		if (c == 'c')
			ret->file = optarg;
		else if (c == 'k')
			ret->check = true;
		else if (c == 'r')
			ret->restore = optarg;
		else if (c == 'v')
			ret->verbose = true;
		else if (c == 'V')
			return print_version();
		else
			return fputs(usage, c == 'h' ? stdout : stderr) < 0 || c != 'h' ? 2 : 0;
	}
	if (optind < argc) {
		fprintf(stderr, "coveyd: '%s' is not an option\n%s", argv[optind], usage);
		return 2;
	}
	return -1;
}

static void set_log(bool verbose)
{
	log_to(systemd_has_journal() ? systemd_to_journal : NULL, verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
}

static void print_fault(const char *file, const struct spec_fault *x)
{
	char text[SPEC_FAULT_TEXT_MAX];

	fprintf(stderr, "%s\n", spec_fault_text(file, x, text, sizeof(text)));
}

static int load_config(const struct args *args, struct config **ret)
{
	struct spec_faults *faults = mem_zalloc(1, sizeof(*faults));
	int rc = faults ? config_load(args->file, ret, faults) : -ENOMEM;
	const char *file = args->file ? args->file : "the defaults";
	char text[SPEC_FAULT_TEXT_MAX];

	for (size_t i = 0; rc < 0 && faults && i < faults->n; i++)
		print_fault(file, &faults->v[i]);
	if (rc < 0 && faults && faults->n > 0)
		status_failed("%s%s", spec_fault_text(file, &faults->v[0], text, sizeof(text)),
			faults->n > 1 ? " (and more, see the journal)" : "");
	free(faults);
	return rc;
}

/* Shims are reaped by the kernel: what became of them comes over their sockets. */
static void set_signals(void)
{
	const struct sigaction reap = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT | SA_NOCLDSTOP};
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigset_t all;

	(void)sigaction(SIGCHLD, &reap, NULL); /* cannot fail with these arguments, as the others here */
	while (waitpid(-1, NULL, WNOHANG) > 0) /* shims that ended while this process began again */
		;
	(void)sigaction(SIGPIPE, &ignore, NULL);
	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
}

/* SIGHUP stays blocked until somebody waits for it: until then it would end the process. */
static void unblock_signals(void)
{
	sigset_t hup;

	sigemptyset(&hup);
	sigaddset(&hup, SIGHUP);
	(void)pthread_sigmask(SIG_SETMASK, &hup, NULL); /* cannot fail with these arguments */
}

static int run(struct config *cfg)
{
	struct node *n = NULL;
	struct err e = {0};
	int rc = nng_setup(&e);

	unblock_signals();
	if (rc == 0)
		rc = node_open(cfg, &n, &e);
	if (rc < 0) {
		log_err("%s", e.text);
		status_failed("%s", e.text);
	} else {
		rc = node_run(n);
	}
	if (n)
		node_close(n);
	nng_teardown();
	if (rc == -EPROTO || rc == -EUCLEAN)
		return EXIT_HOPELESS;
	return rc < 0 ? 1 : rc > 0 ? AGAIN : 0;
}

/* The same process from its first instruction on: shims stay its children, and systemd sees the same daemon. */
static int begin_again(char **argv)
{
	char exe[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	exe[MAX(len, (ssize_t)0)] = '\0';
	(void)close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC); /* what a library left open */
	(void)execv(exe, argv);
	(void)execv("/proc/self/exe", argv); /* it was replaced, or cannot be named */
	log_err("begin again: %s; starting coveyd does it", strerror(errno));
	return 1;
}

/* Offline: under the lock of a daemon that runs this is refused. */
static int restore(const struct config *cfg, const char *backup)
{
	AUTO_CLOSE int lock = -1;
	struct err e = {0};
	int rc = io_mkdirs(cfg->data_dir, 0700, &e);

	if (rc == 0)
		rc = datalock_take(cfg->data_dir, &lock, &e);
	if (rc == 0)
		rc = store_next_make(cfg->data_dir, backup, NULL, NULL, &e);
	if (rc == 0)
		rc = store_next_take(cfg->data_dir, &e);
	if (rc < 0)
		fprintf(stderr, "coveyd: %s\n", e.text);
	else
		printf("the store in %s is that of %s now; start coveyd\n", cfg->data_dir, backup);
	return rc < 0 || fflush(stdout) != 0;
}

/* The configuration was read: the rest of what is started with. The exit status. */
static int check_agents(const struct config *cfg)
{
	struct err e = {0};
	size_t n = 0;
	int rc = local_check(cfg->agents_dir, print_fault, &n, &e);

	if (rc == 0)
		printf("the configuration is good, and so are the %zu files of %s\n", n, cfg->agents_dir);
	else if (rc != -EINVAL)
		fprintf(stderr, "coveyd: %s\n", e.text);
	return rc < 0 || fflush(stdout) != 0;
}

int main(int argc, char **argv)
{
	struct config *cfg = NULL;
	struct args args;
	struct err e;
	int rc = parse_args(argc, argv, &args);

	if (rc >= 0)
		return rc;
	(void)prctl(PR_SET_NAME, "coveyd"); /* it may have been started as /proc/self/exe */
	set_signals();
	if (spawn_reserve_fds(&e) < 0) {
		fprintf(stderr, "coveyd: %s\n", e.text);
		return 1;
	}
	(void)mallopt(M_ARENA_MAX, 1); /* memory before speed: one thread does nearly all the work */
	set_log(args.verbose);
	if (load_config(&args, &cfg) < 0)
		return args.check ? 1 : EXIT_HOPELESS;
	systemd_set_node(cfg->name);
	if (args.check)
		rc = check_agents(cfg);
	else
		rc = args.restore ? restore(cfg, args.restore) : run(cfg);
	config_free(cfg);
	return rc == AGAIN ? begin_again(argv) : rc;
}
