#include "secret/secret.h"

enum { FRAME_BYTES = 1024 };

void amp_wipe(void *ptr, size_t len)
{
    if (len != 0)
        explicit_bzero(ptr, len);
}

/*
 * Each call's frame lies below its caller's, so the frames together cover the stack that earlier calls left
 * behind. What follows the inner call keeps it from being turned into a jump that would reuse this frame.
 */
static __attribute__((noinline)) void wipe_frames(size_t bytes)
{
    uint8_t frame[FRAME_BYTES];
    amp_wipe(frame, sizeof(frame));
    if (bytes > sizeof(frame))
        wipe_frames(bytes - sizeof(frame));
    __asm__ volatile("" : : "r"(frame) : "memory");
}

void amp_wipe_stack(size_t bytes)
{
    wipe_frames(bytes);
}
