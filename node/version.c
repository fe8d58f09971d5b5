/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Versions of libraries. libcgroup has no call that tells its own: what configure heard of the one that this program
 * was built with stands for it, and says so.
 */
#include <config.h> /* configure's, not the one of this folder */

#include "node/version.h"

#include <ev.h>
#include <mbedtls/version.h>
#include <msgpack.h>
#include <nng/nng.h>
#include <sqlite3.h>
#include <stdio.h>
#include <yaml.h>

#include "base/util.h"

#include <seccomp.h> /* after ev.h: its elf.h defines EV_NONE */

#ifdef COVEY_CGROUP_VERSION
static const char cgroup_version_text[] = COVEY_CGROUP_VERSION " (built with)";
#else
static const char cgroup_version_text[] = "not known";
#endif

void version_libraries(struct version_library ret[VERSION_LIBRARIES])
{
	const struct scmp_version *sv = seccomp_version();
	unsigned mbed = mbedtls_version_get_number(); /* 0xMMNNPP00 */
	const struct {
		const char *name, *text;
	} plain[] = {{"nng", nng_version()}, {"sqlite", sqlite3_libversion()}, {"libyaml", yaml_get_version_string()},
		{"msgpack", msgpack_version()}, {"libcgroup", cgroup_version_text}};
	size_t n = 0;

	_Static_assert(ARRAY_LEN(plain) + 3 == VERSION_LIBRARIES, "a place for each");
	for (; n < ARRAY_LEN(plain); n++) {
		ret[n].name = plain[n].name;
		(void)snprintf(ret[n].text, sizeof(ret[n].text), "%s", plain[n].text); /* cut when absurd; so below */
	}
	ret[n].name = "libseccomp";
	(void)snprintf(ret[n].text, sizeof(ret[n].text), "%u.%u.%u", sv->major, sv->minor, sv->micro);
	ret[++n].name = "mbedtls";
	(void)snprintf(ret[n].text, sizeof(ret[n].text), "%u.%u.%u", mbed >> 24, mbed >> 16 & 0xff, mbed >> 8 & 0xff);
	ret[++n].name = "libev";
	(void)snprintf(ret[n].text, sizeof(ret[n].text), "%d.%02d", ev_version_major(), ev_version_minor());
}
