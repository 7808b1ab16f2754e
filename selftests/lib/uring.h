/* SPDX-License-Identifier: Apache-2.0 */
/* uring.h - connect() through io_uring, without a library. Used by selftests/net/ways.c. */
#ifndef BH_TEST_URING_H
#define BH_TEST_URING_H

#include <sys/socket.h>

/**
 * uring_connect - one IORING_OP_CONNECT on a ring of its own, waited for
 * @flags: of the ring: 0, or IORING_SETUP_SQPOLL for a kernel thread that submits
 * @sqe_flags: of the request: 0, or IOSQE_ASYNC for a worker thread
 *
 * Return: what connect() gave, as -errno; -ENOSYS where this kernel has no io_uring.
 */
int uring_connect(int fd, const struct sockaddr *addr, socklen_t len, unsigned int flags,
		  unsigned char sqe_flags);

#endif
