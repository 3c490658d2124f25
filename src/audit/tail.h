/* Where a log ended: its newest file, and the last line of it. */
#ifndef AMP_AUDIT_TAIL_H
#define AMP_AUDIT_TAIL_H

#include "base/err.h"
#include "base/slice.h"

#define AMP_LOG_NAME_MAX 48

struct amp_log_end {
    int fd;               /* the newest file, open for writing; -1: there is none */
    uint32_t file_number; /* 0: there is none */
    int64_t file_start_s; /* from its name */
    uint64_t size_bytes;
    uint64_t torn_bytes; /* cut off and set aside */
    uint64_t seq;        /* 0: no line yet */
    uint32_t epoch;
    uint8_t hash[32]; /* SHA-256 of the last line; zeros */
};

/* See amp_chain_open. `now_s` names the side file of a torn line. */
enum amp_err amp_log_find_end(struct amp_log_end *end, int dir_fd, int64_t now_s) AMP_MUST_USE;
/* "events-20260131T235959Z-000001.jsonl" with its NUL; `prefix` and `suffix` around. */
void amp_log_file_name(char out[AMP_LOG_NAME_MAX], const char *prefix, int64_t start_s, uint32_t number,
                       const char *suffix);

#endif
