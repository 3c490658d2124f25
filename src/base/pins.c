#include "base/pins.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

/* Debian 12's headers know it; older kernels take the address as a hint, which is then checked. */
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

_Static_assert(AMP_PINS_MAX *AMP_PIN_BYTES == AMP_PIN_REGION, "a region has room for all pins of a kind");
_Static_assert(AMP_PINS_AT + AMP_PIN_KIND_COUNT_ * AMP_PIN_REGION <= AMP_PINS_END, "there is room for all kinds");

static struct {
    amp_pin *pins; /* NULL: none */
    size_t count;
} kinds[AMP_PIN_KIND_COUNT_];

enum amp_err amp_pins_open(amp_pin **out, enum amp_pin_kind kind, size_t count)
{
    void *place = (void *)(uintptr_t)(AMP_PINS_AT + kind * AMP_PIN_REGION); /* NOLINT(performance-no-int-to-ptr) */
    if (count == 0 || count > AMP_PINS_MAX || kinds[kind].pins != NULL)
        return AMP_ERR_INVALID;
    /* All of it, however few they are: what is free another mapping could take, and be taken for pins. */
    void *map =
        mmap(place, AMP_PIN_REGION, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (map == MAP_FAILED)
        return AMP_ERR_IO;
    if (map != place) {
        munmap(map, AMP_PIN_REGION);
        errno = EEXIST;
        return AMP_ERR_IO;
    }
    kinds[kind].pins = *out = map;
    kinds[kind].count = count;
    return AMP_OK;
}

enum amp_err amp_pin_add(enum amp_pin_kind kind, const char *name)
{
    const size_t len = strlen(name);
    amp_pin *pins = kinds[kind].pins;
    enum amp_err err = pins != NULL ? AMP_OK : amp_pins_open(&pins, kind, AMP_PINS_FEW);
    if (err != AMP_OK)
        return err;
    for (size_t i = 0; i < kinds[kind].count && len < AMP_PIN_BYTES; i++) {
        if (pins[i][0] != '\0')
            continue;
        memcpy(pins[i], name, len + 1);
        return AMP_OK;
    }
    return AMP_ERR_TOO_LARGE;
}

enum amp_err amp_pins_seal(void)
{
    for (size_t i = 0; i < AMP_PIN_KIND_COUNT_; i++) {
        if (kinds[i].pins != NULL && mprotect(kinds[i].pins, AMP_PIN_REGION, PROT_READ) != 0)
            return AMP_ERR_IO;
    }
    return AMP_OK;
}

const char *amp_pinned(enum amp_pin_kind kind, const char *name)
{
    for (size_t i = 0; kinds[kind].pins != NULL && i < kinds[kind].count; i++) {
        if (strcmp(kinds[kind].pins[i], name) == 0)
            return kinds[kind].pins[i];
    }
    return name;
}
