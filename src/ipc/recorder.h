/*
 * A role's way to the event log: numbers its events, sends them to the scribe in batches, keeps what is not durable
 * yet and sends it again to a restarted scribe, and tells how far the log is durable. One per thread.
 */
#ifndef AMP_IPC_RECORDER_H
#define AMP_IPC_RECORDER_H

#include "audit/event.h"
#include "base/clock.h"
#include "ipc/ipc.h"

#define AMP_RECORDER_BYTES_MAX ((size_t)16 << 20) /* of events that wait */

struct amp_recorder;
/* `durable` is called whenever more of the log became durable, with the highest durable number. */
enum amp_err amp_recorder_new(struct amp_recorder **out, struct event_base *base,
                              void (*durable)(void *ctx, uint64_t number), void *ctx) AMP_MUST_USE;
void amp_recorder_free(struct amp_recorder *recorder);
/* The system's clock where it is not told another. */
void amp_recorder_set_clock(struct amp_recorder *recorder, struct amp_clock clock);
/* `violated` is called where the scribe broke the table: the supervisor is to be told (AMP_IPC_VIOLATION). */
void amp_recorder_on_violation(struct amp_recorder *recorder, void (*violated)(void *ctx), void *ctx);
/* Gives it the link to the scribe (taken), at start and after each restart; what is not durable is sent again. */
void amp_recorder_attach(struct amp_recorder *recorder, enum amp_role self, int fd);
/*
 * The scribe answers and its log is writable: otherwise work must be refused (AMP_ERR_AUDIT_UNAVAILABLE). A scribe that
 * for 3 s does not say that it wrote what it was sent does not answer; amp_recorder_flush logs when that begins and
 * ends.
 */
bool amp_recorder_ready(const struct amp_recorder *recorder);
/* Takes the memory that `count` more events of any size need, 64 at most: adding these will not fail. False: neither
 * would be certain. */
bool amp_recorder_reserve(struct amp_recorder *recorder, size_t count) AMP_MUST_USE;
/* Less than half of what may wait waits: there is room for what need not be recorded one by one. */
bool amp_recorder_roomy(const struct amp_recorder *recorder);
/*
 * Adds an event; *number (may be NULL) is its number, from 1. Sent by amp_recorder_flush. `want_durable`: ask the
 * scribe to sync it soon; others reach the disk with the next sync or within a second. AMP_ERR_AUDIT_UNAVAILABLE
 * where AMP_RECORDER_BYTES_MAX wait.
 */
enum amp_err amp_recorder_add(struct amp_recorder *recorder, const struct amp_event *event, bool want_durable,
                              uint64_t *number) AMP_MUST_USE;
/* Call once per turn of the loop. Sends what was added: at once where some of it wants to be durable or much waits,
 * otherwise within 5 ms. */
void amp_recorder_flush(struct amp_recorder *recorder);
/* Sends what was added now: for who tells others next of what it records, and may be killed before a turn is over. */
void amp_recorder_send(struct amp_recorder *recorder);
/* Everything added is durable. */
bool amp_recorder_idle(const struct amp_recorder *recorder);

#endif
