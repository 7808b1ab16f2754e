// SPDX-License-Identifier: Apache-2.0
/*
 * parse.c - the parser in userspace and in the kernel say the same of every frame: what the
 * fuzz target packet.c reached (selftests/fuzz/corpus/packet), the rows of packets.h, and both
 * with bytes changed. So what the fuzzer shows of the one holds for the other. By
 * BPF_PROG_TEST_RUN on XDP, on cgroup ingress and on cgroup egress.
 */
#include "policyrig.h"

#include <dirent.h>
#include <errno.h>
#include <unistd.h>
#include "kernrig.h"
#include "packets.h"
#include "userparse.h"
#include "../../agent/kern/kern_internal.h"

enum { ETH_BYTES = 14, FRAME_MAX = 1500, CORPUS_MAX = 1024, MUTATIONS = 30000 };

struct frame {
	uint8_t data[FRAME_MAX];
	size_t len;
};

static const struct {
	const char *name;
	enum bh_prog prog;
	bool l3; /* begins to read at the IP header */
} hooks[] = {
	{"XDP", BH_PROG_XDP_IN, false},
	{"cgroup ingress", BH_PROG_SKB_IN, true},
	{"cgroup egress", BH_PROG_SKB_OUT, true},
};

static struct bh_kern *kern;
static struct frame frames[CORPUS_MAX];
static size_t n_frames;

/* --- frames ----------------------------------------------------------------------------------- */

/* A file of the corpus: two bytes that are for the fuzz target alone, then the frame. */
static void take_file(const char *path)
{
	struct frame *f = &frames[n_frames];
	uint8_t head[2];
	FILE *in = fopen(path, "re");

	assert_non_null(in);
	assert_true(n_frames < CORPUS_MAX);
	if (fread(head, 1, 2, in) == 2)
		f->len = fread(f->data, 1, sizeof(f->data), in);
	(void)fclose(in);
	n_frames += f->len >= ETH_BYTES;
}

static void take_corpus(const char *dir)
{
	struct dirent **list;
	int n = scandir(dir, &list, NULL, alphasort);

	assert_true(n > 2);
	for (int i = 0; i < n; i++) {
		char path[512];

		(void)snprintf(path, sizeof(path), "%s/%s", dir, list[i]->d_name);
		if (list[i]->d_name[0] != '.')
			take_file(path);
		free(list[i]);
	}
	free(list);
}

static void take_rows(void)
{
	for (size_t i = 0; i < n_packet_rows; i++) {
		for (int v6 = 0; v6 < 2; v6++) {
			struct pkt p;

			if (!(v6 ? packet_rows[i].v6 : packet_rows[i].v4))
				continue;
			assert_true(n_frames < CORPUS_MAX);
			packet_build(&packet_rows[i], v6, &p);
			assert_true(p.len <= FRAME_MAX);
			memcpy(frames[n_frames].data, p.data, p.len);
			frames[n_frames++].len = p.len;
		}
	}
}

/* --- the kernel ------------------------------------------------------------------------------- */

static int up(void **state)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_kern_opts opts;
	struct pol pol;
	__u64 gen;
	int r;

	(void)state;
	if (rig_up())
		return -1;
	opts = rig_opts();
	r = bh_kern_open(&opts, &d, &kern);
	if (!r)
		r = bh_kern_attach(kern, &d);
	pol = pol_made("segments:\n  db: { match: { unit: db.service } }\n");
	if (!r)
		r = bh_kern_stage(kern, pol.out, &d, &gen);
	if (!r)
		r = bh_kern_publish(kern);
	pol_clear(&pol);
	bh_diags_print(&d, stdout, false);
	assert_int_equal(r, 0);
	take_corpus("selftests/fuzz/corpus/packet");
	printf("# %zu frames of the corpus\n", n_frames);
	take_rows();
	return 0;
}

static int down(void **state)
{
	(void)state;
	(void)bh_kern_detach(kern);
	bh_kern_close(kern);
	rig_down();
	return 0;
}

static __u64 counted(__u32 reason)
{
	static struct bh_count each[1024]; /* a value for each possible CPU */
	__u64 n = 0;

	assert_true(libbpf_num_possible_cpus() <= 1024);
	assert_int_equal(bpf_map_lookup_elem(bh_kern_map_fd(kern, BH_MAP_REASONS), &reason, each),
			 0);
	for (int i = 0; i < libbpf_num_possible_cpus(); i++)
		n += each[i].packets;
	return n;
}

/* Packets that the parser refused, by any reason. */
static __u64 counted_refused(void)
{
	__u64 n = 0;

	for (__u32 i = BH_R_MALFORMED_L2; i <= BH_R_PORT_ZERO; i++)
		n += counted(i);
	return n;
}

/* Return: 0, or -EINVAL: the kernel makes no packet for this hook of so few bytes. */
static int run(enum bh_prog prog, const struct frame *f, __u32 *ret)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->data, .data_size_in = (__u32)f->len,
		    .repeat = 1);
	int r = bpf_prog_test_run_opts(bh_kern_prog_fd(kern, prog), &opts);

	*ret = opts.retval;
	return r;
}

/* --- do they agree? --------------------------------------------------------------------------- */

static enum bh_reason expected(const struct frame *f, bool l3)
{
	/* aligned as in the kernel: the IP header begins at a multiple of 4 */
	static uint8_t block[FRAME_MAX + 2] __attribute__((aligned(8)));
	uint8_t *at = block + 2;

	memcpy(at, f->data, f->len);
	return l3 ? userparse_l3(at + ETH_BYTES, f->len - ETH_BYTES) : userparse_l2(at, f->len);
}

/* Return: 1 = they do, 0 = not, -EINVAL as run(). */
static int agree(size_t hook, const struct frame *f)
{
	enum bh_reason want = expected(f, hooks[hook].l3);
	__u64 refused = counted_refused(), this = want ? counted(want) : 0;
	__u32 verdict, drop = hooks[hook].l3 ? 0 : XDP_DROP;
	int r = run(hooks[hook].prog, f, &verdict);

	if (r)
		return r;
	if (counted_refused() - refused == !!want &&
	    (!want || (counted(want) - this == 1 && verdict == drop)))
		return 1;
	printf("# %s: in userspace it is %d, the kernel refused %llu and said %u:\n# ",
	       hooks[hook].name, want, (unsigned long long)(counted_refused() - refused), verdict);
	for (size_t i = 0; i < f->len; i++)
		printf("%02x", f->data[i]);
	printf("\n");
	return 0;
}

/* How many of @frames the kernel took; @ret_refused: for how many of those there was a reason. */
static size_t check_all(size_t hook, size_t *ret_refused)
{
	size_t taken = 0, wrong = 0;

	*ret_refused = 0;
	for (size_t i = 0; i < n_frames; i++) {
		int r = agree(hook, &frames[i]);

		assert_true(r >= 0 || r == -EINVAL);
		/* of whole frames it takes each; of packets, those with room for an IP header */
		assert_true(r >= 0 || (hooks[hook].l3 && frames[i].len < ETH_BYTES + 40));
		taken += r >= 0;
		wrong += r == 0;
		*ret_refused += r == 1 && expected(&frames[i], hooks[hook].l3) != BH_CONTINUE;
	}
	assert_int_equal(wrong, 0);
	return taken;
}

static void test_corpus(void **state)
{
	(void)state;
	for (size_t hook = 0; hook < ARRAY_SIZE(hooks); hook++) {
		size_t refused, n = check_all(hook, &refused);

		printf("# %s: %zu frames, %zu refused\n", hooks[hook].name, n, refused);
		/* neither of them is there for show */
		assert_true(n > 200 && refused > 50 && n - refused > 50);
	}
}

static void test_every_reason_is_reached(void **state)
{
	(void)state;
	for (int i = BH_R_MALFORMED_L2; i <= BH_R_PORT_ZERO; i++) {
		bool found = false;

		for (size_t j = 0; !found && j < n_frames; j++)
			found = expected(&frames[j], false) == (enum bh_reason)i;
		if (!found)
			fail_msg("no frame has reason %d", i);
	}
}

static void test_changed_bytes(void **state)
{
	unsigned int seed = (unsigned int)getpid();
	size_t wrong = 0;

	(void)state;
	printf("# seed %u\n", seed);
	for (int i = 0; i < MUTATIONS; i++) {
		struct frame f = frames[(size_t)rand_r(&seed) % n_frames];

		for (int n = rand_r(&seed) % 3; n >= 0; n--)
			f.data[(size_t)rand_r(&seed) % f.len] = (uint8_t)rand_r(&seed);
		if (rand_r(&seed) % 8 == 0)
			f.len = ETH_BYTES + (size_t)rand_r(&seed) % (f.len - ETH_BYTES + 1);
		wrong += agree((size_t)rand_r(&seed) % ARRAY_SIZE(hooks), &f) == 0;
	}
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_reason_is_reached),
		cmocka_unit_test(test_corpus),
		cmocka_unit_test(test_changed_bytes),
	};

	return cmocka_run_group_tests(tests, up, down);
}
