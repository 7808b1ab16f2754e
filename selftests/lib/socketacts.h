/* SPDX-License-Identifier: Apache-2.0 */
/*
 * socketacts.h - what puppets do in selftests/model/sockets.c: many conversations at once, none
 * waited for. Each is a struct pup_call's fn; c->a are its arguments.
 */
#ifndef BH_TEST_SOCKETACTS_H
#define BH_TEST_SOCKETACTS_H

#include "puppet.h"

#define ACT_SLOTS  64
#define ACT_FAILED 1000 /* the test's own trouble: -errno below this */

/*
 * a: slot, type, connect a datagram socket?; data: struct sockaddr_storage to bind to; addr: to.
 * Return: 0 (on its way) or -errno of connect() or sendto().
 */
long act_begin(struct pup_call *c);
/* a: slot, stream? Return: 1 = through, 2 = refused, 0 = nothing yet. */
long act_look(struct pup_call *c);
/* a: slot, keep it? Return: the descriptor if it is kept, else -1. */
long act_end(struct pup_call *c);

/* On a kept one; a: descriptor. */
long act_ask(struct pup_call *c);
long act_hear(struct pup_call *c); /* 1 = answered */
long act_close(struct pup_call *c);

/* a: listener, UDP socket. Makes them ready for the next. */
long act_unblock(struct pup_call *c);
/* a: listener, UDP socket. Accepts all, answers all, the accepted ones too. */
long act_serve(struct pup_call *c);

#endif
