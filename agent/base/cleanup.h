/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cleanup.h - ownership that a reader can check inside one function: cleanup attributes,
 * TAKE_* to hand ownership on. Free functions accept NULL and half-built objects.
 */
#ifndef BH_CLEANUP_H
#define BH_CLEANUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(fn)	    __attribute__((cleanup(fn)))
#define _printf_(fmt, args) __attribute__((format(printf, fmt, args)))
#define _unused_	    __attribute__((unused))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)     ((a) < (b) ? (a) : (b))
#define MAX(a, b)     ((a) > (b) ? (a) : (b))

/* Takes a variable that goes out of scope, so const data never comes here by mistake. */
static inline void bh_freep(void *p)
{
	free(*(void **)p);
}

static inline void bh_closep(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static inline void bh_fclosep(FILE **f)
{
	if (*f)
		(void)fclose(*f);
}

#define _cleanup_free_	 _cleanup_(bh_freep)
#define _cleanup_close_	 _cleanup_(bh_closep)
#define _cleanup_fclose_ _cleanup_(bh_fclosep)

#define BH_DEFINE_CLEANUP(type, fn)                                                                \
	static inline void fn##p(type *p)                                                          \
	{                                                                                          \
		if (*p)                                                                            \
			fn(*p);                                                                    \
	}

#define TAKE_PTR(p)                                                                                \
	({                                                                                         \
		__typeof__(p) *_pp = &(p);                                                         \
		__typeof__(p) _v = *_pp;                                                           \
		*_pp = NULL;                                                                       \
		_v;                                                                                \
	})

#define TAKE_FD(fd)                                                                                \
	({                                                                                         \
		int *_pfd = &(fd);                                                                 \
		int _v = *_pfd;                                                                    \
		*_pfd = -1;                                                                        \
		_v;                                                                                \
	})

#endif
