/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See cluster_told.h.
 */
#include "node/cluster_told.h"

#include <string.h>

#include "base/mem.h"
#include "node/cluster.h"

bool told_get(const struct cluster *c, uint64_t id, const char *key, struct mp_tree *t)
{
	const struct gossip_str k = {key, (uint16_t)strlen(key)};
	const struct gossip *g = cluster_core(c);
	struct gossip_str v;

	*t = (struct mp_tree){0};
	return g && gossip_value_get(g, id, k, &v) && mp_read(t, v.v, v.n, NULL) == 0 &&
	       mp_root(t)->type == MSGPACK_OBJECT_MAP;
}

static int by_name(const void *a, const void *b)
{
	const struct gossip_member *x = a, *y = b;
	int rc = strcmp(x->has_record ? x->record.name.v : "", y->has_record ? y->record.name.v : "");

	return rc ? rc : (x->id > y->id) - (x->id < y->id);
}

struct gossip_member *told_members(const struct cluster *c, size_t *ret_n)
{
	const struct gossip *g = cluster_core(c);
	size_t n = 0, max = g ? gossip_members(g) : 0;
	struct gossip_member *v = mem_zalloc(max + 1, sizeof(*v));

	*ret_n = 0;
	if (!v)
		return NULL;
	for (uint32_t at = 0; n < max && gossip_member_next(g, &at, &v[n]);)
		n++;
	qsort(v, n, sizeof(*v), by_name);
	*ret_n = n;
	return v;
}
