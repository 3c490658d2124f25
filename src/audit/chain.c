/*
 * `tail` holds every byte behind `durable_bytes` of the present file; its first `written` bytes are in the file (but
 * perhaps only in the page cache). So any failure is mended by writing `tail` again at its place.
 */
#include "audit/chain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "audit/tail.h"
#include "base/text.h"
#include "crypto/crypto.h"

enum {
    TAIL_CAP = 8 << 20,
    FULL_AT = TAIL_CAP - (1 << 20),
    RESERVE_STEP = 1 << 20, /* disk space is reserved in such steps, and at least half of one is kept ahead */
    DAY_S = 24 * 3600,
    WRAPPED_MAX = 512,
};

struct amp_chain {
    struct amp_chain_config config;
    int fd; /* -1: no file yet */
    uint32_t file_number;
    int64_t file_start_s;
    uint64_t durable_bytes;
    uint64_t reserved_bytes;
    uint8_t *tail;
    size_t tail_len;
    size_t written;
    uint64_t seq;
    uint8_t prev[AMP_SHA256_LEN];
    uint64_t torn_bytes;
    struct amp_hmac_key *key; /* NULL: not started */
    uint32_t epoch;
    uint64_t epoch_records;
    int64_t epoch_began_ms;
};

enum amp_err amp_chain_open(struct amp_chain **out, const struct amp_chain_config *config)
{
    struct amp_log_end end;
    *out = NULL;
    struct amp_chain *chain = calloc(1, sizeof(*chain));
    if (chain == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    chain->config = *config;
    chain->fd = -1;
    chain->tail = malloc(TAIL_CAP);
    enum amp_err err = AMP_ERR_OUT_OF_MEMORY;
    if (chain->tail != NULL)
        err = amp_log_find_end(&end, config->dir_fd, config->names);
    if (err != AMP_OK) {
        amp_chain_free(chain);
        return err;
    }
    chain->fd = end.fd;
    chain->file_number = end.file_number;
    chain->file_start_s = end.file_start_s;
    chain->durable_bytes = end.size_bytes;
    chain->seq = end.seq;
    chain->epoch = end.epoch;
    chain->torn_bytes = end.torn_bytes;
    memcpy(chain->prev, end.hash, sizeof(chain->prev));
    *out = chain;
    return AMP_OK;
}

static void close_file(struct amp_chain *chain)
{
    if (chain->fd < 0)
        return;
    /* Gives back what was reserved ahead; where that fails, only space is lost. */
    (void)!ftruncate(chain->fd, (off_t)(chain->durable_bytes + chain->written));
    close(chain->fd);
    chain->fd = -1;
}

void amp_chain_free(struct amp_chain *chain)
{
    if (chain == NULL)
        return;
    close_file(chain);
    amp_secret_free(chain->key);
    free(chain->tail);
    free(chain);
}

bool amp_chain_started(const struct amp_chain *chain)
{
    return chain->key != NULL;
}

bool amp_chain_full(const struct amp_chain *chain)
{
    return chain->tail_len > FULL_AT;
}

uint64_t amp_chain_end(const struct amp_chain *chain, uint8_t hash[32])
{
    memcpy(hash, chain->prev, sizeof(chain->prev));
    return chain->seq;
}

size_t amp_chain_pending(const struct amp_chain *chain)
{
    return chain->tail_len;
}

/* The record's line behind the tail; `extra` are members of its own. */
static enum amp_err add_line(struct amp_chain *chain, const struct amp_event *event, const char *role,
                             struct amp_slice extra)
{
    uint8_t hash[AMP_SHA256_LEN], mac[AMP_SHA256_LEN];
    const struct amp_slice hash_part = amp_slice(hash, sizeof(hash));
    if (TAIL_CAP - chain->tail_len < AMP_CHAIN_LINE_MAX)
        return AMP_ERR_AUDIT_UNAVAILABLE;
    struct amp_out line = amp_out(chain->tail + chain->tail_len, AMP_CHAIN_LINE_MAX);
    amp_out_str(&line, "{\"v\":1,\"seq\":");
    amp_out_u64(&line, chain->seq + 1);
    amp_out_byte(&line, ',');
    amp_event_write_json(&line, event, role);
    amp_out_slice(&line, extra);
    amp_out_str(&line, ",\"prev\":\"");
    amp_out_hex(&line, chain->prev, sizeof(chain->prev));
    amp_out_str(&line, "\",\"epoch\":");
    amp_out_u64(&line, chain->epoch);
    const struct amp_slice covered = amp_out_done(&line);
    enum amp_err err = amp_sha256(hash, &covered, 1);
    if (err == AMP_OK)
        err = amp_hmac_sha256_under(mac, chain->key, &hash_part, 1);
    if (err != AMP_OK)
        return err;
    amp_out_str(&line, ",\"mac\":\"");
    amp_out_hex(&line, mac, sizeof(mac));
    amp_out_str(&line, "\"}\n");
    if (line.overflow)
        return AMP_ERR_TOO_LARGE;
    memcpy(chain->prev, hash, sizeof(chain->prev));
    chain->tail_len += line.len;
    chain->seq++;
    chain->epoch_records++;
    return AMP_OK;
}

static struct amp_event own_event(const struct amp_chain *chain, enum amp_act act, uint64_t count)
{
    return (struct amp_event){
        .unix_ms = amp_clock_unix_ms(&chain->config.clock),
        .act = act,
        .outcome = AMP_OUTCOME_SUCCESS,
        .count = count,
    };
}

static void begin_epoch(struct amp_chain *chain)
{
    chain->epoch++;
    chain->epoch_records = 0;
    chain->epoch_began_ms = amp_clock_mono_ms(&chain->config.clock);
}

static enum amp_err record_torn(struct amp_chain *chain)
{
    struct amp_event torn = own_event(chain, AMP_ACT_LOG_TORN, chain->torn_bytes);
    torn.outcome = AMP_OUTCOME_FAILURE;
    torn.alarm = true;
    return chain->torn_bytes != 0 ? add_line(chain, &torn, "scribe", amp_slice(NULL, 0)) : AMP_OK;
}

enum amp_err amp_chain_start(struct amp_chain *chain, const struct amp_key256 *key, struct amp_slice wrapped)
{
    char text[AMP_BASE64_LEN(WRAPPED_MAX)];
    char storage[sizeof(text) + 32];
    struct amp_out extra = amp_out(storage, sizeof(storage));
    if (chain->key != NULL || wrapped.len > WRAPPED_MAX)
        return AMP_ERR_INVALID;
    chain->key = amp_secret_alloc(sizeof(*chain->key));
    if (chain->key == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    amp_hmac_key_make(chain->key, key);
    begin_epoch(chain);
    amp_base64_encode(text, wrapped.ptr, wrapped.len);
    amp_out_str(&extra, ",\"wrapped\":\"");
    amp_out_bytes(&extra, text, AMP_BASE64_LEN(wrapped.len));
    amp_out_byte(&extra, '"');
    struct amp_event started = own_event(chain, AMP_ACT_LOG_START, 0);
    enum amp_err err = add_line(chain, &started, "scribe", amp_out_done(&extra));
    return err == AMP_OK ? record_torn(chain) : err;
}

static enum amp_err evolve(struct amp_chain *chain)
{
    struct amp_key256 next = {{0}};
    const struct amp_key256 *key = &chain->key->key;
    enum amp_err err = amp_hkdf_sha256(next.bytes, sizeof(next.bytes), amp_slice(key->bytes, sizeof(key->bytes)),
                                       amp_slice(NULL, 0), AMP_SLICE_LIT("ampoule/log/evolve"));
    if (err == AMP_OK) {
        amp_hmac_key_make(chain->key, &next); /* over the old one */
        begin_epoch(chain);
    }
    amp_wipe(&next, sizeof(next));
    return err;
}

enum amp_err amp_chain_seal(struct amp_chain *chain, bool forced)
{
    int64_t age_ms = amp_clock_mono_ms(&chain->config.clock) - chain->epoch_began_ms;
    if (chain->key == NULL || (!forced && age_ms < chain->config.epoch_ms))
        return AMP_OK;
    struct amp_event sealed = own_event(chain, AMP_ACT_LOG_EPOCH, chain->epoch_records);
    enum amp_err err = add_line(chain, &sealed, "scribe", amp_slice(NULL, 0));
    return err == AMP_OK ? evolve(chain) : err;
}

enum amp_err amp_chain_append(struct amp_chain *chain, const struct amp_event *event, const char *role)
{
    if (chain->key == NULL)
        return AMP_ERR_AUDIT_UNAVAILABLE;
    enum amp_err err = amp_chain_seal(chain, chain->epoch_records >= chain->config.epoch_records);
    return err == AMP_OK ? add_line(chain, event, role, amp_slice(NULL, 0)) : err;
}

/* Is the present file to be followed by another? */
static bool file_is_due(const struct amp_chain *chain)
{
    int64_t now_s = amp_clock_unix_ms(&chain->config.clock) / 1000;
    return chain->fd < 0 || chain->durable_bytes >= chain->config.file_max_bytes ||
           now_s / DAY_S > chain->file_start_s / DAY_S;
}

/* Only where nothing waits for the present file. */
static enum amp_err next_file(struct amp_chain *chain)
{
    const struct amp_log_names *names = chain->config.names;
    const uint32_t made = chain->file_number - names->number;
    if (made >= names->next_count)
        return AMP_ERR_IO;
    const char *name = names->next[made];
    int fd = openat(chain->config.dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return AMP_ERR_IO;
    if (fsync(chain->config.dir_fd) != 0) {
        int saved = errno;
        close(fd);
        unlinkat(chain->config.dir_fd, name, 0);
        errno = saved;
        return AMP_ERR_IO;
    }
    close_file(chain);
    chain->fd = fd;
    chain->file_number++;
    chain->file_start_s = amp_clock_unix_ms(&chain->config.clock) / 1000;
    chain->durable_bytes = chain->reserved_bytes = 0;
    return AMP_OK;
}

/* Takes back what was written of the tail, so that no half line stays in the file. */
static void unwrite(struct amp_chain *chain, size_t keep)
{
    int saved = errno;
    chain->written = keep;
    chain->reserved_bytes = 0;                                         /* cutting gives it back */
    (void)!ftruncate(chain->fd, (off_t)(chain->durable_bytes + keep)); /* else the next write covers it */
    errno = saved;
}

enum amp_err amp_chain_write(struct amp_chain *chain)
{
    size_t before = chain->written;
    if (before == chain->tail_len)
        return AMP_OK;
    if (chain->written == 0 && file_is_due(chain)) {
        enum amp_err err = next_file(chain);
        if (err != AMP_OK && chain->fd < 0)
            return err; /* else the present file serves a little longer */
    }
    while (chain->written < chain->tail_len) {
        ssize_t n = pwrite(chain->fd, chain->tail + chain->written, chain->tail_len - chain->written,
                           (off_t)(chain->durable_bytes + chain->written));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            unwrite(chain, before);
            return AMP_ERR_IO;
        }
        chain->written += (size_t)n;
    }
    return AMP_OK;
}

enum amp_err amp_chain_sync(struct amp_chain *chain)
{
    enum amp_err err = amp_chain_write(chain);
    if (err != AMP_OK || chain->tail_len == 0)
        return err;
    if (fdatasync(chain->fd) != 0) {
        unwrite(chain, 0);
        return AMP_ERR_IO;
    }
    chain->durable_bytes += chain->tail_len;
    chain->tail_len = chain->written = 0;
    return AMP_OK;
}

bool amp_chain_reserved(struct amp_chain *chain)
{
    if (chain->fd < 0)
        return true; /* the first write decides */
    uint64_t needed = chain->durable_bytes + chain->tail_len + RESERVE_STEP / 2;
    if (needed <= chain->reserved_bytes)
        return true;
    uint64_t wanted = (needed / RESERVE_STEP + 1) * RESERVE_STEP;
    if (fallocate(chain->fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)wanted) != 0)
        return errno == EOPNOTSUPP || errno == ENOSYS; /* a file system that cannot is taken as it is */
    chain->reserved_bytes = wanted;
    return true;
}
