#include "courier/curl.h"

#include <curl/curl.h>
#include <string.h>

#include "base/size.h"
#include "secret/secret.h"

static char *copy_text(const char *text)
{
    size_t len = strlen(text) + 1;
    char *copy = amp_secret_alloc(len);
    if (copy != NULL)
        memcpy(copy, text, len);
    return copy;
}

static void *take_array(size_t count, size_t each)
{
    size_t len;
    return amp_size_mul(count, each, &len) ? amp_secret_alloc(len) : NULL;
}

bool amp_curl_init(void)
{
    return curl_global_init_mem(CURL_GLOBAL_DEFAULT, amp_secret_alloc, amp_secret_free, amp_secret_resize, copy_text,
                                take_array) == CURLE_OK;
}
