/* The set of blocked keys: what was added is there until it is removed, whatever else comes and goes. */
#include "key_set.h"

#include "cmocka_all.h"

#include <stdlib.h>
#include <string.h>

static void an_empty_set_has_nothing(void **state)
{
    (void)state;
    key_set s = {0};
    assert_false(key_set_has(&s, 1));
    key_set_remove(&s, 1);
    assert_int_equal(s.n, 0);
    key_set_done(&s);
}

/* What has no queue has the hash 0. */
static void zero_is_never_in_a_set(void **state)
{
    (void)state;
    key_set s = {0};
    assert_false(key_set_has(&s, 0));
    assert_true(key_set_add(&s, 7));
    assert_false(key_set_has(&s, 0));
    key_set_remove(&s, 0);
    assert_int_equal(s.n, 1);
    assert_true(key_set_has(&s, 7));
    key_set_done(&s);
}

static void what_is_added_twice_is_there_once(void **state)
{
    (void)state;
    key_set s = {0};
    assert_true(key_set_add(&s, 7));
    assert_true(key_set_add(&s, 7));
    assert_int_equal(s.n, 1);
    key_set_remove(&s, 7);
    assert_false(key_set_has(&s, 7));
    key_set_done(&s);
}

/* Small numbers in few slots: long runs, in which each removal has to close its gap. */
static void a_set_agrees_with_an_array_whatever_comes_and_goes(void **state)
{
    (void)state;
    enum { N = 4000, STEPS = 400000 };
    static bool in[N];
    key_set s = {0};
    size_t n = 0;
    srand(7);
    for (int i = 0; i < STEPS; i++) {
        uint64_t h = (uint64_t)(rand() % (N - 1)) + 1;
        uint64_t hash = h * 64; /* many share their home */
        if (rand() % 2) {
            assert_true(key_set_add(&s, hash));
            n += !in[h];
            in[h] = true;
        } else {
            key_set_remove(&s, hash);
            n -= in[h];
            in[h] = false;
        }
    }
    assert_int_equal(s.n, n);
    for (uint64_t h = 1; h < N; h++)
        assert_int_equal(key_set_has(&s, h * 64), in[h]);
    key_set_done(&s);
}

static void a_million_keys_take_16_bytes_each(void **state)
{
    (void)state;
    key_set s = {0};
    for (uint64_t i = 0; i < 1000000; i++)
        assert_true(key_set_add(&s, key_hash("t", 1, (const char *)&i, sizeof i)));
    assert_int_equal(s.n, 1000000);
    assert_int_equal(s.n_slots, 1 << 21);
    key_set_done(&s);
}

/* It is stored in the database: another relay has to find the same. */
static void the_hash_of_a_topic_and_key_never_changes(void **state)
{
    (void)state;
    assert_true(key_hash("a", 1, "bc", 2) != key_hash("ab", 2, "c", 1));
    assert_true(key_hash("t", 1, "", 0) != key_hash("u", 1, "", 0));
    assert_int_equal(key_hash("orders", 6, "42", 2), 0xe53ce79dd98d5497ULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_set_has_nothing),
        cmocka_unit_test(zero_is_never_in_a_set),
        cmocka_unit_test(what_is_added_twice_is_there_once),
        cmocka_unit_test(a_set_agrees_with_an_array_whatever_comes_and_goes),
        cmocka_unit_test(a_million_keys_take_16_bytes_each),
        cmocka_unit_test(the_hash_of_a_topic_and_key_never_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
