/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parser.h - the packet parser of bpf/ in a program of userspace: the very headers, and nothing
 * of them written again. Include it last, for bpf/maps.h gives `__inline` another meaning, and
 * not beside <bpf/bpf.h>, whose functions have the names of helpers (userparse.h then).
 *
 * bpf_helpers.h defines the helpers as calls to small addresses. The parser calls none; one
 * that began to would crash here at once.
 */
#ifndef BH_TEST_PARSER_H
#define BH_TEST_PARSER_H

#include <netinet/in.h> /* before <linux/in.h>, which then leaves out what this has */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../bpf/parse.h"

#endif
