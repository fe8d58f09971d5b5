/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_REPLICA_IMPL_H
#define SUPERVISOR_REPLICA_IMPL_H
/*
 * What the files of a replica's core share: replica.c (the states, what is asked), replica_found.c (what is found),
 * replica_end.c (a run ended), replica_probe.c (how it is). Nobody else includes it.
 */
#include "supervisor/replica.h"

/* One call of replica_step. */
struct step {
	struct replica *r;
	const struct replica_in *in;
	struct now now;
	struct replica_outs *outs;
};

struct replica_out *replica_emit(struct step *s, enum replica_out_type type);
void replica_event(struct step *s, enum replica_severity severity, const char *kind, const char *fmt, ...)
	PRINTF_LIKE(4, 5);
void replica_emit_save(struct step *s);
/* Every move goes through here: cancels what no longer matters in the new state. */
void replica_move(struct step *s, enum replica_state to);
/* To STARTING, and says START. */
void replica_start(struct step *s);
/* To STOPPING, and says STOP. */
void replica_stop_run(struct step *s, enum shim_why why, const char *why_text);
struct health *replica_probe_of(struct replica *r, enum health_which which);
/* What is asked of the run. */
const struct spec_probe *replica_probe_spec(const struct replica *r, enum health_which which);
/* Says that an answer of this probe (or of what it was before) no longer matters, if one is awaited. */
void replica_cancel_probe(struct step *s, const struct health *h);
/* What sd_notify has said so far counts for probes that have begun: READY=1 makes ready, and arms the watchdog. */
void replica_arm_notify(struct step *s);

/* The handlers of their events. */
void replica_on_started(struct step *s);
void replica_on_adopted(struct step *s);
void replica_on_exited(struct step *s);
void replica_on_shim_lost(struct step *s);
void replica_on_spec(struct step *s);
void replica_on_notify(struct step *s);
void replica_on_probe(struct step *s);
void replica_on_tick(struct step *s);

#endif
