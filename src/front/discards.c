#include "front/discards.h"

#include <stdlib.h>

#include "crypto/crypto.h"

enum { SHARE_BITS = 12 };

struct amp_discards {
    struct amp_clock clock;
    uint64_t key[2];
    int64_t second; /* the one that `recorded` and `shares` are of */
    unsigned recorded;
    uint8_t shares[1u << SHARE_BITS]; /* recorded for the addresses of one hash */
    uint64_t counts[AMP_ERR_COUNT_];
};

enum amp_err amp_discards_new(struct amp_discards **out, struct amp_clock clock)
{
    struct amp_discards *discards = calloc(1, sizeof *discards);
    enum amp_err err;

    *out = NULL;
    if (discards == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    discards->clock = clock;
    err = amp_random(discards->key, sizeof discards->key);
    if (err != AMP_OK) {
        free(discards);
        return err;
    }
    *out = discards;
    return AMP_OK;
}

void amp_discards_free(struct amp_discards *discards)
{
    free(discards);
}

static struct amp_slice without_port(struct amp_slice source)
{
    size_t len = source.len;

    while (len > 0 && source.ptr[len - 1] != ':')
        len--;
    return amp_slice(source.ptr, len > 0 ? len - 1 : source.len);
}

/* Two rounds with a key in each: which texts meet depends on the key. */
static size_t share_of(const struct amp_discards *discards, struct amp_slice address)
{
    uint64_t hash = discards->key[0];
    size_t i;

    for (i = 0; i < address.len; i++) {
        hash = (hash ^ address.ptr[i]) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 32;
    }
    hash = (hash ^ discards->key[1]) * 0xbf58476d1ce4e5b9u;
    return (size_t)(hash >> (64 - SHARE_BITS));
}

static void turn_second(struct amp_discards *discards)
{
    int64_t second = amp_clock_mono_ms(&discards->clock) / 1000;

    if (second == discards->second)
        return;
    discards->second = second;
    discards->recorded = 0;
    memset(discards->shares, 0, sizeof discards->shares);
}

bool amp_discards_admit(struct amp_discards *discards, struct amp_slice source)
{
    uint8_t *share = &discards->shares[share_of(discards, without_port(source))];

    turn_second(discards);
    if (discards->recorded >= AMP_DISCARDS_PER_WORKER || *share >= AMP_DISCARDS_PER_SOURCE)
        return false;
    discards->recorded++;
    (*share)++;
    return true;
}

void amp_discards_count(struct amp_discards *discards, enum amp_err code)
{
    discards->counts[code]++;
}

void amp_discards_fold(struct amp_discards *discards, bool (*record)(void *ctx, enum amp_err code, uint64_t count),
                       void *ctx)
{
    for (enum amp_err code = 0; code < AMP_ERR_COUNT_; code++) {
        if (discards->counts[code] != 0 && record(ctx, code, discards->counts[code]))
            discards->counts[code] = 0;
    }
}

bool amp_discards_empty(const struct amp_discards *discards)
{
    for (enum amp_err code = 0; code < AMP_ERR_COUNT_; code++) {
        if (discards->counts[code] != 0)
            return false;
    }
    return true;
}
