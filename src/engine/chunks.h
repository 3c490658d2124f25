/*
 * Runs of pages for slabs, taken from the system and given back one by one, out of chunks that are mapped and unmapped
 * whole: the kernel remembers some 65,000 mappings of a process (vm.max_map_count), and a run that was unmapped between
 * others would make one more. Locked by who owns them.
 */
#ifndef AMP_ENGINE_CHUNKS_H
#define AMP_ENGINE_CHUNKS_H

#include <stdint.h>

#include "engine/ring.h"

#define AMP_CHUNK_RUN  ((size_t)24 * 1024) /* bytes of a run, which begins where a page does */
#define AMP_CHUNK_RUNS 64

struct amp_chunk;

struct amp_chunks {
    struct amp_ring vacant; /* chunks with a run that is nobody's */
};

void amp_chunks_init(struct amp_chunks *chunks);
/* Zeroed, and poisoned for AddressSanitizer; *of is what amp_chunks_give asks for. NULL where there is no memory. */
void *amp_chunks_take(struct amp_chunks *chunks, struct amp_chunk **of);
/* Gives the memory of a run back to the system. False, and it is still the caller's, with nothing in it poisoned, where
 * the system does not take it: locked pages it takes from Linux 5.18 on (MADV_DONTNEED_LOCKED, madvise(2)). */
bool amp_chunks_give(struct amp_chunks *chunks, void *run, struct amp_chunk *of);

#endif
