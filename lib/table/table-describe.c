/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/table/table-describe.h"

#include <stdio.h>

#define USEC_PER_DAY (UINT64_C(86400) * 1000 * 1000)
#define DAYS_PER_400_YEARS 146097u
#define DAYS_PER_CENTURY 36524u
#define DAYS_PER_4_YEARS 1461u
#define DAYS_PER_YEAR 365u
#define DAYS_TO_EPOCH 719468u /* from 1 March of the year 0 to 1 January 1970 */
#define DAYS_MAX 2932896u     /* from 1 January 1970 to 31 December 9999 */

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

        (void) snprintf(
                ret_date, TABLE_DATE_SIZE, "%04u-%02u-%02u", year % 10000, month % 100, day % 100);
}

static void describe(
        const char *what, const TableAnswer *answer,
        char ret_text[static TABLE_DESCRIPTION_MAX + 1]) {
        char date[TABLE_DATE_SIZE];

        table_date(answer->range.birth_usec, date);
        (void) snprintf(
                ret_text, TABLE_DESCRIPTION_MAX + 1, "%s %u of namespace %.*s of UID %u since %s",
                what, answer->offset, (int) TABLE_NAME_MAX, answer->range.name,
                answer->range.owner_uid, date);
}

void table_describe_user(
        const TableAnswer *answer, char ret_text[static TABLE_DESCRIPTION_MAX + 1]) {
        describe("User", answer, ret_text);
}

void table_describe_group(
        const TableAnswer *answer, char ret_text[static TABLE_DESCRIPTION_MAX + 1]) {
        describe("Group", answer, ret_text);
}
