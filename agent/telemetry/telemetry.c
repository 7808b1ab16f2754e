/* SPDX-License-Identifier: Apache-2.0 */
/* telemetry.c - see telemetry.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "telemetry.h"

struct bh_telemetry {
	struct bh_sink *sink[BH_SINKS_MAX];
	size_t n;
};

struct bh_telemetry *bh_telemetry_new(void)
{
	return calloc(1, sizeof(struct bh_telemetry));
}

void bh_telemetry_free(struct bh_telemetry *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++)
		t->sink[i]->ops->close(t->sink[i]);
	free(t);
}

int bh_telemetry_add(struct bh_telemetry *t, struct bh_sink *s)
{
	if (t->n == ARRAY_SIZE(t->sink))
		return -ENOSPC;
	t->sink[t->n++] = s;
	return 0;
}

void bh_telemetry_drop(struct bh_telemetry *t, const char *name)
{
	for (size_t i = 0; i < t->n; i++) {
		struct bh_sink *s = t->sink[i];

		if (strcmp(s->ops->name, name) != 0)
			continue;
		t->sink[i] = t->sink[--t->n];
		s->ops->close(s);
		return;
	}
}

void bh_telemetry_flow(struct bh_telemetry *t, const struct bh_flow *flow)
{
	for (size_t i = 0; i < t->n; i++)
		t->sink[i]->ops->flow(t->sink[i], flow);
}

void bh_telemetry_loss(struct bh_telemetry *t, const struct bh_loss *loss)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->sink[i]->ops->loss)
			t->sink[i]->ops->loss(t->sink[i], loss);
}

void bh_telemetry_tick(struct bh_telemetry *t, __u64 boot_ns)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->sink[i]->ops->tick)
			t->sink[i]->ops->tick(t->sink[i], boot_ns);
}

size_t bh_telemetry_count(const struct bh_telemetry *t)
{
	return t->n;
}

const struct bh_sink *bh_telemetry_at(const struct bh_telemetry *t, size_t i)
{
	return t->sink[i];
}
