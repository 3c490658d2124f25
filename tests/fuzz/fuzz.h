/* What the fuzz targets share: libFuzzer's entry points, and a check that does not vanish in any build. */
#ifndef AMP_TESTS_FUZZ_H
#define AMP_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define FUZZ_CHECK(condition)                                                                                          \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            abort();                                                                                                   \
    } while (0)

/* A copy of exactly `len` bytes, so that a byte read past the end is seen; free it. */
static inline uint8_t *fuzz_copy(const void *bytes, size_t len)
{
    uint8_t *copy = malloc(len == 0 ? 1 : len);
    FUZZ_CHECK(copy != NULL);
    if (len != 0)
        memcpy(copy, bytes, len);
    return copy;
}

#endif
