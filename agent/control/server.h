/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server.h - the control socket: JSON lines in, JSON lines out, for clients that may be
 * hostile. Limits are in proto.h. Called by agent.c.
 */
#ifndef BH_SERVER_H
#define BH_SERVER_H

#include "../agent.h"

/**
 * bh_server_open - listen at <runtime-dir>/control.sock, and for root alone at operator.sock
 * Owned by group bulkhead-read where there is one, 0660; else 0600. The caller holds the
 * lock of the directory: a socket that is there is a dead agent's.
 * Return: 0 or -errno (see @d).
 */
int bh_server_open(struct bh_agent *a, struct bh_diags *d, struct bh_server **ret);
/* Hangs up on everybody and removes the socket. */
void bh_server_close(struct bh_server *s);
BH_DEFINE_CLEANUP(struct bh_server *, bh_server_close)

/* For those who follow. */
void bh_server_event(struct bh_server *s, const struct bh_event *ev);
/* A line of the audit log, with its line break. */
void bh_server_record(struct bh_server *s, const char *record);

#endif
