/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/table/describe.h"

#include <string.h>

#define USEC_PER_DAY (UINT64_C(86400) * 1000 * 1000)
#define DAYS_PER_400_YEARS 146097u
#define DAYS_PER_CENTURY 36524u
#define DAYS_PER_4_YEARS 1461u
#define DAYS_PER_YEAR 365u
#define DAYS_TO_EPOCH 719468u /* from 1 March of the year 0 to 1 January 1970 */
#define DAYS_MAX 2932896u     /* from 1 January 1970 to 31 December 9999 */

/* Not snprintf(): a look-up would spend most of its time there. */
static void put_padded(char *to, uint32_t number, unsigned digits) {
        for (unsigned i = digits; i > 0; i--, number /= 10)
                to[i - 1] = (char) ('0' + number % 10);
}

void table_date(uint64_t usec, char ret_date[static TABLE_DATE_SIZE]) {
        uint64_t since_epoch = usec / USEC_PER_DAY;
        uint32_t days, era, of_era, year, of_year, month, day;

        /* gmtime_r() would do, but it takes the time zone's lock and reads TZ: in whatever process
         * looks a name up.  Counted from March, so that a leap day is a year's last. */
        days = (uint32_t) (since_epoch > DAYS_MAX ? DAYS_MAX : since_epoch) + DAYS_TO_EPOCH;
        era = days / DAYS_PER_400_YEARS;
        of_era = days % DAYS_PER_400_YEARS;
        year = (of_era - of_era / (DAYS_PER_4_YEARS - 1) + of_era / DAYS_PER_CENTURY -
                of_era / (DAYS_PER_400_YEARS - 1)) /
               DAYS_PER_YEAR;
        of_year = of_era - (DAYS_PER_YEAR * year + year / 4 - year / 100);
        /* Months from March on have 31, 30, 31, 30, 31 days: 153 in five. */
        month = (5 * of_year + 2) / 153;
        day = of_year - (153 * month + 2) / 5 + 1;
        month = month < 10 ? month + 3 : month - 9;
        year += era * 400 + (month <= 2);

        put_padded(ret_date, year, 4);
        ret_date[4] = '-';
        put_padded(ret_date + 5, month, 2);
        ret_date[7] = '-';
        put_padded(ret_date + 8, day, 2);
        ret_date[10] = '\0';
}

static char *put_text(char *to, const char *text, size_t max) {
        size_t n = strnlen(text, max);

        memcpy(to, text, n);
        return to + n;
}

static size_t describe_slot(
        const TableAnswer *answer, char ret_text[static TABLE_DESCRIPTION_MAX + 1]) {
        char *p = ret_text;

        p = put_text(p, "First of the IDs up to ", SIZE_MAX);
        p = table_put_decimal(p, answer->id + TABLE_SLOT_SIZE - 1);
        p = put_text(p, " that nsresourced does not have free", SIZE_MAX);
        *p = '\0';
        return (size_t) (p - ret_text);
}

static size_t describe(
        const char *what, const TableAnswer *answer,
        char ret_text[static TABLE_DESCRIPTION_MAX + 1]) {
        char *p = ret_text;

        if (answer->is_slot)
                return describe_slot(answer, ret_text);
        p = put_text(p, what, sizeof("Group "));
        p = table_put_decimal(p, answer->offset);
        p = put_text(p, " of namespace ", SIZE_MAX);
        p = put_text(p, answer->range.name, TABLE_NAME_MAX);
        p = put_text(p, " of UID ", SIZE_MAX);
        p = table_put_decimal(p, answer->range.owner_uid);
        p = put_text(p, " since ", SIZE_MAX);
        table_date(answer->range.birth_usec, p);
        return (size_t) (p - ret_text) + TABLE_DATE_SIZE - 1;
}

size_t table_describe_user(
        const TableAnswer *answer, char ret_text[static TABLE_DESCRIPTION_MAX + 1]) {
        return describe("User ", answer, ret_text);
}

size_t table_describe_group(
        const TableAnswer *answer, char ret_text[static TABLE_DESCRIPTION_MAX + 1]) {
        return describe("Group ", answer, ret_text);
}
