/* What unit tests share: cmocka's includes, and the place of the published vectors. */
#ifndef AMP_TESTS_SUPPORT_H
#define AMP_TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* The folder of published vectors; where it is absent the test that asked is skipped and says so. */
static inline const char *vectors_dir(void)
{
    const char *dir = getenv("AMPOULE_VECTORS");
    if (dir == NULL || dir[0] == '\0') {
        print_message("skipped: no vectors\n");
        skip();
    }
    return dir;
}

#endif
