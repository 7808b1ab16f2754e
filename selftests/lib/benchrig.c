/* SPDX-License-Identifier: Apache-2.0 */
/* benchrig.c - clock and rows of the benches, see benchrig.h. */
#include "benchrig.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

static const char *name, *file;
static json_t *rows;

void bench_begin(const char *bench, int argc, char **argv)
{
	name = bench;
	if (argc == 3 && !strcmp(argv[1], "-o")) {
		file = argv[2];
	} else if (argc != 1) {
		fprintf(stderr, "usage: %s [-o FILE]\n", argv[0]);
		exit(2);
	}
	rows = json_array();
}

void bench_row(const char *fmt, ...)
{
	va_list ap;
	json_t *row;

	va_start(ap, fmt);
	row = json_vpack_ex(NULL, 0, fmt, ap);
	va_end(ap);
	if (!row || json_array_append_new(rows, row) < 0) {
		fprintf(stderr, "a row that is no JSON: %s\n", fmt);
		abort();
	}
}

int bench_end(int r)
{
	struct utsname u = {0};
	json_t *all;

	(void)uname(&u);
	all = json_pack("{s:s s:s s:s s:b s:o}", "bench", name, "version", BH_VERSION, "kernel",
			u.release, "ok", r == 0, "rows", rows);
	if (file && (!all || json_dump_file(all, file, JSON_INDENT(1)) < 0)) {
		fprintf(stderr, "can't write %s\n", file);
		r = 1;
	}
	json_decref(all);
	return r;
}

double bench_now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double bench_percentile(double *value, size_t n, int percent)
{
	qsort(value, n, sizeof(*value), by_value);
	return value[(n - 1) * (size_t)percent / 100];
}
