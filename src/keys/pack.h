/* How the room writes what it keeps: numbers of so many bytes, big-endian, and texts behind their length. */
#ifndef AMP_KEYS_PACK_H
#define AMP_KEYS_PACK_H

#include "base/slice.h"

void amp_pack_uint(struct amp_out *out, uint64_t value, size_t bytes);
void amp_pack_text(struct amp_out *out, const uint8_t *text, size_t len, size_t len_bytes);

/* What is read: once it is bad, all that follows reads as zeros. */
struct amp_unpack {
    struct amp_slice left;
    bool bad;
};
void amp_unpack_bytes(struct amp_unpack *in, void *to, size_t len);
uint64_t amp_unpack_uint(struct amp_unpack *in, size_t bytes);
/* The length; more than `most` is bad, and 0. */
size_t amp_unpack_text(struct amp_unpack *in, uint8_t *text, size_t most, size_t len_bytes);
/* Whether it was good, and nothing is left. */
bool amp_unpack_end(const struct amp_unpack *in);

#endif
