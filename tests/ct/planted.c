/* The mistakes that this test is there for, so that it is known to find them. */
#include "ct.h"

#include <stdint.h>
#include <string.h>

static uint8_t mac[32], sent[32];
static volatile uint8_t seen;

static void compares_by_memcmp(void)
{
    ct_secret(mac, sizeof(mac));
    if (memcmp(mac, sent, sizeof(mac)) == 0)
        seen = 1;
}

static void leaves_at_the_first_difference(void)
{
    ct_secret(mac, sizeof(mac));
    for (size_t i = 0; i < sizeof(mac); i++) {
        if (mac[i] != sent[i])
            return;
    }
    seen = 1;
}

static void looks_up_by_a_secret_byte(void)
{
    static const uint8_t table[256] = {1, 2, 3};
    ct_secret(mac, sizeof(mac));
    seen = ((const volatile uint8_t *)table)[mac[7]];
}

const struct ct_subject ct_planted[] = {
    {"planted_memcmp", compares_by_memcmp},
    {"planted_early_exit", leaves_at_the_first_difference},
    {"planted_table", looks_up_by_a_secret_byte},
    {NULL, NULL},
};
