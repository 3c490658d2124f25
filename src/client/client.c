#include <stdlib.h>

#include "client/internal.h"
#include "client/runtime.h"

#define CONNECT_TIMEOUT_MS 5000
#define TIMEOUT_MS         30000
#define MAX_KEY_ID         128
#define MAX_SECRET         256
#define MAX_REGION         32

enum amp_client_status amp_client_wrong(struct amp_client *client, const char *sentence)
{
    return AMP_CLIENT_FAULT(&client->fault, AMP_CLIENT_USAGE, "usage", sentence);
}

enum amp_client_status amp_client_no_memory(struct amp_client *client)
{
    return AMP_CLIENT_FAULT(&client->fault, AMP_CLIENT_MEMORY, "out_of_memory", "no secret memory is left");
}

/* Letters, digits and what ids and regions also have: nothing that could end a field of the signature. */
static bool is_word(const char *text, size_t most)
{
    const size_t len = text != NULL ? strlen(text) : 0;
    for (size_t i = 0; i < len; i++) {
        const char c = text[i];
        const bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!alnum && c != '-' && c != '_')
            return false;
    }
    return len > 0 && len <= most;
}

static char *copy_text(const char *text)
{
    const size_t size = strlen(text) + 1;
    char *copy = malloc(size);
    if (copy != NULL)
        memcpy(copy, text, size);
    return copy;
}

static enum amp_client_status take_identity(struct amp_client *client, const struct amp_client_config *config)
{
    const char *region = config->region != NULL ? config->region : "us-east-1";
    if (!is_word(config->key_id, MAX_KEY_ID) || !is_word(region, MAX_REGION) || config->secret == NULL ||
        config->secret[0] == '\0' || strlen(config->secret) > MAX_SECRET)
        return AMP_CLIENT_USAGE;
    const size_t secret_size = strlen(config->secret) + 1;
    client->key_id = copy_text(config->key_id);
    client->region = copy_text(region);
    client->secret = amp_secret_alloc(secret_size);
    client->identity.day_key = amp_secret_alloc(sizeof *client->identity.day_key);
    if (client->key_id == NULL || client->region == NULL || client->secret == NULL || client->identity.day_key == NULL)
        return AMP_CLIENT_MEMORY;
    memcpy(client->secret, config->secret, secret_size);
    client->identity.key_id = amp_slice_str(client->key_id);
    client->identity.region = amp_slice_str(client->region);
    client->identity.secret = amp_slice(client->secret, secret_size - 1);
    return AMP_CLIENT_OK;
}

static enum amp_client_status set_up(struct amp_client *client, const struct amp_client_config *config)
{
    SSL_CTX *tls = NULL;
    if (config->url == NULL || amp_client_url_parse(&client->url, config->url) != AMP_OK)
        return AMP_CLIENT_USAGE;
    enum amp_client_status status = take_identity(client, config);
    if (status != AMP_CLIENT_OK)
        return status;
    client->connect_timeout_ms = config->connect_timeout_ms != 0 ? config->connect_timeout_ms : CONNECT_TIMEOUT_MS;
    client->timeout_ms = config->timeout_ms != 0 ? config->timeout_ms : TIMEOUT_MS;
    const enum amp_err err = amp_client_tls_new(&tls, config->ca_file);
    if (err != AMP_OK)
        return err == AMP_ERR_INVALID ? AMP_CLIENT_USAGE : AMP_CLIENT_MEMORY;
    return amp_client_transport_init(&client->transport, tls);
}

enum amp_client_status amp_client_new(struct amp_client **out, const struct amp_client_config *config)
{
    *out = NULL;
    if (config == NULL || config->size != sizeof *config)
        return AMP_CLIENT_USAGE;
    if (amp_client_runtime_start() != AMP_OK)
        return AMP_CLIENT_MEMORY;
    struct amp_client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return AMP_CLIENT_MEMORY;
    client->transport.fd = -1;
    amp_client_fault_clear(&client->fault);
    const enum amp_client_status status = set_up(client, config);
    if (status != AMP_CLIENT_OK) {
        amp_client_free(client);
        return status;
    }
    *out = client;
    return AMP_CLIENT_OK;
}

void amp_client_free(struct amp_client *client)
{
    if (client == NULL)
        return;
    amp_client_transport_fini(&client->transport);
    SSL_CTX_free(client->transport.tls);
    amp_secret_buf_free(&client->wire);
    amp_secret_buf_free(&client->in);
    amp_secret_free(client->secret);
    amp_secret_free(client->identity.day_key);
    free(client->key_id);
    free(client->region);
    free(client);
}

const struct amp_client_error *amp_client_error_get(const struct amp_client *client)
{
    static const struct amp_client_error no_handle = {
        .status = AMP_CLIENT_USAGE,
        .code = "no_handle",
        .message = "there is no handle: amp_client_new returns why it made none",
        .reason = "",
        .request_id = "",
    };
    return client != NULL ? &client->fault.error : &no_handle;
}

void amp_client_wipe(void *ptr, size_t len)
{
    amp_wipe(ptr, len);
}
