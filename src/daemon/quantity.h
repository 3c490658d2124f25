/* Numbers with units, as the configuration has them: 500ms, 2GiB, 16. */
#ifndef AMP_DAEMON_QUANTITY_H
#define AMP_DAEMON_QUANTITY_H

#include <stdbool.h>
#include <stdint.h>

#define AMP_QUANTITY_MAX 32

/* Rows of a table of units, from the smallest up; a row without a name ends it. */
struct amp_unit {
    const char *name;
    int64_t factor;
};
extern const struct amp_unit amp_unit_count[];    /* none */
extern const struct amp_unit amp_unit_duration[]; /* of milliseconds */
extern const struct amp_unit amp_unit_size[];     /* of bytes */

/* Digits and a unit of the table, and nothing else. */
bool amp_quantity_parse(int64_t *out, const char *text, const struct amp_unit *units);
/* The reverse for what is not negative, with its NUL: in the largest unit that leaves a whole number. */
void amp_quantity_format(char out[AMP_QUANTITY_MAX], int64_t value, const struct amp_unit *units);

#endif
