#include "engine/chunks.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "engine/fence.h"

#define CHUNK_LEN (AMP_CHUNK_RUNS * AMP_CHUNK_RUN)

struct amp_chunk {
    struct amp_ring place; /* among those with a vacant run */
    uint64_t vacant;       /* a bit for each run that is nobody's and has no memory */
    uint8_t *runs;
};

_Static_assert(AMP_CHUNK_RUNS == 64, "a bit for each run");

void amp_chunks_init(struct amp_chunks *chunks)
{
    amp_ring_init(&chunks->vacant);
}

static struct amp_chunk *chunk_new(struct amp_chunks *chunks)
{
    struct amp_chunk *chunk = malloc(sizeof *chunk);
    if (chunk == NULL)
        return NULL;
    void *pages = mmap(NULL, CHUNK_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) {
        free(chunk);
        return NULL;
    }
    AMP_FENCE(pages, CHUNK_LEN);
    *chunk = (struct amp_chunk){.vacant = UINT64_MAX, .runs = pages};
    amp_ring_append(&chunks->vacant, &chunk->place);
    return chunk;
}

/* Where the kernel has no room to remember the hole in its place, it stays, for later runs. */
static void chunk_free(struct amp_chunk *chunk)
{
    AMP_UNLOCK(chunk->runs, CHUNK_LEN);
    if (munmap(chunk->runs, CHUNK_LEN) == 0) {
        amp_ring_remove(&chunk->place);
        free(chunk);
    } else {
        AMP_FENCE(chunk->runs, CHUNK_LEN);
    }
}

void *amp_chunks_take(struct amp_chunks *chunks, struct amp_chunk **of)
{
    struct amp_ring *first = amp_ring_first(&chunks->vacant);
    struct amp_chunk *chunk = first != NULL ? (struct amp_chunk *)(void *)first : chunk_new(chunks);
    *of = chunk;
    if (chunk == NULL)
        return NULL;
    size_t number = (size_t)__builtin_ctzll(chunk->vacant);
    chunk->vacant &= chunk->vacant - 1;
    if (chunk->vacant == 0)
        amp_ring_remove(&chunk->place);
    return chunk->runs + number * AMP_CHUNK_RUN;
}

bool amp_chunks_give(struct amp_chunks *chunks, void *run, struct amp_chunk *of)
{
    AMP_UNLOCK(run, AMP_CHUNK_RUN);
    if (madvise(run, AMP_CHUNK_RUN, MADV_DONTNEED_LOCKED) != 0 && madvise(run, AMP_CHUNK_RUN, MADV_DONTNEED) != 0)
        return false;
    AMP_FENCE(run, AMP_CHUNK_RUN);
    if (of->vacant == 0)
        amp_ring_append(&chunks->vacant, &of->place);
    of->vacant |= UINT64_C(1) << ((size_t)((uint8_t *)run - of->runs) / AMP_CHUNK_RUN);
    if (of->vacant == UINT64_MAX)
        chunk_free(of);
    return true;
}
