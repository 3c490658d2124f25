/*
 * Small objects live in slabs of equal slots, one class of slots for each size; large ones have a run of
 * pages of their own that ends at a guard page. All bookkeeping lies outside the pool, where an overrun of a
 * secret cannot reach it. A free slot is always zero: it is wiped when freed, so that taking one costs no
 * clearing.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/log.h"
#include "base/size.h"
#include "secret/arena.h"
#include "secret/lock.h"
#include "secret/secret.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define HIDE(ptr, len) __asan_poison_memory_region(ptr, len)
#define SHOW(ptr, len) __asan_unpoison_memory_region(ptr, len)
#else
#define HIDE(ptr, len) ((void)0)
#define SHOW(ptr, len) ((void)0)
#endif

enum {
    ALIGNMENT = 16,
    CANARY_LEN = 16,
    SLAB_PAGES = 15, /* with its guard page 64 KiB */
    SLAB_BYTES = SLAB_PAGES * AMP_ARENA_PAGE,
    SLOT_MAX = SLAB_BYTES / 3, /* TLS's buffers for a record are a little longer than 16 KiB, and come and go */
    SMALL_MAX = SLOT_MAX - CANARY_LEN,
    CLASS_COUNT = 37,
    NO_SLOT = UINT16_MAX,
};

struct slot {
    uint16_t len;       /* as asked for, at least 1; 0: free */
    uint16_t next_free; /* index, or NO_SLOT */
};

/* A run of pages in use: a slab of small slots, or one large object (class NULL, no slots). */
struct span {
    struct amp_arena_run run; /* first: the arena hands it back */
    struct size_class *class;
    size_t large_len;
    struct span *prev, *next; /* among the class's slabs with a free slot */
    uint16_t slot_count;
    uint16_t used_count;
    uint16_t first_free;
    struct slot slots[];
};

struct size_class {
    pthread_mutex_t lock;
    size_t slot_bytes; /* a multiple of ALIGNMENT, the canary included */
    struct span *with_room;
};

static struct {
    struct size_class classes[CLASS_COUNT];
    uint64_t canary[CANARY_LEN / sizeof(uint64_t)];
    _Atomic size_t used_bytes;
    bool running;
} pool;

/* Sizes 16, 32 ... 128, then four steps to each doubling: at most a fifth of a slot is slack. */
static size_t class_index(size_t len)
{
    if (len <= 128)
        return (len - 1) / 16;
    unsigned log2 = 63u - (unsigned)__builtin_clzll(len - 1); /* 7 to 14 */
    return 8 + (log2 - 7) * 4 + ((len - 1) >> (log2 - 2)) - 4;
}

static size_t class_bytes(size_t index)
{
    if (index < 8)
        return (index + 1) * 16;
    if (index == CLASS_COUNT - 1)
        return SMALL_MAX;
    return (index % 4 + 5) << (index / 4 + 3);
}

static enum amp_err draw_canary(void)
{
    ssize_t got;
    do {
        got = getrandom(pool.canary, sizeof(pool.canary), 0);
    } while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof(pool.canary) ? AMP_OK : AMP_ERR_IO;
}

enum amp_err amp_pool_init(size_t cap_bytes, bool require_lock, enum amp_secret_lock best)
{
    enum amp_secret_lock lock = AMP_SECRET_UNLOCKED;
    amp_lock_raise_limit();
    enum amp_err err = amp_arena_init(cap_bytes, best, &lock);
    if (err != AMP_OK)
        return err;
    if (lock == AMP_SECRET_UNLOCKED && require_lock) {
        amp_arena_fini();
        return AMP_ERR_LOCK_REFUSED;
    }
    err = draw_canary();
    if (err != AMP_OK) {
        amp_arena_fini();
        return err;
    }
    for (size_t i = 0; i < CLASS_COUNT; i++) {
        struct size_class *class = &pool.classes[i];
        pthread_mutex_init(&class->lock, NULL);
        class->slot_bytes = class_bytes(i) + CANARY_LEN;
        class->with_room = NULL;
    }
    amp_lock_record_pool(lock);
    pool.running = true;
    return AMP_OK;
}

enum amp_err amp_secret_init(size_t cap_bytes, bool require_lock)
{
    return amp_pool_init(cap_bytes, require_lock, AMP_SECRET_MEMFD);
}

void amp_secret_fini(void)
{
    if (!pool.running)
        return;
    for (struct amp_arena_run *run; (run = amp_arena_any()) != NULL;) {
        SHOW(run->base, run->pages * AMP_ARENA_PAGE);
        amp_arena_close(run);
        free(run);
    }
    amp_arena_fini();
    for (size_t i = 0; i < CLASS_COUNT; i++)
        pthread_mutex_destroy(&pool.classes[i].lock);
    atomic_store(&pool.used_bytes, 0);
    amp_lock_record_pool(AMP_SECRET_UNLOCKED);
    pool.running = false;
}

size_t amp_secret_used(void)
{
    return atomic_load_explicit(&pool.used_bytes, memory_order_relaxed);
}

size_t amp_secret_held(void)
{
    return amp_arena_held();
}

size_t amp_secret_cap(void)
{
    return amp_arena_cap();
}

static struct span *span_open(size_t pages, size_t slot_count)
{
    struct span *span = calloc(1, sizeof(*span) + slot_count * sizeof(struct slot));
    if (span == NULL)
        return NULL;
    span->run.pages = pages;
    if (amp_arena_open(&span->run))
        return span;
    free(span);
    return NULL;
}

static void span_close(struct span *span)
{
    SHOW(span->run.base, span->run.pages * AMP_ARENA_PAGE);
    amp_arena_close(&span->run);
    free(span);
}

static void room_link(struct size_class *class, struct span *slab)
{
    slab->prev = NULL;
    slab->next = class->with_room;
    if (slab->next != NULL)
        slab->next->prev = slab;
    class->with_room = slab;
}

static void room_unlink(struct size_class *class, struct span *slab)
{
    if (slab->prev != NULL)
        slab->prev->next = slab->next;
    else
        class->with_room = slab->next;
    if (slab->next != NULL)
        slab->next->prev = slab->prev;
}

/* With the class locked. */
static struct span *slab_add(struct size_class *class)
{
    size_t count = SLAB_BYTES / class->slot_bytes;
    struct span *slab = span_open(SLAB_PAGES, count);
    if (slab == NULL)
        return NULL;
    slab->class = class;
    slab->slot_count = (uint16_t)count;
    for (size_t i = 0; i < count; i++)
        slab->slots[i].next_free = i + 1 < count ? (uint16_t)(i + 1) : NO_SLOT;
    HIDE(slab->run.base, SLAB_BYTES);
    room_link(class, slab);
    return slab;
}

/* With the class locked. */
static void *slot_take(struct size_class *class, size_t len)
{
    struct span *slab = class->with_room != NULL ? class->with_room : slab_add(class);
    if (slab == NULL)
        return NULL;
    size_t index = slab->first_free;
    slab->first_free = slab->slots[index].next_free;
    slab->slots[index].len = (uint16_t)len;
    if (++slab->used_count == slab->slot_count)
        room_unlink(class, slab);

    size_t end = (index + 1) * class->slot_bytes;
    if (slab->run.touched < end)
        slab->run.touched = end;
    uint8_t *ptr = slab->run.base + index * class->slot_bytes;
    SHOW(ptr, len + CANARY_LEN);
    memcpy(ptr + len, pool.canary, CANARY_LEN);
    HIDE(ptr + len, CANARY_LEN);
    return ptr;
}

/* With the class locked. */
static void slot_give(struct span *slab, uint8_t *ptr)
{
    struct size_class *class = slab->class;
    size_t offset = (size_t)(ptr - slab->run.base), index = offset / class->slot_bytes;
    if (offset % class->slot_bytes != 0 || index >= slab->slot_count || slab->slots[index].len == 0)
        amp_fatal("a secret object was freed that is not in use");

    struct slot *slot = &slab->slots[index];
    SHOW(ptr, class->slot_bytes);
    if (memcmp(ptr + slot->len, pool.canary, CANARY_LEN) != 0)
        amp_fatal("a secret object was written past its end");
    amp_wipe(ptr, class->slot_bytes);
    HIDE(ptr, class->slot_bytes);

    atomic_fetch_sub_explicit(&pool.used_bytes, slot->len, memory_order_relaxed);
    slot->len = 0;
    slot->next_free = slab->first_free;
    slab->first_free = (uint16_t)index;
    if (slab->used_count-- == slab->slot_count)
        room_link(class, slab);
    /* One empty slab is kept for each class, lest a lone object coming and going opens and closes pages. */
    if (slab->used_count == 0 && (slab->prev != NULL || slab->next != NULL)) {
        room_unlink(class, slab);
        span_close(slab);
    }
}

/* The object ends where its guard page begins, but for alignment. */
static uint8_t *large_place(const struct span *span)
{
    size_t len = (span->large_len + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return span->run.base + span->run.pages * AMP_ARENA_PAGE - len;
}

static void *large_take(size_t len)
{
    size_t rounded;
    if (!amp_size_add(len, AMP_ARENA_PAGE - 1, &rounded))
        return NULL;
    struct span *span = span_open(rounded / AMP_ARENA_PAGE, 0);
    if (span == NULL)
        return NULL;
    span->large_len = len;
    span->run.touched = span->run.pages * AMP_ARENA_PAGE;
    return large_place(span);
}

static void large_give(struct span *span, const uint8_t *ptr)
{
    if (ptr != large_place(span))
        amp_fatal("a secret object was freed from its middle");
    atomic_fetch_sub_explicit(&pool.used_bytes, span->large_len, memory_order_relaxed);
    span_close(span);
}

void *amp_secret_alloc(size_t len)
{
    if (!pool.running)
        return NULL;
    if (len == 0)
        len = 1;
    void *ptr;
    if (len > SMALL_MAX) {
        ptr = large_take(len);
    } else {
        struct size_class *class = &pool.classes[class_index(len)];
        pthread_mutex_lock(&class->lock);
        ptr = slot_take(class, len);
        pthread_mutex_unlock(&class->lock);
    }
    if (ptr != NULL)
        atomic_fetch_add_explicit(&pool.used_bytes, len, memory_order_relaxed);
    return ptr;
}

void amp_secret_free(void *ptr)
{
    if (ptr == NULL)
        return;
    struct span *span = (struct span *)amp_arena_find(ptr);
    if (span == NULL)
        amp_fatal("a pointer was freed that is no secret object");
    struct size_class *class = span->class;
    if (class == NULL) {
        large_give(span, ptr);
        return;
    }
    pthread_mutex_lock(&class->lock);
    slot_give(span, ptr);
    pthread_mutex_unlock(&class->lock);
}

/* Of an object in use: nobody else may change what is read here. */
static size_t object_len(const uint8_t *ptr)
{
    const struct span *span = (const struct span *)amp_arena_find(ptr);
    if (span == NULL)
        amp_fatal("a pointer was resized that is no secret object");
    if (span->class == NULL)
        return span->large_len;
    size_t index = (size_t)(ptr - span->run.base) / span->class->slot_bytes;
    return index < span->slot_count ? span->slots[index].len : 0;
}

void *amp_secret_resize(void *ptr, size_t len)
{
    size_t had = ptr != NULL ? object_len(ptr) : 0;
    void *moved = amp_secret_alloc(len);
    if (moved == NULL || ptr == NULL)
        return moved;
    memcpy(moved, ptr, had < len ? had : len);
    amp_secret_free(ptr);
    return moved;
}
