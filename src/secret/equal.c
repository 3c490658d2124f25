#include "secret/secret.h"

bool amp_secret_equal(const void *a, const void *b, size_t len)
{
    const uint8_t *left = a, *right = b;
    uint8_t difference = 0;
    for (size_t i = 0; i < len; i++) {
        difference |= left[i] ^ right[i];
        /* The compiler may not see that a difference once found stays: no early way out. */
        __asm__ volatile("" : "+r"(difference));
    }
    return difference == 0;
}
