/* Private to the room. */
#ifndef AMP_COURIER_CURL_H
#define AMP_COURIER_CURL_H

#include <stdbool.h>

/* Starts libcurl, with all its memory in the pool: bodies and headers of webhooks pass through its buffers. To be
 * undone by curl_global_cleanup. */
bool amp_curl_init(void);

#endif
