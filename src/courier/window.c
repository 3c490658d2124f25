#include "courier/window.h"

#include "ipc/ipc.h"

static bool fits(const struct amp_window *window, size_t bytes, size_t most, size_t most_bytes)
{
    return window->count < most && window->bytes <= most_bytes && bytes <= most_bytes - window->bytes;
}

bool amp_window_fits_one(const struct amp_window *window, size_t bytes)
{
    return fits(window, bytes, AMP_COURIER_WINDOW, AMP_COURIER_WINDOW_BYTES);
}

bool amp_window_fits_all(const struct amp_window *window, size_t bytes)
{
    return fits(window, bytes, AMP_COURIER_TOTAL, AMP_COURIER_TOTAL_BYTES);
}

void amp_window_enter(struct amp_window *window, size_t bytes)
{
    window->count++;
    window->bytes += bytes;
}

void amp_window_leave(struct amp_window *window, size_t bytes)
{
    window->count--;
    window->bytes -= bytes;
}
