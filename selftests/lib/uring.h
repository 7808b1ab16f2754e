/* SPDX-License-Identifier: Apache-2.0 */
/* uring.h - connect() and send() through io_uring, without a library. Used by selftests/net. */
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
/* The same with IORING_OP_SEND. Return: bytes or -errno. */
int uring_send(int fd, const void *data, size_t len, unsigned int flags, unsigned char sqe_flags);

#endif
