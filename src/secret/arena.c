#include "secret/arena.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/size.h"

enum { SIZES = 64 }; /* of rows of pages: the search for one of them does not pass again what it knows to be taken */

/*
 * Page 0 and the page behind every run stay PROT_NONE, as the whole reservation is at first: an overrun
 * faults on either side, and so does the use of a run that was closed.
 */
static struct {
    pthread_mutex_t lock;
    uint8_t *base;
    size_t pages;
    struct amp_arena_run **owners; /* by page; the guard behind a run is the run's too */
    size_t hopeless_pages;         /* runs of this many pages were not found, and nothing was closed since */
    size_t search_from[SIZES];     /* by pages wanted: no row of so many free ones begins below this page */
    _Atomic size_t held_pages;
} arena = {.lock = PTHREAD_MUTEX_INITIALIZER};

/*
 * Syscalls here, all at start: memfd_secret, ftruncate, mmap, madvise, mlock2, close. Afterwards mprotect alone.
 *
 * Mapped whole and once: a page costs its first touch 32 us, as the kernel drops it from its own map, and nothing
 * when it is fenced and used again. Whoever could take the descriptor out of this process (pidfd_getfd(2)) would
 * have the pages, so it is closed as soon as they are mapped. NULL where the kernel has no such memory, or a sandbox
 * around us forbids it, or RLIMIT_MEMLOCK is too low for all of it.
 */
static void *map_secret(size_t bytes)
{
    int fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
    if (fd < 0)
        return NULL;
    void *base = ftruncate(fd, (off_t)bytes) == 0 ? mmap(NULL, bytes, PROT_NONE, MAP_SHARED, fd, 0) : MAP_FAILED;
    close(fd);
    return base != MAP_FAILED ? base : NULL;
}

/*
 * MLOCK_ONFAULT locks each page as it is first touched and charges RLIMIT_MEMLOCK for all of them at once, so
 * that a limit too low shows at start and not under load.
 */
static void *map_private(size_t bytes, bool lock, bool *locked)
{
    void *base = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return NULL;
    *locked = lock && mlock2(base, bytes, MLOCK_ONFAULT) == 0;
    return base;
}

static void *map_best(size_t bytes, enum amp_secret_lock best, enum amp_secret_lock *lock)
{
    bool locked = false;
    void *base = best == AMP_SECRET_MEMFD ? map_secret(bytes) : NULL;
    if (base != NULL) {
        *lock = AMP_SECRET_MEMFD;
        return base;
    }
    base = map_private(bytes, best != AMP_SECRET_UNLOCKED, &locked);
    *lock = locked ? AMP_SECRET_MLOCK : AMP_SECRET_UNLOCKED;
    return base;
}

enum amp_err amp_arena_init(size_t cap_bytes, enum amp_secret_lock best, enum amp_secret_lock *lock)
{
    size_t bytes;
    if (arena.base != NULL)
        amp_fatal("the secret pool was started twice");
    if (sysconf(_SC_PAGESIZE) != AMP_ARENA_PAGE || !amp_size_add(cap_bytes, 2 * AMP_ARENA_PAGE - 1, &bytes))
        return AMP_ERR_INVALID;
    size_t pages = bytes / AMP_ARENA_PAGE;
    bytes = pages * AMP_ARENA_PAGE;

    struct amp_arena_run **owners = calloc(pages, sizeof(*owners));
    void *base = owners != NULL ? map_best(bytes, best, lock) : NULL;
    if (base == NULL)
        goto fail;
    if (madvise(base, bytes, MADV_DONTDUMP) != 0 || madvise(base, bytes, MADV_DONTFORK) != 0)
        goto fail;

    arena.base = base;
    arena.pages = pages;
    arena.owners = owners;
    arena.hopeless_pages = SIZE_MAX;
    for (size_t wanted = 0; wanted < SIZES; wanted++)
        arena.search_from[wanted] = 1;
    return AMP_OK;

fail:
    if (base != NULL)
        munmap(base, bytes);
    free(owners);
    return AMP_ERR_OUT_OF_MEMORY;
}

void amp_arena_fini(void)
{
    if (arena.base == NULL)
        return;
    munmap(arena.base, arena.pages * AMP_ARENA_PAGE);
    free(arena.owners);
    arena.base = NULL;
    arena.owners = NULL;
    arena.pages = 0;
    atomic_store(&arena.held_pages, 0);
}

size_t amp_arena_held(void)
{
    return atomic_load_explicit(&arena.held_pages, memory_order_relaxed) * AMP_ARENA_PAGE;
}

size_t amp_arena_cap(void)
{
    return arena.pages * AMP_ARENA_PAGE;
}

static size_t first_page(const struct amp_arena_run *run)
{
    return (size_t)(run->base - arena.base) / AMP_ARENA_PAGE;
}

/* First fit: the first page of `wanted` free ones in a row, 0 where there are none (page 0 is a guard). */
static size_t find_free_pages(size_t wanted)
{
    size_t row = 0, page = wanted < SIZES ? arena.search_from[wanted] : 1;
    while (page < arena.pages) {
        const struct amp_arena_run *owner = arena.owners[page];
        if (owner != NULL) {
            page = first_page(owner) + owner->pages + 1;
            row = 0;
            continue;
        }
        page++;
        if (++row == wanted)
            return page - wanted;
    }
    return 0;
}

/* A row that was not there before may begin as far before a run that was closed as leaves one page of it. */
static void search_again_from(const struct amp_arena_run *run)
{
    size_t first = first_page(run);
    for (size_t wanted = 1; wanted < SIZES; wanted++) {
        size_t from = first < wanted ? 1 : first - wanted + 1;
        if (from < arena.search_from[wanted])
            arena.search_from[wanted] = from;
    }
}

static void set_owner(const struct amp_arena_run *run, struct amp_arena_run *owner)
{
    size_t first = first_page(run);
    for (size_t i = 0; i <= run->pages; i++)
        arena.owners[first + i] = owner;
}

static bool open_locked(struct amp_arena_run *run)
{
    size_t wanted = run->pages + 1;
    if (wanted >= arena.hopeless_pages)
        return false;
    size_t first = find_free_pages(wanted);
    if (first == 0) {
        arena.hopeless_pages = wanted;
        return false;
    }
    run->base = arena.base + first * AMP_ARENA_PAGE;
    if (mprotect(run->base, run->pages * AMP_ARENA_PAGE, PROT_READ | PROT_WRITE) != 0)
        return false;
    set_owner(run, run);
    if (wanted < SIZES)
        arena.search_from[wanted] = first;
    atomic_fetch_add_explicit(&arena.held_pages, wanted, memory_order_relaxed);
    return true;
}

bool amp_arena_open(struct amp_arena_run *run)
{
    pthread_mutex_lock(&arena.lock);
    bool opened = open_locked(run);
    pthread_mutex_unlock(&arena.lock);
    return opened;
}

void amp_arena_close(struct amp_arena_run *run)
{
    size_t bytes = run->pages * AMP_ARENA_PAGE;
    amp_wipe(run->base, run->touched);
    pthread_mutex_lock(&arena.lock);
    /* The kernel may refuse to split a mapping further; then the pages merely stay reachable, and empty. */
    if (mprotect(run->base, bytes, PROT_NONE) != 0)
        amp_log(AMP_LOG_WARN, "freed secret pages could not be fenced");
    set_owner(run, NULL);
    atomic_fetch_sub_explicit(&arena.held_pages, run->pages + 1, memory_order_relaxed);
    arena.hopeless_pages = SIZE_MAX;
    search_again_from(run);
    pthread_mutex_unlock(&arena.lock);
}

struct amp_arena_run *amp_arena_find(const void *ptr)
{
    uintptr_t offset = (uintptr_t)ptr - (uintptr_t)arena.base;
    if (arena.base == NULL || offset / AMP_ARENA_PAGE >= arena.pages)
        return NULL;
    return arena.owners[offset / AMP_ARENA_PAGE];
}

struct amp_arena_run *amp_arena_any(void)
{
    for (size_t page = 1; page < arena.pages; page++) {
        if (arena.owners[page] != NULL)
            return arena.owners[page];
    }
    return NULL;
}

size_t amp_arena_sum(size_t (*bytes_of)(const struct amp_arena_run *run))
{
    size_t sum = 0;
    pthread_mutex_lock(&arena.lock);
    for (size_t page = 1; page < arena.pages; page++) {
        const struct amp_arena_run *owner = arena.owners[page];
        if (owner == NULL)
            continue;
        sum += bytes_of(owner);
        page += owner->pages;
    }
    pthread_mutex_unlock(&arena.lock);
    return sum;
}
