/*
 * What each principal holds now, over all workers: connections that its signature verified on last, and requests that
 * wait for something. Counting is without locks; they are taken when a worker meets a principal first. The budgets
 * merely count: their limits, which a reload may change, are the caller's (amp_budget_take_up_to).
 */
#ifndef AMP_STORE_HOLDERS_H
#define AMP_STORE_HOLDERS_H

#include "base/err.h"
#include "base/size.h"
#include "base/slice.h"

struct amp_holders;
struct amp_holder {
    struct amp_budget connections;
    struct amp_budget waiting;
    struct amp_holder *next;
    size_t references;
    size_t name_len;
    uint8_t name[];
};
enum amp_err amp_holders_new(struct amp_holders **out) AMP_MUST_USE;
/* Every reference was given back. */
void amp_holders_free(struct amp_holders *holders);
/* A reference to the one of this name, made where there is none. AMP_ERR_OUT_OF_MEMORY. */
enum amp_err amp_holder_ref(struct amp_holder **out, struct amp_holders *holders, struct amp_slice name) AMP_MUST_USE;
/* The last one frees it: what was taken was given back. NULL does nothing. */
void amp_holder_unref(struct amp_holders *holders, struct amp_holder *holder);

#endif
