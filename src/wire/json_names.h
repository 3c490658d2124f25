/*
 * Which member names a JSON text has used, object by object. Only keyed hashes are kept (SipHash-2-4 under a
 * key of this process), so no name is copied and no sender can choose names that collide; two names that
 * collide by chance, one in 2^64 a pair, are taken for one and the text is refused.
 */
#ifndef AMP_WIRE_JSON_NAMES_H
#define AMP_WIRE_JSON_NAMES_H

#include "base/err.h"
#include "base/slice.h"

#define AMP_JSON_NAMES_FEW 32

struct amp_json_names {
    uint64_t few[AMP_JSON_NAMES_FEW]; /* the slots of small texts: most need no allocation */
    uint64_t *slots;                  /* open addressing, a power of two of them; 0 is free */
    size_t slot_count;
    size_t used;
};

/* A name being hashed, byte by byte. */
struct amp_json_name {
    uint64_t v[4];
    uint64_t word;
    uint64_t len;
};

/* AMP_ERR_CRYPTO where no key could be made; safe to free all the same. */
enum amp_err amp_json_names_init(struct amp_json_names *names) AMP_MUST_USE;
void amp_json_names_free(struct amp_json_names *names);

/* Starts a name of the object numbered `object`. */
void amp_json_name_start(struct amp_json_name *name, uint64_t object);
void amp_json_name_add(struct amp_json_name *name, struct amp_slice bytes);
/* AMP_ERR_JSON_DUPLICATE_KEY where the object has that name already, AMP_ERR_OUT_OF_MEMORY. */
enum amp_err amp_json_names_insert(struct amp_json_names *names, struct amp_json_name *name) AMP_MUST_USE;

#endif
