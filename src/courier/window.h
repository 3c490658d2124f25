/* What front counts as under way with the courier, for one subscription or in all, against the bounds of ipc/ipc.h. */
#ifndef AMP_COURIER_WINDOW_H
#define AMP_COURIER_WINDOW_H

#include <stdbool.h>
#include <stddef.h>

struct amp_window {
    size_t count;
    size_t bytes;
};

/* Whether one more of `bytes` stays within AMP_COURIER_WINDOW and AMP_COURIER_WINDOW_BYTES. */
bool amp_window_fits_one(const struct amp_window *window, size_t bytes);
/* Whether one more of `bytes` stays within AMP_COURIER_TOTAL and AMP_COURIER_TOTAL_BYTES. */
bool amp_window_fits_all(const struct amp_window *window, size_t bytes);
void amp_window_enter(struct amp_window *window, size_t bytes);
void amp_window_leave(struct amp_window *window, size_t bytes);

#endif
