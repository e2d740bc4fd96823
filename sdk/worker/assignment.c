/* Takes partitions over, in the database first; must never read from a position that the database did not give. */
#include "assignment.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "failure.h"
#include "lane.h"
#include "postbus_sql.h"

/* What a process had in hand is among the first MOST_AHEAD behind its position, and those by which the stored position was late. */
enum { MOST_DOUBTED = 50000 };
/* MOST_AHEAD: done behind an event that is not; more is not read of that partition. In memory 24 bytes each. */
enum { MOST_AHEAD = 20000, ABSENT_MS = 1000 };
/* So long the brokers are asked: a reader that says nothing to the database for 15 s is taken for one that stands still. */
enum { LOOK_MS = 10000 };
/* Nothing is read while absent partitions are looked for: a look that took long is followed by so many times as long without one. */
enum { LOOKS_APART = 4 };

void assignment_init(assignment *a, feed *f, session *s)
{
    *a = (assignment){.feed = f, .session = s, .place_at_ms = INT64_MAX, .absent_at_ms = INT64_MAX};
}

void assignment_done(assignment *a)
{
    if (a->wanted)
        rd_kafka_topic_partition_list_destroy(a->wanted);
    free(a->placed);
    *a = (assignment){.place_at_ms = INT64_MAX, .absent_at_ms = INT64_MAX};
}

void assignment_want(assignment *a, const rd_kafka_topic_partition_list_t *partitions)
{
    if (a->wanted)
        rd_kafka_topic_partition_list_destroy(a->wanted);
    a->wanted = partitions ? rd_kafka_topic_partition_list_copy(partitions) : NULL;
    a->place_at_ms = a->wanted ? 0 : INT64_MAX;
    a->absent_at_ms = INT64_MAX;
}

/* New windows, which the feed then owns; n 0: none. */
static void exchange_windows(feed *f, window *windows, size_t n)
{
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->n_windows; i++)
        window_done(&f->windows[i]);
    free(f->windows);
    f->windows = windows;
    f->n_windows = n;
    f->generation++;
    f->lost = false;
    lanes_wake_all(f); /* what they hold may be nobody's now */
    f->placed = windows != NULL;
    pthread_mutex_unlock(&f->lock);
}

void assignment_drop(assignment *a)
{
    free(a->placed);
    a->placed = NULL;
    a->n_placed = 0;
    exchange_windows(a->feed, NULL, 0);
}

/* The parameters of queries/place.sql and move.sql: arrays as text. */
typedef struct columns {
    bytes text[6];
} columns;

static void column_put(bytes *b, const char *value)
{
    bytes_put_u8(b, b->size == 0 ? '{' : ',');
    bytes_put(b, value, strlen(value));
}

static void column_put_number(bytes *b, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    column_put(b, text);
}

/* false: no memory. */
static bool columns_end(columns *c, size_t n)
{
    bool ok = true;
    for (size_t i = 0; i < n; i++) {
        if (c->text[i].size == 0)
            bytes_put_u8(&c->text[i], '{');
        bytes_put(&c->text[i], "}", 2);
        ok = ok && !c->text[i].failed;
    }
    return ok;
}

static void columns_done(columns *c)
{
    for (size_t i = 0; i < sizeof c->text / sizeof c->text[0]; i++)
        bytes_done(&c->text[i]);
}

/* Runs a statement with the first n columns, and the text behind them where there is one. */
static pbus_status columns_run(assignment *a, columns *c, size_t n, const char *last, const char *query,
                               PGresult **out_rows, pbus_error *err)
{
    const char *values[sizeof c->text / sizeof c->text[0] + 1];
    if (!columns_end(c, n))
        return failure(err, PBUS_ERROR_MEMORY, "no memory for positions");
    for (size_t i = 0; i < n; i++)
        values[i] = (const char *)c->text[i].data;
    values[n] = last;
    const statement one = {
        .sql = subscriber_sql_query(query), .n_params = (int)n + (last != NULL), .values = values};
    return session_run(a->session, &one, 1, out_rows, err);
}

/* The row of a topic in the rows of queries/sources.sql; -1: none. */
static int row_of(const PGresult *sources, const char *topic)
{
    for (int i = 0; i < PQntuples(sources); i++)
        if (strcmp(PQgetvalue(sources, i, 1), topic) == 0)
            return i;
    return -1;
}

/* As queries/positions.sql has it; -1: nothing is stored. */
static int64_t stored_position(const PGresult *positions, int source, int32_t number)
{
    for (int i = 0; i < PQntuples(positions); i++)
        if (atoi(PQgetvalue(positions, i, 0)) == source && atoi(PQgetvalue(positions, i, 1)) == number)
            return strtoll(PQgetvalue(positions, i, 2), NULL, 10);
    return -1;
}

/* What is wanted, and of each where it is to be begun, as leaders_ask takes it. sources NULL: that does not matter. */
static rd_kafka_topic_partition_list_t *list_starts(const assignment *a, const PGresult *sources)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_copy(a->wanted);
    for (int i = 0; i < list->cnt; i++) {
        int row =
            sources && a->feed->sub->begin == PBUS_BEGIN_LATEST ? row_of(sources, list->elems[i].topic) : -1;
        list->elems[i].offset =
            row < 0 ? RD_KAFKA_OFFSET_BEGINNING : strtoll(PQgetvalue(sources, row, 2), NULL, 10);
    }
    return list;
}

static void ask_ends(assignment *a, rd_kafka_topic_partition_list_t *list, leaders_ends *out)
{
    leaders_ask(a->feed, a->rk, list, feed_now_ms() + LOOK_MS, &a->ask_from, out);
    rd_kafka_topic_partition_list_destroy(list);
}

static void column_put_known(bytes *b, int64_t offset)
{
    if (offset < 0)
        column_put(b, "NULL");
    else
        column_put_number(b, offset);
}

static void columns_put_places(assignment *a, columns *c, const PGresult *sources, const PGresult *positions,
                               const leaders_ends *ends)
{
    for (int i = 0; i < a->wanted->cnt; i++) {
        const rd_kafka_topic_partition_t *p = &a->wanted->elems[i];
        int row = row_of(sources, p->topic);
        int source = row < 0 ? -1 : atoi(PQgetvalue(sources, row, 0));
        column_put_number(&c->text[0], source);
        column_put_number(&c->text[1], p->partition);
        column_put_known(&c->text[2], ends[i].low);
        column_put_known(&c->text[3], ends[i].high);
        column_put_known(&c->text[4], ends[i].start);
        column_put_number(&c->text[5], stored_position(positions, source, p->partition));
    }
}

/* What is stored is read before the brokers are asked: another member may go on meanwhile, and be behind the end that they told. */
static pbus_status ask_stored(assignment *a, PGresult **out_sources, PGresult **out_positions,
                              pbus_error *err)
{
    char id[16];
    const char *id_value = id;
    PGresult *rows[2];
    snprintf(id, sizeof id, "%d", a->feed->id);
    const statement both[] = {
        {.sql = subscriber_sql_query("sources"), .n_params = 1, .values = &id_value},
        {.sql = subscriber_sql_query("positions"), .n_params = 1, .values = &id_value},
    };
    pbus_status status = session_run(a->session, both, 2, rows, err);
    *out_sources = rows[0];
    *out_positions = rows[1];
    return status;
}

static pbus_status ask_place(assignment *a, PGresult **out_sources, PGresult **out_rows, pbus_error *err)
{
    columns c = {0};
    PGresult *positions = NULL;
    leaders_ends *ends = calloc((size_t)a->wanted->cnt + 1, sizeof *ends);
    if (!ends)
        return failure(err, PBUS_ERROR_MEMORY, "no memory for positions");
    pbus_status status = ask_stored(a, out_sources, &positions, err);
    if (status == PBUS_OK) {
        ask_ends(a, list_starts(a, *out_sources), ends);
        columns_put_places(a, &c, *out_sources, positions, ends);
        status = columns_run(a, &c, 6, a->feed->instance, "place", out_rows, err);
    }
    columns_done(&c);
    PQclear(positions);
    free(ends);
    return status;
}

void assignment_ask_ends(assignment *a, leaders_ends *out)
{
    ask_ends(a, list_starts(a, NULL), out);
}

void assignment_tell_gap(assignment *a, const partition *p, int64_t from, bool deleted)
{
    char message[300];
    feed *f = a->feed;
    snprintf(message, sizeof message,
             deleted ? "Kafka has deleted the records from offset %" PRId64 " up to %" PRId64
                       " before they were read"
                     : "the position %" PRId64
                       " is behind the end of the topic: it was made anew, and is read from %" PRId64,
             from, p->stored_next);
    feed_count(f, &f->counts.n_gaps);
    feed_tell_place(f, PBUS_NOTICE_GAP, p->topic, p->number, from, deleted ? p->stored_next - from : 0,
                    message);
}

static const char *name_of_source(const assignment *a, const PGresult *sources, int source)
{
    for (int i = 0; i < PQntuples(sources); i++)
        if (atoi(PQgetvalue(sources, i, 0)) == source)
            return subscription_topic(a->feed->sub, PQgetvalue(sources, i, 1));
    return NULL;
}

pbus_status assignment_begin(assignment *a, partition *placed, size_t n, pbus_error *err)
{
    window *windows = calloc(n + 1, sizeof *windows);
    if (!windows) {
        free(placed);
        return failure(err, PBUS_ERROR_MEMORY, "no memory for an assignment");
    }
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)n);
    for (size_t i = 0; i < n; i++) {
        window_init(&windows[i], placed[i].stored_next);
        windows[i].topic = placed[i].topic;
        windows[i].partition = placed[i].number;
        rd_kafka_topic_partition_list_add(list, placed[i].topic, placed[i].number)->offset =
            placed[i].stored_next;
    }
    assignment_drop(a);
    exchange_windows(a->feed, windows, n);
    a->placed = placed;
    a->n_placed = n;
    rd_kafka_resp_err_t code = rd_kafka_assign(a->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return failure(err, PBUS_ERROR_DATABASE, "librdkafka does not take the assignment: %s",
                       rd_kafka_err2str(code));
    a->place_at_ms = INT64_MAX;
    a->absent_at_ms = (int)a->n_placed == a->wanted->cnt ? INT64_MAX : feed_now_ms() + ABSENT_MS;
    return PBUS_OK;
}

/* What the database gave is read from where it says. */
static pbus_status take_over(assignment *a, const PGresult *sources, const PGresult *rows, pbus_error *err)
{
    size_t n = (size_t)PQntuples(rows);
    partition *placed = calloc(n + 1, sizeof *placed);
    if (!placed)
        return failure(err, PBUS_ERROR_MEMORY, "no memory for an assignment");
    for (size_t i = 0; i < n; i++) {
        int row = (int)i;
        placed[i] = (partition){.source = atoi(PQgetvalue(rows, row, 0)),
                                .number = atoi(PQgetvalue(rows, row, 1)),
                                .stored_next = strtoll(PQgetvalue(rows, row, 2), NULL, 10),
                                .epoch = strtoll(PQgetvalue(rows, row, 3), NULL, 10),
                                .incarnation = atoi(PQgetvalue(rows, row, 4)),
                                .doubt_to = strtoll(PQgetvalue(rows, row, 7), NULL, 10)};
        placed[i].topic = name_of_source(a, sources, placed[i].source);
        if (!PQgetisnull(rows, row, 6))
            assignment_tell_gap(a, &placed[i], strtoll(PQgetvalue(rows, row, 5), NULL, 10),
                                strcmp(PQgetvalue(rows, row, 6), "deleted") == 0);
    }
    return assignment_begin(a, placed, n, err);
}

pbus_status assignment_place(assignment *a, pbus_error *err)
{
    PGresult *sources = NULL, *rows = NULL;
    a->place_at_ms = feed_now_ms() + ASSIGNMENT_AGAIN_MS;
    pbus_status status = ask_place(a, &sources, &rows, err);
    if (status == PBUS_OK) {
        assignment_resume(a);
        status = take_over(a, sources, rows, err);
    }
    PQclear(sources);
    PQclear(rows);
    return status;
}

/* The place in what is wanted of one that was left out and can be told of now; -1: none. */
static int find_absent(assignment *a)
{
    int found = -1;
    leaders_ends *ends = calloc((size_t)a->wanted->cnt + 1, sizeof *ends);
    if (!ends)
        return -1;
    rd_kafka_topic_partition_list_t *list = list_starts(a, NULL);
    for (int i = 0; i < list->cnt; i++)
        if (assignment_find(a, list->elems[i].topic, list->elems[i].partition) < a->n_placed)
            list->elems[i].offset = RD_KAFKA_OFFSET_INVALID;
    ask_ends(a, list, ends);
    for (int i = 0; i < a->wanted->cnt && found < 0; i++)
        if (ends[i].low >= 0)
            found = i;
    free(ends);
    return found;
}

bool assignment_sees_absent(assignment *a)
{
    int64_t began_ms = feed_now_ms();
    int found = find_absent(a);
    int64_t now_ms = feed_now_ms();
    a->absent_at_ms = now_ms + ABSENT_MS + (now_ms - began_ms) * LOOKS_APART;
    if (found >= 0)
        a->ask_from = found; /* before there is no time left for it when all are placed */
    return found >= 0;
}

/* Reads the windows; false where nothing has changed, or a session was lost: nothing is known then. */
static bool columns_put_moves(assignment *a, columns *c, int64_t *next)
{
    feed *f = a->feed;
    bool any = false;
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < a->n_placed && !f->lost; i++) {
        next[i] = window_position(&f->windows[i]);
        if (next[i] == a->placed[i].stored_next)
            continue;
        any = true;
        column_put_number(&c->text[0], a->placed[i].source);
        column_put_number(&c->text[1], a->placed[i].number);
        column_put_number(&c->text[2], a->placed[i].epoch);
        column_put_number(&c->text[3], next[i]);
    }
    pthread_mutex_unlock(&f->lock);
    return any;
}

static bool was_moved(const PGresult *rows, const partition *p)
{
    for (int i = 0; i < PQntuples(rows); i++)
        if (atoi(PQgetvalue(rows, i, 0)) == p->source && atoi(PQgetvalue(rows, i, 1)) == p->number)
            return true;
    return false;
}

/* For those who look at Kafka's lag: a hint, which nobody waits for. */
static void hint(assignment *a)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)a->n_placed);
    for (size_t i = 0; i < a->n_placed; i++)
        rd_kafka_topic_partition_list_add(list, a->placed[i].topic, a->placed[i].number)->offset =
            a->placed[i].stored_next;
    rd_kafka_commit(a->rk, list, 1);
    rd_kafka_topic_partition_list_destroy(list);
}

static void note_moves(assignment *a, const PGresult *rows, const int64_t *next)
{
    for (size_t i = 0; i < a->n_placed; i++) {
        partition *p = &a->placed[i];
        if (next[i] == p->stored_next)
            continue;
        if (was_moved(rows, p)) {
            p->stored_next = next[i];
            continue;
        }
        a->place_at_ms = feed_now_ms() + ASSIGNMENT_AGAIN_MS;
        feed_tell_place(a->feed, PBUS_NOTICE_FENCED, p->topic, p->number, -1, 0,
                        "another member has taken the partition over");
    }
    hint(a);
}

pbus_status assignment_move(assignment *a, pbus_error *err)
{
    columns c = {0};
    pbus_status status = PBUS_OK;
    int64_t *next = calloc(a->n_placed + 1, sizeof *next);
    if (next && columns_put_moves(a, &c, next)) {
        PGresult *rows = NULL;
        status = columns_run(a, &c, 4, NULL, "move", &rows, err);
        if (status == PBUS_OK)
            note_moves(a, rows, next);
        PQclear(rows);
    }
    columns_done(&c);
    free(next);
    return status;
}

pbus_status assignment_give_up(assignment *a, pbus_error *err)
{
    columns c = {0};
    PGresult *done = NULL;
    for (size_t i = 0; i < a->n_placed; i++) {
        column_put_number(&c.text[0], a->placed[i].source);
        column_put_number(&c.text[1], a->placed[i].number);
        column_put_number(&c.text[2], a->placed[i].epoch);
    }
    pbus_status status = columns_run(a, &c, 3, NULL, "give_up", &done, err);
    PQclear(done);
    columns_done(&c);
    return status;
}

bool assignment_doubts(assignment *a, size_t place, int64_t offset)
{
    partition *p = &a->placed[place];
    return offset < p->doubt_to && p->n_doubted++ < MOST_DOUBTED;
}

size_t assignment_find(const assignment *a, const char *topic, int32_t number)
{
    size_t i = 0;
    while (i < a->n_placed && (a->placed[i].number != number || strcmp(a->placed[i].topic, topic) != 0))
        i++;
    return i;
}

void assignment_pause(assignment *a, bool full)
{
    feed *f = a->feed;
    rd_kafka_topic_partition_list_t *pause = NULL, *resume = NULL;
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < a->n_placed; i++) {
        partition *p = &a->placed[i];
        size_t ahead = f->windows[i].n;
        bool wanted = full || ahead > (p->paused ? MOST_AHEAD / 2 : MOST_AHEAD);
        if (wanted == p->paused)
            continue;
        rd_kafka_topic_partition_list_t **list = wanted ? &pause : &resume;
        if (!*list)
            *list = rd_kafka_topic_partition_list_new(1);
        rd_kafka_topic_partition_list_add(*list, p->topic, p->number);
        p->paused = wanted;
    }
    pthread_mutex_unlock(&f->lock);
    if (pause) {
        rd_kafka_pause_partitions(a->rk, pause);
        rd_kafka_topic_partition_list_destroy(pause);
    }
    if (resume) {
        rd_kafka_resume_partitions(a->rk, resume);
        rd_kafka_topic_partition_list_destroy(resume);
    }
}

void assignment_resume(assignment *a)
{
    rd_kafka_topic_partition_list_t *resume = rd_kafka_topic_partition_list_new((int)a->n_placed);
    for (size_t i = 0; i < a->n_placed; i++) {
        partition *p = &a->placed[i];
        if (p->paused)
            rd_kafka_topic_partition_list_add(resume, p->topic, p->number);
        p->paused = false;
    }
    if (resume->cnt > 0)
        rd_kafka_resume_partitions(a->rk, resume);
    rd_kafka_topic_partition_list_destroy(resume);
}
