/* Comparisons that neither branch nor index: masks, all ones where true. For numbers below 2^31. */
#ifndef AMP_BASE_CT_H
#define AMP_BASE_CT_H

#include <stdint.h>

static inline uint32_t amp_ct_less(uint32_t a, uint32_t b)
{
    return 0 - ((a - b) >> 31);
}

static inline uint32_t amp_ct_within(uint32_t value, uint32_t first, uint32_t last)
{
    return ~amp_ct_less(value, first) & ~amp_ct_less(last, value);
}

/* The same value, of which the compiler knows nothing: it cannot make a branch of how it came to be. */
static inline uint32_t amp_ct_opaque(uint32_t value)
{
    __asm__("" : "+r"(value));
    return value;
}

#endif
