/* The queue of batches: cursors pass only what is done, settling frees only what lies behind, and rewinding loses nothing. */
#include "batch.h"
#include "cmocka_all.h"
#include "made_page.h"

#include <stdio.h>

static position at(const char *text, uint64_t x, int64_t l)
{
    return (position){snapshot_parse(text), x, l};
}

static batch_queue queue_new(void)
{
    batch_queue q;
    assert_true(batch_queue_init(&q, at("10:10:", 10, 0)));
    return q;
}

/* A batch that ends at an xid, with pages of the given sizes, ids from first_id on. */
static batch *append(batch_queue *q, uint64_t x, int64_t first_id, const int *sizes, int n)
{
    char text[64];
    snprintf(text, sizeof text, "%d:%d:", (int)x, (int)x);
    position end = at(text, x, first_id + 1000);
    batch *b = batch_new(q->tail->end, end);
    snapshot_unref(end.s);
    b->released = true;
    batch_queue_append(q, b);
    for (int i = 0; i < n; i++) {
        batch_queue_add_page(q, b, made_page(first_id, sizes[i]));
        first_id += sizes[i];
    }
    b->stage = STAGE_READ;
    return b;
}

static int64_t walk(batch_cursor *c)
{
    row *r = batch_cursor_row(c);
    if (!r)
        return -1;
    c->i++;
    return r->id;
}

static void acknowledge(batch_cursor c, int n)
{
    for (int i = 0; i < n; i++) {
        row *r = batch_cursor_row(&c);
        assert_non_null(r);
        page_row_done(r->page, r, ROW_ACKED);
        c.i++;
    }
}

static void a_new_queue_has_no_rows_and_stands_at_its_end(void **state)
{
    (void)state;
    batch_queue q = queue_new();
    assert_null(batch_cursor_row(&q.settled));
    assert_true(batch_cursor_at_end(&q.settled));
    assert_false(batch_queue_has_open_rows(&q));
    batch_queue_done(&q);
}

static void a_cursor_walks_over_pages_and_batches_in_order(void **state)
{
    (void)state;
    batch_queue q = queue_new();
    append(&q, 20, 1, (int[]){2, 3}, 2);
    append(&q, 30, 6, (int[]){1}, 1);
    batch_cursor c = q.settled;
    for (int64_t id = 1; id <= 6; id++)
        assert_int_equal(walk(&c), id);
    assert_int_equal(walk(&c), -1);
    assert_true(batch_cursor_at_end(&c));
    batch_queue_done(&q);
}

static void a_cursor_waits_at_the_end_of_a_batch_that_is_not_read(void **state)
{
    (void)state;
    batch_queue q = queue_new();
    batch *b = append(&q, 20, 1, (int[]){2}, 1);
    b->stage = STAGE_NEW;
    batch_cursor c = q.settled;
    assert_int_equal(walk(&c), 1);
    assert_int_equal(walk(&c), 2);
    assert_int_equal(walk(&c), -1);
    assert_false(batch_cursor_at_end(&c));
    batch_queue_add_page(&q, b, made_page(3, 1));
    assert_int_equal(walk(&c), 3);
    b->stage = STAGE_READ;
    assert_true(batch_cursor_at_end(&c));
    batch_queue_done(&q);
}

static void a_cursor_passes_over_an_empty_batch(void **state)
{
    (void)state;
    batch_queue q = queue_new();
    append(&q, 20, 1, NULL, 0);
    append(&q, 30, 1, (int[]){1}, 1);
    batch_cursor c = q.settled;
    assert_int_equal(walk(&c), 1);
    batch_queue_done(&q);
}

/* Somebody waits to release it: it must not be freed, and nothing behind it may leave. */
static void no_cursor_passes_an_empty_batch_that_is_held(void **state)
{
    (void)state;
    batch_queue q = queue_new();
    append(&q, 20, 1, (int[]){2}, 1);
    batch *held = append(&q, 30, 3, NULL, 0);
    held->released = false;
    append(&q, 40, 3, (int[]){1}, 1)->released = false;
    acknowledge(q.settled, 2);
    batch_cursor c = q.settled;
    assert_int_equal(batch_cursor_pass_done(&c), 2);
    assert_ptr_equal(c.b, held);
    batch_queue_settle(&q, c);
    assert_ptr_equal(q.head, held);
    held->released = true;
    assert_int_equal(walk(&q.settled), 3);
    batch_queue_done(&q);
}

static void passing_stops_at_the_first_row_that_is_not_done(void **state)
{
    (void)state;
    batch_queue q = queue_new();
    append(&q, 20, 1, (int[]){2, 3}, 2);
    acknowledge(q.settled, 3);
    batch_cursor ahead = q.settled;
    for (int i = 0; i < 4; i++)
        walk(&ahead);
    page_row_done(ahead.p, batch_cursor_row(&ahead), ROW_PARKED);
    batch_cursor c = q.settled;
    assert_int_equal(batch_cursor_pass_done(&c), 3);
    assert_int_equal(batch_cursor_row(&c)->id, 4);
    page_row_done(c.p, batch_cursor_row(&c), ROW_ACKED);
    assert_int_equal(batch_cursor_pass_done(&c), 2);
    assert_null(batch_cursor_row(&c));
    batch_queue_done(&q);
}

static void settling_frees_pages_behind_and_keeps_the_rest(void **state)
{
    (void)state;
    batch_queue q = queue_new();
    batch *b = append(&q, 20, 1, (int[]){2, 2, 2}, 3);
    append(&q, 30, 7, (int[]){2}, 1);
    acknowledge(q.settled, 3);
    batch_cursor c = q.settled;
    batch_cursor_pass_done(&c);
    batch_queue_settle(&q, c);
    assert_ptr_equal(q.head, b);
    assert_int_equal(b->first->rows[0].id, 3);
    assert_int_equal(batch_cursor_row(&q.settled)->id, 4);
    acknowledge(q.settled, 4);
    c = q.settled;
    batch_cursor_pass_done(&c);
    batch_queue_settle(&q, c);
    assert_ptr_not_equal(q.head, b);
    assert_int_equal(q.n_batches, 1);
    assert_int_equal(batch_cursor_row(&q.settled)->id, 8);
    assert_true(batch_queue_has_open_rows(&q));
    batch_queue_done(&q);
}

static void a_page_weighs_until_its_last_row_is_done(void **state)
{
    (void)state;
    batch_queue q = queue_new();
    append(&q, 20, 1, (int[]){2, 2}, 2);
    size_t both = q.bytes;
    assert_true(both > 0);
    acknowledge(q.settled, 1);
    assert_int_equal(q.bytes, both);
    acknowledge((batch_cursor){q.tail, q.tail->first, 1}, 1);
    assert_true(q.bytes < both && q.bytes > 0);
    acknowledge((batch_cursor){q.tail, q.tail->last, 0}, 2);
    assert_int_equal(q.bytes, 0);
    batch_queue_done(&q);
}

static void a_queue_that_ends_gives_back_what_its_pages_weighed(void **state)
{
    (void)state;
    batch_queue q = queue_new();
    batch *b = append(&q, 20, 1, (int[]){2, 2}, 2);
    batch_cursor to = {b, b->last, 0};
    acknowledge(q.settled, 2);
    batch_queue_settle(&q, to);
    assert_true(q.bytes > 0);
    batch_queue_done(&q);
    assert_null(q.head);
    assert_int_equal(q.bytes, 0);
}

static void what_is_kept_until_it_is_settled_is_counted_until_then(void **state)
{
    (void)state;
    batch_queue q = queue_new();
    size_t settled = 0;
    for (int i = 1; i <= 100; i++) {
        size_t before = q.frames;
        batch *b = append(&q, (uint64_t)(100 + i), i, (int[]){1}, 1);
        acknowledge((batch_cursor){b, b->first, 0}, 1);
        assert_true(q.bytes == 0 && q.frames > before);
        assert_int_equal(batch_queue_held(&q), q.frames);
        batch_queue_settle(&q, (batch_cursor){b, b->first, 1});
        if (i == 10)
            settled = q.frames;
    }
    assert_int_equal(q.frames, settled);
    batch_queue_done(&q);
}

static void an_empty_read_moves_the_end_of_the_last_batch(void **state)
{
    (void)state;
    batch_queue q = queue_new();
    append(&q, 20, 1, (int[]){1}, 1);
    position end = at("40:40:", 40, 99);
    batch *empty = batch_new(q.tail->end, end);
    snapshot_unref(end.s);
    batch_queue_extend(&q, empty);
    assert_int_equal(q.n_batches, 2);
    assert_int_equal(q.tail->end.x, 40);
    assert_int_equal(q.tail->end.l, 99);
    assert_string_equal(q.tail->end.s->text, "40:40:");
    assert_string_equal(q.tail->start.s->text, "10:10:");
    batch_queue_done(&q);
}

static void a_rewound_queue_hands_over_again_from_the_first_unsettled_row(void **state)
{
    (void)state;
    batch_queue q = queue_new();
    append(&q, 20, 1, (int[]){2, 2}, 2);
    for (int i = 0; i < 4; i++)
        walk(&q.ship);
    batch_queue_rewind(&q);
    assert_int_equal(batch_cursor_row(&q.ship)->id, 1);
    batch_queue_done(&q);
}

/* A producer fails while a settling is on its way: the rows behind the rewound cursor are freed by that settling's commit. */
static void a_settling_that_passes_a_rewound_cursor_takes_it_along(void **state)
{
    (void)state;
    static const int n_done[] = {1, 2, 3, 4, 5, 6};
    for (size_t i = 0; i < sizeof n_done / sizeof n_done[0]; i++) {
        batch_queue q = queue_new();
        append(&q, 20, 1, (int[]){2, 2}, 2);
        append(&q, 30, 5, (int[]){3}, 1);
        acknowledge(q.settled, n_done[i]);
        batch_cursor to = q.settled;
        batch_cursor_pass_done(&to);
        batch_queue_rewind(&q);
        batch_cursor_row(&q.ship);
        batch_queue_settle(&q, to);
        assert_int_equal(batch_cursor_row(&q.ship)->id, n_done[i] + 1);
        batch_queue_done(&q);
    }
}

static void settling_leaves_a_hand_over_that_is_ahead_where_it_is(void **state)
{
    (void)state;
    batch_queue q = queue_new();
    append(&q, 20, 1, (int[]){2, 2}, 2);
    append(&q, 30, 5, (int[]){3}, 1);
    for (int i = 0; i < 6; i++)
        walk(&q.ship);
    acknowledge(q.settled, 3);
    batch_cursor to = q.settled;
    batch_cursor_pass_done(&to);
    batch_queue_settle(&q, to);
    assert_int_equal(batch_cursor_row(&q.ship)->id, 7);
    batch_queue_done(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_queue_has_no_rows_and_stands_at_its_end),
        cmocka_unit_test(a_cursor_walks_over_pages_and_batches_in_order),
        cmocka_unit_test(a_cursor_waits_at_the_end_of_a_batch_that_is_not_read),
        cmocka_unit_test(a_cursor_passes_over_an_empty_batch),
        cmocka_unit_test(no_cursor_passes_an_empty_batch_that_is_held),
        cmocka_unit_test(passing_stops_at_the_first_row_that_is_not_done),
        cmocka_unit_test(settling_frees_pages_behind_and_keeps_the_rest),
        cmocka_unit_test(a_page_weighs_until_its_last_row_is_done),
        cmocka_unit_test(a_queue_that_ends_gives_back_what_its_pages_weighed),
        cmocka_unit_test(what_is_kept_until_it_is_settled_is_counted_until_then),
        cmocka_unit_test(an_empty_read_moves_the_end_of_the_last_batch),
        cmocka_unit_test(a_rewound_queue_hands_over_again_from_the_first_unsettled_row),
        cmocka_unit_test(a_settling_that_passes_a_rewound_cursor_takes_it_along),
        cmocka_unit_test(settling_leaves_a_hand_over_that_is_ahead_where_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
