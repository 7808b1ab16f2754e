/* SPDX-License-Identifier: Apache-2.0 */
/*
 * benchrig.h - what the programs of selftests/bench share: a clock, and the rows of their tables
 * as JSON for `-o FILE`. A bench prints its table itself; a number that is not in it is not in
 * the file either.
 */
#ifndef BH_TEST_BENCHRIG_H
#define BH_TEST_BENCHRIG_H

#include <stddef.h>

/* NAME [-o FILE]. Exits with 2 if it is called otherwise. */
void bench_begin(const char *name, int argc, char **argv);
/* A row, as json_pack() takes it: bench_row("{s:s s:f}", "what", "SYN", "ns", 12.5). */
void bench_row(const char *fmt, ...);
/* Writes FILE if one was named. Return: @r, or 1 if it can't be written. */
int bench_end(int r);

double bench_now_ns(void); /* CLOCK_MONOTONIC */

/* Sorts @value; @percent 50 is the median. */
double bench_percentile(double *value, size_t n, int percent);

#endif
