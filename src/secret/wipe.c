#include "secret/secret.h"

void amp_wipe(void *ptr, size_t len)
{
    if (len != 0)
        explicit_bzero(ptr, len);
}

/*
 * The array lies where earlier calls left their frames, what they used first at its end. It is overwritten up to the
 * frame's own end, so that no gap is left above it in which a fragment survives; the compiler is kept from reckoning
 * how long it is. Neither initialised, nor fenced, nor guarded: each would cost the whole frame, or open such a gap.
 * One function for each depth, as every page of a frame is touched before it is used.
 * No sanitizer checks it: for that, registers of the caller's would be saved in the frame, and wiped.
 */
#define DEFINE_WIPE_STACK(name, bytes)                                                                                 \
    __attribute__((noinline, no_sanitize("address", "undefined"), no_stack_protector)) void name(void)                 \
    {                                                                                                                  \
        __attribute__((uninitialized)) uint8_t frame[bytes];                                                           \
        uint8_t *begin = frame, *end = __builtin_frame_address(0);                                                     \
        __asm__ volatile("" : "+r"(begin));                                                                            \
        explicit_bzero(begin, (size_t)(end - begin));                                                                  \
    }

DEFINE_WIPE_STACK(amp_wipe_stack_4k, 4 * 1024)
DEFINE_WIPE_STACK(amp_wipe_stack_8k, 8 * 1024)
DEFINE_WIPE_STACK(amp_wipe_stack_16k, 16 * 1024)
DEFINE_WIPE_STACK(amp_wipe_stack_32k, 32 * 1024)
