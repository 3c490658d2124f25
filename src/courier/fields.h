/* The fields of a webhook's request. */
#ifndef AMP_COURIER_FIELDS_H
#define AMP_COURIER_FIELDS_H

#include <curl/curl.h>

#include "courier/transport.h"

/* Content-Type and the three of Standard Webhooks, signed as of `unix_s`; webhook-id is the message's id as a UUID.
 * NULL where memory is short or the signing failed. */
struct curl_slist *amp_fields_new(const struct amp_attempt_order *order, int64_t unix_s);

#endif
