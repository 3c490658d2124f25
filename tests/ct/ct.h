/*
 * Constant time, judged by valgrind: what is secret is declared undefined, and memcheck reports each branch and each
 * address that depends on it (the method of Langley's ctgrind). A subject calls one way that secrets take.
 */
#ifndef AMP_TESTS_CT_H
#define AMP_TESTS_CT_H

#include <stddef.h>

/* From here on these bytes may decide nothing. */
void ct_secret(const void *bytes, size_t len);
/* They are for everybody to know now: what was sent, or what stands in a log. */
void ct_public(const void *bytes, size_t len);
/* Ends the program where `good` does not hold: a subject that does not get where it should proves nothing. */
void ct_need(int good, const char *what);

struct ct_subject {
    const char *name;
    void (*run)(void);
};
extern const struct ct_subject ct_subjects[]; /* must be clean; ended by {NULL, NULL} */
extern const struct ct_subject ct_planted[];  /* must be found */

#endif
