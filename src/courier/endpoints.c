#include "courier/endpoints.h"

struct amp_endpoint *amp_endpoints_find(const struct amp_endpoints *endpoints,
                                        const uint8_t id[AMP_SUBSCRIPTION_ID_LEN])
{
    struct amp_endpoint *endpoint;
    LIST_FOREACH(endpoint, &endpoints->buckets[id[0]], bucket)
    {
        if (memcmp(endpoint->id, id, AMP_SUBSCRIPTION_ID_LEN) == 0)
            return endpoint;
    }
    return NULL;
}

static enum amp_err add(struct amp_endpoints *endpoints, struct amp_endpoint **out,
                        const struct amp_subscription *subscription)
{
    if (endpoints->count == AMP_SUBSCRIPTIONS_MAX)
        return AMP_ERR_OVER_LIMIT;
    struct amp_endpoint *endpoint = amp_secret_alloc(sizeof(*endpoint));
    if (endpoint == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    memcpy(endpoint->id, subscription->id, sizeof(endpoint->id));
    endpoint->ordered = subscription->ordered;
    endpoint->queue_len = subscription->queue_len;
    memcpy(endpoint->queue, subscription->queue, subscription->queue_len);
    memcpy(endpoint->url, subscription->url, subscription->url_len);
    TAILQ_INIT(&endpoint->all);
    TAILQ_INIT(&endpoint->ready);
    TAILQ_INIT(&endpoint->tests);
    LIST_INSERT_HEAD(&endpoints->buckets[endpoint->id[0]], endpoint, bucket);
    endpoints->count++;
    *out = endpoint;
    return AMP_OK;
}

enum amp_err amp_endpoints_put(struct amp_endpoints *endpoints, struct amp_endpoint **out,
                               const struct amp_subscription *subscription,
                               const struct amp_subscription_secrets *secrets)
{
    struct amp_endpoint *endpoint = amp_endpoints_find(endpoints, subscription->id);
    enum amp_err err = endpoint != NULL ? AMP_OK : add(endpoints, &endpoint, subscription);
    if (err != AMP_OK)
        return err;
    if (subscription->state == AMP_SUBSCRIPTION_ACTIVE && endpoint->state != AMP_SUBSCRIPTION_ACTIVE)
        endpoint->failing = false; /* it was made active again */
    endpoint->state = subscription->state;
    endpoint->secrets = *secrets;
    endpoint->told = true;
    endpoint->unheard = false;
    *out = endpoint;
    return AMP_OK;
}

void amp_endpoints_remove(struct amp_endpoints *endpoints, struct amp_endpoint *endpoint)
{
    LIST_REMOVE(endpoint, bucket);
    endpoints->count--;
    amp_secret_free(endpoint);
}

struct amp_endpoint *amp_endpoints_next(const struct amp_endpoints *endpoints, const struct amp_endpoint *endpoint)
{
    struct amp_endpoint *next = endpoint != NULL ? LIST_NEXT(endpoint, bucket) : NULL;
    for (size_t i = endpoint != NULL ? (size_t)endpoint->id[0] + 1 : 0; next == NULL && i < AMP_ENDPOINTS_BUCKETS; i++)
        next = LIST_FIRST(&endpoints->buckets[i]);
    return next;
}
