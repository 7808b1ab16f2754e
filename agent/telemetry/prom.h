/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom.h - metrics as text, in the format 0.0.4 that Prometheus reads: families with their samples,
 * one after the other. Filled by control/metrics_fill.c.
 */
#ifndef BH_PROM_H
#define BH_PROM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum bh_prom_type { BH_PROM_COUNTER, BH_PROM_GAUGE };

/* Starts with zeroes. What could not be written sets @failed, and nothing more is. */
struct bh_prom {
	char *text; /* malloced, with a NUL behind it */
	size_t n, room;
	const char *name; /* of the family that samples are written of */
	bool failed;
};

struct bh_prom_label {
	const char *name, *value;
};

/* Ends with {NULL, NULL}; NULL: there are none. */
#define BH_PROM_LABELS(...) ((const struct bh_prom_label[]){__VA_ARGS__, {NULL, NULL}})

void bh_prom_clear(struct bh_prom *p);

/* The head of a family: samples follow. @name is kept until the next one. */
void bh_prom_family(struct bh_prom *p, const char *name, enum bh_prom_type type, const char *help);
void bh_prom_u64(struct bh_prom *p, uint64_t value, const struct bh_prom_label *labels);
/* Seconds, of milliseconds: times and spans have no others. */
void bh_prom_ms(struct bh_prom *p, int64_t ms, const struct bh_prom_label *labels);

/* A family with one sample and no label. */
void bh_prom_gauge(struct bh_prom *p, const char *name, const char *help, uint64_t value);
void bh_prom_counter(struct bh_prom *p, const char *name, const char *help, uint64_t value);
void bh_prom_seconds(struct bh_prom *p, const char *name, const char *help, int64_t ms);

#endif
