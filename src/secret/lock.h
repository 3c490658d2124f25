/* What is known of memory locking in this process. Private to the room and its tests. */
#ifndef AMP_SECRET_LOCK_H
#define AMP_SECRET_LOCK_H

#include "secret/secret.h"

/* Raises RLIMIT_MEMLOCK as far as this process may; an unprivileged process cannot pass its hard limit. */
void amp_lock_raise_limit(void);
/* What the pool that now runs got; AMP_SECRET_UNLOCKED where none runs. */
void amp_lock_record_pool(enum amp_secret_lock lock);

/* amp_secret_init, on a kernel that grants `best` at most. */
enum amp_err amp_pool_init(size_t cap_bytes, bool require_lock, enum amp_secret_lock best) AMP_MUST_USE;

#endif
