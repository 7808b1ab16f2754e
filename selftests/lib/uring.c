// SPDX-License-Identifier: Apache-2.0
/* uring.c - see uring.h. The layout of the rings is io_uring_setup(2). */
#include "uring.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct ring {
	int fd;
	struct io_uring_params p;
	char *sq, *cq;
	size_t sq_bytes, cq_bytes;
	struct io_uring_sqe *sqe;
};

static void *map(const struct ring *r, size_t bytes, off_t what)
{
	return mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->fd, what);
}

static uint32_t *at(char *ring, uint32_t offset)
{
	return (uint32_t *)(void *)(ring + offset);
}

static int ring_open(struct ring *r, unsigned int flags)
{
	*r = (struct ring){.p = {.flags = flags, .sq_thread_idle = 1000}};
	r->fd = (int)syscall(SYS_io_uring_setup, 2, &r->p);
	if (r->fd < 0)
		return -errno;
	r->sq_bytes = r->p.sq_off.array + r->p.sq_entries * sizeof(uint32_t);
	r->cq_bytes = r->p.cq_off.cqes + r->p.cq_entries * sizeof(struct io_uring_cqe);
	r->sq = map(r, r->sq_bytes, IORING_OFF_SQ_RING);
	r->cq = map(r, r->cq_bytes, IORING_OFF_CQ_RING);
	r->sqe = map(r, r->p.sq_entries * sizeof(*r->sqe), (off_t)IORING_OFF_SQES);
	return 0;
}

static void ring_close(struct ring *r)
{
	(void)munmap(r->sq, r->sq_bytes);
	(void)munmap(r->cq, r->cq_bytes);
	(void)munmap(r->sqe, r->p.sq_entries * sizeof(*r->sqe));
	(void)close(r->fd);
}

static int ring_do(struct ring *r)
{
	struct io_uring_cqe *cqe = (void *)(r->cq + r->p.cq_off.cqes);
	unsigned int enter = IORING_ENTER_GETEVENTS;

	*at(r->sq, r->p.sq_off.array) = 0;
	__atomic_store_n(at(r->sq, r->p.sq_off.tail), 1, __ATOMIC_RELEASE);
	if (r->p.flags & IORING_SETUP_SQPOLL)
		enter |= IORING_ENTER_SQ_WAKEUP;
	if (syscall(SYS_io_uring_enter, r->fd, 1, 1, enter, NULL, 0) < 0)
		return -errno;
	return cqe[0].res;
}

static int ring_run(const struct io_uring_sqe *sqe, unsigned int flags)
{
	struct ring r;
	int ret = ring_open(&r, flags);

	if (ret)
		return ret;
	r.sqe[0] = *sqe;
	ret = ring_do(&r);
	ring_close(&r);
	return ret;
}

int uring_connect(int fd, const struct sockaddr *addr, socklen_t len, unsigned int flags,
		  unsigned char sqe_flags)
{
	const struct io_uring_sqe sqe = {
		.opcode = IORING_OP_CONNECT,
		.flags = sqe_flags,
		.fd = fd,
		.addr = (uintptr_t)addr,
		.off = len,
	};

	return ring_run(&sqe, flags);
}

int uring_send(int fd, const void *data, size_t len, unsigned int flags, unsigned char sqe_flags)
{
	const struct io_uring_sqe sqe = {
		.opcode = IORING_OP_SEND,
		.flags = sqe_flags,
		.fd = fd,
		.addr = (uintptr_t)data,
		.len = (uint32_t)len,
	};

	return ring_run(&sqe, flags);
}
