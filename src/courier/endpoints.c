#include "courier/endpoints.h"

#include <stdlib.h>

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

/* What the keeper told is a URL; if it were none it would be a host of its own. */
static struct amp_url read_url(const char *text)
{
    struct amp_url url;
    struct amp_slice all = amp_slice_str(text);
    return amp_url_parse(&url, all) == AMP_OK ? url : (struct amp_url){.host = all};
}

static struct amp_host *find_host(const struct amp_endpoints *endpoints, const struct amp_url *url)
{
    struct amp_host *host;
    LIST_FOREACH(host, &endpoints->hosts, next)
    {
        if (host->port == url->port && host->https == url->https &&
            amp_slice_equal(amp_slice(host->name, host->name_len), url->host))
            return host;
    }
    return NULL;
}

/* NULL: no memory. */
static struct amp_host *take_host(struct amp_endpoints *endpoints, const char *text)
{
    const struct amp_url url = read_url(text);
    struct amp_host *host = find_host(endpoints, &url);
    if (host == NULL) {
        host = calloc(1, sizeof(*host));
        if (host == NULL)
            return NULL;
        host->https = url.https;
        host->port = url.port;
        host->name_len = url.host.len;
        memcpy(host->name, url.host.ptr, url.host.len);
        LIST_INSERT_HEAD(&endpoints->hosts, host, next);
    }
    host->endpoints++;
    return host;
}

static void leave_host(struct amp_host *host)
{
    if (--host->endpoints != 0)
        return;
    LIST_REMOVE(host, next);
    free(host);
}

static enum amp_err add(struct amp_endpoints *endpoints, struct amp_endpoint **out,
                        const struct amp_subscription *subscription)
{
    if (endpoints->count == AMP_SUBSCRIPTIONS_MAX)
        return AMP_ERR_OVER_LIMIT;
    struct amp_endpoint *endpoint = amp_secret_alloc(sizeof(*endpoint));
    if (endpoint == NULL)
        return AMP_ERR_OUT_OF_MEMORY;
    memcpy(endpoint->url, subscription->url, subscription->url_len);
    endpoint->host = take_host(endpoints, endpoint->url);
    if (endpoint->host == NULL) {
        amp_secret_free(endpoint);
        return AMP_ERR_OUT_OF_MEMORY;
    }
    memcpy(endpoint->id, subscription->id, sizeof(endpoint->id));
    endpoint->ordered = subscription->ordered;
    endpoint->queue_len = subscription->queue_len;
    memcpy(endpoint->queue, subscription->queue, subscription->queue_len);
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
    if (subscription->state == AMP_SUBSCRIPTION_ACTIVE && endpoint->state != AMP_SUBSCRIPTION_ACTIVE) {
        endpoint->failing = false; /* it was made active again */
        endpoint->not_before_ms = 0;
    }
    endpoint->state = subscription->state;
    endpoint->generation = subscription->generation;
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
    leave_host(endpoint->host);
    amp_secret_free(endpoint);
}

size_t amp_endpoint_live_secrets(const struct amp_endpoint *endpoint, int64_t now_unix_ms)
{
    const struct amp_subscription_secrets *secrets = &endpoint->secrets;
    return secrets->count > 1 && now_unix_ms >= secrets->older_expires_unix_ms ? 1 : secrets->count;
}

struct amp_endpoint *amp_endpoints_next(const struct amp_endpoints *endpoints, const struct amp_endpoint *endpoint)
{
    struct amp_endpoint *next = endpoint != NULL ? LIST_NEXT(endpoint, bucket) : NULL;
    for (size_t i = endpoint != NULL ? (size_t)endpoint->id[0] + 1 : 0; next == NULL && i < AMP_ENDPOINTS_BUCKETS; i++)
        next = LIST_FIRST(&endpoints->buckets[i]);
    return next;
}
