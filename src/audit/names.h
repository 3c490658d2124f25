/*
 * The names of a log's files, all of them told before the first is opened: a writer that was taken over finds no other
 * (base/pins.h).
 */
#ifndef AMP_AUDIT_NAMES_H
#define AMP_AUDIT_NAMES_H

#include <stdbool.h>

#include "base/pins.h"

#define AMP_LOG_BEFORE_MAX 15 /* how far is looked back for a file that is not empty */

/* The four arrays are given by who calls; of `next` there are at least next_count. */
struct amp_log_names {
    uint32_t number; /* of the newest file; 0: there is none */
    int64_t start_s; /* that its name tells */
    amp_pin *newest;
    amp_pin *before; /* those before it, newest first */
    size_t before_count;
    bool has_more; /* even older ones */
    amp_pin *torn; /* where an unfinished line goes: no file has that name yet */
    amp_pin *next; /* those of the numbers that follow */
    size_t next_count;
};

/*
 * Reads the directory. Names are "events-20260131T235959Z-000001.jsonl", of the files that follow with `now_s` and the
 * next numbers; and "torn-...-000001.part", with the newest file's number. AMP_ERR_IO (errno).
 */
enum amp_err amp_log_names_find(struct amp_log_names *names, int dir_fd, int64_t now_s) AMP_MUST_USE;
/* The same, into pins. */
enum amp_err amp_log_names_pin(struct amp_log_names *names, int dir_fd, int64_t now_s) AMP_MUST_USE;

#endif
