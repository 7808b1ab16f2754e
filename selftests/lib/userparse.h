/* SPDX-License-Identifier: Apache-2.0 */
/* userparse.h - what the parser of bpf/, built for userspace, says of a packet. */
#ifndef BH_TEST_USERPARSE_H
#define BH_TEST_USERPARSE_H

#include <stddef.h>
#include "../../include/bh_reason.h"

/* As bh_parse_l2() and bh_parse_l3() of bpf/parse.h; @data is aligned as the kernel's. */
enum bh_reason userparse_l2(void *data, size_t bytes);
enum bh_reason userparse_l3(void *data, size_t bytes);

#endif
