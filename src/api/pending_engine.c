/* An engine without queues, where room engine has none yet: each definition there takes the place of the one here. */
#include "engine/engine.h"

static enum amp_err look_at_none(void *self, struct amp_slice name, struct amp_queue_view *view)
{
    return AMP_ERR_QUEUE_UNKNOWN;
}

static void close_none(void *self)
{
}

static const struct amp_queue_engine_ops no_queues = {.name = "none", .close = close_none, .look = look_at_none};

__attribute__((weak)) enum amp_err amp_engine_memory_open(struct amp_queue_engine *out,
                                                          const struct amp_engine_config *config)
{
    *out = (struct amp_queue_engine){&no_queues, NULL};
    return AMP_OK;
}

__attribute__((weak)) void amp_queue_settings_default(struct amp_queue_settings *settings, bool fifo)
{
    *settings = (struct amp_queue_settings){.fifo = fifo};
}

__attribute__((weak)) bool amp_queue_name_is_fifo(struct amp_slice name)
{
    return false;
}

__attribute__((weak)) enum amp_err amp_queue_name_parse(struct amp_queue_name *name, struct amp_slice text)
{
    return AMP_ERR_QUEUE_INVALID;
}

__attribute__((weak)) int64_t amp_queue_life_ms(const struct amp_queue_settings *settings)
{
    return 0;
}

__attribute__((weak)) enum amp_err amp_queue_tags_set(struct amp_queue_tags *tags, struct amp_slice key,
                                                      struct amp_slice value)
{
    return AMP_ERR_OVER_LIMIT;
}

__attribute__((weak)) void amp_queue_tags_remove(struct amp_queue_tags *tags, struct amp_slice key)
{
}

__attribute__((weak)) bool amp_queue_tags_next(const struct amp_queue_tags *tags, size_t *at, struct amp_slice *key,
                                               struct amp_slice *value)
{
    return false;
}
