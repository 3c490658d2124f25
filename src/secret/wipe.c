#include "secret/secret.h"

void amp_wipe(void *ptr, size_t len)
{
    if (len != 0)
        explicit_bzero(ptr, len);
}

/* With the return address a multiple of 16 bytes, so that no gap is left above it in which a fragment survives. */
enum { FRAME_BYTES = AMP_WIPE_STACK_MAX + 8 };

/*
 * The array lies where earlier calls left their frames, what they used first at its end. Neither initialised,
 * nor fenced, nor guarded by the compiler: each would cost the whole frame, or open a gap above the array.
 */
__attribute__((noinline, no_sanitize("address"), no_stack_protector)) void amp_wipe_stack(size_t bytes)
{
    __attribute__((uninitialized)) uint8_t frame[FRAME_BYTES];
    size_t wiped = bytes < sizeof(frame) ? bytes : sizeof(frame);
    explicit_bzero(frame + sizeof(frame) - wiped, wiped);
}
