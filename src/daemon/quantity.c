#include "daemon/quantity.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define NOTHING_ELSE                                                                                                   \
    {                                                                                                                  \
        NULL, 0                                                                                                        \
    }

const struct amp_unit amp_unit_count[] = {{"", 1}, NOTHING_ELSE};
const struct amp_unit amp_unit_duration[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, NOTHING_ELSE};
const struct amp_unit amp_unit_size[] = {{"", 1},
                                         {"KiB", INT64_C(1) << 10},
                                         {"MiB", INT64_C(1) << 20},
                                         {"GiB", INT64_C(1) << 30},
                                         {"TiB", INT64_C(1) << 40},
                                         NOTHING_ELSE};

bool amp_quantity_parse(int64_t *out, const char *text, const struct amp_unit *units)
{
    const size_t digits = strspn(text, "0123456789");
    uint64_t number;
    while (units->name != NULL && strcmp(text + digits, units->name) != 0)
        units++;
    return units->name != NULL && amp_u64_parse(&number, amp_slice(text, digits), INT64_MAX) == AMP_OK &&
           !__builtin_mul_overflow((int64_t)number, units->factor, out);
}

void amp_quantity_format(char out[AMP_QUANTITY_MAX], int64_t value, const struct amp_unit *units)
{
    const struct amp_unit *largest = units;
    for (; units->name != NULL; units++)
        if (value % units->factor == 0)
            largest = units;
    snprintf(out, AMP_QUANTITY_MAX, "%" PRId64 "%s", value / largest->factor, largest->name);
}
