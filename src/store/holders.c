#include "store/holders.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define CHAINS 1024

struct amp_holders {
    pthread_mutex_t lock;
    struct amp_holder *chains[CHAINS];
};

enum amp_err amp_holders_new(struct amp_holders **out)
{
    struct amp_holders *holders = calloc(1, sizeof *holders);
    *out = holders;
    if (holders == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    pthread_mutex_init(&holders->lock, NULL);
    return AMP_OK;
}

void amp_holders_free(struct amp_holders *holders)
{
    if (holders == NULL)
        return;
    for (size_t i = 0; i < CHAINS; i++) {
        if (holders->chains[i] != NULL)
            amp_fatal("a principal's connections outlived their count");
    }
    pthread_mutex_destroy(&holders->lock);
    free(holders);
}

/* FNV-1a. Names are those of principals, set by an operator: nobody outside can choose colliding ones. */
static struct amp_holder **find(struct amp_holders *holders, struct amp_slice name)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ name.ptr[i]) * 16777619u;
    struct amp_holder **link = &holders->chains[(hash ^ hash >> 16) % CHAINS];
    while (*link != NULL && !amp_slice_equal(amp_slice((*link)->name, (*link)->name_len), name))
        link = &(*link)->next;
    return link;
}

static struct amp_holder *holder_new(struct amp_slice name)
{
    struct amp_holder *holder = malloc(sizeof *holder + name.len);
    if (holder == NULL)
        return NULL;
    *holder = (struct amp_holder){.name_len = name.len};
    amp_budget_init(&holder->connections, SIZE_MAX); /* the caps are told with each taking */
    amp_budget_init(&holder->waiting, SIZE_MAX);
    memcpy(holder->name, name.ptr, name.len);
    return holder;
}

enum amp_err amp_holder_ref(struct amp_holder **out, struct amp_holders *holders, struct amp_slice name)
{
    pthread_mutex_lock(&holders->lock);
    struct amp_holder **link = find(holders, name);
    if (*link == NULL)
        *link = holder_new(name);
    *out = *link;
    if (*out != NULL)
        (*out)->references++;
    pthread_mutex_unlock(&holders->lock);
    return *out != NULL ? AMP_OK : AMP_ERR_OUT_OF_MEMORY;
}

void amp_holder_unref(struct amp_holders *holders, struct amp_holder *holder)
{
    if (holder == NULL)
        return;
    pthread_mutex_lock(&holders->lock);
    if (--holder->references == 0) {
        *find(holders, amp_slice(holder->name, holder->name_len)) = holder->next;
        free(holder);
    }
    pthread_mutex_unlock(&holders->lock);
}
