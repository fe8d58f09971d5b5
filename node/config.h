/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CONFIG_H
#define NODE_CONFIG_H
/*
 * The daemon's file, coveyd.yaml(5), checked and with every default filled in; never changed afterwards. All strings
 * live in its arena.
 */
#include "base/arena.h"
#include "supervisor/spec.h"

enum config_profile { CONFIG_LOCAL, CONFIG_LAN, CONFIG_WAN, CONFIG_PROFILE_MAX };

#define CONFIG_GOSSIP_PORT 7947
#define CONFIG_JOIN_MAX	   64
#define CONFIG_RUN_DIR_MAX 90	/* a socket's name, run_dir/covey.sock, fits into 107 bytes */
#define CONFIG_PATH_MAX	   1024 /* every other path */

struct config_addr {
	const char *host; /* an address without [], or a name; NULL: none */
	uint16_t port;
	bool ipv6; /* host is an IPv6 address */
};

struct config_gossip {
	bool on;			    /* the file has the section */
	struct config_addr bind, advertise; /* advertise.host NULL: cannot be dialled */
	bool finds_address;		    /* or: it is found at start, since bind is every one and none is named */
	size_t n_join;
	struct config_addr *join;
	enum config_profile profile;
	bool insecure;
};

struct config {
	struct arena arena;
	const char *base; /* absolute: what relative paths are relative to */
	const char *name; /* of this node */
	struct spec_pairs labels;
	int64_t cpu_milli, memory_bytes; /* capacity; 0: as measured */
	bool schedulable;
	const char *data_dir, *run_dir, *agents_dir; /* absolute */
	const char *cgroup_parent;		     /* NULL: where host.c finds */
	struct config_gossip gossip;
	const char *tls_ca, *tls_cert, *tls_key; /* absolute; all or none */
	struct config_addr http;		 /* host NULL: no HTTP */
};

/*
 * Reads a file; path NULL: defaults alone. Returns 0 and sets *ret (the caller's, config_free), or -EINVAL with faults,
 * or -ENOMEM. All faults are told in one go; those of reading the file are of line 0.
 */
int config_load(const char *path, struct config **ret, struct spec_faults *faults);
/* The same for a text; base: the absolute directory that relative paths are relative to. */
int config_parse(const char *text, size_t len, const char *base, struct config **ret, struct spec_faults *faults);
void config_free(struct config *c); /* NULL is fine */

/* "10.0.0.1:7947", "[::1]:80", a host's name when `names`; without a port: fallback. The host is copied into a.
 * Returns 0, -EINVAL or -ENOMEM. */
int config_parse_addr(const char *s, uint16_t fallback, bool names, struct arena *a, struct config_addr *ret);

/* The table of keys, for the man page's test. */
struct yaml_keys;
extern const struct yaml_keys config_keys;

#endif
