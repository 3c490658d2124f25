/*
 * How ampouled's parser reads bytes, for comparing with how others do. Standard input: frames of a length (four bytes,
 * big-endian) and as many bytes, each all that one connection ever sends. Standard output, a line for each: requests as
 * METHOD,TARGET,BODY in hexadecimal, each followed by a space, then "end" (nothing is left), "more" (something is
 * missing), "close" (no request is taken behind one) or "refused". What src/net/request.c does, without the network.
 */
#include <stdio.h>
#include <stdlib.h>

#include "wire/http1.h"

enum { FRAME_MAX = 1 << 20, BODY_MAX = 256 << 10 };

static uint8_t frame[FRAME_MAX];

static void print_hex(struct amp_slice bytes, char behind)
{
    for (size_t i = 0; i < bytes.len; i++)
        printf("%02x", bytes.ptr[i]);
    putchar(behind);
}

/* The body behind a head, at *at; steps behind it. */
static enum amp_err read_body(const struct amp_http1_head *head, size_t len, size_t *at, struct amp_slice *body)
{
    if (!head->chunked) {
        if (head->content_length > BODY_MAX)
            return AMP_ERR_BODY_TOO_LARGE;
        *body = amp_slice(frame + *at, (size_t)head->content_length);
        if (len - *at < body->len)
            return AMP_ERR_TRUNCATED;
        *at += body->len;
        return AMP_OK;
    }
    struct amp_http1_chunked state = {0};
    size_t consumed, written;
    bool done;
    enum amp_err err =
        amp_http1_chunked_feed(&state, frame + *at, len - *at, frame + *at, BODY_MAX, &consumed, &written, &done);
    *body = amp_slice(frame + *at, written);
    *at += consumed;
    return err == AMP_OK && !done ? AMP_ERR_TRUNCATED : err;
}

/* Reads what there is from the first request on; returns the last word of the line. */
static const char *read_connection(size_t len)
{
    static struct amp_http1_head head;
    for (size_t at = 0; at < len;) {
        size_t head_len = 0, scanned = 0;
        struct amp_slice body;
        enum amp_err err = amp_http1_parse_head(&head, frame + at, len - at, &head_len, &scanned);
        if (err == AMP_OK) {
            at += head_len;
            err = read_body(&head, len, &at, &body);
        }
        if (err != AMP_OK)
            return err == AMP_ERR_TRUNCATED ? "more" : "refused";
        print_hex(head.method_text, ',');
        print_hex(head.target, ',');
        print_hex(body, ' ');
        if (!head.keep_alive)
            return "close";
    }
    return "end";
}

int main(void)
{
    uint8_t prefix[4];
    while (fread(prefix, 1, sizeof(prefix), stdin) == sizeof(prefix)) {
        size_t len = (size_t)prefix[0] << 24 | (size_t)prefix[1] << 16 | (size_t)prefix[2] << 8 | prefix[3];
        if (len > FRAME_MAX || fread(frame, 1, len, stdin) != len)
            return EXIT_FAILURE;
        puts(read_connection(len));
        fflush(stdout);
    }
    return EXIT_SUCCESS;
}
