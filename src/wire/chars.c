#include "wire/chars.h"

#define K (AMP_CHAR_TOKEN | AMP_CHAR_LOWER_TOKEN)
#define C AMP_CHAR_TOKEN /* capitals */
#define V AMP_CHAR_VALUE
#define T AMP_CHAR_TARGET
#define U AMP_CHAR_UNRESERVED
#define D AMP_CHAR_DIGIT

/* clang-format off */
const uint8_t amp_char_classes[256] = {
    ['\t'] = V,
    [' '] = V,             ['!'] = K | V | T,     ['"'] = V,             ['#'] = K | V,
    ['$'] = K | V | T,     ['%'] = K | V | T,     ['&'] = K | V | T,     ['\''] = K | V | T,
    ['('] = V | T,         [')'] = V | T,         ['*'] = K | V | T,     ['+'] = K | V | T,
    [','] = V | T,         ['-'] = K | V | T | U, ['.'] = K | V | T | U, ['/'] = V | T,
    ['0' ... '9'] = K | V | T | U | D,
    [':'] = V | T,         [';'] = V | T,         ['<'] = V,             ['='] = V | T,
    ['>'] = V,             ['?'] = V | T,         ['@'] = V | T,
    ['A' ... 'Z'] = C | V | T | U,
    ['['] = V,             ['\\'] = V,            [']'] = V,             ['^'] = K | V,
    ['_'] = K | V | T | U, ['`'] = K | V,
    ['a' ... 'z'] = K | V | T | U,
    ['{'] = V,             ['|'] = K | V,         ['}'] = V,             ['~'] = K | V | T | U,
    [0x80 ... 0xff] = V, /* obs-text: opaque, but no control */
};
/* clang-format on */
