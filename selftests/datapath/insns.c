// SPDX-License-Identifier: Apache-2.0
/*
 * insns.c - what each program costs this kernel's verifier, held against the ceilings of
 * insns.txt: a program that grows towards the verifier's limit on the oldest kernel is seen here,
 * not by who upgrades. Runs in the top directory of the tree.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <cmocka.h>
#include "kernrig.h"
#include "../../agent/kern/kern_internal.h"

#define TABLE	    "selftests/datapath/insns.txt"
#define MAX_KERNELS 8
#define NOT_LOADED  0

/* One row: a program, and its ceiling on each kernel of the head line; "-" is NOT_LOADED. */
struct row {
	char name[16];
	__u32 max[MAX_KERNELS];
};

static struct {
	char kernel[MAX_KERNELS][16];
	int n_kernels;
	struct row row[BH_PROG_MAX + 8];
	size_t n_rows;
} table;

/* --- the table ------------------------------------------------------------------------------- */

static void read_head(char *line)
{
	char *save, *word = strtok_r(line, " \t\n", &save);

	assert_string_equal(word, "program");
	while ((word = strtok_r(NULL, " \t\n", &save))) {
		assert_true(table.n_kernels < MAX_KERNELS);
		assert_true(strlen(word) < sizeof(table.kernel[0]));
		strcpy(table.kernel[table.n_kernels++], word);
	}
	assert_true(table.n_kernels > 0);
}

static void read_row(char *line)
{
	char *save, *word = strtok_r(line, " \t\n", &save);
	struct row *row = &table.row[table.n_rows++];

	assert_true(table.n_rows <= ARRAY_SIZE(table.row));
	assert_true(strlen(word) < sizeof(row->name));
	strcpy(row->name, word);
	for (int i = 0; i < table.n_kernels; i++) {
		word = strtok_r(NULL, " \t\n", &save);
		if (!word)
			fail_msg(TABLE ": %s has no number for %s", row->name, table.kernel[i]);
		if (strcmp(word, "-") != 0) {
			row->max[i] = (__u32)strtoul(word, NULL, 10);
			assert_true(row->max[i] > 0);
		}
	}
}

static void read_table(void)
{
	_cleanup_fclose_ FILE *f = fopen(TABLE, "re");
	char line[256];

	if (!f)
		fail_msg(TABLE ": %s", strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		if (line[0] == '#' || line[0] == '\n')
			continue;
		if (!table.n_kernels)
			read_head(line);
		else
			read_row(line);
	}
	assert_true(table.n_rows > 0);
}

/* Column of the running kernel, or -1: "6.1.0-56-cloud-amd64" is 6.1, and 6.18 is not. */
static int column(const char *release)
{
	for (int i = 0; i < table.n_kernels; i++) {
		size_t len = strlen(table.kernel[i]);

		if (!strncmp(release, table.kernel[i], len) && strchr(".-", release[len]))
			return i;
	}
	return -1;
}

static const struct row *row_of(const char *name)
{
	for (size_t i = 0; i < table.n_rows; i++)
		if (!strcmp(table.row[i].name, name))
			return &table.row[i];
	return NULL;
}

/* A kernel that has no column is held to the loosest one. */
static __u32 ceiling(const struct row *row, int col)
{
	__u32 max = NOT_LOADED;

	if (col >= 0)
		return row->max[col];
	for (int i = 0; i < table.n_kernels; i++)
		max = MAX(max, row->max[i]);
	return max;
}

/* --- the kernel's count ---------------------------------------------------------------------- */

static __u32 verified(const struct bh_kern *k, enum bh_prog id)
{
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info);
	int fd = bpf_program__fd(k->prog[id]);

	if (fd < 0)
		return NOT_LOADED;
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	assert_true(info.verified_insns > 0); /* since Linux 5.16 */
	return info.verified_insns;
}

/* Return: what is wrong with a program's count, or NULL. */
static const char *judge(const char *name, __u32 n, int col)
{
	const struct row *row = row_of(name);

	if (!row)
		return "no ceiling in " TABLE;
	if (n > ceiling(row, col))
		return ceiling(row, col) ? "above its ceiling"
					 : "loads, but the table says it can't";
	/* not where a kernel without a column may lack what the program needs */
	if (n == NOT_LOADED && col >= 0 && row->max[col])
		return "not loaded";
	return NULL;
}

static void test_every_program_is_below_its_ceiling(void **state)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_kern_opts opts = rig_opts();
	struct bh_kern *k = NULL;
	struct utsname uts;
	int r, col, bad = 0;

	(void)state;
	read_table();
	assert_int_equal(uname(&uts), 0);
	col = column(uts.release);
	r = bh_kern_open(&opts, &d, &k);
	bh_diags_print(&d, stdout, false);
	assert_int_equal(r, 0);
	printf("# %-16s %8s %8s  %s\n", "program", "verified", "ceiling",
	       col < 0 ? "(loosest column)" : table.kernel[col]);
	for (int i = 0; i < BH_PROG_MAX; i++) {
		const char *name = bh_progs[i].name;
		const struct row *row = row_of(name);
		__u32 n = verified(k, (enum bh_prog)i);
		const char *wrong = judge(name, n, col);

		printf("# %-16s %8u %8u%s%s\n", name, n, row ? ceiling(row, col) : 0,
		       wrong ? "  " : "", wrong ? wrong : "");
		bad += wrong != NULL;
	}
	assert_int_equal(bh_kern_detach(k), 0);
	bh_kern_close(k);
	assert_int_equal(bad, 0);
}

/* A row that no program has any more would let the next one of that name in unseen. */
static void test_every_row_is_a_program(void **state)
{
	(void)state;
	for (size_t i = 0; i < table.n_rows; i++) {
		bool found = false;

		for (int p = 0; p < BH_PROG_MAX; p++)
			found |= !strcmp(bh_progs[p].name, table.row[i].name);
		if (!found)
			fail_msg(TABLE ": no program %s", table.row[i].name);
	}
}

/* --- run -------------------------------------------------------------------------------------- */

static int up(void **state)
{
	(void)state;
	return rig_up();
}

static int down(void **state)
{
	(void)state;
	rig_down();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_program_is_below_its_ceiling),
		cmocka_unit_test(test_every_row_is_a_program),
	};

	return cmocka_run_group_tests(tests, up, down);
}
