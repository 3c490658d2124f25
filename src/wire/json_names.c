#include "wire/json_names.h"

#include <pthread.h>
#include <stdlib.h>

#include "crypto/crypto.h"

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static uint64_t hash_key[2];
static bool have_key;

static void make_key(void)
{
    have_key = amp_random(hash_key, sizeof(hash_key)) == AMP_OK;
}

enum amp_err amp_json_names_init(struct amp_json_names *names)
{
    *names = (struct amp_json_names){.slot_count = AMP_JSON_NAMES_FEW};
    names->slots = names->few;
    pthread_once(&key_once, make_key);
    return have_key ? AMP_OK : AMP_ERR_CRYPTO;
}

void amp_json_names_free(struct amp_json_names *names)
{
    if (names->slots != names->few)
        free(names->slots);
    names->slots = NULL;
}

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

/* SipRound: Aumasson and Bernstein, "SipHash: a fast short-input PRF", section 2.2. */
static void mix(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32) + v[3];
    v[2] += v[1];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static void absorb(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    mix(v);
    mix(v);
    v[0] ^= word;
}

void amp_json_name_start(struct amp_json_name *name, uint64_t object)
{
    *name = (struct amp_json_name){
        .v = {hash_key[0] ^ 0x736f6d6570736575, hash_key[1] ^ 0x646f72616e646f6d, hash_key[0] ^ 0x6c7967656e657261,
              hash_key[1] ^ 0x7465646279746573},
        .len = sizeof(object),
    };
    absorb(name->v, object);
}

void amp_json_name_add(struct amp_json_name *name, struct amp_slice bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        name->word |= (uint64_t)bytes.ptr[i] << (8 * (name->len % 8));
        if (++name->len % 8 == 0) {
            absorb(name->v, name->word);
            name->word = 0;
        }
    }
}

static uint64_t finish(struct amp_json_name *name)
{
    uint64_t *v = name->v;
    absorb(v, name->word | name->len << 56);
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        mix(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* False where the hash is there already. One slot at least is free. */
static bool place(uint64_t *slots, size_t slot_count, uint64_t hash)
{
    size_t at = (size_t)hash & (slot_count - 1);
    while (slots[at] != 0) {
        if (slots[at] == hash)
            return false;
        at = (at + 1) & (slot_count - 1);
    }
    slots[at] = hash;
    return true;
}

static enum amp_err grow(struct amp_json_names *names)
{
    size_t slot_count = 2 * names->slot_count;
    uint64_t *slots = calloc(slot_count, sizeof(*slots));
    if (slots == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    for (size_t i = 0; i < names->slot_count; i++) {
        if (names->slots[i] != 0)
            (void)place(slots, slot_count, names->slots[i]);
    }
    amp_json_names_free(names);
    names->slots = slots;
    names->slot_count = slot_count;
    return AMP_OK;
}

enum amp_err amp_json_names_insert(struct amp_json_names *names, struct amp_json_name *name)
{
    uint64_t hash = finish(name);
    if (hash == 0)
        hash = 1; /* 0 marks a free slot */
    bool crowded = names->used >= names->slot_count / 4 * 3;
    if (crowded && grow(names) != AMP_OK)
        return AMP_ERR_OUT_OF_MEMORY;
    if (!place(names->slots, names->slot_count, hash))
        return AMP_ERR_JSON_DUPLICATE_KEY;
    names->used++;
    return AMP_OK;
}
