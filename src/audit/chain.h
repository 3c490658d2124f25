/*
 * The event log's writer. JSON Lines in files events-<UTC>-<number>.jsonl of one directory; every line is
 *
 *   {"v":1,"seq":N, <members of amp_event_write_json> ,"prev":"P","epoch":E,"mac":"M"}
 *
 * seq  counts from 1 through all files, without a gap
 * prev lower-case hex of the hash of the line before; 64 zeros in the first line of all
 * mac  lower-case hex of HMAC-SHA256 under the epoch's key over the line's hash (its 32 bytes)
 *
 * The hash of a line is the SHA-256 of it from `{` up to, and without, the `,` before "mac".
 *
 * A life of the log begins with log.start, which carries "wrapped": the epoch key wrapped by the KEK, base64. An epoch
 * ends, every 10 minutes and every 65536 records, with a log.epoch record under its own key, empty epochs too; then the
 * key evolves one way, K' = HKDF-SHA256(K, no salt, "ampoule/log/evolve"), and the old one is wiped: who steals a key
 * cannot rewrite the past (and an unsealed end shows truncation, systemd's CVE-2023-31438).
 *
 * Records gather in memory, are written by one write and made durable by one fdatasync. What is not durable yet is
 * kept, so a failed write or sync (after which Linux may have dropped the pages) is repeated from memory.
 */
#ifndef AMP_AUDIT_CHAIN_H
#define AMP_AUDIT_CHAIN_H

#include "audit/event.h"
#include "audit/names.h"
#include "base/clock.h"
#include "secret/secret.h"

#define AMP_CHAIN_FILE_MAX      (UINT64_C(256) << 20)
#define AMP_CHAIN_EPOCH_MS      (10 * 60 * 1000)
#define AMP_CHAIN_EPOCH_RECORDS 65536
#define AMP_CHAIN_LINE_MAX      2048

struct amp_chain;
struct amp_chain_config {
    int dir_fd;                        /* borrowed */
    const struct amp_log_names *names; /* borrowed; found since another chain was open in the directory */
    struct amp_clock clock;
    uint64_t file_max_bytes; /* a file is followed by another once it has these, or a day (UTC) has ended; the */
                             /* last that `names` has a name for goes on */
    int64_t epoch_ms;
    uint64_t epoch_records;
};

/*
 * Finds where the log ended. A last line without its newline is cut off into a file torn-<UTC>-<number>.part and
 * recorded. AMP_ERR_INVALID where the last line is not one of ours, or not among the newest files: somebody must look.
 * AMP_ERR_IO (errno): nothing is changed, try again later.
 */
enum amp_err amp_chain_open(struct amp_chain **out, const struct amp_chain_config *config) AMP_MUST_USE;
/* Wipes the key; what was not written is lost. NULL does nothing. */
void amp_chain_free(struct amp_chain *chain);

/* Begins a life: appends log.start, and log.torn where a line was cut off. `wrapped`: the key under the KEK, at most
 * 512 bytes. Once. On an error the chain is good for nothing but amp_chain_free. */
enum amp_err amp_chain_start(struct amp_chain *chain, const struct amp_key256 *key,
                             struct amp_slice wrapped) AMP_MUST_USE;
bool amp_chain_started(const struct amp_chain *chain);

/*
 * Appends a record in memory; `role` is who recorded it. Ends the epoch where it is due.
 * AMP_ERR_AUDIT_UNAVAILABLE where too much waits to be written (see amp_chain_full), or nothing was started.
 */
enum amp_err amp_chain_append(struct amp_chain *chain, const struct amp_event *event, const char *role) AMP_MUST_USE;
/* Less than a megabyte of room is left: take no more until it is written. */
bool amp_chain_full(const struct amp_chain *chain);
/* The newest record's number and its line's hash (as above); 0 and zeros: there is none yet. */
uint64_t amp_chain_end(const struct amp_chain *chain, uint8_t hash[32]);
/* Bytes that are not durable. */
size_t amp_chain_pending(const struct amp_chain *chain);

/* Writes what was appended; never leaves half a line. AMP_ERR_IO (errno): nothing is lost, try again later. */
enum amp_err amp_chain_write(struct amp_chain *chain) AMP_MUST_USE;
/* Writes and makes durable; goes on to a new file where one is due. May block. */
enum amp_err amp_chain_sync(struct amp_chain *chain) AMP_MUST_USE;
/* Is there disk space reserved ahead? False: the disk is about to be full, accept no more work. */
bool amp_chain_reserved(struct amp_chain *chain);

/* Ends the epoch now (`forced`), or where it is over age; does nothing before amp_chain_start. Errors as append. */
enum amp_err amp_chain_seal(struct amp_chain *chain, bool forced) AMP_MUST_USE;

#endif
