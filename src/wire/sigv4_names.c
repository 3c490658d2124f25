#include "wire/sigv4_names.h"

#include "wire/chars.h"

_Static_assert(AMP_SIGV4_MAX_SIGNED < AMP_SIGV4_NOT_SIGNED, "an index fits in a byte");
_Static_assert(AMP_SIGV4_MAX_SIGNED == 64, "a mask of names fits in a word");

/* Compares `name`, in any case, with `lower`, in lower case: by code point, a prefix before what it begins.
 */
static int compare(struct amp_slice name, struct amp_slice lower)
{
    size_t shorter = name.len < lower.len ? name.len : lower.len;
    for (size_t i = 0; i < shorter; i++) {
        if (name.ptr[i] != lower.ptr[i] && amp_char_lower(name.ptr[i]) != lower.ptr[i])
            return amp_char_lower(name.ptr[i]) - lower.ptr[i];
    }
    return (name.len > lower.len) - (name.len < lower.len);
}

enum amp_err amp_sigv4_names_split(struct amp_sigv4_names *names, struct amp_slice signed_headers)
{
    struct amp_slice name;
    bool more = true;
    names->count = 0;
    while (more) {
        more = amp_slice_cut(&signed_headers, ';', &name);
        if (!more)
            name = signed_headers;
        if (names->count == AMP_SIGV4_MAX_SIGNED || name.len == 0 || !amp_chars_all(name, AMP_CHAR_LOWER_TOKEN))
            return AMP_ERR_MALFORMED_SIGNATURE;
        if (names->count != 0 && compare(name, names->names[names->count - 1]) <= 0)
            return AMP_ERR_MALFORMED_SIGNATURE;
        names->names[names->count++] = name;
    }
    return AMP_OK;
}

/* The list is sorted, so that a head of many long names costs its length and no square of it. */
static uint8_t find(const struct amp_sigv4_names *names, struct amp_slice name)
{
    size_t low = 0;
    size_t high = names->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = compare(name, names->names[middle]);
        if (order == 0)
            return (uint8_t)middle;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return AMP_SIGV4_NOT_SIGNED;
}

enum amp_err amp_sigv4_names_match(struct amp_sigv4_names *names, const struct amp_http1_head *head)
{
    uint64_t covering = 0;
    for (size_t i = 0; i < head->field_count; i++) {
        uint8_t name = find(names, head->fields[i].name);
        names->name_of[i] = name;
        if (name != AMP_SIGV4_NOT_SIGNED)
            covering |= UINT64_C(1) << name;
    }
    size_t covered = (size_t)__builtin_popcountll(covering);
    return covered == names->count ? AMP_OK : AMP_ERR_MALFORMED_SIGNATURE;
}

enum amp_err amp_sigv4_names_of(struct amp_sigv4_names *names, const struct amp_sigv4 *auth,
                                const struct amp_http1_head *head)
{
    enum amp_err err = amp_sigv4_names_split(names, auth->signed_headers);
    return err != AMP_OK ? err : amp_sigv4_names_match(names, head);
}

bool amp_sigv4_names_has(const struct amp_sigv4_names *names, struct amp_slice name)
{
    return find(names, name) != AMP_SIGV4_NOT_SIGNED;
}
