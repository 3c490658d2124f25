#include "secret/secret.h"

bool amp_secret_equal(const void *a, const void *b, size_t len)
{
    const uint8_t *left = a, *right = b;
    uint64_t difference = 0, a_word, b_word;
    for (; len >= sizeof(a_word); len -= sizeof(a_word), left += sizeof(a_word), right += sizeof(a_word)) {
        memcpy(&a_word, left, sizeof(a_word));
        memcpy(&b_word, right, sizeof(b_word));
        difference |= a_word ^ b_word;
        /* The compiler may not see that a difference once found stays: no early way out. */
        __asm__ volatile("" : "+r"(difference));
    }
    for (; len > 0; len--) {
        difference |= (uint64_t)(*left++ ^ *right++);
        __asm__ volatile("" : "+r"(difference));
    }
    return difference == 0;
}
