/* SPDX-License-Identifier: Apache-2.0 */
/* pairrow.h - a row of the history of pairs as proto.h has it. */
#ifndef BH_PAIRROW_H
#define BH_PAIRROW_H

#include <jansson.h>
#include "../telemetry/pairs.h"

/* NULL: no memory. */
json_t *bh_pair_json(const struct bh_pair *p);

#endif
