/*
 * Small objects live in slabs of equal slots, one class of slots for each size; large ones have a run of
 * pages of their own that ends at a guard page. All bookkeeping lies outside the pool, where an overrun of a
 * secret cannot reach it. A free slot is always zero: it is wiped when freed, so that taking one costs no
 * clearing.
 *
 * A thread that frees a small slot keeps a few at hand, wiped, and takes them again without a lock: OpenSSL takes
 * and frees some of them for each record of TLS. (Magazines, after Bonwick and Adams, USENIX 2001.)
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
    HANDY_CLASSES = 12, /* up to 256 bytes */
    HANDY_SLOTS = 8,
    NO_SLOT = UINT16_MAX,
};

struct slot {
    _Atomic uint16_t len; /* as asked for, at least 1; 0: free. Its holder's to write */
    uint16_t next_free;   /* index, or NO_SLOT */
};

/* A run of pages in use: a slab of small slots, or one large object (class NULL, no slots). */
struct span {
    struct amp_arena_run run; /* first: the arena hands it back */
    struct size_class *class;
    size_t large_len;
    struct span *prev, *next; /* among the class's slabs with a free slot */
    uint16_t slot_count;
    uint16_t taken_count; /* in use, or at hand in a thread */
    uint16_t first_free;
    struct slot slots[];
};

struct size_class {
    pthread_mutex_t lock;
    uint32_t slot_bytes; /* a multiple of ALIGNMENT, the canary included */
    struct span *with_room;
};

/* A slot that is nobody's in its slab: in use, or free and at hand. `slab` NULL: none. */
struct place {
    struct span *slab;
    size_t index;
};

static struct {
    struct size_class classes[CLASS_COUNT];
    uint64_t canary[CANARY_LEN / sizeof(uint64_t)];
    pthread_key_t thread_end;
    unsigned life; /* which pool of this process: what a thread has of an earlier one is gone */
    bool running;
} pool;

static _Thread_local struct {
    unsigned life;
    struct {
        size_t count;
        struct place free[HANDY_SLOTS];
    } classes[HANDY_CLASSES];
} handy;

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

static void give_handy(void *unused);

enum amp_err amp_pool_init(size_t cap_bytes, bool require_lock, enum amp_secret_lock best)
{
    enum amp_secret_lock lock = AMP_SECRET_UNLOCKED;
    amp_lock_raise_limit();
    enum amp_err err = amp_arena_init(cap_bytes, best, &lock);
    if (err != AMP_OK)
        return err;
    if (lock == AMP_SECRET_UNLOCKED && require_lock)
        err = AMP_ERR_LOCK_REFUSED;
    if (err == AMP_OK)
        err = draw_canary();
    if (err == AMP_OK && pthread_key_create(&pool.thread_end, give_handy) != 0)
        err = AMP_ERR_OUT_OF_MEMORY;
    if (err != AMP_OK) {
        amp_arena_fini();
        return err;
    }
    for (size_t i = 0; i < CLASS_COUNT; i++) {
        struct size_class *class = &pool.classes[i];
        pthread_mutex_init(&class->lock, NULL);
        class->slot_bytes = (uint32_t)class_bytes(i) + CANARY_LEN;
        class->with_room = NULL;
    }
    amp_lock_record_pool(lock);
    pool.life++;
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
    pthread_key_delete(pool.thread_end);
    amp_lock_record_pool(AMP_SECRET_UNLOCKED);
    pool.running = false;
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
static struct place slot_take(struct size_class *class)
{
    struct span *slab = class->with_room != NULL ? class->with_room : slab_add(class);
    if (slab == NULL)
        return (struct place){0};
    size_t index = slab->first_free;
    slab->first_free = slab->slots[index].next_free;
    if (++slab->taken_count == slab->slot_count)
        room_unlink(class, slab);
    size_t end = (index + 1) * class->slot_bytes;
    if (slab->run.touched < end)
        slab->run.touched = end;
    return (struct place){slab, index};
}

/* With the class locked. */
static void slot_give(struct place place)
{
    struct span *slab = place.slab;
    struct size_class *class = slab->class;
    slab->slots[place.index].next_free = slab->first_free;
    slab->first_free = (uint16_t)place.index;
    if (slab->taken_count-- == slab->slot_count)
        room_link(class, slab);
    /* One empty slab is kept for each class, lest a lone object coming and going opens and closes pages. */
    if (slab->taken_count == 0 && (slab->prev != NULL || slab->next != NULL)) {
        room_unlink(class, slab);
        span_close(slab);
    }
}

/* A free slot, which is nobody else's, becomes an object. */
static void *dress(struct place place, size_t len)
{
    uint8_t *ptr = place.slab->run.base + place.index * place.slab->class->slot_bytes;
    atomic_store_explicit(&place.slab->slots[place.index].len, (uint16_t)len, memory_order_relaxed);
    SHOW(ptr, len + CANARY_LEN);
    memcpy(ptr + len, pool.canary, CANARY_LEN);
    HIDE(ptr + len, CANARY_LEN);
    return ptr;
}

/* An object becomes a free slot, zero throughout. */
static struct place strip(struct span *slab, uint8_t *ptr)
{
    uint32_t slot_bytes = slab->class->slot_bytes, offset = (uint32_t)(ptr - slab->run.base);
    size_t index = offset / slot_bytes, len = 0;
    if (offset % slot_bytes == 0 && index < slab->slot_count)
        len = atomic_load_explicit(&slab->slots[index].len, memory_order_relaxed);
    if (len == 0)
        amp_fatal("a secret object was freed that is not in use");
    SHOW(ptr, slot_bytes);
    if (memcmp(ptr + len, pool.canary, CANARY_LEN) != 0)
        amp_fatal("a secret object was written past its end");
    amp_wipe(ptr, slot_bytes);
    HIDE(ptr, slot_bytes);
    atomic_store_explicit(&slab->slots[index].len, 0, memory_order_relaxed);
    return (struct place){slab, index};
}

/* Leaves `keep` of the class's free slots at hand. */
static void give_handy_of(size_t class_index, size_t keep)
{
    struct size_class *class = &pool.classes[class_index];
    size_t *count = &handy.classes[class_index].count;
    if (*count <= keep)
        return;
    pthread_mutex_lock(&class->lock);
    while (*count > keep)
        slot_give(handy.classes[class_index].free[--*count]);
    pthread_mutex_unlock(&class->lock);
}

/* Whether slots of this pool may be at hand here. */
static bool has_joined(void)
{
    return handy.life == pool.life;
}

/* The thread ends, and takes no slots with it. What OpenSSL frees behind this, as the thread ends, joins again. */
static void give_handy(void *unused)
{
    for (size_t i = 0; i < HANDY_CLASSES && pool.running && has_joined(); i++)
        give_handy_of(i, 0);
    handy.life = 0;
}

/* Where the end of the thread cannot be heard of, nothing is kept at hand. */
static bool join_pool(void)
{
    if (pthread_setspecific(pool.thread_end, &handy) != 0)
        return false;
    memset(&handy, 0, sizeof(handy));
    handy.life = pool.life;
    return true;
}

static struct place small_take(size_t class_index)
{
    struct size_class *class = &pool.classes[class_index];
    bool keeps = class_index < HANDY_CLASSES && has_joined();
    if (keeps && handy.classes[class_index].count > 0)
        return handy.classes[class_index].free[--handy.classes[class_index].count];
    pthread_mutex_lock(&class->lock);
    struct place place = slot_take(class);
    pthread_mutex_unlock(&class->lock);
    return place;
}

static void small_give(struct place place)
{
    size_t class_index = (size_t)(place.slab->class - pool.classes);
    if (class_index < HANDY_CLASSES && (has_joined() || join_pool())) {
        if (handy.classes[class_index].count == HANDY_SLOTS)
            give_handy_of(class_index, HANDY_SLOTS / 2);
        handy.classes[class_index].free[handy.classes[class_index].count++] = place;
        return;
    }
    struct size_class *class = place.slab->class;
    pthread_mutex_lock(&class->lock);
    slot_give(place);
    pthread_mutex_unlock(&class->lock);
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
    span_close(span);
}

void *amp_secret_alloc(size_t len)
{
    if (!pool.running)
        return NULL;
    if (len > SMALL_MAX)
        return large_take(len);
    if (len == 0)
        len = 1;
    struct place place = small_take(class_index(len));
    return place.slab != NULL ? dress(place, len) : NULL;
}

void amp_secret_free(void *ptr)
{
    if (ptr == NULL)
        return;
    struct span *span = (struct span *)amp_arena_find(ptr);
    if (span == NULL)
        amp_fatal("a pointer was freed that is no secret object");
    if (span->class == NULL)
        large_give(span, ptr);
    else
        small_give(strip(span, ptr));
}

static size_t used_of(const struct amp_arena_run *run)
{
    const struct span *span = (const struct span *)run;
    size_t used = span->large_len;
    for (size_t i = 0; i < span->slot_count; i++)
        used += atomic_load_explicit(&span->slots[i].len, memory_order_relaxed);
    return used;
}

size_t amp_secret_used(void)
{
    return amp_arena_sum(used_of);
}

/* Of an object in use: nobody else may change what is read here. */
static size_t object_len(const uint8_t *ptr)
{
    const struct span *span = (const struct span *)amp_arena_find(ptr);
    if (span == NULL)
        amp_fatal("a pointer was resized that is no secret object");
    if (span->class == NULL)
        return span->large_len;
    size_t index = (uint32_t)(ptr - span->run.base) / span->class->slot_bytes;
    return index < span->slot_count ? atomic_load_explicit(&span->slots[index].len, memory_order_relaxed) : 0;
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
