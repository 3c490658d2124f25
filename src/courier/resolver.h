/*
 * Addresses of names, by c-ares on the role's event loop: of /etc/hosts, else of the name servers in /etc/resolv.conf;
 * localhost and what is under it are this machine, and nobody is asked (RFC 6761 section 6.3). No threads, no file once
 * it is made, and nothing but what was answered outlives its lookup, for seconds.
 */
#ifndef AMP_COURIER_RESOLVER_H
#define AMP_COURIER_RESOLVER_H

#include "base/address.h"
#include "base/clock.h"

struct event_base;

#define AMP_RESOLVED_MAX 32

struct amp_resolved {
    size_t count;
    struct amp_address addresses[AMP_RESOLVED_MAX]; /* those of IPv6 first; what is beyond is left out */
};

struct amp_resolver;
/*
 * Reads the system's files, now and never again: before the sandbox, which lets nobody open one. `servers`: in place of
 * those in /etc/resolv.conf, "ADDRESS:PORT" for tests; else NULL. Where a file is there and cannot be read the log says
 * so, and each lookup but this machine's ends with AMP_ERR_IO. AMP_ERR_OUT_OF_MEMORY.
 */
enum amp_err amp_resolver_new(struct amp_resolver **out, const char *servers) AMP_MUST_USE;
/* On which loop and clock its lookups run; once, before the first. */
enum amp_err amp_resolver_run(struct amp_resolver *resolver, struct event_base *base,
                              struct amp_clock clock) AMP_MUST_USE;
/* All lookups are done or cancelled. */
void amp_resolver_free(struct amp_resolver *resolver);

/*
 * `done` is called once, later, never from within, and the lookup is freed then: AMP_OK and one address at least;
 * AMP_ERR_NOT_FOUND: there is no such name, or it has none; AMP_ERR_IO: nobody could tell in time, which says nothing
 * of the name; AMP_ERR_OUT_OF_MEMORY.
 */
struct amp_lookup;
enum amp_err amp_lookup_start(struct amp_lookup **out, struct amp_resolver *resolver, struct amp_slice name,
                              int64_t timeout_ms, void *ctx,
                              void (*done)(void *ctx, enum amp_err err,
                                           const struct amp_resolved *resolved)) AMP_MUST_USE;
/* Breaks off and frees; `done` is not called. NULL does nothing. */
void amp_lookup_cancel(struct amp_lookup *lookup);

#endif
