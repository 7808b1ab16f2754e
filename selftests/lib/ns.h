/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ns.h - network namespaces for tests: held by a file descriptor and by nothing else, so a
 * test that crashes leaves none behind. Used by selftests/datapath and selftests/net.
 */
#ifndef BH_TEST_NS_H
#define BH_TEST_NS_H

/**
 * ns_make - a new network namespace with its loopback up
 * @ret_fd: holds it; the namespace ends with the last fd, socket and process in it
 * Return: 0 or -errno. The caller stays where it was.
 */
int ns_make(int *ret_fd);

/* Moves the calling thread into @fd. *ret_back (may be NULL) gets an fd to come back by. */
int ns_enter(int fd, int *ret_back);

/**
 * ns_run - run a command in a namespace, at most 10 s
 * @fd: the namespace, or -1 for the caller's
 * Return: its exit status, or -errno (-ETIME when it was stopped)
 */
int ns_run(int fd, const char *const argv[]);

/* ns_run() with the words in a row: ns_cmd(fd, "ip", "link", "set", "lo", "up") */
#define ns_cmd(fd, ...) ns_run((fd), (const char *const[]){__VA_ARGS__, NULL})

/**
 * ns_veth - a cable between two namespaces, both ends up, with addresses
 * @addr_a: "10.77.0.1/24" or "fd77::1/64" (added without duplicate detection), or NULL
 */
int ns_veth(int fd_a, const char *name_a, const char *addr_a, int fd_b, const char *name_b,
	    const char *addr_b);

/* Another address for a device. */
int ns_addr(int fd, const char *dev, const char *addr);

#endif
