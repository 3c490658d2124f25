/* Dates in UTC, computed here: the C library's calls read TZ and files, and parse leniently. */
#include "base/slice.h"
#include "base/text.h"

enum { DAY_S = 86400, DAYS_400_YEARS = 146097 };

/* 9999-12-31T23:59:59Z, the last second that four digits of year can say. */
#define LAST_SECOND INT64_C(253402300799)

struct civil {
    uint32_t year, month, day, hour, minute, second;
};

/* Days of the common year before each month, and of the whole year. */
static const uint16_t days_before_month[13] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};

static bool leap(uint32_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static uint32_t day_of_year(uint32_t year, uint32_t month)
{
    return days_before_month[month - 1] + (month > 2 && leap(year) ? 1u : 0u);
}

static uint32_t days_in_month(uint32_t year, uint32_t month)
{
    return month == 12 ? 31 : day_of_year(year, month + 1) - day_of_year(year, month);
}

/* Days from 0001-01-01 to the first of January of `year`. */
static uint32_t days_before_year(uint32_t year)
{
    uint32_t past = year - 1;
    return past * 365 + past / 4 - past / 100 + past / 400;
}

static int64_t seconds_of(const struct civil *c)
{
    uint32_t days = days_before_year(c->year) - days_before_year(1970) + day_of_year(c->year, c->month) + c->day - 1;
    return (int64_t)days * DAY_S + c->hour * 3600 + c->minute * 60 + c->second;
}

static struct civil civil_of(int64_t unix_s)
{
    unix_s = unix_s < 0 ? 0 : unix_s > LAST_SECOND ? LAST_SECOND : unix_s;
    uint32_t days = (uint32_t)(unix_s / DAY_S) + days_before_year(1970);
    uint32_t rest = (uint32_t)(unix_s % DAY_S);
    struct civil c = {.hour = rest / 3600, .minute = rest / 60 % 60, .second = rest % 60};

    /* The mean year lands on the right year or a neighbour. */
    c.year = (uint32_t)((uint64_t)days * 400 / DAYS_400_YEARS) + 1;
    while (days < days_before_year(c.year))
        c.year--;
    while (days >= days_before_year(c.year + 1))
        c.year++;

    days -= days_before_year(c.year);
    c.month = 12;
    while (days < day_of_year(c.year, c.month))
        c.month--;
    c.day = days - day_of_year(c.year, c.month) + 1;
    return c;
}

/* The last `width` digits of `value`. */
static inline void write_padded(char *at, uint32_t value, size_t width)
{
    for (size_t i = width; i-- > 0; value /= 10)
        at[i] = (char)('0' + value % 10);
}

static bool take_digits(struct amp_slice *text, size_t width, uint32_t *value)
{
    *value = 0;
    for (size_t i = 0; i < width; i++) {
        uint8_t c = text->ptr[i];
        if (c < '0' || c > '9')
            return false;
        *value = *value * 10 + (c - (uint32_t)'0');
    }
    *text = amp_slice(text->ptr + width, text->len - width);
    return true;
}

static bool take_char(struct amp_slice *text, char expected)
{
    bool found = text->ptr[0] == (uint8_t)expected;
    *text = amp_slice(text->ptr + 1, text->len - 1);
    return found;
}

static bool civil_valid(const struct civil *c)
{
    return c->year >= 1970 && c->month >= 1 && c->month <= 12 && c->day >= 1 &&
           c->day <= days_in_month(c->year, c->month) && c->hour < 24 && c->minute < 60 && c->second < 60;
}

enum amp_err amp_date_parse_basic(int64_t *unix_s, struct amp_slice text)
{
    struct civil c;
    if (text.len != 16 || !take_digits(&text, 4, &c.year) || !take_digits(&text, 2, &c.month) ||
        !take_digits(&text, 2, &c.day) || !take_char(&text, 'T') || !take_digits(&text, 2, &c.hour) ||
        !take_digits(&text, 2, &c.minute) || !take_digits(&text, 2, &c.second) || !take_char(&text, 'Z'))
        return AMP_ERR_INVALID;
    if (!civil_valid(&c))
        return AMP_ERR_INVALID;
    *unix_s = seconds_of(&c);
    return AMP_OK;
}

void amp_date_format_basic(char out[16], int64_t unix_s)
{
    struct civil c = civil_of(unix_s);
    write_padded(out, c.year, 4);
    write_padded(out + 4, c.month, 2);
    write_padded(out + 6, c.day, 2);
    out[8] = 'T';
    write_padded(out + 9, c.hour, 2);
    write_padded(out + 11, c.minute, 2);
    write_padded(out + 13, c.second, 2);
    out[15] = 'Z';
}

/* Most times that are told one behind the other lie in one second: only its milliseconds are new then. */
void amp_out_time(struct amp_out *out, int64_t unix_ms)
{
    static _Thread_local struct {
        int64_t unix_s;
        char text[24];
    } latest = {-1, "yyyy-mm-ddThh:mm:ss.mmmZ"};
    const int64_t unix_s = unix_ms < 0 ? 0 : unix_ms / 1000;
    if (unix_s != latest.unix_s) {
        struct civil c = civil_of(unix_s);
        write_padded(latest.text, c.year, 4);
        write_padded(latest.text + 5, c.month, 2);
        write_padded(latest.text + 8, c.day, 2);
        write_padded(latest.text + 11, c.hour, 2);
        write_padded(latest.text + 14, c.minute, 2);
        write_padded(latest.text + 17, c.second, 2);
        latest.unix_s = unix_s;
    }
    write_padded(latest.text + 20, unix_ms < 0 ? 0 : (uint32_t)(unix_ms % 1000), 3);
    amp_out_bytes(out, latest.text, sizeof(latest.text));
}
