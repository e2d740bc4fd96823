/* Dates and numbers as text, both ways, over their whole ranges. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "decimal.h"
#include "human.h"
#include "number.h"
#include "stage.h"

static void every_day_of_ten_thousand_years_reads_back(void **state)
{
    (void)state;
    char text[HUMAN_TEXT_BYTES], last[HUMAN_TEXT_BYTES] = "";
    for (int64_t day = -719162; day <= 2932896; day++) {
        int64_t back = 0;
        size_t size = human_put_time(PBUS_LOGICAL_DATE, day, text);
        if (size != 10 || strcmp(last, text) >= 0 || !human_read_time(PBUS_LOGICAL_DATE, text, size, &back) ||
            back != day)
            fail_msg("day %lld: %s", (long long)day, text);
        strcpy(last, text);
    }
    assert_string_equal(last, "9999-12-31");
}

static void every_real_number_reads_back(void **state)
{
    (void)state;
    char text[NUMBER_TEXT_BYTES];
    uint64_t bits = 1;
    for (int i = 0; i < 20000; i++) {
        double value;
        float single;
        bits = bits * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        memcpy(&value, &bits, sizeof value);
        const uint32_t half = (uint32_t)(bits >> 32);
        memcpy(&single, &half, sizeof single);
        if (isfinite(value)) {
            assert_true(number_put(text, value, false) < NUMBER_TEXT_BYTES);
            assert_true(strtod(text, NULL) == value && strpbrk(text, ".e"));
        }
        if (isfinite(single)) {
            number_put(text, single, true);
            assert_true(strtof(text, NULL) == single);
        }
    }
}

static void every_decimal_reads_back(void **state)
{
    (void)state;
    unsigned char wire[DECIMAL_MAX_BYTES];
    char text[DECIMAL_TEXT_BYTES], back[DECIMAL_TEXT_BYTES];
    for (int number = -70000; number <= 70000; number++) {
        size_t size;
        snprintf(text, sizeof text, "%s%d.%03d", number < 0 ? "-" : "", abs(number) / 1000,
                 abs(number) % 1000);
        assert_int_equal(decimal_from_text(text, strlen(text), 5, 3, wire, &size), DECIMAL_FITS);
        assert_true(size <= 3);
        assert_int_equal(decimal_to_text(wire, size, 5, 3, back), strlen(text));
        assert_string_equal(back, text);
    }
}

/* As JSON has them: their texts have no limit, and the number counts. */
static void a_number_of_any_length_is_read_exactly(void **state)
{
    (void)state;
    enum { LONG = 5000 };
    static const struct {
        const char *before;
        int n_zeros;
        const char *after;
        decimal_fault fault; /* of a decimal(1000, 500) */
        bool integer;
    } cases[] = {
        {"1", 999, "", DECIMAL_TOO_LARGE, false},
        {"1", 499, "", DECIMAL_FITS, false},
        {"1", 500, "", DECIMAL_TOO_LARGE, false},
        {"1", LONG, "e-5000", DECIMAL_FITS, true},
        {"1", LONG, "e-5500", DECIMAL_FITS, false},
        {"1", LONG, "e-5501", DECIMAL_TOO_FINE, false},
        {"1.", LONG, "", DECIMAL_FITS, true},
        {"1.", LONG, "1", DECIMAL_TOO_FINE, false},
        {"0.", LONG, "7e5001", DECIMAL_FITS, true},
        {"0.", LONG, "7e5000", DECIMAL_FITS, false},
        {"0.", LONG, "7e5501", DECIMAL_TOO_LARGE, false},
        {"-0.", LONG, "", DECIMAL_FITS, true},
        {"1", LONG, "1", DECIMAL_TOO_LARGE, false},
        {"1", LONG, "1e-5000", DECIMAL_TOO_FINE, false},
        {"1e", LONG, "1", DECIMAL_FITS, true},
        {"1e1", LONG, "", DECIMAL_TOO_LARGE, false},
        {"1e-1", LONG, "", DECIMAL_TOO_FINE, false},
        {"0e1", LONG, "", DECIMAL_FITS, true},
        {"922337203685477580", 0, "7", DECIMAL_FITS, true},
        {"922337203685477580", 0, "8", DECIMAL_FITS, false},
        {"-922337203685477580", 0, "8e0", DECIMAL_FITS, true},
        {"-922337203685477580", 0, "9e0", DECIMAL_FITS, false},
    };
    unsigned char wire[DECIMAL_MAX_BYTES];
    char text[LONG + 64];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t size;
        int64_t integer;
        snprintf(text, sizeof text, "%s%0*d%s", cases[i].before, cases[i].n_zeros, 0, cases[i].after);
        if (cases[i].n_zeros == 0)
            snprintf(text, sizeof text, "%s%s", cases[i].before, cases[i].after);
        if (decimal_from_number(text, strlen(text), 1000, 500, wire, &size) != cases[i].fault ||
            decimal_number_to_integer(text, strlen(text), &integer) != cases[i].integer)
            fail_msg("%s %d zeros %s", cases[i].before, cases[i].n_zeros, cases[i].after);
    }
}

static void the_longest_decimal_reads_back(void **state)
{
    (void)state;
    unsigned char wire[DECIMAL_MAX_BYTES];
    char text[DECIMAL_TEXT_BYTES], back[DECIMAL_TEXT_BYTES];
    size_t size;
    text[0] = '-';
    memset(text + 1, '9', 1000);
    text[1001] = '\0';
    assert_int_equal(decimal_from_text(text, 1001, 1000, 0, wire, &size), DECIMAL_FITS);
    assert_int_equal(size, 416);
    assert_int_equal(decimal_to_text(wire, size, 1000, 0, back), 1001);
    assert_string_equal(back, text);
    assert_int_equal(decimal_to_text(wire, size, 999, 0, back), 0);
    text[1001] = '9';
    assert_int_equal(decimal_from_text(text, 1002, 1000, 0, wire, &size), DECIMAL_TOO_LARGE);
    memset(wire, 0x7f, sizeof wire);
    assert_int_equal(decimal_to_text(wire, sizeof wire, 1000, 0, back), 0);
    /* All behind the point. */
    assert_int_equal(decimal_from_text("1e-1000", 7, 1000, 1000, wire, &size), DECIMAL_FITS);
    assert_int_equal(decimal_to_text(wire, size, 1000, 1000, back), 1002);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_day_of_ten_thousand_years_reads_back),
        cmocka_unit_test(every_real_number_reads_back),
        cmocka_unit_test(every_decimal_reads_back),
        cmocka_unit_test(a_number_of_any_length_is_read_exactly),
        cmocka_unit_test(the_longest_decimal_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
