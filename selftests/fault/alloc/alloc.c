/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alloc.c - lets one allocation of a program fail: the n-th of all its threads, in whichever library
 * it is made. To be preloaded; used by selftests/fault/memory.sh.
 *
 * BH_ALLOC names a file of numbers (struct plan) that both sides map; who sets @nth sets @seen
 * and @hits to 0 before.
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct plan {
	uint64_t nth;  /* 0: none */
	uint64_t more; /* how many after it fail, too */
	uint64_t seen, hits;
	uint64_t theirs; /* the last one was of who does not look at each */
};

static struct plan *plan;

/* What they are below: glibc's own. */
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);
extern void *__libc_memalign(size_t align, size_t n);

__attribute__((constructor)) static void plan_open(void)
{
	const char *path = getenv("BH_ALLOC");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *p;

	/* the first one asks for memory */
	(void)backtrace(&p, 1);
	if (fd < 0)
		return;
	p = mmap(NULL, sizeof(*plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);
	if (p != MAP_FAILED)
		plan = p;
}

/* libfyaml, also by way of libc, and the fts_open() of glibc. */
static bool is_theirs(void)
{
	void *frame[8];
	int n = backtrace(frame, 8);
	Dl_info at;

	for (int i = 0; i < n; i++)
		if (dladdr(frame[i], &at) && ((at.dli_fname && strstr(at.dli_fname, "libfyaml")) ||
					      (at.dli_sname && strstr(at.dli_sname, "fts"))))
			return true;
	return false;
}

static bool fails(void)
{
	uint64_t nth = plan ? __atomic_load_n(&plan->nth, __ATOMIC_ACQUIRE) : 0, n;

	if (!nth)
		return false;
	n = __atomic_add_fetch(&plan->seen, 1, __ATOMIC_RELAXED);
	if (n < nth || n - nth > plan->more)
		return false;
	(void)__atomic_add_fetch(&plan->hits, 1, __ATOMIC_RELAXED);
	plan->theirs = is_theirs();
	errno = ENOMEM;
	return true;
}

void *malloc(size_t n)
{
	return fails() ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	return fails() ? NULL : __libc_realloc(p, n);
}

void *aligned_alloc(size_t align, size_t n)
{
	return fails() ? NULL : __libc_memalign(align, n);
}

int posix_memalign(void **ret, size_t align, size_t n)
{
	void *p = fails() ? NULL : __libc_memalign(align, n);

	if (!p)
		return ENOMEM;
	*ret = p;
	return 0;
}
