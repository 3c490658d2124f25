/* Where a log ended: its newest file, and the last line of it. */
#ifndef AMP_AUDIT_TAIL_H
#define AMP_AUDIT_TAIL_H

#include "audit/names.h"
#include "base/slice.h"

struct amp_log_end {
    int fd;               /* the newest file, open for writing; -1: there is none */
    uint32_t file_number; /* 0: there is none */
    int64_t file_start_s;
    uint64_t size_bytes;
    uint64_t torn_bytes; /* cut off and set aside */
    uint64_t seq;        /* 0: no line yet */
    uint32_t epoch;
    uint8_t hash[32]; /* of the last line, as the next one's "prev" has it; zeros */
};

/* See amp_chain_open. Opens no other names than these. */
enum amp_err amp_log_find_end(struct amp_log_end *end, int dir_fd, const struct amp_log_names *names) AMP_MUST_USE;

#endif
