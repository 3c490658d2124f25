/* A log of a test's own. */
#ifndef AMP_TESTS_CHAIN_SUPPORT_H
#define AMP_TESTS_CHAIN_SUPPORT_H

#include "reader.h"

#include <string.h>

#include "audit/chain.h"
#include "crypto/crypto.h"

struct log {
    struct tempdir dir;
    struct amp_clock_fake time;
    struct amp_chain *chain;
    struct amp_log_names names;
    struct {
        amp_pin newest[1], before[AMP_LOG_BEFORE_MAX], torn[1], next[64];
    } pins;
    uint8_t keys[8][32];
    size_t lives;
    uint64_t file_max_bytes;
    uint64_t epoch_records;
};

/* As the scribe does before it is confined. */
static inline void log_find_names(struct log *log)
{
    log->names = (struct amp_log_names){.newest = log->pins.newest,
                                        .before = log->pins.before,
                                        .torn = log->pins.torn,
                                        .next = log->pins.next,
                                        .next_count = sizeof(log->pins.next) / sizeof(log->pins.next[0])};
    assert_int_equal(amp_log_names_find(&log->names, log->dir.fd, log->time.unix_ms / 1000), AMP_OK);
}

/* With the names that were found. */
static inline enum amp_err log_try_again(struct log *log)
{
    const struct amp_chain_config config = {.dir_fd = log->dir.fd,
                                            .names = &log->names,
                                            .clock = amp_clock_fake(&log->time),
                                            .file_max_bytes = log->file_max_bytes,
                                            .epoch_ms = AMP_CHAIN_EPOCH_MS,
                                            .epoch_records = log->epoch_records};
    return amp_chain_open(&log->chain, &config);
}

static inline enum amp_err log_try_open(struct log *log)
{
    log_find_names(log);
    return log_try_again(log);
}

/* A new life, with a key of its own. */
static inline void log_begin(struct log *log)
{
    struct amp_key256 key;
    assert_int_equal(log_try_open(log), AMP_OK);
    memset(key.bytes, (int)(log->lives + 1), sizeof(key.bytes));
    memcpy(log->keys[log->lives++], key.bytes, sizeof(key.bytes));
    assert_int_equal(amp_chain_start(log->chain, &key, AMP_SLICE_LIT("wrapped key")), AMP_OK);
}

static inline void log_add(struct log *log, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct amp_event event = {.unix_ms = log->time.unix_ms,
                                        .act = AMP_ACT_TOKENIZE,
                                        .who = AMP_SLICE_LIT("AMPKABCDEFGHIJKLMNOP"),
                                        .source = AMP_SLICE_LIT("192.0.2.1:1"),
                                        .count = i + 1};
        assert_int_equal(amp_chain_append(log->chain, &event, "front"), AMP_OK);
    }
}

/* As the daemon ends: sealed and durable. */
static inline void log_end(struct log *log)
{
    assert_int_equal(amp_chain_seal(log->chain, true), AMP_OK);
    assert_int_equal(amp_chain_sync(log->chain), AMP_OK);
    amp_chain_free(log->chain);
    log->chain = NULL;
}

static inline bool log_is_good(const struct log *log, struct log_reading *reading)
{
    return log_verify(&log->dir, (const uint8_t(*)[32])log->keys, log->lives, reading);
}

static inline int log_setup(void **state)
{
    struct log *log = calloc(1, sizeof(*log));
    if (log == NULL || amp_secret_init(4 << 20, false) != AMP_OK || amp_crypto_init() != AMP_OK)
        return -1;
    tempdir_make(&log->dir);
    log->time = (struct amp_clock_fake){.unix_ms = 1769903999123, .mono_ms = 1000};
    log->file_max_bytes = AMP_CHAIN_FILE_MAX;
    log->epoch_records = AMP_CHAIN_EPOCH_RECORDS;
    *state = log;
    return 0;
}

static inline int log_teardown(void **state)
{
    struct log *log = *state;
    amp_chain_free(log->chain);
    tempdir_remove(&log->dir);
    free(log);
    amp_crypto_thread_fini();
    bool leaked = amp_secret_used() != 0;
    amp_secret_fini();
    return leaked ? -1 : 0;
}

#endif
