/*
 * jemalloc's compiled-in settings: whatever any library frees is overwritten at once, which leaves no card
 * data behind in OpenSSL's, libevent's or anybody's heap. Linked into the executables alone, not into the
 * core library.
 */
#ifndef AMP_JEMALLOC
#error "this file belongs to builds with jemalloc"
#endif

#include <jemalloc/jemalloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/*
 * junk:free       the wipe
 * abort_conf      a jemalloc that cannot do what is asked here must not start
 * narenas         few arenas for few threads, else memory of a burst is spread and held
 * *_decay_ms      memory of a burst goes back to the kernel after seconds
 * retain          locked pages that stay mapped cannot be given back (madvise(2), EINVAL): they are unmapped
 * background_thread  no thread that nobody sandboxed
 * slab_sizes      sizes of most tokens come from 60 KiB at a time, not from 8 to 28: less is left over, and they take a
 *                 fifth of the mappings, of which a process may have 65530 (messages have pages: engine/slabs.c)
 */
extern const char *malloc_conf;
__attribute__((visibility("default"))) const char *malloc_conf =
    "junk:free,abort_conf:true,narenas:4,dirty_decay_ms:2000,muzzy_decay_ms:0,retain:false,background_thread:false,"
    "slab_sizes:257-512:15";

/* MALLOC_CONF and /etc/malloc.conf are read after ours and could switch the wipe off without a word. */
static __attribute__((constructor)) void refuse_without_wipe(void)
{
    const char *junk = NULL;
    size_t len = sizeof(junk);
    if (mallctl("opt.junk", &junk, &len, NULL, 0) != 0 || (strcmp(junk, "free") != 0 && strcmp(junk, "true") != 0))
        amp_fatal("the allocator does not wipe freed memory: unset MALLOC_CONF and remove /etc/malloc.conf");
}

/*
 * jemalloc 5.3 wipes in free but not where realloc moves an object or cuts off its end: measured, both left
 * the bytes. So realloc is done here, for every library in the process, out of calls that do wipe.
 */
/* lint: allow copies-unwiped, this is the one that wipes */
void *realloc(void *ptr, size_t len)
{
    if (ptr == NULL)
        return malloc(len);
    size_t wanted = len != 0 ? len : 1, had = sallocx(ptr, 0);
    if (wanted < had)
        explicit_bzero((uint8_t *)ptr + wanted, had - wanted);
    if (xallocx(ptr, wanted, 0, 0) >= wanted)
        return ptr;
    void *moved = malloc(wanted);
    if (moved == NULL)
        return NULL;
    memcpy(moved, ptr, had < wanted ? had : wanted);
    free(ptr);
    return moved;
}
