/* Ready means leading and moving on, or standing by; alive means not stuck; and work that waits for nothing is not stalled. */
#include "cmocka_all.h"
#include "health.h"

#include <string.h>

enum { SECOND = 1000000 };

static health_facts leading(bool reading, uint64_t reads, bool shipping, uint64_t acks)
{
    health_facts f = {.role = HEALTH_LEADING};
    f.works[HEALTH_READING].busy = reading;
    f.works[HEALTH_READING].beat = reads;
    f.works[HEALTH_SHIPPING].busy = shipping;
    f.works[HEALTH_SHIPPING].beat = acks;
    return f;
}

static void note(health *h, health_facts f, int64_t at_s)
{
    health_note(h, &f, at_s * SECOND);
}

static void expect(const health *h, int64_t at_s, bool ready, const char *said)
{
    char reason[400];
    assert_int_equal(health_is_ready(h, at_s * SECOND, reason, sizeof reason), ready);
    if (!strstr(reason, said))
        fail_msg("\"%s\" does not say \"%s\"", reason, said);
    assert_null(strchr(reason, '\n'));
}

static void before_the_first_session_it_is_not_ready_and_alive(void **state)
{
    (void)state;
    health h = {0};
    char reason[400];
    note(&h, (health_facts){.role = HEALTH_AWAY}, 1);
    expect(&h, 1, false, "no session with PostgreSQL yet");
    assert_true(health_is_alive(&h, 100000LL * SECOND, reason, sizeof reason));
}

static void a_lost_session_says_why(void **state)
{
    (void)state;
    health h = {0};
    health_note_lost(&h, "server closed the connection");
    note(&h, (health_facts){.role = HEALTH_AWAY}, 1);
    expect(&h, 1, false, "server closed the connection");
}

static void a_leader_without_work_is_ready_for_ever(void **state)
{
    (void)state;
    health h = {0};
    note(&h, leading(false, 5, false, 9), 1);
    expect(&h, 100000, true, "leading");
    assert_int_equal(health_stalled_us(&h, INT64_C(100000) * SECOND), 0);
}

static void a_leader_without_work_and_without_brokers_is_unready_after_ten_seconds(void **state)
{
    (void)state;
    health h = {0};
    char reason[400];
    health_facts f = leading(false, 5, false, 9);
    note(&h, f, 1);
    f.brokers_down = true;
    for (int s = 100; s < 400; s += 5)
        note(&h, f, s);
    expect(&h, 109, true, "leading");
    expect(&h, 110, false, "no broker can be reached for 10 s");
    assert_true(health_is_alive(&h, 100000LL * SECOND, reason, sizeof reason));
    f.brokers_down = false;
    note(&h, f, 401);
    expect(&h, 401, true, "leading");
}

static void events_that_nobody_acknowledges_make_it_unready_after_ten_seconds(void **state)
{
    (void)state;
    health h = {0};
    note(&h, leading(false, 5, false, 9), 1);
    note(&h, leading(true, 6, true, 9), 100);
    note(&h, leading(false, 7, true, 9), 105);
    expect(&h, 109, true, "leading");
    note(&h, leading(true, 8, true, 9), 110);
    expect(&h, 110, false, "acknowledged and settled for 10 s");
}

/* Reads go on while the brokers are down: they must not hide that nothing is acknowledged. */
static void reads_do_not_hide_that_nothing_is_acknowledged(void **state)
{
    (void)state;
    health h = {0};
    for (int s = 0; s < 30; s++)
        note(&h, leading(true, (uint64_t)s, true, 9), s);
    expect(&h, 30, false, "acknowledged");
}

static void an_acknowledgement_makes_it_ready_again(void **state)
{
    (void)state;
    health h = {0};
    note(&h, leading(false, 5, true, 9), 1);
    note(&h, leading(false, 5, true, 9), 60);
    expect(&h, 60, false, "");
    note(&h, leading(false, 5, true, 10), 61);
    expect(&h, 61, true, "leading");
}

static void new_work_after_a_rest_is_not_stalled_from_before(void **state)
{
    (void)state;
    health h = {0};
    note(&h, leading(false, 5, true, 9), 1);
    note(&h, leading(false, 5, false, 9), 2);
    note(&h, leading(false, 5, true, 9), 1000);
    expect(&h, 1005, true, "leading");
}

static void a_read_without_an_answer_makes_it_unready(void **state)
{
    (void)state;
    health h = {0};
    note(&h, leading(true, 5, false, 0), 1);
    note(&h, leading(true, 5, false, 0), 20);
    expect(&h, 20, false, "PostgreSQL has not answered a read");
}

static void a_standby_is_ready_until_postgresql_does_not_answer(void **state)
{
    (void)state;
    health h = {0};
    health_facts f = {.role = HEALTH_STANDBY};
    for (int s = 0; s < 100; s++) {
        f.works[HEALTH_LEADER_LOCK].busy = s % 2;
        f.works[HEALTH_LEADER_LOCK].beat = (uint64_t)s;
        note(&h, f, s);
    }
    expect(&h, 100, true, "standing by");
    f.works[HEALTH_LEADER_LOCK].busy = true;
    note(&h, f, 100);
    note(&h, f, 111);
    expect(&h, 111, false, "whether this relay may lead");
}

static void a_stopping_relay_is_not_ready(void **state)
{
    (void)state;
    health h = {0};
    health_facts f = leading(false, 1, false, 1);
    f.stopping = true;
    note(&h, f, 1);
    expect(&h, 1, false, "stopping");
}

static void only_what_is_stuck_for_five_minutes_is_not_alive(void **state)
{
    (void)state;
    health h = {0};
    char reason[400];
    note(&h, leading(false, 5, true, 9), 0);
    note(&h, leading(false, 5, true, 9), 299);
    assert_true(health_is_alive(&h, INT64_C(299) * SECOND, reason, sizeof reason));
    assert_false(health_is_alive(&h, INT64_C(300) * SECOND, reason, sizeof reason));
    assert_non_null(strstr(reason, "300 s"));
}

static void a_takeover_begins_anew(void **state)
{
    (void)state;
    health h = {0};
    health_facts f = {.role = HEALTH_STANDBY};
    f.works[HEALTH_READING].busy = f.works[HEALTH_SHIPPING].busy = true;
    note(&h, f, 0);
    f.role = HEALTH_LEADING;
    note(&h, f, 1000);
    expect(&h, 1001, true, "leading");
}

/* It has a session, and is not to blame; it could publish nothing all the same. */
static void one_that_asks_what_became_of_a_transaction_is_never_ready_and_says_whom_it_asks(void **state)
{
    (void)state;
    health h = {0};
    health_facts f = {.role = HEALTH_RESOLVING};
    f.works[HEALTH_DOUBT].busy = true;
    note(&h, f, 1);
    expect(&h, 1, false, "Kafka has not said what became of the last transaction for 0 s");
    note(&h, f, 21);
    expect(&h, 21, false, "Kafka has not said what became of the last transaction for 20 s");
    f.works[HEALTH_DOUBT].busy = false;
    note(&h, f, 22);
    expect(&h, 22, false, "taking the lead");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_the_first_session_it_is_not_ready_and_alive),
        cmocka_unit_test(a_lost_session_says_why),
        cmocka_unit_test(a_leader_without_work_is_ready_for_ever),
        cmocka_unit_test(a_leader_without_work_and_without_brokers_is_unready_after_ten_seconds),
        cmocka_unit_test(events_that_nobody_acknowledges_make_it_unready_after_ten_seconds),
        cmocka_unit_test(reads_do_not_hide_that_nothing_is_acknowledged),
        cmocka_unit_test(an_acknowledgement_makes_it_ready_again),
        cmocka_unit_test(new_work_after_a_rest_is_not_stalled_from_before),
        cmocka_unit_test(a_read_without_an_answer_makes_it_unready),
        cmocka_unit_test(a_standby_is_ready_until_postgresql_does_not_answer),
        cmocka_unit_test(a_stopping_relay_is_not_ready),
        cmocka_unit_test(only_what_is_stuck_for_five_minutes_is_not_alive),
        cmocka_unit_test(a_takeover_begins_anew),
        cmocka_unit_test(one_that_asks_what_became_of_a_transaction_is_never_ready_and_says_whom_it_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
