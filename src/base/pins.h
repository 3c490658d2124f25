/*
 * Pins: names of files at a fixed place, written once and only read from then on. A filter of system calls cannot see
 * what a name says, only where it lies. So a process that is about to be confined pins each name that it will speak of;
 * the filter (sandbox/filter.c) then allows names of a kind for what that kind is for, and nothing that could change
 * the place, which lies below all other memory.
 */
#ifndef AMP_BASE_PINS_H
#define AMP_BASE_PINS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define AMP_PIN_BYTES  64                  /* room for a name, with its NUL */
#define AMP_PINS_MAX   16384               /* of a kind */
#define AMP_PIN_REGION (UINT64_C(1) << 20) /* where they lie, one kind behind the other: */
#define AMP_PINS_AT    (UINT64_C(1) << 24)
#define AMP_PINS_END   (UINT64_C(1) << 25)

enum amp_pin_kind {
    AMP_PIN_SEALED,     /* a sealed file of the keeper's; */
    AMP_PIN_SEALED_NEW, /* what is to replace it, */
    AMP_PIN_SEALED_OLD, /* and what it replaced */
    AMP_PIN_LOG,        /* the event log's newest file; */
    AMP_PIN_LOG_BEFORE, /* those before it, */
    AMP_PIN_LOG_NEXT,   /* those that will follow, */
    AMP_PIN_LOG_TORN,   /* and where an unfinished line goes */
    AMP_PIN_KIND_COUNT_
};

typedef char amp_pin[AMP_PIN_BYTES];

/* Room for `count` names of a kind, all empty, to be written until amp_pins_seal. Once for each kind, of
 * 1 to AMP_PINS_MAX: else AMP_ERR_INVALID. AMP_ERR_IO (errno): the place is not free. */
enum amp_err amp_pins_open(amp_pin **out, enum amp_pin_kind kind, size_t count) AMP_MUST_USE;
/* Pins one name, behind those of its kind; its kind has room for AMP_PINS_FEW then. AMP_ERR_TOO_LARGE, AMP_ERR_IO. */
#define AMP_PINS_FEW 8
enum amp_err amp_pin_add(enum amp_pin_kind kind, const char *name) AMP_MUST_USE;
/* From here on nobody writes there. AMP_ERR_IO (errno). */
enum amp_err amp_pins_seal(void) AMP_MUST_USE;

/* Where a name is pinned; `name` itself where this process has not pinned it. */
const char *amp_pinned(enum amp_pin_kind kind, const char *name);

#endif
