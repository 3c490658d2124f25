/*
 * The SQS API as its callers see it. Requests are written as JSON; where the query protocol is chosen they are sent as
 * forms, and what comes back as XML is asked in the same words: each test of a list runs in both protocols.
 */
#ifndef AMP_TESTS_API_SQS_SUPPORT_H
#define AMP_TESTS_API_SQS_SUPPORT_H

#include "fixture.h"

#include <string.h>

#define URL(queue) "https://ampoule.example:8443/000000000000/" queue
#define Q(queue)   "\"QueueUrl\":\"" URL(queue) "\""
#define ARN(queue) "arn:aws:sqs:us-east-1:000000000000:" queue

int json_setup(void **state);
int query_setup(void **state);
extern bool in_xml;

/* Runs `f` twice. */
#define BOTH(f)                                                                                                        \
    {#f " (json)", f, json_setup, fixture_teardown, NULL},                                                             \
    {                                                                                                                  \
#f " (query)", f, query_setup, fixture_teardown, NULL                                                          \
    }

/* Calls an action with its members as JSON, "{...}". Returns the status; 0 where it is parked. */
int call(const char *action, const char *json);
/* The same with printf's words. */
int callf(const char *action, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same, and fails the test for any other status than 200. */
void must(const char *action, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The first text, number or word of this name anywhere in the answer; NULL where there is none. Valid until 16 more
 * were asked for. */
const char *said(const char *name);
/* What stands under this key of a map: an attribute, or a tag. */
const char *mapped(const char *key);
/* How many items there are: of this element in XML, in JSON of the list of this name. */
size_t items(const char *json_list, const char *xml_element);
/* The answer is an error of AWS's name, and of this code in the query protocol; of the table where `sentence` is NULL.
 */
void refused(enum amp_err err);
/* The action is refused with `err` for every text that differs from this one in one character. `before` is its JSON up
 * to the text. */
void refused_for_any_other(const char *text, const char *action, const char *before, enum amp_err err);
/* The act, its outcome and what it was of, of the last event. */
void recorded(enum amp_act act, enum amp_err err, const char *queue, uint64_t count);

/* Text that grows within its storage; fails the test where it does not fit. */
void add(char *storage, size_t cap, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* `count` times this, for free(). */
char *repeated(const char *what, size_t count);
/* Keeps a text that was said; fails the test where there is none. */
char *copy(const char *text);

void make_queue(const char *name);
/* Sends one and returns its id. */
const char *send_one(const char *queue, const char *text);
/* Receives at once; returns the receipt handle, NULL where there is none. */
const char *receive_one(const char *queue);

#endif
