/*
 * Memory for keys and plaintext: locked, left out of core dumps and forks, fenced by guard pages, wiped when freed.
 * PCI SSC FAQ 1042: card data in memory must be non-persistent and removed once its purpose is done.
 */
#ifndef AMP_SECRET_SECRET_H
#define AMP_SECRET_SECRET_H

#include "base/err.h"
#include "base/slice.h"

/* What the pool really got, from least to most; /readyz reports it. */
enum amp_secret_lock {
    AMP_SECRET_UNLOCKED,
    AMP_SECRET_MLOCK, /* never swapped */
    AMP_SECRET_MEMFD, /* nor read by anybody but this process itself: memfd_secret(2) */
};

/*
 * Starts the process's pool. `cap_bytes`: most it may ever hold. `require_lock`: AMP_ERR_LOCK_REFUSED where the kernel
 * refuses to lock (production); otherwise it goes on unlocked and amp_secret_state says so (development).
 * Call once, before any thread. AMP_ERR_OUT_OF_MEMORY: no address space; AMP_ERR_INVALID: a cap beyond it;
 * AMP_ERR_IO: no randomness.
 */
enum amp_err amp_secret_init(size_t cap_bytes, bool require_lock) AMP_MUST_USE;
enum amp_secret_lock amp_secret_state(void);
/* "unlocked", "mlock", "secretmem". */
const char *amp_secret_lock_name(enum amp_secret_lock lock);
/* Wipes and unmaps the whole pool; every pointer from it is dead. */
void amp_secret_fini(void);

/* Zeroed memory from the pool, 16-byte aligned; NULL at the cap, and before amp_secret_init. Any thread. */
void *amp_secret_alloc(size_t len) AMP_MUST_USE;
/* Wipes, then frees. NULL does nothing. A pointer not from the pool, or freed twice, aborts. */
void amp_secret_free(void *ptr);
/*
 * An object of `len` bytes that begins as `ptr` did, which is wiped and freed; bytes beyond are zero. NULL at the cap,
 * and `ptr` is as it was. A NULL `ptr` is amp_secret_alloc.
 */
void *amp_secret_resize(void *ptr, size_t len) AMP_MUST_USE;
/* Bytes in use now. For tests: it counts them all, while no other thread takes or gives any. */
size_t amp_secret_used(void);
/* Bytes of the pool's pages that stand open, and that may: nearer to the cap than what is used of them. */
size_t amp_secret_held(void);
size_t amp_secret_cap(void);

/* Overwrites; never optimised away. */
void amp_wipe(void *ptr, size_t len);
/* Overwrites so many KiB of stack below the caller: call behind what touched plaintext. */
void amp_wipe_stack_4k(void);
void amp_wipe_stack_8k(void);
void amp_wipe_stack_16k(void);
void amp_wipe_stack_32k(void);
/* Behind each turn of an event loop: handlers, TLS and OpenSSL beneath it were seen to use 27 KiB. */
static inline void amp_wipe_stack_of_turn(void)
{
    amp_wipe_stack_32k();
}

/* Constant time in the contents. */
bool amp_secret_equal(const void *a, const void *b, size_t len);

/* A growing buffer in the pool: grows by allocate, copy, wipe. Wiped when cleared or freed. */
struct amp_secret_buf {
    uint8_t *ptr;
    size_t len;
    size_t cap;
};

/* Room for `extra` more bytes behind len; AMP_ERR_OUT_OF_MEMORY leaves the buffer as it was. */
enum amp_err amp_secret_buf_reserve(struct amp_secret_buf *buf, size_t extra) AMP_MUST_USE;
enum amp_err amp_secret_buf_append(struct amp_secret_buf *buf, const void *bytes, size_t len) AMP_MUST_USE;
/* Wipes the len bytes in use and keeps the storage. */
void amp_secret_buf_clear(struct amp_secret_buf *buf);
/* Wipes and frees; leaves {NULL, 0, 0}. */
void amp_secret_buf_free(struct amp_secret_buf *buf);
/* Moves: *from becomes empty. *to must be empty. */
void amp_secret_buf_take(struct amp_secret_buf *to, struct amp_secret_buf *from);

/* A type of its own for 256-bit keys, so that none is logged or copied by accident. */
struct amp_key256 {
    uint8_t bytes[32];
};

/*
 * Hardens this process for good: no core dumps (RLIMIT_CORE 0), not dumpable (no ptrace by the same user), no new
 * privileges, and all memory, now and future, the stacks of threads too, locked against swap. `require_lock` as in
 * amp_secret_init.
 *
 * Every signal is blocked, but those that end the process (SIGABRT, SIGQUIT) or are its own fault: a handler's frame
 * would put the registers, vectors with plaintext among them, on the stack. Wait for signals by signalfd(2). Call
 * before any secret is touched and before any thread, which inherit it. AMP_ERR_LOCK_REFUSED; AMP_ERR_IO: the kernel
 * refused one of the others.
 */
enum amp_err amp_secret_harden_process(bool require_lock) AMP_MUST_USE;

#endif
