/*
 * A reader of the event log that shares nothing with the writer but the format told in audit/chain.h: OpenSSL directly,
 * HKDF by hand. It proves that the log says what it claims, and that a change shows.
 */
#ifndef AMP_TESTS_AUDIT_READER_H
#define AMP_TESTS_AUDIT_READER_H

#include <stdbool.h>

#include "../tempdir.h"

struct log_reading {
    size_t lines;
    size_t files;
    size_t epochs_sealed;
    size_t starts;
    bool sealed_end; /* the last line ends an epoch: nothing was cut off behind it */
};

/* `keys`: the 32-byte key of each life of the log, in order. False at the first thing that is not right. */
bool log_verify(const struct tempdir *dir, const uint8_t (*keys)[32], size_t key_count, struct log_reading *reading);
/* All files one behind the other; the caller frees. `names`: NULL, or room for the newest file's name. */
char *log_read_all(const struct tempdir *dir, size_t *len, char newest[256]);
bool log_verify_text(const char *text, size_t len, const uint8_t (*keys)[32], size_t key_count,
                     struct log_reading *reading);

#endif
