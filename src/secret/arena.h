/*
 * The pool's ground: one reservation of address space, locked, left out of dumps and forks, from which runs
 * of pages are made accessible and taken away again. Every run stands between two inaccessible pages. Private
 * to the room.
 *
 * Where the kernel has memfd_secret(2) its pages are taken out of the kernel's own map too: neither /proc/PID/mem
 * nor ptrace, process_vm_readv(2) or a core of the kernel reads them, whoever asks.
 */
#ifndef AMP_SECRET_ARENA_H
#define AMP_SECRET_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "secret/secret.h"

#define AMP_ARENA_PAGE 4096

/* What an arena knows of a run; the pool's own description of it begins with this. */
struct amp_arena_run {
    uint8_t *base;
    size_t pages;
    size_t touched; /* bytes from its base that its owner may have written: what closing wipes */
};

/* *lock: what the kernel granted, `best` at most. AMP_ERR_OUT_OF_MEMORY where the address space cannot be had;
 * AMP_ERR_INVALID for a cap that overflows it, and where pages are of another size. */
enum amp_err amp_arena_init(size_t cap_bytes, enum amp_secret_lock best, enum amp_secret_lock *lock) AMP_MUST_USE;
void amp_arena_fini(void);

/* Opens run->pages zeroed pages and sets run->base; the arena keeps `run` until it is closed. False at the
 * cap. */
bool amp_arena_open(struct amp_arena_run *run) AMP_MUST_USE;
/* Wipes and closes; touching the pages faults from now on. */
void amp_arena_close(struct amp_arena_run *run);

/* Bytes of pages in runs, their guards among them, and of all there are. */
size_t amp_arena_held(void);
size_t amp_arena_cap(void);

/* The open run that `ptr` points into; NULL where there is none. Safe for any address at all. */
struct amp_arena_run *amp_arena_find(const void *ptr);
/* Some open run; NULL where none is left. */
struct amp_arena_run *amp_arena_any(void);
/* The sum of `bytes_of` over all open runs. */
size_t amp_arena_sum(size_t (*bytes_of)(const struct amp_arena_run *run));

#endif
