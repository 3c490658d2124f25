/* ct --list, ct --list-planted, ct NAME: one subject, to be run under valgrind. */
#include "ct.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <valgrind/memcheck.h>

#include "base/text.h"
#include "crypto/crypto.h"
#include "secret/secret.h"

enum { POOL_BYTES = 4 << 20 };

void ct_secret(const void *bytes, size_t len)
{
    (void)VALGRIND_MAKE_MEM_UNDEFINED(bytes, len);
}

void ct_public(const void *bytes, size_t len)
{
    (void)VALGRIND_MAKE_MEM_DEFINED(bytes, len);
}

void ct_need(int good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "ct: %s\n", what);
    exit(1);
}

/*
 * Whether two MACs are equal, or a text is base64 at all, is told by the answer; where they differ is not, and that is
 * looked for inside the functions. The linker sends every call here (--wrap).
 */
bool __real_amp_secret_equal(const void *a, const void *b, size_t len);
bool __wrap_amp_secret_equal(const void *a, const void *b, size_t len);
enum amp_err __real_amp_base64_decode(uint8_t *out, size_t *len, struct amp_slice text);
enum amp_err __wrap_amp_base64_decode(uint8_t *out, size_t *len, struct amp_slice text);
enum amp_err __real_amp_base64url_decode(uint8_t *out, size_t len, struct amp_slice text);
enum amp_err __wrap_amp_base64url_decode(uint8_t *out, size_t len, struct amp_slice text);

bool __wrap_amp_secret_equal(const void *a, const void *b, size_t len)
{
    bool equal = __real_amp_secret_equal(a, b, len);
    ct_public(&equal, sizeof(equal));
    return equal;
}

enum amp_err __wrap_amp_base64_decode(uint8_t *out, size_t *len, struct amp_slice text)
{
    enum amp_err err = __real_amp_base64_decode(out, len, text);
    ct_public(&err, sizeof(err));
    return err;
}

enum amp_err __wrap_amp_base64url_decode(uint8_t *out, size_t len, struct amp_slice text)
{
    enum amp_err err = __real_amp_base64url_decode(out, len, text);
    ct_public(&err, sizeof(err));
    return err;
}

static void list(const struct ct_subject *subjects)
{
    for (; subjects->name != NULL; subjects++)
        puts(subjects->name);
}

static const struct ct_subject *find(const struct ct_subject *subjects, const char *name)
{
    while (subjects->name != NULL && strcmp(subjects->name, name) != 0)
        subjects++;
    return subjects->name != NULL ? subjects : NULL;
}

int main(int argc, char **argv)
{
    ct_need(argc == 2, "one argument: --list, --list-planted or a subject's name");
    if (strcmp(argv[1], "--list") == 0 || strcmp(argv[1], "--list-planted") == 0) {
        list(strcmp(argv[1], "--list") == 0 ? ct_subjects : ct_planted);
        return 0;
    }
    const struct ct_subject *subject = find(ct_subjects, argv[1]);
    if (subject == NULL)
        subject = find(ct_planted, argv[1]);
    ct_need(subject != NULL, "there is no such subject");
    ct_need(RUNNING_ON_VALGRIND != 0, "without valgrind this proves nothing");
    ct_need(amp_secret_init(POOL_BYTES, false) == AMP_OK && amp_crypto_init() == AMP_OK, "the library does not start");
    subject->run();
    amp_crypto_thread_fini();
    amp_secret_fini();
    return 0;
}
