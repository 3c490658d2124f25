/* What is known of memory locking in this process. Private to the room. */
#ifndef AMP_SECRET_LOCK_H
#define AMP_SECRET_LOCK_H

#include <stdbool.h>

/* Raises RLIMIT_MEMLOCK as far as this process may; an unprivileged process cannot pass its hard limit. */
void amp_lock_raise_limit(void);
/* Whether the pool that now runs is locked; false where none runs. */
void amp_lock_record_pool(bool locked);

#endif
