/* Answers as bytes. Private to the room. */
#ifndef AMP_NET_ANSWER_H
#define AMP_NET_ANSWER_H

#include "net/net.h"

#define AMP_NET_DATE_LEN 37

/* The Date field (RFC 9110 section 6.6.1), written anew only when the second has changed. */
struct amp_net_date {
    int64_t unix_s;                   /* -1 at first */
    char field[AMP_NET_DATE_LEN + 1]; /* "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n" */
};
void amp_net_date_set(struct amp_net_date *date, int64_t unix_ms);

struct amp_net_answer {
    const struct amp_net_response *response;
    const struct amp_net_date *date;
    bool to_head; /* HEAD was asked: the fields of the answer without its body (RFC 9110 section 9.3.2) */
    bool close;
};
/* The most that amp_net_answer_write writes. */
size_t amp_net_answer_max(const struct amp_net_answer *answer);
void amp_net_answer_write(struct amp_out *out, const struct amp_net_answer *answer);

#endif
